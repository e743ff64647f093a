//! Who is measured: Synward, and its peers.

mod bare;
mod bridge;
mod null;
mod outer;
mod process;
mod suricata;
mod synward;
mod testpmd;
mod xdp;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

pub(crate) use bare::BareVeth;
pub(crate) use bridge::{Bridge, BridgeOnItsOwnCore, Filter};
pub(crate) use null::{Null, receive_and_drop};
pub(crate) use outer::OuterBox;
pub(crate) use suricata::Suricata;
pub(crate) use synward::{Load, Synward, Wait};
pub(crate) use testpmd::{Driver, Testpmd};
pub(crate) use xdp::Xdp;

use crate::bed::{Bed, Receiver};
use crate::traffic::{Block, Rules};

/// What a contender is to do with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Forwards all of them.
    Forwards,
    /// Drops those from a few prefixes, and forwards the others.
    DropsFew,
    /// Drops those from all prefixes.
    DropsSources,
    /// Drops those with a fingerprint of a scanner.
    DropsSyns,
    /// Drops all that any rule blocks.
    DropsBlocked,
    /// Drops all of them.
    DropsAll,
}

impl Role {
    /// Whether frames that these rules block must not arrive.
    pub(crate) fn drops(self, block: Block) -> bool {
        match self {
            Self::Forwards => false,
            Self::DropsFew => block == Block::Few,
            Self::DropsSources => matches!(block, Block::Few | Block::Many),
            Self::DropsSyns => block == Block::Syn,
            Self::DropsBlocked => block != Block::No,
            Self::DropsAll => true,
        }
    }
}

/// A program, or a part of the kernel, that can lie between the two ports of a bed.
pub(crate) trait Contender {
    /// As the tables have it, with these rules.
    fn name(&self, rules: &Rules) -> String;

    fn role(&self) -> Role;

    /// What is missing on this machine for it, and what to do for it.
    fn missing(&self) -> Option<String> {
        None
    }

    /// Who receives for it in the kernel, when one core is to do all the work.
    fn receiver(&self) -> Receiver {
        Receiver::Thread
    }

    /// Where it is to work.
    fn bed(&self, receiver: Receiver) -> Result<Bed> {
        Bed::new(receiver)
    }

    /// Puts it on the ports of a bed, and waits until frames can cross.
    fn start(&self, bed: &Bed, rules: &Rules) -> Result<Box<dyn Running>>;
}

/// A contender at work; it ends when this is dropped.
pub(crate) trait Running {
    /// How many frames it has taken since its start, where that can be told.
    fn taken(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// How long a turn of it takes at least.
    fn least_turn(&self) -> Duration {
        Duration::ZERO
    }

    /// What it did not do in this turn, though it says it does.
    fn fault(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Stops it from using the core that others need now.
    fn pause(&mut self) -> Result<()> {
        Ok(())
    }

    /// Goes on.
    fn resume(&mut self) -> Result<()> {
        Ok(())
    }
}
