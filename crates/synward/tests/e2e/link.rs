//! More queues than cores, and links that fail.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::bed::{Bed, Case, Config, DEVICE, Fate, Layout, Metrics, PORTS, Side, Wire, attempt, eventually};
use crate::frames::{Flow, noise};

/// Frames of so many flows: far more than queues, so that every queue gets some.
fn flows(count: u32) -> Vec<Vec<u8>> {
    let flow = |n: u32| Flow::new(&format!("198.51.{}.{}", n / 250, n % 250), "192.0.2.2");
    (0..count).map(|n| flow(n).udp(&noise(30))).collect()
}

fn all_cross(wire: &Wire<'_>, count: u32) {
    for (from, _) in Side::WAYS {
        let frames: Vec<_> =
            flows(count).into_iter().map(|frame| Case::new("of a flow", frame, Fate::Passes)).collect();
        wire.judge(from, &frames);
    }
}

fn frames_of_queue(wire: &Wire<'_>, port: &str, queue: u32) -> u64 {
    wire.metrics().get("synward_rx_frames_total", &[("port", port), ("queue", &queue.to_string())])
}

#[test]
fn four_queues_have_four_workers() {
    let bed = Bed::with(Layout { queues: 4, ..Layout::default() });
    let wire = bed.start(&Config::enforce());
    assert_eq!(wire.generations(), [1; 4]);
    all_cross(&wire, 400);
    for port in ["outside", "inside"] {
        let frames: Vec<_> = (0..4).map(|queue| frames_of_queue(&wire, port, queue)).collect();
        assert!(frames.iter().all(|frames| *frames > 0), "{port}: {frames:?}");
        assert_eq!(frames.iter().sum::<u64>(), 400);
    }
    wire.stop();
}

#[test]
fn a_part_of_the_queues_is_never_served_alone() {
    let bed = Bed::with(Layout { queues: 4, ..Layout::default() });
    let channels = || PORTS.map(|port| bed.wire.run(&format!("ethtool -l {port}")));
    let before = channels();
    let two = Config::enforce().bridge("queues = 2");
    // The hosts still send to four queues, of which two would have nobody: veth's XDP refuses, and so does the program.
    let (exit, said) = bed.refused("", &two.clone().bridge("xdp = \"copy\""));
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("outside0") && said.contains("raise `queues` in [bridge]"), "{said}");
    assert_eq!(channels(), before);
    // Through the stack, frames of the other two come in on the first.
    let wire = bed.start(&two);
    assert_eq!(wire.status()["ports"][0]["queues"][0]["xdp"], "skb");
    all_cross(&wire, 100);
    wire.stop();
    assert_eq!(channels(), before);
    for side in [&bed.outside, &bed.inside] {
        side.namespace.run(&format!("ethtool -L {DEVICE} tx 2"));
    }
    let wire = bed.start(&two);
    assert_eq!(wire.status()["ports"][0]["queues"][0]["xdp"], "copy");
    assert_eq!(wire.generations(), [1, 1]);
    all_cross(&wire, 100);
    assert_eq!(frames_of_queue(&wire, "outside", 0) + frames_of_queue(&wire, "outside", 1), 100);
    wire.stop();
    assert_eq!(channels(), before);
}

#[test]
fn a_host_that_goes_away_takes_no_buffers_with_it() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce().bridge("link_loss = \"ignore\""));
    all_cross(&wire, 50);
    bed.inside.namespace.ip(&format!("link set dev {DEVICE} down"));
    // More frames than a tx ring and its buffers hold: they are given to a port without a link, and lost there.
    let received = || wire.metrics().get("synward_rx_frames_total", &[("port", "outside")]);
    let before = received();
    let frames = flows(5000);
    bed.outside.send_all(&frames);
    let look = || (received() == before + 5000).then_some(());
    eventually("all frames to be received", look, || format!("{}", received() - before));
    wire.conserved();
    assert_eq!(bed.inside.arrived().count(), 0);
    told_up(&wire, [1, 0]);
    bed.inside.namespace.ip(&format!("link set dev {DEVICE} up"));
    told_up(&wire, [1, 1]);
    all_cross(&wire, 50);
    wire.stop();
}

/// Metrics and status say of each port whether it has a link.
fn told_up(wire: &Wire<'_>, links: [u64; 2]) {
    let up = |metrics: &Metrics| {
        ["outside", "inside"].map(|port| metrics.get("synward_port_up", &[("port", port)]))
    };
    let look = || (up(&wire.metrics()) == links).then_some(());
    eventually("the links to be seen", look, || format!("{:?}", up(&wire.metrics())));
    let status = wire.status();
    for (port, link) in links.into_iter().enumerate() {
        assert_eq!(status["ports"][port]["link"], link == 1, "{status}");
    }
}

#[test]
fn the_end_of_a_port_is_the_end_of_the_program() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    all_cross(&wire, 50);
    bed.wire.ip("link del inside0");
    let (status, log) = wire.program.end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the inside port inside0 is gone"), "{log}");
    assert!(bed.wire.link("outside0")["xdp"].is_null());
}

#[test]
fn a_port_that_is_taken_down_drops_with_its_reason_and_works_again() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce().bridge("link_loss = \"ignore\""));
    all_cross(&wire, 50);
    let (before, dropped_before) = (wire.metrics(), dropped(&wire));
    bed.wire.ip("link set dev inside0 down");
    let frames = flows(5000);
    bed.outside.send_all(&frames);
    let of = |metrics: &Metrics, name: &str, port: &str| metrics.get(name, &[("port", port)]);
    let received = || {
        of(&wire.metrics(), "synward_rx_frames_total", "outside")
            - of(&before, "synward_rx_frames_total", "outside")
    };
    let look = || (received() == 5000).then_some(());
    eventually("all frames to be received", look, || format!("{}", received()));
    let sent = of(&wire.metrics(), "synward_tx_frames_total", "inside")
        - of(&before, "synward_tx_frames_total", "inside");
    // What was on its way when the link went may wait in the tx rings, a batch each; what came after did not.
    assert_eq!(sent + dropped(&wire) - dropped_before, 5000);
    assert!(sent <= 2 * 64, "{sent} frames were given to a port that is down");

    bed.wire.ip("link set dev inside0 up");
    wire.conserved();
    let look = || (bed.inside.arrived().count() as u64 >= sent).then_some(());
    eventually("what waited", look, || format!("{} of {sent}", bed.inside.arrived().count()));
    bed.inside.arrived().take();
    let after = dropped(&wire);
    all_cross(&wire, 50);
    assert_eq!(dropped(&wire), after);
    wire.stop();
}

fn dropped(wire: &Wire<'_>) -> u64 {
    wire.metrics().get("synward_drops_total", &[("reason", "link_down"), ("mode", "enforce")])
}

/// Takes the cable of a side out, at the host's end, or puts it in again.
fn plug(bed: &Bed, side: Side, is_in: bool) {
    let state = if is_in { "up" } else { "down" };
    bed.end(side).namespace.ip(&format!("link set dev {DEVICE} {state}"));
}

/// Whether the host of a side sees a link.
fn has_link(bed: &Bed, side: Side) -> bool {
    bed.end(side).namespace.link(DEVICE)["flags"].as_array().unwrap().contains(&"LOWER_UP".into())
}

fn sees(bed: &Bed, side: Side, link: bool) -> Duration {
    let began = Instant::now();
    let look = || (has_link(bed, side) == link).then_some(());
    eventually(&format!("the {} host to see link {link}", side.name()), look, String::new);
    began.elapsed()
}

/// How often the link of a host has come or gone.
fn changes(bed: &Bed, side: Side) -> u32 {
    let file = format!("/sys/class/net/{DEVICE}/carrier_changes");
    bed.end(side).namespace.run(&format!("cat {file}")).trim().parse().unwrap()
}

/// The wire works again: the workers say so.
fn works(wire: &Wire<'_>) {
    let up = || {
        let metrics = wire.metrics();
        ["outside", "inside"].iter().all(|port| {
            metrics.get("synward_port_up", &[("port", port)]) == 1
                && metrics.get("synward_port_held_down", &[("port", port)]) == 0
        })
    };
    eventually("both links", || up().then_some(()), || wire.program.log());
    wire.conserved();
    for side in [Side::Outside, Side::Inside] {
        wire.bed.end(side).arrived().take();
    }
    all_cross(wire, 50);
}

#[test]
fn the_loss_of_one_link_is_the_loss_of_the_other_and_so_is_its_return() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    works(&wire);
    for (lost, other) in Side::WAYS {
        let before = changes(&bed, other);
        plug(&bed, lost, false);
        let took = sees(&bed, other, false);
        assert!(took < Duration::from_millis(500), "it took {took:?}");
        eprintln!("from the loss of the {} link to that of the other: {took:?}", lost.name());
        let held = wire.status()["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["held_down"].clone())
            .collect::<Vec<_>>();
        assert_eq!(held, [other == Side::Outside, other == Side::Inside], "held down");
        // It stays so, and nothing flaps.
        thread::sleep(Duration::from_secs(2));
        assert_eq!(changes(&bed, other), before + 1);
        plug(&bed, lost, true);
        let took = sees(&bed, other, true);
        assert!(took < Duration::from_secs(3), "it took {took:?}");
        thread::sleep(Duration::from_secs(1));
        assert_eq!(changes(&bed, other), before + 2);
        works(&wire);
        let passed_on = wire.metrics().get("synward_link_propagations_total", &[("port", other.name())]);
        assert_eq!(passed_on, 1);
    }
    wire.stop();
}

#[test]
fn when_both_cables_are_out_both_links_come_back_in_either_order() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    for (first, second) in Side::WAYS {
        works(&wire);
        plug(&bed, first, false);
        sees(&bed, second, false);
        plug(&bed, second, false);
        thread::sleep(Duration::from_millis(500));
        plug(&bed, first, true);
        thread::sleep(Duration::from_millis(500));
        plug(&bed, second, true);
    }
    works(&wire);
    wire.stop();
}

#[test]
fn a_link_that_bounces_is_passed_on_once() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    works(&wire);
    let before = changes(&bed, Side::Inside);
    for _ in 0..10 {
        plug(&bed, Side::Outside, false);
        thread::sleep(Duration::from_millis(50));
        plug(&bed, Side::Outside, true);
        thread::sleep(Duration::from_millis(50));
    }
    works(&wire);
    let bounced = changes(&bed, Side::Inside) - before;
    assert!((2..=4).contains(&bounced), "{bounced} changes");
    wire.stop();
}

#[test]
fn a_port_that_is_held_down_comes_up_at_the_end_and_after_a_violent_death() {
    let bed = Bed::new();
    for end in [Signal::SIGTERM, Signal::SIGKILL] {
        let wire = bed.start(&Config::enforce());
        works(&wire);
        plug(&bed, Side::Outside, false);
        sees(&bed, Side::Inside, false);
        wire.program.signal(end);
        wire.program.end();
        plug(&bed, Side::Outside, true);
        if end == Signal::SIGKILL {
            let wire = bed.start(&Config::enforce());
            works(&wire);
            wire.stop();
        } else {
            sees(&bed, Side::Inside, true);
        }
    }
}

#[test]
fn changes_of_a_port_are_noticed_and_named() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    works(&wire);
    // veth can be renamed while it is up since Linux 6.4 or so; elsewhere it goes down for it.
    bed.wire.ip("link set dev inside0 down");
    bed.wire.ip("link set dev inside0 name lan0");
    bed.wire.ip("link set dev lan0 up");
    wire.program.wait_for("the port was renamed");
    works(&wire);
    assert_eq!(wire.status()["ports"][1]["interface"], "lan0");
    bed.wire.ip("link set dev lan0 mtu 1400");
    wire.program.wait_for("the MTUs differ");
    assert_eq!(wire.metrics().get("synward_port_mtu_bytes", &[("port", "inside")]), 1400);
    bed.wire.ip("link set dev lan0 mtu 1500");
    wire.program.wait_for("the MTUs have changed");
    works(&wire);
    // A queue more, if the driver allows it; it would have no worker.
    let grown = attempt(&bed.wire.inside("ethtool -L outside0 rx 1 tx 1"));
    if grown.status.success() {
        let (status, log) = wire.program.end();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("the outside port outside0 has 1 queues now, and 2 are served"), "{log}");
    } else {
        works(&wire);
        wire.stop();
    }
}

#[test]
fn queues_without_a_worker_end_the_program() {
    let bed = Bed::with(Layout { queues: 4, ..Layout::default() });
    for port in PORTS {
        bed.wire.run(&format!("ethtool -L {port} rx 2 tx 2"));
    }
    for side in [&bed.outside, &bed.inside] {
        side.namespace.run(&format!("ethtool -L {DEVICE} rx 2 tx 2"));
    }
    let wire = bed.start(&Config::enforce());
    works(&wire);
    bed.wire.run("ethtool -L outside0 rx 3 tx 3");
    let (status, log) = wire.program.end();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the outside port outside0 has 3 queues now, and 2 are served"), "{log}");
}
