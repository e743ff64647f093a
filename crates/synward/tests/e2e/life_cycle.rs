//! Starts and ends, those that are refused too: whatever happens, the ports are left as they were found.

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bed::{Bed, Case, Config, DEVICE, Fate, PORTS, Program, Side, Wire, eventually, run};
use crate::frames::{Flow, SERVICE_VLAN, Segment, VLAN, ethernet, noise, tagged};

/// Whatever the program may change of a port.
#[derive(Debug, PartialEq)]
struct Port {
    up: bool,
    promiscuity: Value,
    xdp: Value,
    mtu: Value,
    features: String,
    channels: String,
}

/// Both ports.
fn ports(bed: &Bed) -> [Port; 2] {
    PORTS.map(|port| {
        let link = bed.wire.link(port);
        Port {
            up: link["flags"].as_array().unwrap().contains(&"UP".into()),
            promiscuity: link["promiscuity"].clone(),
            xdp: link["xdp"].clone(),
            mtu: link["mtu"].clone(),
            features: bed.wire.run(&format!("ethtool -k {port}")),
            channels: bed.wire.run(&format!("ethtool -l {port}")),
        }
    })
}

/// Whether a feature is on, of the text of `ethtool -k`.
fn is_on(port: &Port, feature: &str) -> bool {
    let line = port.features.lines().find(|line| line.trim_start().starts_with(&format!("{feature}:")));
    line.unwrap_or_else(|| panic!("no feature {feature}")).contains(": on")
}

/// Frames of all sorts cross both ways.
fn forwards(wire: &Wire<'_>) {
    let flow = Flow::new("198.51.100.7", "192.0.2.2");
    for (from, _) in Side::WAYS {
        let mut frames = vec![
            flow.udp(&noise(100)),
            flow.tcp(&Segment::LINUX),
            tagged(&[SERVICE_VLAN, VLAN], &flow.ping()),
            ethernet(0x88b6, &noise(1500)),
        ];
        let mut arrived = wire.relay(from, &frames);
        frames.sort();
        arrived.sort();
        assert_eq!(arrived, frames, "from {from:?}");
    }
}

/// Waits until nothing of a program that was killed is left on the ports.
fn released(bed: &Bed) {
    let free = |port: &Port| port.xdp.is_null() && port.promiscuity == 0;
    let look = || ports(bed).iter().all(free).then_some(());
    eventually("the ports to be released", look, || format!("{:?}", ports(bed)));
}

/// A start is refused with this exit code, the program says these words, and nothing has changed.
fn refused(bed: &Bed, prefix: &str, config: &Config, code: i32, words: &[&str]) {
    let before = ports(bed);
    let (exit, said) = bed.refused(prefix, config);
    assert_eq!(exit, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in what it said:\n{said}");
    }
    assert_eq!(ports(bed), before, "{said}");
}

#[test]
fn the_end_leaves_the_ports_as_they_were() {
    let bed = Bed::new();
    bed.wire.run("ethtool -K outside0 gro on txvlan off");
    bed.wire.run("ethtool -K inside0 rxvlan off");
    bed.wire.ip("link set dev inside0 down");
    let before = ports(&bed);
    for end in [Signal::SIGTERM, Signal::SIGINT] {
        let wire = bed.start(&Config::enforce());
        for port in ports(&bed) {
            assert!(port.up, "a port that was down is brought up");
            assert_eq!(port.promiscuity, 1);
            assert_eq!(port.xdp["prog"]["name"], "synward_shim", "{port:?}");
            for feature in ["generic-receive-offload", "rx-vlan-offload", "tx-vlan-offload"] {
                assert!(!is_on(&port, feature), "{feature} is on");
            }
        }
        forwards(&wire);
        wire.conserved();
        wire.program.signal(end);
        let (status, log) = wire.program.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(ports(&bed), before);
    }
    assert!(!bed.folder().join("control.sock").exists());
}

#[test]
fn an_end_at_any_moment_of_the_start_leaves_the_ports_as_they_were() {
    let bed = Bed::new();
    let before = ports(&bed);
    let config = Config::enforce().write(bed.folder());
    for moment in (0..300).step_by(15) {
        let program = Program::start(&bed.wire, "", &config);
        thread::sleep(Duration::from_millis(moment));
        program.signal(Signal::SIGTERM);
        let (_, log) = program.end();
        released(&bed);
        assert_eq!(ports(&bed), before, "after {moment} ms: {log}");
    }
}

#[test]
fn signals_that_come_with_the_first_frames_are_heeded() {
    let bed = Bed::new();
    let before = ports(&bed);
    for _ in 0..5 {
        let wire = bed.start(&Config::enforce());
        wire.program.signal(Signal::SIGHUP);
        wire.program.wait_for("reloaded");
        wire.program.signal(Signal::SIGTERM);
        let (status, log) = wire.program.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(ports(&bed), before);
    }
}

#[test]
fn it_starts_again_after_its_end_and_after_its_violent_death() {
    let bed = Bed::new();
    for end in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGKILL] {
        let wire = bed.start(&Config::enforce());
        forwards(&wire);
        wire.program.signal(end);
        let (status, log) = wire.program.end();
        assert_eq!(status.success(), end == Signal::SIGTERM, "{log}");
    }
    released(&bed);
    let wire = bed.start(&Config::enforce());
    forwards(&wire);
    wire.stop();
}

#[test]
fn a_second_instance_is_refused_and_the_first_goes_on() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    forwards(&wire);
    refused(&bed, "", &Config::enforce(), 1, &["another synward runs on outside0", "synward status"]);
    let mirrored = Config::enforce().ports("inside0", "outside0");
    refused(&bed, "", &mirrored, 1, &["another synward runs on inside0"]);
    forwards(&wire);
    assert_eq!(wire.status()["ports"][0]["interface"], "outside0");
    wire.stop();
}

#[test]
fn a_port_that_is_missing_or_named_twice_is_refused() {
    let bed = Bed::new();
    let missing = Config::enforce().ports("outside0", "insde0");
    refused(&bed, "", &missing, 1, &["no interface is named \"insde0\"", "inside0", "outside0"]);
    let twice = Config::enforce().ports("outside0", "outside0");
    refused(&bed, "", &twice, 78, &["are the same port, outside0", "synward.toml:3:1"]);
    bed.wire.ip("link property add dev outside0 altname another-name");
    let aliased = Config::enforce().ports("outside0", "another-name");
    refused(&bed, "", &aliased, 1, &["are the same port"]);
}

#[test]
fn without_permission_it_says_what_it_needs() {
    let bed = Bed::new();
    let powerless = "setpriv --bounding-set=-all --inh-caps=-all";
    refused(&bed, powerless, &Config::enforce(), 1, &["run as root", "CAP_NET_ADMIN"]);
    bed.wire.ip("link set dev inside0 down");
    refused(&bed, powerless, &Config::enforce(), 1, &["run as root", "CAP_NET_ADMIN"]);
    // The rights to the network alone do not load a program into the kernel.
    let network_only = "setpriv --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all";
    bed.wire.ip("link set dev inside0 up");
    refused(&bed, network_only, &Config::enforce(), 1, &["run as root", "CAP_BPF"]);
}

#[test]
fn the_capabilities_that_it_asks_for_are_enough() {
    let bed = Bed::new();
    let rights = "setpriv --bounding-set=-all,+net_admin,+net_raw,+bpf --inh-caps=-all";
    let limited = format!("prlimit --memlock=1000000 {rights}");
    refused(&bed, &limited, &Config::enforce(), 1, &["raise LimitMEMLOCK"]);
    // Or with the right to lock memory without a limit.
    let rights = "setpriv --bounding-set=-all,+net_admin,+net_raw,+bpf,+ipc_lock --inh-caps=-all";
    let before = ports(&bed);
    let wire = bed.start_as(rights, &Config::enforce());
    forwards(&wire);
    wire.stop();
    assert_eq!(ports(&bed), before);
}

#[test]
fn a_foreign_program_on_a_port_is_left_alone() {
    const PROGRAM: &str = "__attribute__((section(\"xdp\"), used)) int foreign(void *frame) { return 2; }\n";
    let bed = Bed::new();
    let (source, object) = (bed.folder().join("foreign.c"), bed.folder().join("foreign.o"));
    fs::write(&source, PROGRAM).unwrap();
    let compile = format!("clang -O2 -g -target bpf -c {} -o {}", source.display(), object.display());
    run(&compile);
    for mode in ["xdpdrv", "xdpgeneric"] {
        bed.wire.ip(&format!("link set dev inside0 {mode} obj {} sec xdp", object.display()));
        let words = ["inside0 has an XDP program already: foreign", "ip link set dev inside0 xdp off"];
        refused(&bed, "", &Config::enforce(), 1, &words);
        bed.wire.ip(&format!("link set dev inside0 {mode} off"));
    }
    let wire = bed.start(&Config::enforce());
    forwards(&wire);
    wire.stop();
}

fn set_mtus(bed: &Bed, outside: u32, inside: u32) {
    for (port, end, mtu) in [("outside0", &bed.outside, outside), ("inside0", &bed.inside, inside)] {
        bed.wire.ip(&format!("link set dev {port} mtu {mtu}"));
        end.namespace.ip(&format!("link set dev {DEVICE} mtu {mtu}"));
    }
}

#[test]
fn mtus_must_be_equal_and_fit() {
    let bed = Bed::new();
    set_mtus(&bed, 1500, 1400);
    let words = ["the MTUs differ: outside0 has 1500, inside0 has 1400", "ip link set dev PORT mtu"];
    refused(&bed, "", &Config::enforce(), 1, &words);
    set_mtus(&bed, 16000, 16000);
    let words = ["outside0 has an MTU of 16000, and at most 15330", "lower the MTU of both ports"];
    refused(&bed, "", &Config::enforce(), 1, &words);
    // These fit into a buffer, but not into what veth gives an XDP program that knows of one buffer only.
    set_mtus(&bed, 3700, 3700);
    bed.start(&Config::enforce().bridge("xdp = \"copy\"")).stop();
    set_mtus(&bed, 3400, 3400);
    let wire = bed.start(&Config::enforce());
    let frames: Vec<_> =
        (1486..=3400).step_by(29).chain([3400]).map(|size| ethernet(0x88b6, &noise(size))).collect();
    for (from, _) in Side::WAYS {
        let mut arrived = wire.relay(from, &frames);
        arrived.sort_by_key(Vec::len);
        assert_eq!(arrived, frames);
    }
    wire.stop();
}

#[test]
fn jumbo_frames_cross_whole_and_are_dropped_whole() {
    let bed = Bed::new();
    set_mtus(&bed, 9000, 9000);
    for mode in ["copy", "skb"] {
        let wire = bed.start(
            &Config::enforce().bridge(&format!("xdp = \"{mode}\"")).block("blocked", "203.0.113.0/24\n"),
        );
        let sizes = [60, 1500, 3826, 3827, 3900, 7600, 7700, 8999, 9000];
        let flow = |size: usize| {
            Flow::new("198.51.100.7", "192.0.2.2")
                .tcp(&Segment { payload: &noise(size - 40), ..Segment::DATA })
        };
        for (from, _) in Side::WAYS {
            let frames: Vec<_> =
                sizes.into_iter().flat_map(|size| [flow(size), ethernet(0x88b6, &noise(size))]).collect();
            let cases: Vec<_> = frames
                .into_iter()
                .map(|frame| Case::new(format!("{mode}: {} bytes", frame.len()), frame, Fate::Passes))
                .collect();
            wire.judge(from, &cases);
        }
        let blocked = |size| Flow::new("203.0.113.66", "192.0.2.2").udp(&noise(size));
        let cases =
            [100, 5000, 8900].map(|size| Case::new("blocked", blocked(size), Fate::Dropped("block_list")));
        wire.judge(Side::Outside, &cases);
        // More than the rings hold, all in pieces: whatever is lost is lost whole, and no buffer is.
        let many: Vec<_> = (0..3000).map(|n| if n % 3 == 0 { blocked(8000) } else { flow(8000) }).collect();
        wire.relay(Side::Outside, &many);
        wire.stop();
    }
}

#[test]
fn queue_counts_must_be_equal_and_can_be_made_so() {
    let bed = Bed::new();
    bed.inside.namespace.run(&format!("ethtool -L {DEVICE} rx 1 tx 1"));
    bed.wire.run("ethtool -L inside0 rx 1 tx 1");
    let words = ["outside0 has 2 queues and inside0 has 1", "queues = N", "ethtool -L"];
    refused(&bed, "", &Config::enforce(), 1, &words);
    refused(&bed, "", &Config::enforce().bridge("queues = 3"), 1, &["cannot have 3 queues", "1 to 2"]);
    let before = ports(&bed);
    let wire = bed.start(&Config::enforce().bridge("queues = 2"));
    assert_eq!(wire.generations(), [1, 1], "two workers");
    forwards(&wire);
    wire.stop();
    assert_eq!(ports(&bed), before);
}

#[test]
fn the_mode_that_was_got_is_told() {
    let bed = Bed::new();
    for (asked, got) in [("auto", "copy"), ("copy", "copy"), ("skb", "skb")] {
        let wire = bed.start(&Config::enforce().bridge(&format!("xdp = \"{asked}\"")));
        forwards(&wire);
        let (metrics, status) = (wire.metrics(), wire.status());
        for (number, side) in [Side::Outside, Side::Inside].into_iter().enumerate() {
            for queue in ["0", "1"] {
                let labels = [("port", side.name()), ("queue", queue)];
                let samples: Vec<_> = metrics.all("synward_xdp_mode", &labels).collect();
                assert_eq!(samples.len(), 1, "{asked}: {samples:?}");
                assert_eq!((samples[0].labels["mode"].as_str(), samples[0].value), (got, 1.0), "{asked}");
            }
            let queues = status["ports"][number]["queues"].as_array().unwrap();
            assert!(queues.len() == 2 && queues.iter().all(|queue| queue["xdp"] == got), "{status}");
        }
        assert!(wire.program.log().contains(&format!("xdp=\"{got}\"")), "{}", wire.program.log());
        wire.stop();
    }
    let words =
        ["no XDP mode works on these ports", "zerocopy", "outside0 queue 0: its driver cannot do this"];
    refused(&bed, "", &Config::enforce().bridge("xdp = \"zerocopy\""), 1, &words);
}

#[test]
fn a_configuration_that_cannot_be_used_ends_with_78() {
    let bed = Bed::new();
    let misspelt = Config::enforce().bridge("xpd = \"copy\"");
    refused(&bed, "", &misspelt, 78, &["synward.toml:5:1", "^^^", "did you mean `xdp`?"]);
    let list = Config::enforce().block("blocked", "192.0.2.300\n");
    refused(&bed, "", &list, 78, &["blocked.txt:1:1", "`192.0.2.300` is not an IP address"]);
}

#[test]
fn what_cannot_be_listened_on_is_refused() {
    let bed = Bed::new();
    let taken = bed.wire.enter(|| TcpListener::bind("127.0.0.1:9469").unwrap());
    let words = ["cannot listen on 127.0.0.1:9469", "change [control] listen"];
    refused(&bed, "", &Config::enforce(), 1, &words);
    // Also when the ports had to be changed for it.
    for port in PORTS {
        bed.wire.run(&format!("ethtool -L {port} rx 1 tx 1"));
    }
    refused(&bed, "", &Config::enforce().bridge("queues = 2"), 1, &words);
    drop(taken);
    fs::write(bed.folder().join("control.sock"), "precious").unwrap();
    refused(&bed, "", &Config::enforce(), 1, &["control.sock is in the way", "change [control] socket"]);
    assert_eq!(fs::read_to_string(bed.folder().join("control.sock")).unwrap(), "precious");
}

#[test]
fn no_worker_works_while_there_is_nothing_to_do() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    thread::sleep(Duration::from_millis(200));
    let used = || -> u64 {
        let metrics = wire.metrics();
        metrics.get("synward_worker_loops_total", &[])
    };
    let before = used();
    thread::sleep(Duration::from_secs(1));
    let loops = used() - before;
    // Two workers that sleep for 50 ms make 40 turns in a second; ones that spin make millions.
    assert!((10..=1000).contains(&loops), "{loops} turns in a second without a frame");
    wire.stop();
}

#[test]
fn there_is_a_worker_thread_for_each_queue() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    let pid = wire.status()["pid"].as_u64().unwrap();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap().trim().to_owned();
    let names: Vec<_> = tasks.map(|task| name(task.unwrap())).collect();
    for worker in ["synward-q0", "synward-q1"] {
        assert!(names.contains(&worker.to_owned()), "{names:?}");
    }
    wire.stop();
}
