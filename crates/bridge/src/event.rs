//! What a worker tells about a drop: a record of fixed size on a bounded channel.

use std::net::IpAddr;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use synward_policy::{Direction, Noteworthy};
use synward_wire::{Located, Packet, SynFacts, locate};

use crate::stats::Stats;

/// How many events wait for the control thread at most.
const CHANNEL: usize = 4096;

/// A frame that was dropped, or would have been.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// When the turn began that the frame was judged in.
    pub at: Instant,
    /// The worker's queue.
    pub queue: u32,
    /// Which way the frame went.
    pub direction: Direction,
    /// What was decided, and whether it was enforced.
    pub told: Noteworthy,
    /// The generation of the snapshot that judged: its rule set knows the rule.
    pub generation: u64,
    /// Addresses and ports, when the frame has them.
    pub flow: Option<Flow>,
    /// The same of what is in a tunnel, whether that was judged or not.
    pub inner: Option<Flow>,
    /// What the segment tells, if it is a SYN, in a tunnel or not.
    pub syn: Option<SynFacts>,
}

/// Between whom a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source and destination port, of protocols that have ports.
    pub ports: Option<(u16, u16)>,
    /// Number of the protocol (IANA protocol numbers).
    pub protocol: u8,
}

impl Event {
    /// The addresses that lists were asked about: if none of the first decided, of the second.
    pub fn judged_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let direction = self.direction;
        self.flow.into_iter().chain(self.inner).map(move |flow| match direction {
            Direction::In => flow.source,
            Direction::Out => flow.destination,
        })
    }
}

impl Flow {
    fn of(packet: &Packet<'_>) -> Self {
        let Packet { source, destination, ports, protocol, .. } = *packet;
        Self { source, destination, ports, protocol }
    }
}

/// A channel for the events of all workers.
pub fn events() -> (EventSender, Receiver<Event>) {
    let (sender, receiver) = crossbeam_channel::bounded(CHANNEL);
    (EventSender(sender), receiver)
}

/// A worker's end of the channel.
#[derive(Debug, Clone)]
pub struct EventSender(Sender<Event>);

/// What an event says beside the frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion {
    pub(crate) at: Instant,
    pub(crate) queue: u32,
    pub(crate) direction: Direction,
    pub(crate) generation: u64,
}

impl EventSender {
    /// Tells of a frame, or counts the event as lost when the channel is full. Never waits.
    pub(crate) fn tell(&self, occasion: Occasion, told: Noteworthy, frame: &[u8], stats: &Stats) {
        // Looked at first: under a flood that fills the channel, the record is not even made.
        if self.0.is_full() || self.0.try_send(event(occasion, told, frame)).is_err() {
            stats.events_lost.add(1);
        }
    }
}

fn event(occasion: Occasion, told: Noteworthy, frame: &[u8]) -> Event {
    let Occasion { at, queue, direction, generation } = occasion;
    let outer = packet(locate(frame));
    let inner = outer.and_then(|packet| packet.tunnel?.open()).and_then(packet);
    let [flow, inner_flow] = [&outer, &inner].map(|packet| packet.as_ref().map(Flow::of));
    let syn = inner.or(outer).as_ref().and_then(syn_of);
    Event { at, queue, direction, told, generation, flow, inner: inner_flow, syn }
}

fn packet(located: Located<'_>) -> Option<Packet<'_>> {
    match located {
        Located::Packet(packet) => Some(packet),
        Located::NotIp | Located::Odd(_) => None,
    }
}

fn syn_of(packet: &Packet<'_>) -> Option<SynFacts> {
    packet.segment.as_ref().filter(|segment| segment.is_syn()).and_then(|_| SynFacts::of(packet))
}
