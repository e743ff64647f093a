//! Nothing but a cable: what of a latency is the bed's.

use anyhow::Result;

use super::{Contender, Role, Running};
use crate::bed::{Bed, Receiver};
use crate::traffic::Rules;

/// A veth pair from the source to the sink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BareVeth;

impl BareVeth {
    /// What the tables call it.
    pub(crate) const NAME: &str = "a bare veth pair";
}

impl Contender for BareVeth {
    fn name(&self, _rules: &Rules) -> String {
        Self::NAME.into()
    }

    fn role(&self) -> Role {
        Role::Forwards
    }

    fn bed(&self, _receiver: Receiver) -> Result<Bed> {
        Bed::bare()
    }

    fn start(&self, _bed: &Bed, _rules: &Rules) -> Result<Box<dyn Running>> {
        Ok(Box::new(Cable))
    }
}

/// It has no life of its own.
struct Cable;

impl Running for Cable {}
