//! SIGHUP: new rules come into force as a whole, or not at all.

use std::fs;
use std::path::Path;

use crate::bed::{Bed, Case, Config, Fate, Side, Wire};
use crate::frames::{Flow, Segment, noise};

const HOST: &str = "192.0.2.2";

fn from(source: &str) -> Vec<u8> {
    Flow::new(source, HOST).udp(&noise(20))
}

/// Frames of these sources are dropped, those of a stranger pass.
fn blocks(wire: &Wire<'_>, sources: &[&str]) {
    let drop = Fate::Dropped("block_list");
    let blocked = sources.iter().map(|source| Case::new(*source, from(source), drop));
    let stranger = Case::new("a stranger", from("198.51.100.7"), Fate::Passes);
    wire.judge(Side::Outside, &blocked.chain([stranger]).collect::<Vec<_>>());
}

fn passes(wire: &Wire<'_>, source: &str) {
    wire.judge(Side::Outside, &[Case::new(source, from(source), Fate::Passes)]);
}

fn reloads(wire: &Wire<'_>) -> (u64, u64, u64) {
    let metrics = wire.metrics();
    let reloads = |result| metrics.get("synward_reloads_total", &[("result", result)]);
    (reloads("success"), reloads("failure"), metrics.get("synward_last_reload_successful", &[]))
}

fn last_success(wire: &Wire<'_>) -> f64 {
    let metrics = wire.metrics();
    metrics.all("synward_last_reload_success_timestamp_seconds", &[]).next().unwrap().value
}

#[test]
fn what_cannot_be_read_changes_nothing_and_says_where_it_is_wrong() {
    let good = || Config::enforce().block("first", "203.0.113.1\n").block("second", "203.0.113.2\n");
    let bed = Bed::new();
    let wire = bed.start(&good());
    let started = last_success(&wire);
    // Each would also let the blocked source of the first list pass, if it came into force by half.
    let slipped = |second: &str| Config::enforce().block("first", "\n").block("second", second);
    let faults = [
        (
            "a key that there is not",
            slipped("").bridge("mod = \"monitor\""),
            "synward.toml:5:1",
            "did you mean `mode`?",
        ),
        (
            "a value that there is not",
            slipped("").bridge("profile = \"lax\""),
            "synward.toml:5:11",
            "unknown variant `lax`",
        ),
        ("no TOML", slipped("").bridge("profile ="), "synward.toml:5:10", ""),
        (
            "nothing but a bad entry",
            slipped("# fine\n\n  203.0.113.1/33 # bad\n"),
            "second.txt:3:15",
            "from 0 to 32",
        ),
        ("entries of the wrong kind", slipped("1024:::\n"), "second.txt:1:1", "kind = \"fingerprint\""),
        (
            "nothing but a bad signature",
            slipped("").block_syns("scanners", "# fine\n99999:::\n"),
            "scanners.txt:2:1",
            "65535",
        ),
        ("everything blocked", slipped("0.0.0.0/0\n"), "second.txt:1:1", "allow_wide"),
    ];
    for (number, (name, config, place, remedy)) in (1..).zip(faults) {
        wire.reload(&config);
        assert_eq!(reloads(&wire), (0, number, 0), "{name}");
        let status = wire.status();
        let error = status["reloads"]["last_error"].as_str().unwrap();
        assert!(error.contains(place) && error.contains(remedy), "{name}: {error}");
        assert_eq!(status["reloads"]["last_succeeded"], false);
        assert!(wire.program.log().contains(place), "{name}: {}", wire.program.log());
        assert_eq!(wire.generations(), [1, 1], "{name}");
        blocks(&wire, &["203.0.113.1", "203.0.113.2"]);
    }
    assert_eq!(last_success(&wire), started);

    wire.reload(&good());
    let status = wire.status();
    assert!(status["reloads"]["last_error"].is_null(), "{status}");
    assert_eq!((reloads(&wire).0, reloads(&wire).2), (1, 1));
    assert_eq!(wire.generations(), [2, 2]);
    assert!(last_success(&wire) > started);
    blocks(&wire, &["203.0.113.1", "203.0.113.2"]);
    wire.stop();
}

/// Lines that cannot be understood, by list, as the metrics count them.
fn refused(wire: &Wire<'_>, list: &str) -> u64 {
    wire.metrics().get("synward_list_refused_lines", &[("list", list)])
}

#[test]
fn a_bad_line_is_left_out_and_the_others_come_into_force() {
    let bed = Bed::new();
    let config = |first: &str| Config::enforce().block("first", first).allow("friends", "203.0.113.9\n");
    // At the start as at a reload.
    let wire = bed.start(&config("203.0.113.1\n203.0.113.2/33\n"));
    assert!(wire.program.log().contains("first.txt:2:13"), "{}", wire.program.log());
    assert_eq!((refused(&wire, "first"), refused(&wire, "friends")), (1, 0));
    blocks(&wire, &["203.0.113.1"]);
    passes(&wire, "203.0.113.2");

    let reloaded = config("203.0.113.2\nnonsense\n203.0.113.3\n1.2.3.4/0\n");
    wire.reload(&reloaded.allow_syns("known", "%:::\n1024::::\n"));
    assert_eq!((reloads(&wire), wire.generations()), ((1, 0, 1), vec![2, 2]));
    assert_eq!((refused(&wire, "first"), refused(&wire, "known")), (2, 1));
    let log = wire.program.log();
    for place in ["first.txt:2:1", "first.txt:4:1", "known.txt:2:1"] {
        assert!(log.contains(place), "{place}: {log}");
    }
    let lists = wire.status()["lists"].clone();
    assert_eq!((&lists[0]["entries"], &lists[0]["refused"]), (&2.into(), &2.into()));
    blocks(&wire, &["203.0.113.2", "203.0.113.3"]);
    passes(&wire, "203.0.113.1");

    wire.reload(&config("203.0.113.1\n"));
    assert_eq!(refused(&wire, "first"), 0);
    blocks(&wire, &["203.0.113.1"]);
    wire.stop();
}

#[test]
fn a_list_that_is_gone_changes_nothing() {
    let bed = Bed::new();
    let config = Config::enforce().block("first", "203.0.113.1\n");
    let wire = bed.start(&config);
    fs::remove_file(bed.folder().join("first.txt")).unwrap();
    wire.hang_up();
    let error = wire.status()["reloads"]["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("cannot read list first") && error.contains("first.txt"), "{error}");
    assert_eq!(reloads(&wire), (0, 1, 0));
    blocks(&wire, &["203.0.113.1"]);

    fs::remove_file(bed.folder().join("synward.toml")).unwrap();
    wire.program.signal(nix::sys::signal::Signal::SIGHUP);
    wire.program.wait_for("cannot read the configuration");
    blocks(&wire, &["203.0.113.1"]);

    wire.reload(&config);
    assert_eq!(reloads(&wire), (1, 2, 1));
    blocks(&wire, &["203.0.113.1"]);
    wire.stop();
}

/// What may become of a list on its way to the disk. Whatever it is: one message, one count, and the rules stay.
#[test]
fn a_list_that_is_damaged_changes_nothing() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage, &str); 8] = [
        (
            "empty",
            |file| fs::write(file, "").unwrap(),
            "list first is empty, and the one in force has 2 entries",
        ),
        ("comments only", |file| fs::write(file, "# all\n# gone\n").unwrap(), "allow_empty = true"),
        (
            "cut in an entry",
            |file| fs::write(file, "203.0.113.1\n203.0.11").unwrap(),
            "ends in the middle of a line",
        ),
        (
            "cut to another",
            |file| fs::write(file, "203.0.113.1\n203.0.113.1").unwrap(),
            "ends in the middle of a line",
        ),
        ("cut in the first", |file| fs::write(file, "203.0").unwrap(), "first.txt:1:1"),
        ("no text", |file| fs::write(file, [0xff, 0xfe, 0x32, 0x00]).unwrap(), "is not UTF-8 text"),
        (
            "a folder",
            |file| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            },
            "no regular file",
        ),
        ("gone", |file| fs::remove_dir(file).unwrap(), "cannot read list first"),
    ];
    let bed = Bed::new();
    let good = "203.0.113.1\n203.0.113.17\n";
    let wire = bed.start(&Config::enforce().block("first", good).block("second", "203.0.113.2\n"));
    let file = bed.folder().join("first.txt");
    let messages = |wire: &Wire<'_>| wire.program.log().matches("reload failed").count() as u64;
    for (number, (name, damage, message)) in (1..).zip(damages) {
        damage(&file);
        wire.hang_up();
        assert_eq!((reloads(&wire), messages(&wire)), ((0, number, 0), number), "{name}");
        let error = wire.status()["reloads"]["last_error"].as_str().unwrap().to_owned();
        assert!(error.contains(message) && error.contains("first"), "{name}: {error}");
        assert_eq!(error.matches("error: ").count(), 1, "{name}: {error}");
        assert_eq!(wire.generations(), [1, 1], "{name}");
        blocks(&wire, &["203.0.113.1", "203.0.113.17", "203.0.113.2"]);
    }
    fs::write(&file, "203.0.113.17\n").unwrap();
    wire.hang_up();
    assert_eq!(reloads(&wire).0, 1);
    blocks(&wire, &["203.0.113.17", "203.0.113.2"]);
    passes(&wire, "203.0.113.1");

    // A list may be emptied where it says so, and an empty one is in force from the start.
    let settings = "kind = \"ip\"\naction = \"block\"\nallow_empty = true";
    wire.reload(&Config::enforce().list("first", settings, "").block("second", "203.0.113.2\n"));
    assert_eq!(reloads(&wire).0, 2);
    passes(&wire, "203.0.113.17");
    blocks(&wire, &["203.0.113.2"]);
    wire.stop();
}

#[test]
fn what_only_a_restart_can_change_is_refused_by_name() {
    let bed = Bed::new();
    let blocking = |config: Config| config.block("first", "203.0.113.1\n");
    let wire = bed.start(&blocking(Config::enforce()));
    let lenient = |config: Config| config.block("first", "203.0.113.9\n");
    let changes = [
        ("bridge.outside", lenient(Config::enforce().ports("other0", "inside0"))),
        ("bridge.inside", lenient(Config::enforce().ports("outside0", "other0"))),
        ("bridge.xdp", lenient(Config::enforce().bridge("xdp = \"skb\""))),
        ("bridge.queues", lenient(Config::enforce().bridge("queues = 2"))),
    ];
    for (number, (setting, config)) in (1..).zip(changes) {
        wire.reload(&config);
        let error = wire.status()["reloads"]["last_error"].as_str().unwrap().to_owned();
        assert!(error.contains(setting) && error.contains("restart"), "{setting}: {error}");
        assert_eq!(reloads(&wire), (0, number, 0));
        blocks(&wire, &["203.0.113.1"]);
    }
    // An event log in a folder that there is not cannot be opened: the rules beside it must not come into force either.
    wire.reload(&lenient(Config::enforce()).events_in("nowhere/events.json"));
    let error = wire.status()["reloads"]["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("nowhere/events.json"), "{error}");
    blocks(&wire, &["203.0.113.1"]);
    wire.stop();
}

#[test]
fn an_edited_list_changes_the_verdict() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce().block("first", "203.0.113.1\n"));
    blocks(&wire, &["203.0.113.1"]);
    passes(&wire, "203.0.113.2");

    wire.reload(&Config::enforce().block("first", "203.0.113.2\n"));
    blocks(&wire, &["203.0.113.2"]);
    passes(&wire, "203.0.113.1");

    // A list more; its own metrics come, those of the list before it go on.
    wire.reload(&Config::enforce().block("second", "203.0.113.1\n").block("first", "203.0.113.2\n"));
    blocks(&wire, &["203.0.113.1", "203.0.113.2"]);
    let decisions = |list| wire.metrics().get("synward_list_decisions_total", &[("list", list)]);
    assert_eq!((decisions("first"), decisions("second")), (3, 1));

    wire.reload(&Config::monitor().block("first", "203.0.113.2\n"));
    let spared = Case::new("monitored", from("203.0.113.2"), Fate::Spared("block_list"));
    wire.judge(Side::Outside, &[spared]);
    passes(&wire, "203.0.113.1");
    assert!(wire.metrics().all("synward_list_entries", &[("list", "second")]).next().is_none());
    assert_eq!(wire.status()["mode"], "monitor");

    wire.reload(&Config::enforce().bridge("profile = \"strict\"").block_syns("scanners", "1024:::\n"));
    passes(&wire, "203.0.113.2");
    let flow = Flow::new("198.51.100.7", HOST);
    let scan = Case::new("a scan", flow.tcp(&Segment::MASSCAN), Fate::Dropped("fingerprint_block"));
    let null = Case::new("odd", flow.tcp(&Segment::DATA.with_flags(0)), Fate::Dropped("null_scan"));
    wire.judge(Side::Outside, &[scan, null]);
    assert_eq!(wire.generations(), [5, 5]);
    assert_eq!(reloads(&wire), (4, 0, 1));
    wire.stop();
}

#[test]
fn however_fast_the_signals_come_the_last_rules_stay() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    for number in 1..=30 {
        Config::enforce().block("first", &format!("203.0.113.{number}\n")).write(bed.folder());
        wire.program.signal(nix::sys::signal::Signal::SIGHUP);
    }
    // One more, of which it is known when it is over.
    wire.hang_up();
    blocks(&wire, &["203.0.113.30"]);
    passes(&wire, "203.0.113.29");
    assert_eq!(reloads(&wire).1, 0);
    wire.stop();
}
