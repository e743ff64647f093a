//! The order of verdicts, from lists in files to a verdict on a frame.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails by panicking is a test that works"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use etherparse::PacketBuilder;
use proptest::prelude::*;
use synward_policy::{
    Action, BanKeeper, Compiled, Config, Diagnostic, Direction, Faults, ListNames, ListSetId, Moment, Reason,
    Resources, RuleSet, Snapshot, Witness,
};
use synward_wire::Located;

/// A configuration in a folder of its own, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("synward-judge-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A list: name, the rest of its section, its lines.
type List<'a> = (&'a str, &'a str, &'a str);

fn judge_by(bridge: &str, lists: &[List<'_>]) -> (Snapshot, ListNames) {
    let folder = Folder::new();
    let mut text = format!("[bridge]\noutside = 'a'\ninside = 'b'\n{bridge}\n");
    for (name, section, lines) in lists {
        fs::write(folder.0.join(name), lines).unwrap();
        text += &format!("[[list]]\nname = '{name}'\nfile = '{name}'\n{section}\n");
    }
    let config = Config::parse(&folder.0.join("synward.toml"), &text).unwrap();
    let mut names = ListNames::default();
    let rules = Arc::new(RuleSet::compile(&config, &mut names).unwrap().rules);
    (Snapshot { rules, generation: 1, ..Snapshot::default() }, names)
}

const ENFORCE: &str = "mode = 'enforce'";
const BLOCK: &str = "kind = 'ip'\naction = 'block'";
const ALLOW: &str = "kind = 'ip'\naction = 'allow'";
const BLOCK_SYN: &str = "kind = 'fingerprint'\naction = 'block'";
const ALLOW_SYN: &str = "kind = 'fingerprint'\naction = 'allow'";

/// A SYN without options, as masscan 1.3.2 sends it: MuonFP `1024:::`.
fn syn(source: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4(source, [198, 51, 100, 1], 64)
        .tcp(40000, 80, 1, 1024)
        .syn()
        .write(&mut frame, &[])
        .unwrap();
    frame
}

fn ping(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4(source, destination, 64)
        .icmpv4_echo_request(1, 1)
        .write(&mut frame, b"ping")
        .unwrap();
    frame
}

/// The address of a frame that is judged.
fn judged_address(direction: Direction, frame: &[u8]) -> Option<IpAddr> {
    match synward_wire::locate(frame) {
        Located::Packet(packet) if direction == Direction::In => Some(packet.source),
        Located::Packet(packet) => Some(packet.destination),
        _ => None,
    }
}

/// What is judged in three words: verdict, reason, and the entry that decided.
fn said(snapshot: &Snapshot, direction: Direction, frame: &[u8]) -> String {
    let verdict = snapshot.judge(direction, frame);
    let told = verdict.noteworthy().map(|told| told.decision);
    let (reason, rule) = told.map_or((verdict.reason, verdict.rule), |told| (told.reason, told.rule));
    let address = judged_address(direction, frame);
    let entry =
        rule.and_then(|rule| snapshot.rules.describe(rule, address)).map_or(String::new(), |rule| rule.entry);
    format!("{} {} {entry}", verdict.name(), reason.name()).trim_end().to_owned()
}

fn said_of(judge: &(Snapshot, ListNames), direction: Direction, frame: &[u8]) -> String {
    said(&judge.0, direction, frame)
}

#[test]
fn a_listed_source_is_dropped_and_nobody_else() {
    let judge = judge_by(ENFORCE, &[("bad", BLOCK, "192.0.2.0/24")]);
    assert_eq!(
        said_of(&judge, Direction::In, &ping([192, 0, 2, 9], [198, 51, 100, 1])),
        "drop block_list 192.0.2.0/24"
    );
    assert_eq!(said_of(&judge, Direction::In, &ping([192, 0, 3, 9], [198, 51, 100, 1])), "forward clean");
    assert_eq!(said_of(&judge, Direction::Out, &ping([192, 0, 2, 9], [192, 0, 2, 1])), "forward clean");
}

#[test]
fn allow_beats_block_whatever_the_prefix_lengths_and_the_order() {
    for lists in [
        [("good", ALLOW, "192.0.2.0/24"), ("bad", BLOCK, "192.0.2.9")],
        [("bad", BLOCK, "192.0.2.9"), ("good", ALLOW, "192.0.2.0/24")],
    ] {
        let judge = judge_by(ENFORCE, &lists);
        let frame = ping([192, 0, 2, 9], [198, 51, 100, 1]);
        assert_eq!(said_of(&judge, Direction::In, &frame), "forward allow_list 192.0.2.0/24");
    }
}

#[test]
fn the_first_list_is_named_and_its_narrowest_entry() {
    let judge = judge_by(
        ENFORCE,
        &[("a", BLOCK, "192.0.0.0/16\n192.0.2.0/24\n192.0.2.0/24\n"), ("b", BLOCK, "192.0.2.9")],
    );
    let frame = ping([192, 0, 2, 9], [198, 51, 100, 1]);
    let verdict = judge.0.judge(Direction::In, &frame);
    let address = judged_address(Direction::In, &frame);
    let rule = judge.0.rules.describe(verdict.rule.unwrap(), address).unwrap();
    assert_eq!((judge.1.name(rule.list), rule.line, rule.entry.as_str()), ("a", 2, "192.0.2.0/24"));
    assert_eq!(judge.0.rules.list_of(verdict.rule.unwrap()), Some(rule.list));
    let stranger = Some(Ipv4Addr::new(203, 0, 113, 1).into());
    assert_eq!(judge.0.rules.describe(verdict.rule.unwrap(), stranger), None);
}

#[test]
fn lists_apply_to_their_direction() {
    let out = format!("{BLOCK}\ndirection = 'out'");
    let both = format!("{BLOCK}\ndirection = 'both'");
    let judge = judge_by(ENFORCE, &[("out", &out, "192.0.2.1"), ("both", &both, "192.0.2.2")]);
    let to = |last| ping([198, 51, 100, 1], [192, 0, 2, last]);
    let from = |last| ping([192, 0, 2, last], [198, 51, 100, 1]);
    assert_eq!(said_of(&judge, Direction::Out, &to(1)), "drop block_list 192.0.2.1");
    assert_eq!(said_of(&judge, Direction::In, &from(1)), "forward clean");
    assert_eq!(said_of(&judge, Direction::Out, &to(2)), "drop block_list 192.0.2.2");
    assert_eq!(said_of(&judge, Direction::In, &from(2)), "drop block_list 192.0.2.2");
}

#[test]
fn a_fingerprint_judges_syns_from_outside_only_and_never_overrides_an_address() {
    let judge = judge_by(
        ENFORCE,
        &[("scanners", BLOCK_SYN, "1024:::"), ("good", ALLOW, "192.0.2.1"), ("bad", BLOCK, "192.0.2.2")],
    );
    assert_eq!(said_of(&judge, Direction::In, &syn([192, 0, 2, 9])), "drop fingerprint_block 1024:::");
    assert_eq!(said_of(&judge, Direction::Out, &syn([192, 0, 2, 9])), "forward clean");
    assert_eq!(said_of(&judge, Direction::In, &syn([192, 0, 2, 1])), "forward allow_list 192.0.2.1");
    let allowed = judge_by(ENFORCE, &[("ours", ALLOW_SYN, "1024:::"), ("bad", BLOCK, "192.0.2.2")]);
    assert_eq!(said_of(&allowed, Direction::In, &syn([192, 0, 2, 2])), "drop block_list 192.0.2.2");
}

#[test]
fn an_allow_signature_beats_a_block_signature_and_the_most_specific_is_named() {
    let wild = ("wild", BLOCK_SYN, "%:::\n%:%:%:%");
    let frame = syn([192, 0, 2, 9]);
    let judge = judge_by(ENFORCE, &[wild, ("exact", BLOCK_SYN, "1024:::")]);
    assert_eq!(said_of(&judge, Direction::In, &frame), "drop fingerprint_block 1024:::");
    let judge = judge_by(ENFORCE, &[wild, ("ours", ALLOW_SYN, "1024:%:%:%")]);
    assert_eq!(said_of(&judge, Direction::In, &frame), "forward fingerprint_allow 1024:%:%:%");
}

#[test]
fn monitor_mode_forwards_and_tells() {
    let judge =
        judge_by("mode = 'monitor'", &[("bad", BLOCK, "192.0.2.9"), ("scanners", BLOCK_SYN, "1024:::")]);
    assert_eq!(said_of(&judge, Direction::In, &syn([192, 0, 2, 9])), "would-drop block_list 192.0.2.9");
    assert_eq!(said_of(&judge, Direction::In, &syn([192, 0, 2, 8])), "would-drop fingerprint_block 1024:::");
    assert_eq!(judge.0.judge(Direction::In, &syn([192, 0, 2, 8])).action, Action::Forward);
}

#[test]
fn a_list_in_monitor_mode_decides_nothing_in_an_enforcing_bridge() {
    let quiet = format!("{BLOCK}\nmode = 'monitor'");
    let judge = judge_by(ENFORCE, &[("trial", &quiet, "192.0.2.0/24"), ("scanners", BLOCK_SYN, "1024:::")]);
    let verdict = judge.0.judge(Direction::In, &syn([192, 0, 2, 9]));
    assert_eq!(said_of(&judge, Direction::In, &syn([192, 0, 2, 9])), "drop fingerprint_block 1024:::");
    assert_eq!(verdict.would.map(|would| would.reason.name()), Some("block_list"));
    let frame = ping([192, 0, 2, 9], [198, 51, 100, 1]);
    assert_eq!(said_of(&judge, Direction::In, &frame), "would-drop block_list 192.0.2.0/24");
}

#[test]
fn odd_frames_follow_the_profile_behind_the_address_lists() {
    let mut syn_fin = syn([192, 0, 2, 9]);
    syn_fin[47] |= 1;
    let judged = |profile: &str, lists: &[List<'_>]| {
        said_of(&judge_by(&format!("{ENFORCE}\nprofile = '{profile}'"), lists), Direction::In, &syn_fin)
    };
    assert_eq!(judged("balanced", &[]), "drop syn_fin");
    assert_eq!(judged("transparent", &[]), "forward syn_fin");
    assert_eq!(judged("balanced", &[("good", ALLOW, "192.0.2.9")]), "forward allow_list 192.0.2.9");
    assert_eq!(judged("balanced", &[("bad", BLOCK, "192.0.2.9")]), "drop block_list 192.0.2.9");
    assert_eq!(
        judged("transparent", &[("scanners", BLOCK_SYN, "1024:::")]),
        "drop fingerprint_block 1024:::"
    );
    let runt = judge_by(ENFORCE, &[]);
    assert_eq!(said_of(&runt, Direction::In, &[0; 13]), "drop runt");
    assert_eq!(said_of(&runt, Direction::Out, &[0; 13]), "forward runt");
}

#[test]
fn a_ban_blocks_what_no_list_allows() {
    let (mut snapshot, _) = judge_by(ENFORCE, &[("good", ALLOW, "192.0.2.1")]);
    let mut keeper = BanKeeper::new(10);
    for last in [1, 9] {
        keeper.ban([192, 0, 2, last].into(), Moment::START, Duration::from_secs(1)).unwrap();
    }
    snapshot.bans = Arc::clone(keeper.bans());
    let judged = |last| said(&snapshot, Direction::In, &ping([192, 0, 2, last], [198, 51, 100, 1]));
    assert_eq!(judged(9), "drop ban");
    assert_eq!(judged(10), "forward clean");
    assert_eq!(judged(1), "forward allow_list 192.0.2.1");
    let later = |seconds| {
        let now = Moment::START.after(Duration::from_secs(seconds));
        let frame = ping([192, 0, 2, 9], [198, 51, 100, 1]);
        snapshot.judge_seen(Direction::In, &frame, now, &mut ()).reason
    };
    assert_eq!((later(0), later(1)), (Reason::Ban, Reason::Clean));
}

/// GRE of version 0 without options, and an IPv4 packet in it, which a frame has behind its Ethernet header.
fn in_gre(source: [u8; 4], inner: &[u8]) -> Vec<u8> {
    let payload = [&[0, 0, 8, 0], &inner[14..]].concat();
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source, [198, 51, 100, 1], 64);
    builder.write(&mut frame, etherparse::ip_number::GRE, &payload).unwrap();
    frame
}

const INNER: &str = "mode = 'enforce'\ntunnels = 'inner'";

#[test]
fn a_tunnel_is_judged_by_its_outer_header_and_by_what_is_in_it_when_asked() {
    let lists =
        [("bad", BLOCK, "192.0.2.2"), ("good", ALLOW, "192.0.2.1"), ("scanners", BLOCK_SYN, "1024:::")];
    let ping = |last| ping([192, 0, 2, last], [198, 51, 100, 1]);
    // Outer source, what it carries; what is said of it as it is, and when tunnels are opened.
    for (outer, inner, said_outer, said_inner) in [
        (9, ping(9), "forward tunnel", "forward tunnel"),
        (9, ping(2), "forward tunnel", "drop block_list 192.0.2.2"),
        (9, ping(3), "forward tunnel", "drop ban"),
        (9, syn([192, 0, 2, 9]), "forward tunnel", "drop fingerprint_block 1024:::"),
        (9, syn([192, 0, 2, 1]), "forward tunnel", "forward allow_list 192.0.2.1"),
        (1, syn([192, 0, 2, 2]), "forward allow_list 192.0.2.1", "forward allow_list 192.0.2.1"),
        (2, syn([192, 0, 2, 1]), "drop block_list 192.0.2.2", "drop block_list 192.0.2.2"),
        (3, ping(1), "drop ban", "drop ban"),
        (9, in_gre([192, 0, 2, 9], &ping(2)), "forward tunnel", "forward opaque_tunnel"),
        (9, in_gre([192, 0, 2, 2], &ping(9)), "forward tunnel", "drop block_list 192.0.2.2"),
    ] {
        for (bridge, expected) in [(ENFORCE, said_outer), (INNER, said_inner)] {
            let (mut snapshot, names) = judge_by(bridge, &lists);
            let mut keeper = BanKeeper::new(10);
            keeper.ban([192, 0, 2, 3].into(), Moment::START, Duration::from_secs(1)).unwrap();
            snapshot.bans = Arc::clone(keeper.bans());
            let frame = in_gre([192, 0, 2, outer], &inner);
            let verdict = snapshot.judge(Direction::In, &frame);
            let told = verdict
                .noteworthy()
                .map_or((verdict.reason, verdict.rule), |told| (told.decision.reason, told.decision.rule));
            // The entry of the outer header, else that of the inner one.
            let entry = told.1.and_then(|rule| {
                let describe =
                    |frame: &[u8]| snapshot.rules.describe(rule, judged_address(Direction::In, frame));
                describe(&frame).or_else(|| describe(&inner))
            });
            let said = format!(
                "{} {} {}",
                verdict.name(),
                told.0.name(),
                entry.map_or(String::new(), |entry| entry.entry)
            );
            assert_eq!(said.trim_end(), expected, "{bridge}: {outer}");
            // What goes out is judged by its outer header only.
            let out = snapshot.judge(Direction::Out, &frame);
            assert_eq!((out.name(), out.reason.name()), ("forward", "tunnel"));
            let _ = &names;
        }
    }
}

#[test]
fn what_is_odd_in_a_tunnel_follows_the_profile_once_it_is_opened() {
    let mut syn_fin = syn([192, 0, 2, 9]);
    syn_fin[47] |= 1;
    let nested = in_gre([192, 0, 2, 9], &syn([192, 0, 2, 9]));
    let judged = |bridge: &str, profile: &str, inner: &[u8]| {
        let judge = judge_by(&format!("{bridge}\nprofile = '{profile}'"), &[]);
        said_of(&judge, Direction::In, &in_gre([192, 0, 2, 9], inner))
    };
    for (profile, of_syn_fin, of_nested) in [
        ("transparent", "forward syn_fin", "forward opaque_tunnel"),
        ("balanced", "drop syn_fin", "forward opaque_tunnel"),
        ("strict", "drop syn_fin", "drop opaque_tunnel"),
    ] {
        assert_eq!(judged(ENFORCE, profile, &syn_fin), "forward tunnel");
        assert_eq!(judged(INNER, profile, &syn_fin), of_syn_fin);
        assert_eq!(judged(INNER, profile, &nested), of_nested);
    }
    let monitor = judge_by("tunnels = 'inner'", &[("bad", BLOCK, "192.0.2.2")]);
    let frame = in_gre([192, 0, 2, 9], &ping([192, 0, 2, 2], [198, 51, 100, 1]));
    assert!(said_of(&monitor, Direction::In, &frame).starts_with("would-drop block_list"));
}

#[test]
fn a_source_of_the_lan_that_comes_from_outside_is_counted_and_dropped_by_the_strict_profile() {
    let protect = "protect = ['192.0.2.0/24']";
    let judge = |profile: &str, mode: &str, lists: &[List<'_>]| {
        judge_by(&format!("mode = '{mode}'\nprofile = '{profile}'\n{protect}"), lists)
    };
    let of = |judge: &(Snapshot, ListNames), frame: &[u8]| said_of(judge, Direction::In, frame);
    let spoofed = syn([192, 0, 2, 9]);
    let scanners: [List<'_>; 1] = [("scanners", BLOCK_SYN, "1024:::")];
    for (profile, mode, said) in [
        ("transparent", "enforce", "forward spoofed_source"),
        ("balanced", "enforce", "forward spoofed_source"),
        ("strict", "enforce", "drop spoofed_source"),
        ("strict", "monitor", "would-drop spoofed_source"),
    ] {
        assert_eq!(of(&judge(profile, mode, &[]), &spoofed), said, "{profile} {mode}");
    }
    let strict = judge("strict", "enforce", &[]);
    assert_eq!(of(&strict, &syn([192, 0, 3, 9])), "forward clean");
    assert_eq!(said_of(&strict, Direction::Out, &spoofed), "forward clean");
    // Lists come first, signatures later.
    let allowed = judge("strict", "enforce", &[("good", ALLOW, "192.0.2.9")]);
    assert_eq!(of(&allowed, &spoofed), "forward allow_list 192.0.2.9");
    let blocked = judge("strict", "enforce", &[("bad", BLOCK, "192.0.2.9")]);
    assert_eq!(of(&blocked, &spoofed), "drop block_list 192.0.2.9");
    assert_eq!(of(&judge("strict", "enforce", &scanners), &spoofed), "drop spoofed_source");
    assert_eq!(of(&judge("balanced", "enforce", &scanners), &spoofed), "drop fingerprint_block 1024:::");
    // Whatever else is odd, that for which a frame is dropped is named.
    let mut syn_fin = spoofed.clone();
    syn_fin[47] |= 1;
    assert_eq!(of(&judge("balanced", "enforce", &[]), &syn_fin), "drop syn_fin");
    let mut null = spoofed;
    null[47] = 0;
    assert_eq!(of(&judge("balanced", "enforce", &[]), &null), "forward spoofed_source");
}

/// Collects the names of the lists that were hit.
struct Hits<'a>(&'a (Snapshot, ListNames), Vec<String>);

impl Witness for Hits<'_> {
    fn covered(&mut self, by: ListSetId) {
        let Self((snapshot, names), hits) = self;
        hits.extend(snapshot.rules.lists_of(by).iter().map(|list| names.name(*list).to_owned()));
    }

    fn hit(&mut self, list: synward_policy::ListId) {
        self.1.push(self.0.1.name(list).to_owned());
    }
}

#[test]
fn every_list_that_matches_is_told_once() {
    let judge = judge_by(
        "mode = 'monitor'",
        &[
            ("a", BLOCK, "192.0.2.0/24\n192.0.2.9"),
            ("b", BLOCK, "192.0.0.0/16"),
            ("c", BLOCK, "10.0.0.0/8"),
            ("wild", BLOCK_SYN, "%:::\n1024:::"),
            ("windows", BLOCK_SYN, "64240:2-1-3-1-1-4:1460:8"),
        ],
    );
    let mut hits = Hits(&judge, Vec::new());
    let _ = judge.0.judge_seen(Direction::In, &syn([192, 0, 2, 9]), Moment::START, &mut hits);
    assert_eq!(hits.1, ["a", "b"]);
    let mut hits = Hits(&judge, Vec::new());
    let _ = judge.0.judge_seen(Direction::In, &syn([203, 0, 113, 9]), Moment::START, &mut hits);
    assert_eq!(hits.1, ["wild"]);
}

/// [`syn`] with another TTL, and DF and the flags of TCP as given.
fn syn_with(ttl: u8, dont_fragment: bool, flags: u8) -> Vec<u8> {
    let mut frame = syn([192, 0, 2, 9]);
    frame[20] = if dont_fragment { 0x40 } else { 0 };
    frame[22] = ttl;
    frame[47] = flags;
    frame
}

#[test]
fn traits_tell_syns_apart_that_have_one_fingerprint() {
    let judge = judge_by(ENFORCE, &[("scanners", BLOCK_SYN, "1024:::;df=0;ttl=..64;name=\"zmap #4\" # !")]);
    let rule = "drop fingerprint_block 1024:::;ttl=..64;df=0;name=\"zmap #4\"";
    assert_eq!(said_of(&judge, Direction::In, &syn_with(50, false, 2)), rule);
    assert_eq!(said_of(&judge, Direction::In, &syn_with(50, true, 2)), "forward clean");
    assert_eq!(said_of(&judge, Direction::In, &syn_with(128, false, 2)), "forward clean");
}

#[test]
fn a_p0f_signature_judges_strictly() {
    let judge = judge_by(ENFORCE, &[("p0f", BLOCK_SYN, "4:64:0:0:1024,0:::0")]);
    let rule = "drop fingerprint_block 4:64:0:0:1024,0:::0";
    let mut frame = syn_with(60, false, 2);
    // Not zero: else the quirk `id-` is there, too.
    frame[19] = 1;
    assert_eq!(said_of(&judge, Direction::In, &frame), rule);
    frame[22] = 65;
    assert_eq!(said_of(&judge, Direction::In, &frame), "forward clean");
    assert_eq!(said_of(&judge, Direction::In, &syn_with(60, true, 2)), "forward clean");
}

#[test]
fn the_signature_with_more_traits_is_named() {
    let judge = judge_by(ENFORCE, &[("a", BLOCK_SYN, "1024:::\n1024:::;ttl=..64\n%:::;ttl=..64;df=0")]);
    let named = |ttl| said_of(&judge, Direction::In, &syn_with(ttl, false, 2));
    assert_eq!(named(50), "drop fingerprint_block 1024:::;ttl=..64");
    assert_eq!(named(65), "drop fingerprint_block 1024:::");
}

#[test]
fn a_signature_of_a_syn_ack_never_blocks() {
    let lines = "%:%:%:%;dir=SA\n%:::;dir=SA;flags=SA";
    let (snapshot, _) = judge_by(ENFORCE, &[("servers", BLOCK_SYN, lines)]);
    assert_eq!(snapshot.rules.lists()[0].entries, 2);
    for (flags, direction) in [(0x12, Direction::In), (0x02, Direction::In), (0x12, Direction::Out)] {
        let frame = syn_with(64, true, flags);
        let verdict = snapshot.judge(direction, &frame);
        assert_eq!(said(&snapshot, direction, &frame), "forward clean", "{flags:#x}");
        assert_eq!(verdict.would, None);
    }
}

#[test]
fn a_list_may_ignore_eols() {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([192, 0, 2, 9], [198, 51, 100, 1], 64)
        .tcp(40000, 80, 1, 65535)
        .syn()
        .options_raw(&[2, 4, 5, 180, 4, 2, 0, 0])
        .unwrap()
        .write(&mut frame, &[])
        .unwrap();
    for (eol, verdict) in [
        ("", "forward clean"),
        ("\neol = 'exact'", "forward clean"),
        ("\neol = 'ignore'", "drop fingerprint_block 65535:2-4:1460:"),
    ] {
        let judge = judge_by(ENFORCE, &[("zeek", &format!("{BLOCK_SYN}{eol}"), "65535:2-4:1460:")]);
        assert_eq!(said_of(&judge, Direction::In, &frame), verdict);
    }
}

#[test]
fn a_whole_p0f_fp_judges_strictly_and_its_syn_acks_never_block() {
    let database = "classes = unix\n[tcp:request]\nlabel = s:unix:Test:1\nsig = *:64:0:0:1024,0:::0\n\
        [tcp:response]\nlabel = s:unix:Test:1\nsig = *:64:0:0:1024,0:::0\n";
    let (snapshot, _) = judge_by(ENFORCE, &[("p0f.fp", BLOCK_SYN, database)]);
    assert_eq!(snapshot.rules.lists()[0].entries, 2);
    let said = |ttl, flags| {
        let mut frame = syn_with(ttl, false, flags);
        // Not zero: else the quirk `id-` is there, too.
        frame[19] = 1;
        said(&snapshot, Direction::In, &frame)
    };
    assert_eq!(said(60, 0x02), "drop fingerprint_block *:64:0:0:1024,0:::0;name=\"Test 1\"");
    assert_eq!(said(65, 0x02), "forward clean");
    assert_eq!(said(60, 0x12), "forward clean");
}

/// Two lists with a bad line and more, of addresses and of signatures.
fn compile_with_bad_lines(action: &str) -> Compiled {
    let folder = Folder::new();
    fs::write(folder.0.join("a"), "192.0.2.300\n192.0.2.9\n192.0.2.8/24/7\n").unwrap();
    fs::write(folder.0.join("b"), "1024:::\n1025:::;tttl=64\n1026::\n").unwrap();
    let list =
        |name, kind| format!("[[list]]\nname = '{name}'\nfile = '{name}'\nkind = '{kind}'\n{action}\n");
    let text = format!(
        "[bridge]\noutside = 'a'\ninside = 'b'\n{ENFORCE}\n{}{}",
        list("a", "ip"),
        list("b", "fingerprint")
    );
    let config = Config::parse(&folder.0.join("synward.toml"), &text).unwrap();
    RuleSet::compile(&config, &mut ListNames::default()).unwrap()
}

#[test]
fn a_bad_line_is_left_out_told_and_counted_and_the_others_are_in_force() {
    let compiled = compile_with_bad_lines("action = 'block'");
    let lists: Vec<_> = compiled.rules.lists().iter().map(|list| (list.entries, list.refused)).collect();
    assert_eq!(lists, [(1, 2), (1, 2)]);
    let place = |fault: &Diagnostic| {
        let place = fault.place.as_ref().unwrap();
        let file = fault.file.file_name().unwrap().to_str().unwrap().to_owned();
        format!("{file}:{}:{}", place.line, place.column)
    };
    let places: Vec<_> = compiled.refused.iter().map(place).collect();
    assert_eq!(places, ["a:1:1", "a:3:11", "b:2:9", "b:3:1"]);
    let snapshot = Snapshot { rules: Arc::new(compiled.rules), generation: 1, ..Snapshot::default() };
    let judged = |source| said(&snapshot, Direction::In, &syn(source));
    assert_eq!(judged([192, 0, 2, 9]), "drop block_list 192.0.2.9");
    assert_eq!(judged([192, 0, 2, 8]), "drop fingerprint_block 1024:::");
}

#[test]
fn a_bad_line_of_an_allow_list_allows_nothing_and_is_told_as_loudly() {
    let compiled = compile_with_bad_lines("action = 'allow'");
    assert_eq!(compiled.refused.len(), 4);
    let snapshot = Snapshot { rules: Arc::new(compiled.rules), generation: 1, ..Snapshot::default() };
    let judged = |source| said(&snapshot, Direction::In, &ping(source, [198, 51, 100, 1]));
    assert_eq!(judged([192, 0, 2, 9]), "forward allow_list 192.0.2.9");
    assert_eq!(judged([192, 0, 2, 8]), "forward clean");
}

#[test]
fn faults_of_all_lists_are_told_together_and_nothing_is_compiled() {
    let folder = Folder::new();
    fs::write(folder.0.join("a"), "192.0.2.300\n").unwrap();
    fs::write(folder.0.join("c"), "192.0.2.9\n192.0.2.400\n").unwrap();
    let text = "[bridge]\noutside = 'a'\ninside = 'b'\n\
        [[list]]\nname = 'a'\nfile = 'a'\nkind = 'ip'\naction = 'block'\n\
        [[list]]\nname = 'b'\nfile = 'missing'\nkind = 'ip'\naction = 'block'\n\
        [[list]]\nname = 'c'\nfile = 'c'\nkind = 'ip'\naction = 'block'\n";
    let config = Config::parse(&folder.0.join("synward.toml"), text).unwrap();
    let faults = RuleSet::compile(&config, &mut ListNames::default()).unwrap_err();
    let shown = faults.to_string();
    assert!(shown.contains("a:1:1") && shown.contains("cannot read list b"), "{shown}");
    assert!(shown.contains("c:2:1"), "{shown}");
}

/// The naive judgement of addresses: every prefix of every list, one after the other.
fn naive(prefixes: &[(u32, u8, bool)], address: u32) -> &'static str {
    let covers = |(first, length, _): &&(u32, u8, bool)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
        (first ^ address) & mask == 0
    };
    let covering: Vec<_> = prefixes.iter().filter(covers).collect();
    match (covering.iter().any(|p| p.2), covering.is_empty()) {
        (true, _) => "allow_list",
        (false, false) => "block_list",
        (false, true) => "clean",
    }
}

/// A list of the reference: whether it allows, whether it is enforced, its direction, and its prefixes.
#[derive(Debug, Clone)]
struct Naive {
    allows: bool,
    enforced: bool,
    direction: &'static str,
    prefixes: Vec<(u32, u8)>,
}

impl Naive {
    fn covers(&self, address: u32) -> bool {
        self.prefixes.iter().any(|(first, length)| {
            let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
            (first ^ address) & mask == 0
        })
    }

    fn applies(&self, direction: Direction) -> bool {
        self.direction == "both" || self.direction == if direction == Direction::In { "in" } else { "out" }
    }

    fn section(&self) -> String {
        let action = if self.allows { ALLOW } else { BLOCK };
        let mode = if self.enforced { "enforce" } else { "monitor" };
        format!("{action}\nmode = '{mode}'\ndirection = '{}'\nallow_wide = true", self.direction)
    }

    fn lines(&self) -> String {
        let line = |(first, length): &(u32, u8)| format!("{}/{length}\n", Ipv4Addr::from_bits(*first));
        self.prefixes.iter().map(line).collect()
    }
}

/// The place of the list that decides about an address: the first that allows, else the first that blocks.
fn decider(lists: &[Naive], covering: &[usize], enforced_only: bool) -> Option<usize> {
    let counts = |place: &&usize| lists[**place].enforced || !enforced_only;
    covering.iter().filter(counts).min_by_key(|place| !lists[**place].allows).copied()
}

/// A list with prefixes of every length around one address, and with those of other lists again.
fn naive_list() -> impl Strategy<Value = Naive> {
    let address = prop_oneof![0xc000_0200_u32..0xc000_0210, any::<u32>(), Just(0), Just(u32::MAX)];
    let prefixes = prop::collection::vec((address, prop_oneof![0_u8..=32, 28_u8..=32, Just(32)]), 0..6);
    (any::<bool>(), any::<bool>(), prop::sample::select(vec!["in", "out", "both"]), prefixes)
        .prop_map(|(allows, enforced, direction, prefixes)| Naive { allows, enforced, direction, prefixes })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_set_of_lists_says_what_a_linear_scan_says(
        lists in prop::collection::vec(naive_list(), 0..6),
        probes in prop::collection::vec(prop_oneof![0xc000_01f0_u32..0xc000_0220, any::<u32>(), Just(0), Just(u32::MAX)], 30),
    ) {
        let texts: Vec<_> =
            (0..).zip(&lists).map(|(n, list): (u32, _)| (n.to_string(), list.section(), list.lines())).collect();
        let sections: Vec<_> = texts.iter().map(|(n, section, lines)| (&**n, &**section, &**lines)).collect();
        let judge = judge_by(ENFORCE, &sections);
        let (snapshot, names) = &judge;
        let name = |rule| snapshot.rules.list_of(rule).map(|list| names.name(list).parse::<usize>().unwrap());
        for (probe, direction) in probes.into_iter().flat_map(|p| [(p, Direction::In), (p, Direction::Out)]) {
            let covering: Vec<_> = (0..lists.len())
                .filter(|place| lists[*place].applies(direction) && lists[*place].covers(probe))
                .collect();
            let address = Ipv4Addr::from_bits(probe).octets();
            let frame = match direction {
                Direction::In => ping(address, [198, 51, 100, 1]),
                Direction::Out => ping([198, 51, 100, 1], address),
            };
            let mut hits = Hits(&judge, Vec::new());
            let verdict = snapshot.judge_seen(direction, &frame, Moment::START, &mut hits);
            prop_assert_eq!(hits.1, covering.iter().map(ToString::to_string).collect::<Vec<_>>());
            let (decides, assumed) = (decider(&lists, &covering, true), decider(&lists, &covering, false));
            prop_assert_eq!(verdict.rule.and_then(name), decides);
            let would = verdict.would.and_then(|would| would.rule).or(verdict.rule).and_then(name);
            prop_assert_eq!(would, assumed);
            let drops = decides.is_some_and(|place| !lists[place].allows);
            prop_assert_eq!(verdict.action == Action::Drop, drops);
        }
    }

    #[test]
    fn overlapping_prefixes_are_judged_as_by_a_linear_scan(
        prefixes in prop::collection::vec((0xc000_0200_u32..0xc000_0300, 20_u8..=32, any::<bool>()), 0..20),
        probes in prop::collection::vec(0xc000_0100_u32..0xc000_0400, 40),
    ) {
        let lines = |allow: bool| -> String {
            let line = |(first, length, _): &(u32, u8, bool)| format!("{}/{length}\n", Ipv4Addr::from_bits(*first));
            prefixes.iter().filter(|prefix| prefix.2 == allow).map(line).collect()
        };
        let (snapshot, _) = judge_by(ENFORCE, &[("bad", BLOCK, &lines(false)), ("good", ALLOW, &lines(true))]);
        for probe in probes {
            let verdict = snapshot.judge(Direction::In, &ping(Ipv4Addr::from_bits(probe).octets(), [198, 51, 100, 1]));
            prop_assert_eq!(verdict.reason.name(), naive(&prefixes, probe), "{}", IpAddr::from(Ipv4Addr::from_bits(probe)));
        }
    }

    #[test]
    fn no_bytes_make_the_judgement_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0_usize..60,
        flips in prop::collection::vec((0_usize..60, any::<u8>()), 0..6),
    ) {
        let (snapshot, _) = judge_by(ENFORCE, &[("bad", BLOCK, "192.0.2.0/24"), ("scanners", BLOCK_SYN, "%:%:%:%")]);
        let mut mutated = syn([192, 0, 2, 9]);
        for (at, value) in flips {
            let at = at % mutated.len();
            mutated[at] = value;
        }
        mutated.truncate(mutated.len() - cut.min(mutated.len()));
        for frame in [bytes, mutated] {
            let _ = snapshot.judge(Direction::In, &frame);
            let _ = snapshot.judge(Direction::Out, &frame);
        }
    }
}

/// Against the SYN `4:64+0:0:0:1024,0::df:0`.
#[test]
fn a_compat_list_finds_what_p0f_would_name_and_nothing_else() {
    let judged = |option: &str, lines: &str| {
        let judge = judge_by(ENFORCE, &[("p0f.fp", &format!("{BLOCK_SYN}{option}"), lines)]);
        said_of(&judge, Direction::In, &syn([192, 0, 2, 9]))
    };
    let compat = "\np0f = 'compat'";
    // A quirk is missing, but one that routers take away: p0f calls that fuzzy.
    let fuzzy = "*:64:0:*:1024,0::df,id+:0";
    assert_eq!(judged("", fuzzy), "forward clean");
    assert_eq!(judged(compat, fuzzy), format!("drop fingerprint_block {fuzzy}"));
    // An exact match is named before a fuzzy one that stands above it, and a specific one before a generic.
    let exact = "4:64:0:0:1024,0::df:0";
    assert_eq!(judged(compat, &format!("{fuzzy}\n{exact}")), format!("drop fingerprint_block {exact}"));
    let database = format!(
        "classes = unix\n[tcp:request]\nlabel = g:unix:Any:\nsig = {exact}\n\
         label = s:unix:One:\nsig = *:64:0:*:1024,*::df:0\n"
    );
    assert!(judged(compat, &database).ends_with("name=\"One\""), "{}", judged(compat, &database));
    // A program is nothing that a fuzzy match may name, and then nothing else is.
    let program = format!("[tcp:request]\nlabel = s:!:NMap:\nsys = *\nsig = {fuzzy}\n");
    assert_eq!(judged(compat, &program), "forward clean");
    // Other notations of the list are matched as ever.
    assert_eq!(judged(compat, "1024:::"), "drop fingerprint_block 1024:::");
}

fn recompile(
    in_force: &RuleSet,
    folder: &Folder,
    names: &mut ListNames,
    memory: Option<u64>,
) -> Result<Compiled, Faults> {
    let list = |name: &str| format!("[[list]]\nname = '{name}'\nfile = '{name}'\n{BLOCK}\n");
    let text = format!("[bridge]\noutside = 'a'\ninside = 'b'\n{ENFORCE}\n{}{}", list("a"), list("b"));
    let config = Config::parse(&folder.0.join("synward.toml"), &text).unwrap();
    in_force.recompile(&config, names, Resources { more_threads: 1, memory })
}

#[test]
fn only_a_list_that_has_changed_is_parsed_again_and_what_was_odd_about_the_other_is_told_again() {
    let (folder, mut names) = (Folder::new(), ListNames::default());
    fs::write(folder.0.join("a"), "192.0.2.7/24\n192.0.2.300\n").unwrap();
    fs::write(folder.0.join("b"), "198.51.100.1\n").unwrap();
    let first = recompile(&RuleSet::default(), &folder, &mut names, None).unwrap();
    fs::write(folder.0.join("b"), "198.51.100.2\n").unwrap();
    let second = recompile(&first.rules, &folder, &mut names, None).unwrap();
    let reused =
        |compiled: &Compiled| compiled.rules.lists().iter().map(|list| list.reused).collect::<Vec<_>>();
    assert_eq!((reused(&first), reused(&second)), (vec![false, false], vec![true, false]));
    assert_eq!((first.warnings, first.refused), (second.warnings, second.refused));
    let snapshot = Snapshot { rules: Arc::new(second.rules), generation: 2, ..Snapshot::default() };
    let judged = |source| said(&snapshot, Direction::In, &ping(source, [203, 0, 113, 1]));
    assert_eq!(judged([192, 0, 2, 9]), "drop block_list 192.0.2.0/24");
    assert_eq!(judged([198, 51, 100, 1]), "forward clean");
    assert_eq!(judged([198, 51, 100, 2]), "drop block_list 198.51.100.2");
}

#[test]
fn rules_that_would_take_too_much_memory_are_refused_and_what_to_type_is_told() {
    let (folder, mut names) = (Folder::new(), ListNames::default());
    let lines: String = (0..1000).map(|n| format!("192.0.{}.{}\n", n / 250, n % 250)).collect();
    fs::write(folder.0.join("a"), "198.51.100.1\n").unwrap();
    fs::write(folder.0.join("b"), &lines).unwrap();
    let mut fault = |in_force: &RuleSet, memory| {
        recompile(in_force, &folder, &mut names, Some(memory))
            .map(|_| ())
            .map_err(|faults| faults.to_string())
    };
    let none = RuleSet::default();
    // Not even the file fits; then not the tables.
    for memory in [1000, 50_000] {
        let shown = fault(&none, memory).unwrap_err();
        assert!(
            shown.contains("list b would take") && shown.contains("write `memory = \"1.0 MiB\"`"),
            "{shown}"
        );
    }
    assert_eq!(fault(&none, 1 << 20), Ok(()));
    // What is in force counts.
    let in_force = recompile(&none, &folder, &mut ListNames::default(), None).unwrap().rules;
    assert!(fault(&in_force, in_force.memory_usage() as u64 + 10_000).is_err());
    assert_eq!(fault(&in_force, in_force.memory_usage() as u64 + 100_000), Ok(()));
    // Also where the new rules alone would fit.
    fs::write(folder.0.join("b"), lines.replace("192.0", "192.1")).unwrap();
    let alone = (1..1024).map(|kib| kib << 10).find(|memory| fault(&none, *memory).is_ok()).unwrap();
    assert!(fault(&in_force, alone).is_err());
}

#[test]
fn a_list_that_is_to_be_read_otherwise_is_parsed_again_though_its_file_is_as_before() {
    let (folder, mut names) = (Folder::new(), ListNames::default());
    fs::write(folder.0.join("a"), "192.0.2.1\n192.0.2.2\n8.0.0.0/7\n").unwrap();
    let mut compile = |in_force: &RuleSet, settings: &str| {
        let list = format!("[[list]]\nname = 'a'\nfile = 'a'\n{BLOCK}\n{settings}");
        let text = format!("[bridge]\noutside = 'a'\ninside = 'b'\n{ENFORCE}\n{list}");
        let config = Config::parse(&folder.0.join("synward.toml"), &text).unwrap();
        in_force.recompile(&config, &mut names, Resources::default())
    };
    let wide = compile(&RuleSet::default(), "allow_wide = true").unwrap();
    assert_eq!((wide.rules.lists()[0].entries, wide.refused.len()), (3, 0));
    let narrow = compile(&wide.rules, "").unwrap();
    assert_eq!((narrow.rules.lists()[0].entries, narrow.refused.len()), (2, 1));
    assert!(compile(&wide.rules, "allow_wide = true\nmax_entries = 2").is_err());
}

#[test]
fn the_index_is_counted_once_for_all_lists_of_a_direction() {
    let (folder, mut names) = (Folder::new(), ListNames::default());
    let lines = |second: u8, count: u32| -> String {
        (0..count).map(|n| format!("10.{second}.{}.{}\n", n / 200, n % 200)).collect()
    };
    let mut accepts = |count, mebibytes: u64| {
        fs::write(folder.0.join("a"), lines(1, count)).unwrap();
        fs::write(folder.0.join("b"), lines(2, count)).unwrap();
        recompile(&RuleSet::default(), &folder, &mut names, Some(mebibytes << 20)).is_ok()
    };
    // Each list long enough for the wide index of 64 MiB; then both together.
    assert!(accepts(20_000, 80));
    assert!(!accepts(20_000, 60) && !accepts(10_000, 60));
    assert!(accepts(5_000, 60));
}

#[test]
fn short_lines_of_wide_addresses_are_counted_before_they_are_read() {
    let (folder, mut names) = (Folder::new(), ListNames::default());
    fs::write(folder.0.join("a"), "::2\n".repeat(100_000)).unwrap();
    fs::write(folder.0.join("b"), "192.0.2.1\n").unwrap();
    let mut compile =
        |mebibytes: u64| recompile(&RuleSet::default(), &folder, &mut names, Some(mebibytes << 20));
    assert!(compile(3).unwrap_err().to_string().contains("list a would take 5.0 MiB"));
    assert!(compile(8).is_ok());
}

#[test]
fn signatures_take_memory_too() {
    let (folder, mut names) = (Folder::new(), ListNames::default());
    let lines: String = (0..10_000).map(|n| format!("{n}:2:1460:\n")).collect();
    fs::write(folder.0.join("s"), lines).unwrap();
    let list = "[[list]]\nname = 's'\nfile = 's'\nkind = 'fingerprint'\naction = 'block'\n";
    let text = format!("[bridge]\noutside = 'a'\ninside = 'b'\n{ENFORCE}\n{list}");
    let config = Config::parse(&folder.0.join("synward.toml"), &text).unwrap();
    let mut compile = |mebibytes: u64| {
        let resources = Resources { more_threads: 0, memory: Some(mebibytes << 20) };
        RuleSet::default().recompile(&config, &mut names, resources)
    };
    let mut fault = |mebibytes| compile(mebibytes).unwrap_err().to_string();
    // By the length of the file, before it is read; then by its signatures, before a table is made.
    for (mebibytes, needed) in [(4, "4.1 MiB"), (5, "5.3 MiB")] {
        let shown = fault(mebibytes);
        assert!(shown.contains(&format!("list s would take {needed} of memory")), "{shown}");
    }
    let rules = compile(16).unwrap().rules;
    assert!((2 << 20..16 << 20).contains(&rules.memory_usage()), "{}", rules.memory_usage());
}
