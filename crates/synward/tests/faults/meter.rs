//! The instrument between two hosts: numbered frames leave one and are noted at the other.

use std::thread;
use std::time::Duration;

use crate::bed::{DEVICE, Namespace, packet_socket};
use crate::frames::Flow;
use crate::kernel::{Hostile, Kernel, Record};
use crate::measured::Measured;
use crate::sender::{Pace, Sender, Sent, template};

/// The core of the sender: the last, for the worker of the first queue has the first.
const CORE: usize = 1;

/// How long the last frames may take to arrive.
const GRACE: Duration = Duration::from_millis(300);

/// Flows of each queue.
const FLOWS: usize = 4;

/// How often flows are looked for, and how many frames a second that takes.
const TRIES: usize = 5;
const SLOWLY: u64 = 10_000;

/// Flows of which some are chosen.
const CANDIDATES: u32 = 64;

pub(crate) struct Meter<'a> {
    pub(crate) kernel: Kernel,
    outside: &'a Namespace,
    /// The flows, each with the queue that it uses, as far as that is known.
    flows: Vec<(u32, Vec<u8>)>,
    next: u32,
}

impl<'a> Meter<'a> {
    /// Puts the instrument on the interfaces of both hosts.
    pub(crate) fn between(outside: &'a Namespace, inside: &Namespace) -> Self {
        let mut kernel = Kernel::load();
        attach(&mut kernel, [outside, inside]);
        let flows = (1..=FLOWS as u32).map(|n| (0, template(flow(n)))).collect();
        Self { kernel, outside, flows, next: 0 }
    }

    /// Attaches the instrument anew: veth runs no XDP program on queues that it got while one was attached.
    pub(crate) fn attach_again(&mut self, hosts: [&Namespace; 2]) {
        self.kernel.detach();
        attach(&mut self.kernel, hosts);
    }

    /// Chooses as many flows of each queue. On the way are workers, which keep a frame on its queue.
    pub(crate) fn choose_flows(&mut self, queues: u32) {
        // A frame that went past a worker may have changed its queue: then there are too few of some.
        for _ in 0..TRIES {
            self.flows = (1..=CANDIDATES).map(|n| (0, template(flow(n)))).collect();
            let sent = self.start(SLOWLY, CANDIDATES).wait();
            thread::sleep(GRACE);
            let records = self.kernel.records(sent.first + CANDIDATES);
            let records = &records[sent.first as usize..];
            let chosen: Vec<_> = (0..queues).map(|queue| self.flows_of(queue, records)).collect();
            if chosen.iter().all(|flows| flows.len() == FLOWS) {
                // Taking turns among the queues.
                self.flows =
                    (0..FLOWS).flat_map(|n| chosen.iter().map(move |flows| flows[n].clone())).collect();
                return;
            }
        }
        panic!("too few flows of some queue");
    }

    /// The first flows whose frames came by a queue.
    fn flows_of(&self, queue: u32, records: &[Record]) -> Vec<(u32, Vec<u8>)> {
        let on = |(_, record): &(_, &Record)| record.times > 0 && record.queue == queue;
        let chosen = self.flows.iter().zip(records).filter(on).take(FLOWS);
        chosen.map(|((_, frame), _)| (queue, frame.clone())).collect()
    }

    /// Goes back to the first number.
    pub(crate) fn again(&mut self) -> &mut Self {
        self.next = 0;
        self
    }

    /// Starts to send so many frames a second, and no more than `limit`.
    pub(crate) fn start(&mut self, rate: u64, limit: u32) -> Sender {
        let flows = self.flows.iter().map(|(_, frame)| frame.clone()).collect();
        let pace = Pace { rate, flows, first: self.next, limit };
        self.next += limit;
        Sender::start(self.outside.enter(packet_socket), CORE, pace)
    }

    /// Waits for the last frames to arrive, and answers what became of all.
    pub(crate) fn judge(&self, sent: &Sent) -> Measured {
        thread::sleep(GRACE);
        Measured::of(sent, &self.kernel.records(self.next))
    }

    /// Sends so many frames, and answers what became of them.
    pub(crate) fn measure(&mut self, rate: u64, count: u32) -> Measured {
        let sent = self.start(rate, count).wait();
        self.judge(&sent)
    }

    /// Frames lost of the flows of a queue.
    pub(crate) fn lost_of_queue(&self, measured: &Measured, queue: u32) -> usize {
        let of_flows = self.flows.iter().zip(&measured.lost_of);
        of_flows.filter(|((on, _), _)| *on == queue).map(|(_, lost)| lost).sum()
    }

    /// Blocked SYNs that arrived since the instrument was made.
    pub(crate) fn hostile(&self) -> Hostile {
        self.kernel.hostile()
    }
}

fn attach(kernel: &mut Kernel, hosts: [&Namespace; 2]) {
    for host in hosts {
        kernel.attach(host, DEVICE, "sink");
    }
}

fn flow(number: u32) -> Flow {
    Flow::new(&format!("198.51.100.{number}"), "192.0.2.2")
}
