//! What a worker counts.

use crossbeam_utils::CachePadded;
use synward_policy::{Direction, ListId, ListSetId, MAX_LISTS, Reason, RuleSet, Verdict, Witness};

use crate::counter::{Counter, Counters};
use crate::port::Census;
use crate::tally::Tally;

/// The counters of one worker. Any thread may read them at any time; the worker alone writes.
#[derive(Debug)]
pub struct Stats {
    /// By the port that the frames arrived at and, for `tx`, left through: outside, inside.
    pub ports: [CachePadded<PortStats>; 2],
    /// Frames that were forwarded without being looked at to the end, by [`Reason::index`].
    pub uninspected: Counters,
    /// Frames that a signature of a list matches, by [`ListId::index`]. What lists of addresses cover is in a [`Tally`].
    pub hits: Counters,
    /// Frames that a signature of a list decided about, or would have, by [`ListId::index`].
    pub decisions: Counters,
    /// SYNs that were judged by their fingerprint.
    pub syns: Counter,
    /// Turns of the loop.
    pub loops: Counter,
    /// Turns that moved no frame.
    pub idle_loops: Counter,
    /// Events that were not told because the channel was full.
    pub events_lost: Counter,
    /// The generation of the snapshot that the worker judges by.
    pub generation: Counter,
    /// Where the frame buffers are.
    pub buffers: Buffers,
}

/// Frames and bytes through one port, and what became of those that arrived at it.
#[derive(Debug)]
pub struct PortStats {
    /// Frames received.
    pub rx_frames: Counter,
    /// Bytes received, without frame check sequences.
    pub rx_bytes: Counter,
    /// Frames given to the port to send.
    pub tx_frames: Counter,
    /// Bytes given to the port to send.
    pub tx_bytes: Counter,
    /// Frames that arrived here and were dropped, by [`Reason::index`].
    pub drops: Counters,
    /// Frames that arrived here and that monitor mode kept from being dropped, by [`Reason::index`].
    pub would_drops: Counters,
}

/// Frame buffers by place. They sum to `size`: a buffer that is nowhere was lost.
#[derive(Debug, Default)]
pub struct Buffers {
    /// In the free list.
    pub free: Counter,
    /// Given to the ports to receive into.
    pub fill: Counter,
    /// Received, not yet taken by the worker.
    pub rx: Counter,
    /// Held by the worker.
    pub hand: Counter,
    /// Given to the ports to send, not yet sent.
    pub tx: Counter,
    /// Sent, not yet taken back.
    pub completion: Counter,
    /// All that there are.
    pub size: Counter,
}

impl Default for PortStats {
    fn default() -> Self {
        Self {
            rx_frames: Counter::default(),
            rx_bytes: Counter::default(),
            tx_frames: Counter::default(),
            tx_bytes: Counter::default(),
            drops: Counters::new(Reason::COUNT),
            would_drops: Counters::new(Reason::COUNT),
        }
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            ports: Default::default(),
            uninspected: Counters::new(Reason::COUNT),
            hits: Counters::new(MAX_LISTS),
            decisions: Counters::new(MAX_LISTS),
            syns: Counter::default(),
            loops: Counter::default(),
            idle_loops: Counter::default(),
            events_lost: Counter::default(),
            generation: Counter::default(),
            buffers: Buffers::default(),
        }
    }
}

impl Stats {
    /// The counters of the port that frames of this direction arrive at, and of the one that they leave through.
    pub fn route(&self, direction: Direction) -> (&PortStats, &PortStats) {
        let [outside, inside] = &self.ports;
        match direction {
            Direction::In => (outside, inside),
            Direction::Out => (inside, outside),
        }
    }

    /// Frames that were dropped for a reason, whichever port they arrived at.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.of_ports(reason, |port| &port.drops)
    }

    /// Frames that monitor mode kept from being dropped for a reason, whichever port they arrived at.
    pub fn would_have_dropped(&self, reason: Reason) -> u64 {
        self.of_ports(reason, |port| &port.would_drops)
    }

    fn of_ports(&self, reason: Reason, table: fn(&PortStats) -> &Counters) -> u64 {
        self.ports.iter().map(|port| table(port).get(reason.index())).sum()
    }

    /// Counts what a verdict on a frame of this direction says, for its reason and for the list of its signature.
    #[inline]
    pub(crate) fn count(&self, direction: Direction, verdict: &Verdict, rules: &RuleSet) {
        if let Some(told) = verdict.noteworthy() {
            let (port, _) = self.route(direction);
            let drops = if told.enforced { &port.drops } else { &port.would_drops };
            drops.add(told.decision.reason.index(), 1);
        } else if verdict.reason.is_uninspected() {
            self.uninspected.add(verdict.reason.index(), 1);
        }
        let decided = verdict.rule.and_then(|rule| rules.signature_list(rule));
        let would_have = verdict.would.and_then(|would| rules.signature_list(would.rule?));
        for list in decided.into_iter().chain(would_have.filter(|list| decided != Some(*list))) {
            self.decisions.add(list.index(), 1);
        }
    }

    /// Counts frames of this direction that were dropped for a reason that no verdict gave.
    pub(crate) fn count_lost(&self, direction: Direction, reason: Reason, frames: usize) {
        let (port, _) = self.route(direction);
        port.drops.add(reason.index(), frames as u64);
    }
}

/// A worker's counters see what the judgement sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counting<'a> {
    pub(crate) stats: &'a Stats,
    pub(crate) tally: &'a Tally,
}

impl Witness for Counting<'_> {
    #[inline]
    fn covered(&mut self, by: ListSetId) {
        self.tally.count(by);
    }

    #[inline]
    fn hit(&mut self, list: ListId) {
        self.stats.hits.add(list.index(), 1);
    }

    #[inline]
    fn syn(&mut self) {
        self.stats.syns.add(1);
    }
}

impl Buffers {
    /// Notes where the buffers are: `free` and `hand` as the worker knows, the rest as its ports say.
    pub(crate) fn note(&self, free: usize, hand: usize, ports: [Census; 2]) {
        let sum = |place: fn(&Census) -> usize| ports.iter().map(place).sum::<usize>() as u64;
        self.free.set(free as u64);
        self.hand.set(hand as u64);
        self.fill.set(sum(|census| census.fill));
        self.rx.set(sum(|census| census.rx));
        self.tx.set(sum(|census| census.tx));
        self.completion.set(sum(|census| census.completion));
    }
}
