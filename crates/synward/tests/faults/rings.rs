//! Rings that fill up. What cannot be forced here is told in [`UNFORCED`].

use std::fs;
use std::thread;
use std::time::Duration;

use crate::bed::{DEVICE, Namespace, PORTS, eventually};
use crate::stage::{Situation, Stage, perform};
use crate::table::{Outcome, Row, Target};

/// How long the slow host takes for a frame: a fifth of what is sent.
const SLOW: Duration = Duration::from_micros(50);

/// How long it is slow.
const SLOWNESS: Duration = Duration::from_millis(1000);

pub(crate) fn rows() -> Vec<Row> {
    let situation = Situation::open(1);
    vec![Row::new("tx ring full: the inside host is slow", situation.text(), Target::Correct, move || {
        perform(situation, |config| config, slow_host)
    })]
}

/// What happens to rings, and why no row of the table makes it happen.
pub(crate) const UNFORCED: &str = "\
* fill ring starved: cannot be forced on veth. A worker has a buffer for every slot of both its fill, rx and tx rings, so a fill ring runs \
  dry only while nobody refills it; and then the rx ring, of half its size, is full first. The worker without buffers is tested against the port \
  in memory: `crates/bridge/tests/worker.rs`.
* completions that never come: cannot be forced on veth. The kernel completes what it copied when the host has taken or dropped it, at the latest \
  when the link goes down. While the inside host is slow, above, completions wait for it; that none ever comes is tested against the port in memory.
";

/// The host is too slow for what comes. The port's queue tells the kernel to wait, instead of dropping, so that frames pile up
/// in the tx ring; the host's work is done by a thread of its own, so that it does not slow down the worker.
fn slow_host(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    let (host, bed) = (&stage.bed.inside.namespace, stage.bed);
    set_threaded(stage, host, true);
    bed.wire.run(&format!("tc qdisc replace dev {} root pfifo limit 1000", PORTS[1]));
    let full = || {
        let metrics = stage.wire().metrics();
        metrics.get("synward_drops_total", &[("reason", "tx_full"), ("mode", "enforce")])
    };
    let before = full();
    stage.meter.kernel.burden(SLOW);
    eventually("the tx ring to be full", || (full() > before).then_some(()), || full().to_string());
    thread::sleep(SLOWNESS);
    let sending = stage.wire().metrics().get("synward_umem_frames", &[("place", "tx")]);
    stage.meter.kernel.burden(Duration::ZERO);
    thread::sleep(SLOWNESS);
    let dropped = full() - before;
    outcome
        .note(format!("{dropped} dropped as tx_full, {sending} buffers wait for their completion meanwhile"));
    bed.wire.run(&format!("tc qdisc del dev {} root", PORTS[1]));
    set_threaded(stage, host, false);
    thread::sleep(Duration::from_millis(100));
}

/// Has a host's interface poll in a thread, or not.
fn set_threaded(stage: &Stage<'_>, host: &Namespace, threaded: bool) {
    // The folder of the interface is seen only by a process of its namespace.
    let value = stage.bed.folder().join("threaded");
    fs::write(&value, if threaded { "1" } else { "0" }).unwrap();
    host.run(&format!("cp {} /sys/class/net/{DEVICE}/threaded", value.display()));
}
