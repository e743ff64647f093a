//! The event log: a line for each drop, in full, and no more of them than was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use etherparse::IpNumber;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::bed::{Bed, Config, Side, Wire, eventually};
use crate::frames::{FIN, Flow, SYN, Segment, VLAN, arp, noise, tagged};

fn file(bed: &Bed) -> PathBuf {
    bed.folder().join("events.json")
}

fn lines(bed: &Bed) -> Vec<Value> {
    let text = fs::read_to_string(file(bed)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Waits until there are so many lines.
fn wait_for_lines(bed: &Bed, count: usize) -> Vec<Value> {
    let look = || Some(lines(bed)).filter(|lines| lines.len() >= count);
    eventually(&format!("{count} events"), look, || format!("{:#?}", lines(bed)))
}

/// Sends one frame, and answers the line that tells of it, without its time and queue, which are checked.
fn told(wire: &Wire<'_>, from: Side, frame: Vec<u8>) -> Value {
    let before = lines(wire.bed).len();
    wire.relay(from, &[frame]);
    let mut lines = wait_for_lines(wire.bed, before + 1);
    assert_eq!(lines.len(), before + 1, "one frame, one line");
    let mut line = lines.pop().unwrap();
    let fields = line.as_object_mut().unwrap();
    let time = fields.remove("time").unwrap();
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    let age = jiff::Timestamp::now().duration_since(time);
    assert!(age >= jiff::SignedDuration::ZERO && age < jiff::SignedDuration::from_secs(10), "{age:?}");
    assert!(fields.remove("queue").unwrap().as_u64().unwrap() < 2);
    line
}

/// `line` with more fields.
fn with(mut line: Value, more: &Value) -> Value {
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line
}

#[test]
fn each_drop_is_one_line_that_says_all() {
    let bed = Bed::new();
    let out = "kind = \"ip\"\naction = \"block\"\ndirection = \"out\"";
    let config = Config::enforce()
        .block("blocked", "# who is blocked\n\n203.0.113.0/24\n2001:db8:bad::66 # alone\n")
        .list("forbidden", out, "203.0.114.1\n")
        .block_syns("scanners", "# masscan\n1024:::\n%:2:1460:\n")
        .events(1000);
    let wire = bed.start(&config);
    let stranger = Flow::new("198.51.100.7", "192.0.2.2");
    let event = |reason: &str, flow: Flow, protocol: u8| {
        json!({
            "port": "outside", "verdict": "drop", "reason": reason, "list": null, "entry": null, "line": null,
            "source": flow.source.to_string(), "destination": flow.destination.to_string(), "protocol": protocol,
        })
    };
    let rule = |list: &str, entry: &str, line: u32| json!({ "list": list, "entry": entry, "line": line });
    let dns = json!({ "source_port": 30000, "destination_port": 53 });
    let web = json!({ "source_port": 40000, "destination_port": 443 });
    let fingerprint = |muonfp: &str, ja4t: &str| {
        let all = json!({ "muonfp": muonfp, "ja4t": ja4t });
        if cfg!(feature = "ja4t") { all } else { json!({ "muonfp": muonfp }) }
    };

    let blocked = Flow::new("203.0.113.66", "192.0.2.2");
    let by_network = rule("blocked", "203.0.113.0/24", 3);
    let expected = with(with(event("block_list", blocked, 17), &by_network), &dns);
    assert_eq!(told(&wire, Side::Outside, blocked.udp(&noise(9))), expected);
    assert_eq!(told(&wire, Side::Outside, tagged(&[VLAN], &blocked.udp(&noise(9)))), expected);
    assert_eq!(
        told(&wire, Side::Outside, blocked.ping()),
        with(event("block_list", blocked, 1), &by_network)
    );
    // What a blocked source's SYN shows is told, too: it is what a new signature would be made of.
    let syn = with(
        with(with(event("block_list", blocked, 6), &by_network), &web),
        &fingerprint("64240:2-4-8-1-3:1460:7", "64240_2-4-8-1-3_1460_7"),
    );
    assert_eq!(told(&wire, Side::Outside, blocked.tcp(&Segment::LINUX)), syn);

    let blocked6 = Flow::new("2001:db8:bad::66", "2001:db8:0:2::2");
    let expected = with(event("block_list", blocked6, 58), &rule("blocked", "2001:db8:bad::66", 4));
    assert_eq!(told(&wire, Side::Outside, blocked6.ping()), expected);

    for (segment, entry, line, shown) in [
        (Segment::MASSCAN, "1024:::", 2, fingerprint("1024:::", "1024_00_00_00")),
        (Segment::NMAP, "%:2:1460:", 3, fingerprint("1024:2:1460:", "1024_2_1460_00")),
    ] {
        let expected = with(event("fingerprint_block", stranger, 6), &rule("scanners", entry, line));
        assert_eq!(told(&wire, Side::Outside, stranger.tcp(&segment)), with(with(expected, &web), &shown));
    }

    let syn_fin = Segment::LINUX.with_flags(SYN | FIN);
    let expected = with(
        with(event("syn_fin", stranger, 6), &web),
        &fingerprint("64240:2-4-8-1-3:1460:7", "64240_2-4-8-1-3_1460_7"),
    );
    assert_eq!(told(&wire, Side::Outside, stranger.tcp(&syn_fin)), expected);

    let outward = Flow::new("192.0.2.2", "203.0.114.1");
    let expected = with(with(event("block_list", outward, 17), &rule("forbidden", "203.0.114.1", 1)), &dns);
    assert_eq!(
        told(&wire, Side::Inside, outward.udp(&noise(9))),
        with(expected, &json!({ "port": "inside" }))
    );

    // Whoever passes is not told of.
    let before = lines(&bed).len();
    wire.relay(Side::Outside, &[stranger.udp(&noise(9)), arp()]);
    wire.reload(&config.clone().bridge("profile = \"strict\""));
    assert_eq!(lines(&bed).len(), before);
    let metrics = wire.metrics();
    assert_eq!(metrics.get("synward_events_total", &[]), before as u64);
    assert_eq!(metrics.get("synward_events_lost_total", &[]), 0);
    wire.stop();
}

#[test]
fn what_is_in_a_tunnel_is_told_beside_its_outer_header() {
    let bed = Bed::new();
    let lists = |config: Config| {
        config.block("blocked", "203.0.113.0/24\n").block_syns("scanners", "1024:::\n").events(1000)
    };
    let wire = bed.start(&lists(Config::enforce().bridge("tunnels = \"inner\"")));
    let outer = Flow::new("198.51.100.7", "192.0.2.2");
    let in_gre = |frame: &[u8]| outer.frame(IpNumber(47), &[&[0, 0, 8, 0], &frame[14..]].concat());
    let blocked = told(&wire, Side::Outside, in_gre(&Flow::new("203.0.113.66", "192.0.2.9").ping()));
    let expected = json!({
        "port": "outside", "verdict": "drop", "reason": "block_list", "list": "blocked", "entry": "203.0.113.0/24",
        "line": 1, "source": "198.51.100.7", "destination": "192.0.2.2", "protocol": 47,
        "inner": { "source": "203.0.113.66", "destination": "192.0.2.9", "protocol": 1 },
    });
    assert_eq!(blocked, expected);
    let scanner = Flow::new("198.51.100.8", "192.0.2.9").tcp(&Segment::MASSCAN);
    let scan = told(&wire, Side::Outside, in_gre(&scanner));
    assert_eq!((&scan["reason"], &scan["entry"]), (&json!("fingerprint_block"), &json!("1024:::")));
    assert_eq!((&scan["muonfp"], &scan["inner"]["source_port"]), (&json!("1024:::"), &json!(40000)));
    wire.stop();
}

#[test]
fn what_monitor_mode_spares_is_told_as_such() {
    let bed = Bed::new();
    let wire = bed.start(&Config::monitor().block("blocked", "203.0.113.66\n").events(1000));
    let line = told(&wire, Side::Outside, Flow::new("203.0.113.66", "192.0.2.2").udp(&noise(9)));
    assert_eq!((&line["verdict"], &line["reason"]), (&"would-drop".into(), &"block_list".into()));
    assert_eq!((&line["list"], &line["line"]), (&"blocked".into(), &1.into()));
    wire.stop();
}

#[test]
fn the_log_is_kept_from_others_and_can_be_rotated() {
    let bed = Bed::new();
    let config = Config::enforce().block("blocked", "203.0.113.66\n").events(1000);
    let wire = bed.start(&config);
    let frame = || Flow::new("203.0.113.66", "192.0.2.2").udp(&noise(9));
    let mode = || fs::metadata(file(&bed)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o640);
    told(&wire, Side::Outside, frame());
    // As logrotate does it: moved away, and nobody says so.
    let moved = bed.folder().join("events.json.1");
    fs::rename(file(&bed), &moved).unwrap();
    eventually("a new log", || file(&bed).exists().then_some(()), || wire.program.log());
    assert_eq!(mode(), 0o640);
    told(&wire, Side::Outside, frame());
    assert_eq!((fs::read_to_string(moved).unwrap().lines().count(), lines(&bed).len()), (1, 1));
    wire.stop();

    // What is there already is added to, and what happened last is not lost at the end.
    let wire = bed.start(&config);
    wire.relay(Side::Outside, &[frame()]);
    wire.program.signal(Signal::SIGTERM);
    assert!(wire.program.end().0.success());
    assert_eq!(lines(&bed).len(), 2);
}

#[test]
fn a_flood_is_told_in_part_and_counted_in_full() {
    const FLOOD: u64 = 300;
    const PER_SECOND: u64 = 5;
    let bed = Bed::new();
    let config =
        Config::enforce().block("blocked", "203.0.113.66\n").events(u32::try_from(PER_SECOND).unwrap());
    let wire = bed.start(&config);
    let frames: Vec<_> = (0..FLOOD).map(|_| Flow::new("203.0.113.66", "192.0.2.2").udp(&noise(9))).collect();
    wire.relay(Side::Outside, &frames);
    let suppressed = || lines(&bed).iter().filter_map(|line| line["suppressed"].as_u64()).sum::<u64>();
    let told = || lines(&bed).iter().filter(|line| line["reason"] == "block_list").count() as u64;
    let look = || (suppressed() + told() == FLOOD).then_some(());
    eventually("all drops to be told or counted", look, || format!("{} and {}", suppressed(), told()));
    // The flood may fall into two seconds of the limit.
    assert!((PER_SECOND..=2 * PER_SECOND).contains(&told()), "{}", told());
    let metrics = wire.metrics();
    assert_eq!(metrics.get("synward_events_total", &[]), told());
    assert_eq!(metrics.get("synward_events_suppressed_total", &[]), suppressed());
    assert_eq!(metrics.get("synward_drops_total", &[("reason", "block_list"), ("mode", "enforce")]), FLOOD);

    // The next second starts anew.
    std::thread::sleep(Duration::from_millis(1100));
    let before = told();
    wire.relay(Side::Outside, &frames[..1]);
    let look = || (told() == before + 1).then_some(());
    eventually("the event after the flood", look, || format!("{:#?}", lines(&bed)));
    wire.stop();
}
