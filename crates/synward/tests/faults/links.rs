//! Links, MTUs and channels change while frames flow.

use std::thread;
use std::time::Duration;

use crate::bed::{DEVICE, Namespace, PORTS, attempt};
use crate::sender::clock;
use crate::stage::{Situation, Stage, WATCH, perform, raise_channels};
use crate::table::{Outcome, Row, Target};

/// How long a link is down.
const DOWN: Duration = Duration::from_millis(500);

/// The longest that everything may take that has to do with links.
const SETTLED: Duration = Duration::from_millis(1500);

pub(crate) fn rows() -> Vec<Row> {
    let two = Situation::open(2);
    let row = |fault: &str, situation: Situation, act: fn(&mut Stage<'_>, &mut Outcome)| {
        Row::new(fault, situation.text(), Target::Correct, move || perform(situation, |config| config, act))
    };
    let since_up = two.also(", from the link up");
    vec![
        row("link of the inside host down and up", since_up, |stage, _| {
            flap(stage, &stage.bed.inside.namespace, DEVICE);
        })
        .short(),
        row("link of the outside host down and up", since_up, |stage, _| {
            flap(stage, &stage.bed.outside.namespace, DEVICE);
        }),
        row("inside port down and up", since_up, |stage, _| flap(stage, &stage.bed.wire, PORTS[1])),
        row("outside port down and up", since_up, |stage, _| flap(stage, &stage.bed.wire, PORTS[0])),
        row("MTU changes, to 1400 and back", two, mtu),
        row("fewer channels are asked for", two, fewer_channels),
        row(
            "more channels: the process ends, and starts again",
            Situation { channels: 4, ..two },
            more_channels,
        ),
    ]
}

fn flap(stage: &mut Stage<'_>, namespace: &Namespace, device: &str) {
    namespace.ip(&format!("link set dev {device} down"));
    thread::sleep(DOWN);
    namespace.ip(&format!("link set dev {device} up"));
    stage.mended = Some(clock());
    thread::sleep(SETTLED);
}

fn mtu(stage: &mut Stage<'_>, _: &mut Outcome) {
    for mtu in [1400, 1500] {
        for (namespace, device) in stage.bed.interfaces() {
            namespace.ip(&format!("link set dev {device} mtu {mtu}"));
        }
        thread::sleep(WATCH);
    }
}

/// A queue that a socket is bound to is not given away.
fn fewer_channels(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    let line = format!("ethtool -L {} tx 1 rx 1", PORTS[1]);
    let answer = attempt(&stage.bed.wire.inside(&line));
    outcome.check(!answer.status.success(), || format!("{line} takes queues away that are in use"));
    let said = String::from_utf8_lossy(&answer.stderr);
    outcome.note(format!("the kernel refuses: {}", said.lines().next().unwrap_or_default()));
    thread::sleep(WATCH);
}

/// The program ends, for some queues have no worker, and is started again by its supervisor. veth runs no XDP program on the
/// new queues until then.
fn more_channels(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    let queues = stage.situation.channels;
    raise_channels(stage.bed, queues);
    stage.meter.attach_again([&stage.bed.outside.namespace, &stage.bed.inside.namespace]);
    let (status, log) = stage.bury();
    outcome.check(!status.success() && log.contains("queues now"), || format!("{status}: {log}"));
    stage.situation.queues = queues;
    stage.start("");
    thread::sleep(WATCH);
}
