//! The rules in force at one moment, and the judgement of a frame by them.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use synward_wire::{Head, Located, Oddity, Packet, Segment, SynFacts, Tunnel, likely_addresses, locate};

use crate::bans::{Bans, Moment};
use crate::config::Tunnels;
use crate::rules::{RuleSet, Witness};
use crate::sets::ListSetId;
use crate::verdict::{Action, Decision, Direction, Opinion, Reason, Verdict};

/// The most frames that [`Snapshot::judge_batch`] holds at once.
pub const BATCH: usize = 64;

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

/// Bytes of a frame that come from memory together.
const CACHE_LINE: usize = 64;

/// Touches the headers of each frame, so that all of them are on their way from memory before the first is read. Reading one
/// takes so many instructions that the processor would not get to the second in the time that it waits.
#[inline]
fn fetch(frames: &[Head<'_>]) {
    let frames = frames.iter().map(|frame| frame.bytes);
    let headers = frames.flat_map(|frame| [frame.first(), frame.get(CACHE_LINE)]).flatten();
    black_box(headers.fold(0, |all, byte| all ^ byte));
}

impl Snapshot {
    /// What is to become of a frame that came in at the port of `direction`.
    ///
    /// `frame` reaches from the destination MAC to the last byte, without the frame check sequence; of one that is longer than a buffer,
    /// its head is enough. No ban has ended.
    pub fn judge<'f>(&self, direction: Direction, frame: impl Into<Head<'f>>) -> Verdict {
        self.judge_seen(direction, frame, Moment::START, &mut ())
    }

    /// As [`Snapshot::judge`] at the moment `now` of [`Snapshot::bans`], and tells `witness` every list that matches.
    #[inline]
    pub fn judge_seen<'f>(
        &self,
        direction: Direction,
        frame: impl Into<Head<'f>>,
        now: Moment,
        witness: &mut impl Witness,
    ) -> Verdict {
        let located = locate(frame);
        let set = self.list_set(direction, &located);
        self.judge_located(direction, &located, set, now, witness)
    }

    /// As [`Snapshot::judge_seen`] of each frame in turn, handing the verdicts to `tell` in the same order.
    ///
    /// [`BATCH`] frames at a time are fetched from memory, then what their addresses are looked up in, and then each is judged by
    /// itself: so the processor waits for the memory of many frames at once.
    #[inline]
    pub fn judge_batch<'f>(
        &self,
        direction: Direction,
        frames: impl IntoIterator<Item = impl Into<Head<'f>>>,
        now: Moment,
        witness: &mut impl Witness,
        mut tell: impl FnMut(Verdict),
    ) {
        let mut frames = frames.into_iter().map(Into::into);
        loop {
            let batch: ArrayVec<_, BATCH> = frames.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return;
            }
            fetch(&batch);
            self.fetch_tables(direction, &batch);
            for frame in batch {
                tell(self.judge_seen(direction, frame, now, witness));
            }
        }
    }

    /// Looks up what most likely is the address of each frame, and forgets what it found: so all that the look-ups read is on its way
    /// from memory at once.
    #[inline]
    fn fetch_tables(&self, direction: Direction, frames: &[Head<'_>]) {
        let addresses = frames.iter().filter_map(|frame| likely_addresses(frame.bytes));
        let sets = addresses.filter_map(|(source, destination)| match direction {
            Direction::In => self.rules.list_set(direction, source),
            Direction::Out => self.rules.list_set(direction, destination),
        });
        black_box(sets.fold(0, |all, set| all ^ set.index()));
    }

    /// Whether a list of addresses has frames from outside of this source dropped.
    pub fn blocks(&self, source: IpAddr) -> bool {
        let set = self.rules.list_set(Direction::In, source);
        let decision = self.rules.set_opinion(set, &mut ()).enforced;
        decision.is_some_and(|decision| decision.action == Action::Drop)
    }

    /// The lists that cover the address that the frame is judged by, if there is one.
    #[inline]
    fn list_set(&self, direction: Direction, located: &Located<'_>) -> Option<ListSetId> {
        match located {
            Located::Packet(packet) => self.rules.list_set_of(direction, packet),
            Located::NotIp | Located::Odd(_) => None,
        }
    }

    #[inline]
    fn judge_located(
        &self,
        direction: Direction,
        located: &Located<'_>,
        set: Option<ListSetId>,
        now: Moment,
        witness: &mut impl Witness,
    ) -> Verdict {
        match located {
            Located::NotIp => Opinion::default().verdict(Reason::NotIp),
            Located::Odd(oddity) => self.odd(direction, *oddity).verdict(Reason::Odd(*oddity)),
            Located::Packet(packet) => self.judge_packet(direction, packet, set, now, witness),
        }
    }

    /// The order of verdicts: each step is asked only while the steps before it leave something open.
    #[inline]
    fn judge_packet(
        &self,
        direction: Direction,
        packet: &Packet<'_>,
        set: Option<ListSetId>,
        now: Moment,
        witness: &mut impl Witness,
    ) -> Verdict {
        let mut opinion = self.rules.set_opinion(set, witness);
        let mut odd = packet.odd;
        if direction == Direction::In && !opinion.is_settled(self.rules.enforces) {
            odd = self.rules.oddity_from_outside(packet);
            opinion = self.behind_lists(opinion, packet, odd, now, witness);
            if let Some(tunnel) = &packet.tunnel
                && self.rules.tunnels == Tunnels::Inner
                && !opinion.is_settled(self.rules.enforces)
            {
                let inner = self.inner(tunnel, now, witness);
                (opinion, odd) = (opinion.or(inner.0), odd.max(inner.1));
            }
        }
        opinion.verdict(odd.map_or(Reason::Clean, Reason::Odd))
    }

    /// Steps 2 to 4 for a packet from outside that is not settled by `opinion`, that of the lists of addresses.
    #[inline(always)]
    fn behind_lists(
        &self,
        mut opinion: Opinion,
        packet: &Packet<'_>,
        odd: Option<Oddity>,
        now: Moment,
        witness: &mut impl Witness,
    ) -> Opinion {
        if self.bans.is_banned(packet.source, now) {
            opinion = opinion.or(Opinion::of(Decision::drop(Reason::Ban), self.rules.enforces));
        }
        if let Some(oddity) = odd {
            opinion = opinion.or(self.rules.odd_opinion(oddity));
        }
        if packet.segment.as_ref().is_some_and(Segment::is_syn)
            && !opinion.is_settled(self.rules.enforces)
            && let Some(syn) = SynFacts::of(packet)
        {
            witness.syn();
            opinion = opinion.or(self.rules.fingerprint_opinion(&syn, witness));
        }
        opinion
    }

    /// What is thought of the contents of a tunnel from outside, by the same steps, and what is odd about them. A stretched LAN has
    /// its own addresses in a tunnel, so that these are no sign of a lie there.
    #[cold]
    fn inner(
        &self,
        tunnel: &Tunnel<'_>,
        now: Moment,
        witness: &mut impl Witness,
    ) -> (Opinion, Option<Oddity>) {
        match tunnel.open() {
            None => (self.rules.odd_opinion(Oddity::OpaqueTunnel), Some(Oddity::OpaqueTunnel)),
            Some(Located::NotIp) => (Opinion::default(), None),
            Some(Located::Odd(oddity)) => (self.rules.odd_opinion(oddity), Some(oddity)),
            Some(Located::Packet(packet)) => {
                // A tunnel in it stays shut.
                let odd = packet.odd.max(packet.tunnel.map(|_| Oddity::OpaqueTunnel));
                let set = self.rules.list_set(Direction::In, packet.source);
                let opinion = self.rules.set_opinion(set, witness);
                if opinion.is_settled(self.rules.enforces) {
                    return (opinion, odd);
                }
                (self.behind_lists(opinion, &packet, odd, now, witness), odd)
            }
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
