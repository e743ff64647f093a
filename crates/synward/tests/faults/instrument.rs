//! The instrument tried on wires of which is known what they do.

use std::thread;
use std::time::Duration;

use crate::bed::{Bed, DEVICE, Layout, Namespace, PORTS};
use crate::kernel::Kernel;
use crate::measured::{self, Measured};
use crate::meter::Meter;
use crate::sender::clock;
use crate::table::{Outcome, Row, Target};

const RATE: u64 = 100_000;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new("none (instrument)", "a cable, 100,000 frames/s", Target::NothingLost, cable).short(),
        Row::new("none (instrument)", "an XDP redirect, 100,000 frames/s", Target::NothingLost, redirect)
            .short(),
        Row::new("cut for 100 ms (instrument)", "an XDP redirect, 100,000 frames/s", Target::Correct, cut)
            .short(),
    ]
}

/// One veth pair from host to host.
fn cable() -> Outcome {
    measured::checks_itself();
    let name = format!("synward-faults-{}", std::process::id());
    let [outside, inside] = ["a", "b"].map(|end| Namespace::new(format!("{name}-{end}"), false));
    let (queues, far) = ("numtxqueues 2 numrxqueues 2", inside.name());
    outside.ip(&format!("link add {DEVICE} {queues} type veth peer name {DEVICE} netns {far} {queues}"));
    for host in [&outside, &inside] {
        host.ip(&format!("link set dev {DEVICE} up"));
    }
    let mut meter = Meter::between(&outside, &inside);
    let outcome = Outcome::of(meter.measure(RATE, RATE as u32));
    // Sent once more, the same numbers have come twice.
    let doubled = meter.again().measure(RATE, RATE as u32);
    assert_eq!((doubled.lost, doubled.duplicated), (0, RATE as usize));
    outcome
}

/// A bed with the bare wire of XDP where the program would be.
fn with_redirect(work: impl FnOnce(&mut Meter<'_>, &mut Kernel, &Bed) -> Measured) -> Measured {
    let bed = Bed::with(Layout { addresses: true, ..Layout::default() });
    let mut wire = Kernel::load();
    wire.connect(&bed.wire, PORTS);
    let mut meter = Meter::between(&bed.outside.namespace, &bed.inside.namespace);
    work(&mut meter, &mut wire, &bed)
}

fn redirect() -> Outcome {
    Outcome::of(with_redirect(|meter, _, _| meter.measure(RATE, RATE as u32)))
}

/// The redirect is taken away and put back: the instrument must see that, and for how long.
fn cut() -> Outcome {
    const CUT: Duration = Duration::from_millis(100);
    let mut took = Duration::ZERO;
    let measured = with_redirect(|meter, wire, bed| {
        let sender = meter.start(RATE, RATE as u32);
        thread::sleep(Duration::from_millis(300));
        let began = clock();
        wire.detach();
        thread::sleep(CUT);
        wire.connect(&bed.wire, PORTS);
        took = Duration::from_nanos(clock() - began);
        let sent = sender.wait();
        meter.judge(&sent)
    });
    let mut outcome = Outcome::of(measured);
    let outage = outcome.time;
    outcome.check((CUT..took).contains(&outage), || format!("{outage:?} of {took:?}"));
    outcome
}
