//! Under load: real connections, both queues, and reloads in the middle of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::bed::{Bed, Config, Metrics, Side, Wire};
use crate::frames::Flow;
use crate::hosts::{iperf, ping};

/// How often the rules are reloaded, and how long apart: all over the time that the traffic takes.
const RELOADS: u64 = 20;
const PAUSE: Duration = Duration::from_millis(120);

fn frames(metrics: &Metrics, way: &str, port: Side) -> u64 {
    metrics.get(&format!("synward_{way}_frames_total"), &[("port", port.name())])
}

/// What the kernel could not do with frames, for no good reason of the load's. Some may have come too early, before
/// there were sockets: hosts with addresses talk when they like.
fn faults(wire: &Wire<'_>) -> Vec<u64> {
    let metrics = wire.metrics();
    let of_sockets = ["rx_dropped", "rx_invalid_descs", "tx_invalid_descs"];
    let of_sockets = of_sockets.map(|name| metrics.get(&format!("synward_xdp_{name}_total"), &[]));
    let of_shim = metrics.get("synward_shim_frames_total", &[("action", "bypassed")]);
    [&of_sockets[..], &[of_shim]].concat()
}

#[test]
fn tcp_flows_both_ways_over_both_versions_of_ip() {
    let bed = Bed::with_hosts();
    let wire = bed.start(&Config::enforce().block("blocked", "203.0.113.0/24\n"));
    let before = faults(&wire);
    for arguments in ["-t 2", "-t 2 -R", "-t 2 -6", "-t 2 -6 -R"] {
        let rate = iperf(&bed, Side::Outside, arguments);
        println!("iperf3 {arguments}: {:.0} Mbit/s", rate / 1e6);
        assert!(rate > 0.0);
    }
    assert_eq!(faults(&wire), before);
    wire.stop();
}

#[test]
fn many_flows_keep_both_workers_busy() {
    let bed = Bed::with_hosts();
    let wire = bed.start(&Config::enforce());
    let before = faults(&wire);
    // Each flow's queue is a matter of chance: that all of 16 get the same one will not happen.
    let rate = iperf(&bed, Side::Outside, "-t 2 -P 16");
    assert!(rate > 0.0);
    let metrics = wire.metrics();
    for port in ["outside", "inside"] {
        for queue in ["0", "1"] {
            for way in ["rx", "tx"] {
                let name = format!("synward_{way}_frames_total");
                let frames = metrics.get(&name, &[("port", port), ("queue", queue)]);
                assert!(frames > 100, "{frames} frames of queue {queue}: {port} {way}");
            }
        }
    }
    assert_eq!(faults(&wire), before);
    wire.stop();
}

/// Enough addresses that reading and compiling them, and freeing what was compiled before, takes its time.
fn crowd(number: u64) -> String {
    (0..20_000).map(|n| format!("10.{number}.{}.{}\n", n / 250, n % 250)).collect()
}

/// Reloads that each change something.
fn reload_again_and_again(wire: &Wire<'_>) {
    for number in 1..=RELOADS {
        let list = format!("203.0.113.{number}\n2001:db8:bad::/48\n{}", crowd(number));
        wire.reload(&Config::enforce().block("blocked", &list).block_syns("scanners", "1024:::\n"));
        thread::sleep(PAUSE);
    }
    let metrics = wire.metrics();
    assert_eq!(metrics.get("synward_reloads_total", &[("result", "success")]), RELOADS);
    assert_eq!(metrics.get("synward_reloads_total", &[("result", "failure")]), 0);
    assert_eq!(wire.generations(), [RELOADS + 1, RELOADS + 1]);
}

#[test]
fn reloads_lose_no_ping_while_iperf3_runs() {
    const PINGS: u32 = 4000;
    let bed = Bed::with_hosts();
    let wire = bed.start(&Config::enforce());
    let before = faults(&wire);
    thread::scope(|scope| {
        // Enough to keep the workers busy all the time, and not so much that a queue of the kernel's overflows.
        let transfer = scope.spawn(|| iperf(&bed, Side::Outside, "-t 6 -b 100M"));
        let pings = [Side::Inside.ipv4(), Side::Inside.ipv6()]
            .map(|address| (address, scope.spawn(|| ping(&bed, address, PINGS))));
        reload_again_and_again(&wire);
        for (address, ping) in pings {
            let said = ping.join().unwrap();
            let all = format!("{PINGS} packets transmitted, {PINGS} received, 0% packet loss");
            assert!(said.contains(&all), "{address}: {said}");
        }
        assert!(transfer.join().unwrap() > 0.0);
    });
    wire.conserved();
    let metrics = wire.metrics();
    assert!(metrics.drops().is_empty(), "{:?}", metrics.drops());
    for (from, to) in Side::WAYS {
        assert_eq!(frames(&metrics, "rx", from), frames(&metrics, "tx", to), "from {from:?}");
        assert!(frames(&metrics, "rx", from) > 10_000, "from {from:?}");
    }
    assert_eq!(faults(&wire), before);
    wire.stop();
}

#[test]
fn reloads_lose_and_double_no_frame() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    let before = faults(&wire);
    let reloaded = AtomicBool::new(false);
    thread::scope(|scope| {
        let relays = Side::WAYS.map(|(from, _)| {
            let (wire, reloaded) = (&wire, &reloaded);
            scope.spawn(move || {
                while !reloaded.load(Ordering::Relaxed) {
                    in_order(wire, from);
                }
            })
        });
        reload_again_and_again(&wire);
        reloaded.store(true, Ordering::Relaxed);
        for relay in relays {
            relay.join().unwrap();
        }
    });
    assert!(wire.metrics().drops().is_empty());
    assert_eq!(faults(&wire), before);
    wire.stop();
}

/// A reload with nothing to wait for: the signal, and the next as soon as its rules are in force.
fn reload_in_haste(wire: &Wire<'_>, reloads: u64) {
    for number in 1..=reloads {
        let list = format!("203.0.113.{}\n2001:db8:bad::/48\n{}", number % 256, crowd(number % 200));
        wire.reload(&Config::enforce().block("blocked", &list));
    }
    assert_eq!(wire.metrics().get("synward_reloads_total", &[("result", "success")]), reloads);
}

#[test]
fn two_hundred_reloads_under_load_lose_nothing() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    let before = faults(&wire);
    let reloaded = AtomicBool::new(false);
    let rounds = thread::scope(|scope| {
        let relays = Side::WAYS.map(|(from, _)| {
            let (wire, reloaded) = (&wire, &reloaded);
            scope.spawn(move || {
                let mut rounds = 0;
                while !reloaded.load(Ordering::Relaxed) {
                    in_order(wire, from);
                    rounds += 1;
                }
                rounds
            })
        });
        reload_in_haste(&wire, 200);
        reloaded.store(true, Ordering::Relaxed);
        relays.map(|relay| relay.join().unwrap())
    });
    println!("rounds of 16,000 frames each way, all arrived once and in order: {rounds:?}");
    assert_eq!(wire.generations(), [201, 201]);
    assert!(wire.metrics().drops().is_empty());
    assert_eq!(faults(&wire), before);
    wire.stop();
}

/// Sends numbered frames of several flows, about 10,000 a second. All arrive, once, and those of a flow in order.
fn in_order(wire: &Wire<'_>, from: Side) {
    const NUMBERS: u32 = 2000;
    let flows = || (1..=8).map(|n| Flow::new(&format!("198.51.100.{n}"), "192.0.2.2"));
    let frame = |number: u32, flow: Flow| flow.udp(&number.to_be_bytes());
    let sent: Vec<_> = (0..NUMBERS).flat_map(|number| flows().map(move |flow| frame(number, flow))).collect();
    let mut arrived = wire.relay(from, &sent);
    assert_eq!(arrived.len(), sent.len(), "from {from:?}");
    // By the last byte of the source address; a stable sort, so that frames of a flow stay as they came.
    arrived.sort_by_key(|frame| frame[29]);
    let expected = flows().flat_map(|flow| (0..NUMBERS).map(move |number| frame(number, flow)));
    assert!(arrived.into_iter().eq(expected), "from {from:?}: the order has changed");
}
