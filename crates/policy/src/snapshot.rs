//! The rules in force at one moment, and the judgement of a frame by them.

use std::sync::Arc;

use synward_wire::{Located, Packet, Segment, SynFacts, locate};

use crate::bans::{Bans, Moment};
use crate::rules::{RuleSet, Witness};
use crate::verdict::{Decision, Direction, Opinion, Reason, Verdict};

/// What a worker judges by: published as one, so that a batch of frames never sees half of a change.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The compiled lists.
    pub rules: Arc<RuleSet>,
    /// Addresses that are blocked for a time, apart from all lists. The set is one and the same in all generations, and changes at
    /// any time: see [`Bans`].
    pub bans: Arc<Bans>,
    /// Counts the snapshots that were published, from 1.
    pub generation: u64,
}

impl Snapshot {
    /// What is to become of a frame that came in at the port of `direction`.
    ///
    /// `frame` reaches from the destination MAC to the last byte, without the frame check sequence. No ban has ended.
    pub fn judge(&self, direction: Direction, frame: &[u8]) -> Verdict {
        self.judge_seen(direction, frame, Moment::START, &mut ())
    }

    /// As [`Snapshot::judge`] at the moment `now` of [`Snapshot::bans`], and tells `witness` every list that matches.
    #[inline]
    pub fn judge_seen(
        &self,
        direction: Direction,
        frame: &[u8],
        now: Moment,
        witness: &mut impl Witness,
    ) -> Verdict {
        match locate(frame) {
            Located::NotIp => Opinion::default().verdict(Reason::NotIp),
            Located::Odd(oddity) => self.odd(direction, oddity).verdict(Reason::Odd(oddity)),
            Located::Packet(packet) => self.judge_packet(direction, &packet, now, witness),
        }
    }

    /// Steps 1 to 5 of the order of verdicts: each is asked only while the steps before it leave something open.
    #[inline]
    fn judge_packet(
        &self,
        direction: Direction,
        packet: &Packet<'_>,
        now: Moment,
        witness: &mut impl Witness,
    ) -> Verdict {
        let mut opinion = self.address(direction, packet, now, witness);
        if direction == Direction::In && !opinion.is_settled(self.rules.enforces) {
            if let Some(oddity) = packet.odd {
                opinion = opinion.or(self.rules.odd_opinion(oddity));
            }
            if packet.segment.as_ref().is_some_and(Segment::is_syn)
                && !opinion.is_settled(self.rules.enforces)
                && let Some(syn) = SynFacts::of(packet)
            {
                opinion = opinion.or(self.rules.fingerprint_opinion(&syn, witness));
            }
        }
        opinion.verdict(packet.odd.map_or(Reason::Clean, Reason::Odd))
    }

    /// Allow lists, then block lists and bans.
    #[inline]
    fn address(
        &self,
        direction: Direction,
        packet: &Packet<'_>,
        now: Moment,
        witness: &mut impl Witness,
    ) -> Opinion {
        let opinion = self.rules.address_opinion(direction, packet, witness);
        let is_banned = direction == Direction::In && self.bans.is_banned(packet.source, now);
        if is_banned {
            opinion.or(Opinion::of(Decision::drop(Reason::Ban), self.rules.enforces))
        } else {
            opinion
        }
    }

    /// Odd frames whose addresses cannot be read. From inside everything passes.
    fn odd(&self, direction: Direction, oddity: synward_wire::Oddity) -> Opinion {
        match direction {
            Direction::In => self.rules.odd_opinion(oddity),
            Direction::Out => Opinion::default(),
        }
    }
}
