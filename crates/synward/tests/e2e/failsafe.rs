//! What becomes of the wire when the program does not hold it: killed, halted, ended, started anew, panicking.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::bed::{
    Bed, BpfFs, Case, Config, DEVICE, Fate, Layout, PORTS, Program, SYNWARD, Side, Wire, attempt, eventually,
};
use crate::frames::{Flow, Segment, VLAN, arp, ethernet, ethernet_to, noise, tagged};

const HOST: &str = "192.0.2.2";

/// Longer than `stale_after` and a tick of the clock.
const STALE: Duration = Duration::from_millis(300);

/// A bed whose hosts take what the kernel's wire sends: a veth end needs GRO or an XDP program for that.
fn bed() -> Bed {
    let bed = Bed::new();
    for end in [&bed.outside, &bed.inside] {
        end.namespace.run(&format!("ethtool -K {DEVICE} gro on"));
    }
    bed
}

fn config(bpffs: &BpfFs, on_failure: &str) -> Config {
    Config::enforce()
        .bridge(&format!("bpffs = \"{}\"", bpffs.path().display()))
        .bridge(&format!("on_failure = \"{on_failure}\""))
        .block("blocked", "203.0.113.0/24\n2001:db8:bad::/48\n")
}

/// Frames of all sorts, none alike.
fn frames() -> Vec<Vec<u8>> {
    let flow = Flow::new("198.51.100.7", HOST);
    let reserved = |last: u8| ethernet_to([1, 0x80, 0xc2, 0, 0, last], 0x88cc, &noise(50));
    vec![
        flow.udp(&noise(100)),
        flow.tcp(&Segment::LINUX),
        tagged(&[VLAN], &flow.ping()),
        ethernet(0x88b6, &noise(1500)),
        arp(),
        // Of protocols that a bridge keeps to itself: spanning tree, LACP, EAPOL, LLDP.
        reserved(0),
        reserved(2),
        reserved(3),
        reserved(14),
    ]
}

/// What of these frames arrives at the other side, in order.
fn arrivals(bed: &Bed, from: Side, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let arrived = bed.end(from.other()).arrived();
    arrived.take();
    bed.end(from).send_all(frames);
    let patience = std::time::Instant::now() + Duration::from_millis(500);
    while arrived.count() < frames.len() && std::time::Instant::now() < patience {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(20));
    arrived.take()
}

/// Whether the kernel's wire lets everything pass both ways, unchanged.
fn crosses(bed: &Bed) {
    for (from, _) in Side::WAYS {
        let mut frames = frames();
        let mut arrived = arrivals(bed, from, &frames);
        frames.sort();
        arrived.sort();
        assert_eq!(arrived, frames, "from {from:?}");
    }
}

/// Nothing crosses, either way.
fn is_cut(bed: &Bed) {
    for (from, _) in Side::WAYS {
        assert_eq!(arrivals(bed, from, &frames()), Vec::<Vec<u8>>::new(), "from {from:?}");
    }
}

/// The workers judge, by their own counters: a frame that the kernel lets pass is not among them.
fn judges(wire: &Wire<'_>) {
    let blocked = Flow::new("203.0.113.66", HOST);
    let cases = [
        Case::new("blocked", blocked.ping(), Fate::Dropped("block_list")),
        Case::new("not blocked", Flow::new("198.51.100.7", HOST).ping(), Fate::Passes),
    ];
    wire.judge(Side::Outside, &cases);
    let back = Flow::new(HOST, "198.51.100.7").ping();
    wire.judge(Side::Inside, &[Case::new("back", back, Fate::Passes)]);
}

/// What the shims have done without a worker, in all: bypassed, dropped, blocked.
fn without_worker(wire: &Wire<'_>) -> [u64; 3] {
    let metrics = wire.metrics();
    ["bypassed", "dropped", "blocked"]
        .map(|action| metrics.get("synward_shim_frames_total", &[("action", action)]))
}

fn release(bed: &Bed) -> String {
    let config = bed.folder().join("synward.toml");
    bed.wire.run(&format!("{SYNWARD} release -c {}", config.display()))
}

/// Kills the program and waits until the kernel has torn it down.
fn kill(wire: Wire<'_>) {
    wire.program.signal(Signal::SIGKILL);
    wire.program.end();
}

#[test]
fn open_lets_everything_pass_when_the_program_is_killed_and_a_new_one_takes_over() {
    let bed = bed();
    let bpffs = bed.bpffs();
    let config = config(&bpffs, "open");
    let wire = bed.start(&config);
    judges(&wire);
    kill(wire);
    for _ in 0..2 {
        crosses(&bed);
    }
    let wire = bed.start(&config);
    judges(&wire);
    // Counted while nobody was there to read it: two rounds, both ways.
    let sent = 2 * 2 * frames().len() as u64;
    assert_eq!(without_worker(&wire), [sent, 0, 0]);
    let queues = wire.status()["ports"][0]["queues"].clone();
    let bypassed = queues.as_array().unwrap().iter().map(|queue| queue["bypassed"].as_u64().unwrap());
    assert_eq!(bypassed.sum::<u64>(), sent / 2);
    wire.stop();
    crosses(&bed);
    release(&bed);
    is_cut(&bed);
}

#[test]
fn closed_lets_nothing_pass_when_the_program_is_killed() {
    let bed = bed();
    let bpffs = bed.bpffs();
    let config = config(&bpffs, "closed");
    let wire = bed.start(&config);
    judges(&wire);
    kill(wire);
    is_cut(&bed);
    let wire = bed.start(&config);
    judges(&wire);
    assert_eq!(without_worker(&wire), [0, 2 * frames().len() as u64, 0]);
    wire.stop();
    is_cut(&bed);
}

#[test]
fn without_a_bpffs_the_end_of_the_program_is_told_as_the_end_of_the_wire() {
    let bed = bed();
    let wire = bed.start(&Config::enforce().bridge("on_failure = \"open\""));
    let log = wire.program.log();
    assert!(log.contains("no bpffs is mounted at /sys/fs/bpf"), "{log}");
    // It still holds the wire while the program hangs.
    wire.program.halt();
    thread::sleep(STALE);
    crosses(&bed);
    wire.program.signal(Signal::SIGCONT);
    kill(wire);
    is_cut(&bed);
}

#[test]
fn a_bpffs_that_cannot_be_written_to_is_told_and_done_without() {
    let bed = bed();
    let bpffs = bed.bpffs();
    attempt(&format!("mount -o remount,ro,bind {0}", bpffs.path().display()));
    let wire = bed.start(&config(&bpffs, "open"));
    let log = wire.program.log();
    assert!(log.contains("cannot be made") && log.contains("or none that can be used"), "{log}");
    judges(&wire);
    wire.stop();
    is_cut(&bed);
}

#[test]
fn a_program_that_hangs_is_bypassed_and_what_waited_in_its_rings_is_not_sent_late() {
    let bed = bed();
    let bpffs = bed.bpffs();
    for (on_failure, place) in [("open", 0), ("closed", 1)] {
        let wire = bed.start(&config(&bpffs, on_failure));
        judges(&wire);
        let before = without_worker(&wire)[place];
        wire.program.halt();
        // These come before anyone can know, and wait in the rings.
        let early = arrivals(&bed, Side::Outside, &frames());
        assert!(early.is_empty(), "{on_failure}: {} frames passed", early.len());
        if on_failure == "open" {
            crosses(&bed);
        } else {
            is_cut(&bed);
        }
        wire.program.signal(Signal::SIGCONT);
        let look = || (wire.metrics().get("synward_fallback_active", &[]) == 0).then_some(());
        eventually("the workers to be back", look, || wire.program.log());
        assert_eq!(bed.inside.arrived().take(), Vec::<Vec<u8>>::new(), "{on_failure}: sent late");
        let stale = wire.metrics().get("synward_drops_total", &[("reason", "stale"), ("mode", "enforce")]);
        assert_eq!(stale, frames().len() as u64, "{on_failure}");
        assert_eq!(without_worker(&wire)[place] - before, 2 * frames().len() as u64, "{on_failure}");
        judges(&wire);
        wire.stop();
        release(&bed);
    }
}

#[test]
fn a_worker_that_has_taken_nothing_yet_is_tried_with_few_frames_and_the_others_pass() {
    const PROBES: u64 = 256;
    let bed = Bed::with(Layout { queues: 1, ..Layout::default() });
    for end in [&bed.outside, &bed.inside] {
        end.namespace.run(&format!("ethtool -K {DEVICE} gro on"));
    }
    let bpffs = bed.bpffs();
    let wire = bed.start(&config(&bpffs, "open").bridge("stale_after = \"10s\""));
    // Its heart beats, as far as the kernel knows, but it takes nothing: as with a driver that does not deliver yet.
    wire.program.halt();
    let frames: Vec<_> = (0..400).map(|_| Flow::new("198.51.100.7", HOST).udp(&noise(100))).collect();
    let past = arrivals(&bed, Side::Outside, &frames);
    assert_eq!(past, frames[PROBES as usize..], "what was not risked passes, in order");
    wire.program.signal(Signal::SIGCONT);
    // What was risked is not lost, for it was delivered.
    let arrived = bed.inside.arrived();
    let look = || (arrived.count() as u64 == PROBES).then_some(());
    eventually("the frames that were risked", look, || arrived.count().to_string());
    assert_eq!(arrived.take(), frames[..PROBES as usize]);
    let before = without_worker(&wire);
    assert_eq!(before, [400 - PROBES, 0, 0]);
    // From here on the worker has the wire.
    judges(&wire);
    assert_eq!(without_worker(&wire), before);
    wire.stop();
}

#[test]
fn sources_that_were_dropped_before_stay_blocked_while_the_wire_is_open() {
    let bed = bed();
    let bpffs = bed.bpffs();
    let wire = bed.start(&config(&bpffs, "open"));
    let known = [Flow::new("203.0.113.66", HOST), Flow::new("2001:db8:bad::66", "2001:db8:0:2::2")];
    // The shim knows of one from a plain frame, of the other from a tagged one.
    let shown = [known[0].ping(), tagged(&[VLAN], &known[1].ping())];
    wire.judge(Side::Outside, &shown.map(|frame| Case::new("blocked", frame, Fate::Dropped("block_list"))));
    kill(wire);
    let frames: Vec<_> =
        known.iter().flat_map(|flow| [flow.ping(), tagged(&[VLAN], &flow.udp(&noise(9)))]).collect();
    assert_eq!(arrivals(&bed, Side::Outside, &frames), Vec::<Vec<u8>>::new());
    // The other way, and others of the list, pass: open is open.
    let others = [known[0].back().ping(), Flow::new("203.0.113.67", HOST).ping()];
    assert_eq!(arrivals(&bed, Side::Inside, &others[..1]), others[..1]);
    assert_eq!(arrivals(&bed, Side::Outside, &others[1..]), others[1..]);
    let wire = bed.start(&config(&bpffs, "open"));
    assert_eq!(without_worker(&wire), [2, 0, frames.len() as u64]);
    wire.stop();
}

#[test]
fn jumbo_frames_pass_the_open_wire() {
    let bed = bed();
    for port in PORTS {
        bed.wire.ip(&format!("link set dev {port} mtu 9000"));
    }
    for end in [&bed.outside, &bed.inside] {
        end.namespace.ip(&format!("link set dev {DEVICE} mtu 9000"));
    }
    let bpffs = bed.bpffs();
    let wire = bed.start(&config(&bpffs, "open"));
    judges(&wire);
    kill(wire);
    for (from, _) in Side::WAYS {
        let frames: Vec<_> = [60, 1500, 4000, 9000].map(|size| ethernet(0x88b6, &noise(size))).into();
        let mut arrived = arrivals(&bed, from, &frames);
        arrived.sort_by_key(Vec::len);
        assert_eq!(arrived, frames, "from {from:?}");
    }
}

#[test]
fn a_source_that_new_rules_no_longer_block_passes_the_open_wire() {
    let bed = bed();
    let bpffs = bed.bpffs();
    let wire = bed.start(&config(&bpffs, "open"));
    judges(&wire);
    let none = Config::enforce()
        .bridge(&format!("bpffs = \"{}\"", bpffs.path().display()))
        .bridge("on_failure = \"open\"")
        .block("blocked", "203.0.114.0/24\n");
    wire.reload(&none);
    thread::sleep(Duration::from_millis(100));
    kill(wire);
    let frames = [Flow::new("203.0.113.66", HOST).ping()];
    assert_eq!(arrivals(&bed, Side::Outside, &frames), frames);
}

#[test]
fn the_ports_are_given_back_by_release_and_not_while_the_program_runs() {
    let bed = bed();
    bed.wire.run("ethtool -K outside0 gro on txvlan on");
    bed.wire.ip("link set dev inside0 down");
    let state = || {
        PORTS.map(|port| {
            (
                bed.wire.run(&format!("ethtool -k {port}")),
                bed.wire.link(port)["flags"].clone(),
                bed.wire.link(port)["promiscuity"].clone(),
            )
        })
    };
    let before = state();
    let bpffs = bed.bpffs();
    let wire = bed.start(&config(&bpffs, "open"));
    let file = bed.folder().join("synward.toml");
    let refused = format!("ip netns exec {} {SYNWARD} release -c {}", bed.wire.name(), file.display());
    assert!(!attempt(&refused).status.success(), "released under a running program");
    judges(&wire);
    // Killed twice: what is given back is what the first of them found.
    kill(wire);
    let wire = bed.start(&config(&bpffs, "open"));
    kill(wire);
    assert_ne!(state(), before);
    assert!(release(&bed).contains("released: outside0, inside0"));
    assert_eq!(state(), before);
    assert!(release(&bed).contains("nothing of synward is on outside0 or inside0"));
    assert!(PORTS.iter().all(|port| bed.wire.link(port)["xdp"].is_null()));
}

#[test]
fn a_port_that_was_renamed_is_taken_over_and_given_back_under_its_new_name() {
    let bed = bed();
    let bpffs = bed.bpffs();
    let config = config(&bpffs, "open");
    kill(bed.start(&config));
    let rename = |from: &str, to: &str| {
        for change in ["down".to_owned(), format!("name {to}")] {
            bed.wire.ip(&format!("link set dev {from} {change}"));
        }
        bed.wire.ip(&format!("link set dev {to} up"));
    };
    rename("inside0", "lan0");
    crosses(&bed);
    let renamed = config.clone().ports("outside0", "lan0");
    let wire = bed.start(&renamed);
    judges(&wire);
    wire.stop();
    assert!(release(&bed).contains("released: outside0, lan0"));
    rename("lan0", "inside0");
    bed.start(&config).stop();
}

#[test]
fn a_second_instance_waits_for_one_that_ends_and_is_refused_beside_one_that_does_not() {
    let bed = bed();
    let bpffs = bed.bpffs();
    let config = config(&bpffs, "open");
    let wire = bed.start(&config);
    let (exit, said) = bed.refused("", &config);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("another synward runs on outside0"), "{said}");
    judges(&wire);
    let file = config.write(bed.folder());
    let second = Program::start(&bed.wire, "", &file);
    thread::sleep(Duration::from_millis(300));
    wire.program.signal(Signal::SIGTERM);
    second.wait_for("forwarding");
    let (status, log) = wire.program.end();
    assert_eq!(status.code(), Some(0), "{log}");
    let wire = Wire { bed: &bed, program: second };
    judges(&wire);
    wire.stop();
}
