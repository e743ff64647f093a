//! Bans on a real wire: one address, at once, for a time.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Case, Config, Fate, SYNWARD, Side, Wire, attempt};
use crate::frames::{Flow, Segment};

const HOST: &str = "192.0.2.2";
const SCANNER: &str = "203.0.113.7";

/// By when every worker must judge by a ban, after the program has answered that it is made.
const LATEST: Duration = Duration::from_millis(10);

/// What an expiry on this wire may be off: the turn of a sender that waits for the clock of a busy machine.
const SLACK: Duration = Duration::from_millis(100);

/// A command about bans; whether it succeeded, and what it said.
fn command(wire: &Wire<'_>, words: &str) -> (bool, String) {
    let socket = wire.bed.folder().join("control.sock");
    let output = attempt(&format!("{SYNWARD} {words} --socket {}", socket.display()));
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn succeeds(wire: &Wire<'_>, words: &str) -> String {
    let (succeeded, said) = command(wire, words);
    assert!(succeeded, "{words}: {said}");
    said
}

fn bans(wire: &Wire<'_>) -> Value {
    serde_json::from_str(&succeeds(wire, "bans --json")).unwrap()
}

fn judge(wire: &Wire<'_>, source: &str, fate: Fate) {
    let host = if source.contains(':') { "2001:db8:0:2::2" } else { HOST };
    let flow = Flow::new(source, host);
    let cases = [flow.ping(), flow.tcp(&Segment::LINUX)].map(|frame| Case::new(source, frame, fate));
    wire.judge(Side::Outside, &cases);
}

const DROPPED: Fate = Fate::Dropped("ban");

#[test]
fn an_address_is_banned_and_no_longer_without_a_reload() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce().allow("friends", "203.0.113.9\n"));
    judge(&wire, SCANNER, Fate::Passes);
    let said = succeeds(&wire, &format!("ban {SCANNER} --for 90m"));
    assert_eq!(said, format!("{SCANNER} is banned for 1h 30m\n"));
    assert_eq!(succeeds(&wire, "ban 2001:db8:bad::1"), "2001:db8:bad::1 is banned for 1h\n");
    judge(&wire, SCANNER, DROPPED);
    judge(&wire, "2001:db8:bad::1", DROPPED);
    judge(&wire, "203.0.113.8", Fate::Passes);

    let listed = bans(&wire);
    let addresses: Vec<_> = listed["bans"].as_array().unwrap().iter().map(|ban| &ban["address"]).collect();
    assert_eq!(addresses, [SCANNER, "2001:db8:bad::1"]);
    let left = listed["bans"][0]["seconds_left"].as_u64().unwrap();
    assert!((5300..=5400).contains(&left), "{left}");
    assert_eq!(listed["capacity"], 65_536);
    assert!(succeeds(&wire, "bans").contains("2 of at most 65536 bans"));
    assert_eq!(wire.status()["bans"], 2);

    // A list that allows beats a ban.
    let said = succeeds(&wire, "ban 203.0.113.9");
    assert!(said.contains("warning: list friends allows 203.0.113.9"), "{said}");
    judge(&wire, "203.0.113.9", Fate::Passes);

    // Bans outlive a reload.
    wire.reload(&Config::enforce().block("more", "203.0.113.66\n"));
    assert_eq!(wire.generations(), [2, 2]);
    judge(&wire, SCANNER, DROPPED);
    judge(&wire, "203.0.113.9", DROPPED);

    assert_eq!(succeeds(&wire, &format!("unban {SCANNER}")), format!("{SCANNER} is no longer banned\n"));
    judge(&wire, SCANNER, Fate::Passes);
    judge(&wire, "2001:db8:bad::1", DROPPED);
    assert_eq!(wire.generations(), [2, 2]);

    // In monitor mode a ban is only counted.
    wire.reload(&Config::monitor());
    judge(&wire, "2001:db8:bad::1", Fate::Spared("ban"));
    let said = succeeds(&wire, "ban 203.0.113.9 --for 2h");
    assert!(said.contains("warning: the bridge is in monitor mode"), "{said}");
    let metrics = wire.metrics();
    let changes = |change| metrics.get("synward_ban_changes_total", &[("change", change)]);
    assert_eq!(["added", "renewed", "removed", "expired"].map(changes), [3, 1, 1, 0]);
    assert_eq!(metrics.get("synward_bans", &[]), 2);
    wire.stop();
}

#[test]
fn what_cannot_be_banned_is_refused_with_the_reason() {
    let bed = Bed::new();
    let config = "[bans]\ncapacity = 2";
    let wire = bed.start(&Config::enforce().section(config));
    for last in [1, 2] {
        succeeds(&wire, &format!("ban 203.0.113.{last} --for 2s"));
    }
    for (words, reason) in [
        ("ban 203.0.113.3", "no place for another ban: the set has 2 of at most 2"),
        ("ban 203.0.113.3", "raise [bans] capacity"),
        ("ban 203.0.113.0/24", "belongs into a list"),
        ("ban nobody", "like 192.0.2.1"),
        ("ban 203.0.113.1 --for ever", "like 90s"),
        ("unban 203.0.113.3", "203.0.113.3 is not banned"),
    ] {
        let (succeeded, said) = command(&wire, words);
        assert!(!succeeded && said.contains(reason), "{words}: {said}");
    }
    judge(&wire, "203.0.113.1", DROPPED);
    judge(&wire, "203.0.113.3", Fate::Passes);
    assert_eq!(wire.metrics().get("synward_bans_capacity", &[]), 2);
    // Those that have ended make room.
    thread::sleep(Duration::from_secs(2));
    succeeds(&wire, "ban 203.0.113.3");
    judge(&wire, "203.0.113.3", DROPPED);
    judge(&wire, "203.0.113.1", Fate::Passes);
    wire.reload(&Config::enforce());
    let error = wire.status()["reloads"]["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("bans.capacity has changed"), "{error}");
    wire.stop();
}

/// When a frame was sent, by its number.
type Sent = Vec<Instant>;

/// Sends numbered frames of one source, about four in a millisecond, for so long.
fn send_numbered(wire: &Wire<'_>, time: Duration) -> Sent {
    let began = Instant::now();
    let flow = Flow::new(SCANNER, HOST);
    let mut sent = Sent::new();
    while began.elapsed() < time {
        let frame = flow.udp(&u32::try_from(sent.len()).unwrap().to_be_bytes());
        sent.push(Instant::now());
        wire.bed.end(Side::Outside).send(&frame);
        thread::sleep(Duration::from_micros(200));
    }
    sent
}

/// The numbers of the frames that arrived.
fn arrived(wire: &Wire<'_>) -> Vec<usize> {
    thread::sleep(Duration::from_millis(100));
    let number = |frame: &Vec<u8>| u32::from_be_bytes(*frame.last_chunk().unwrap()) as usize;
    wire.bed.end(Side::Inside).arrived().take().iter().map(number).collect()
}

/// Frames are told apart at the far end by when they were sent, so that nothing on the way is measured but the ban.
#[test]
fn a_ban_is_in_force_within_ten_milliseconds_and_ends_in_time() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    let (sent, banned, answered) = thread::scope(|scope| {
        let sender = scope.spawn(|| send_numbered(&wire, Duration::from_secs(4)));
        thread::sleep(Duration::from_millis(500));
        let banned = Instant::now();
        succeeds(&wire, &format!("ban {SCANNER} --for 2s"));
        let answered = Instant::now();
        (sender.join().unwrap(), banned, answered)
    });
    let arrived = arrived(&wire);
    let gap = arrived.windows(2).max_by_key(|pair| pair[1] - pair[0]).unwrap();
    let (last, first) = (sent[gap[0]], sent[gap[1]]);
    let dropped = gap[1] - gap[0] - 1;
    println!(
        "{} frames sent, {dropped} dropped; the last passes {:?} after the command began ({:?} before it was over), the first again after {:?}",
        sent.len(),
        last.saturating_duration_since(banned),
        answered.saturating_duration_since(last),
        first.saturating_duration_since(banned),
    );
    assert!(last > banned && last < answered + LATEST, "in force too late, or too early");
    let lasted = first.duration_since(last);
    assert!(lasted > Duration::from_secs(2) - SLACK && lasted < Duration::from_secs(2) + SLACK, "{lasted:?}");
    // All others pass, and each that does not is counted for the ban.
    assert_eq!(arrived.len() + dropped, sent.len());
    let drops = wire.metrics().drops();
    assert_eq!(
        drops.into_iter().collect::<Vec<_>>(),
        [(("ban".to_owned(), "enforce".to_owned()), dropped as u64)]
    );
    wire.stop();
}

/// Workers sleep on an idle wire, up to 50 ms: the frame that wakes them is judged by the ban.
#[test]
fn the_first_frame_after_a_ban_is_dropped_on_an_idle_wire_too() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    for round in 0..20 {
        let source = format!("203.0.113.{round}");
        let frame = Flow::new(&source, HOST).ping();
        thread::sleep(Duration::from_millis(60));
        succeeds(&wire, &format!("ban {source}"));
        wire.judge(Side::Outside, &[Case::new(&source, frame, DROPPED)]);
    }
    wire.stop();
}
