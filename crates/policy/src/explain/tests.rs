use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use synward_fingerprint::Fingerprint;
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

use super::*;
use crate::config::{Config, P0fMode};
use crate::names::ListNames;

/// Lists in a folder of their own, removed on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The rules of lists in an enforcing bridge. Each has a name, the rest of its section, and its lines.
fn rules(lists: &[(&str, &str, &str)], change: impl FnOnce(&mut Config)) -> (RuleSet, ListNames) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("synward-explain-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Folder(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&folder.0).unwrap();
    let mut text = "[bridge]\noutside = 'a'\ninside = 'b'\nmode = 'enforce'\n".to_owned();
    for (name, section, lines) in lists {
        std::fs::write(folder.0.join(name), lines).unwrap();
        text += &format!("[[list]]\nname = '{name}'\nfile = '{name}'\n{section}\n");
    }
    let mut config = Config::parse(&folder.0.join("synward.toml"), &text).unwrap();
    change(&mut config);
    let mut names = ListNames::default();
    (RuleSet::compile(&config, &mut names).unwrap().rules, names)
}

const BLOCK: &str = "kind = 'ip'\naction = 'block'";
const ALLOW: &str = "kind = 'ip'\naction = 'allow'";
const BLOCK_SYN: &str = "kind = 'fingerprint'\naction = 'block'";
const ALLOW_SYN: &str = "kind = 'fingerprint'\naction = 'allow'";
const MONITOR: &str = "\nmode = 'monitor'";

/// The verdict, and each entry that matches: where it stands, and its role, action and condition.
fn told((_, names): &(RuleSet, ListNames), explained: &Explanation) -> (String, Vec<String>) {
    let Explanation { verdict, matches } = explained;
    let show = |found: &Match| {
        let RuleDescription { list, line, .. } = &found.description;
        let role = match found.part {
            Part::Decides => " decides",
            Part::WouldDecide => " would decide",
            Part::Matches => "",
        };
        let condition =
            found.condition.iter().map(|condition| format!(" if {condition}")).collect::<String>();
        format!("{}:{line}{role}{condition}", names.name(*list))
    };
    (format!("{} {}", verdict.name(), verdict.reason.name()), matches.iter().map(show).collect())
}

fn address(rules: &(RuleSet, ListNames), direction: Direction, last: u8) -> (String, Vec<String>) {
    told(rules, &rules.0.explain_address(direction, Ipv4Addr::new(192, 0, 2, last).into()))
}

fn syn(rules: &(RuleSet, ListNames), asked: &str) -> (String, Vec<String>) {
    told(rules, &rules.0.explain_syn(&asked.parse().unwrap()).unwrap())
}

fn expect(verdict: &str, matches: &[&str]) -> (String, Vec<String>) {
    (verdict.to_owned(), matches.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn entries_of_an_address_come_in_the_order_of_verdicts_and_monitor_lists_decide_nothing() {
    let quiet = format!("{ALLOW}{MONITOR}");
    let lists = [
        ("bad", BLOCK, "192.0.2.0/25\n198.51.100.0/24\n192.0.2.9"),
        ("wide", BLOCK, "192.0.0.0/16"),
        ("trial", quiet.as_str(), "192.0.2.0/28"),
        ("good", ALLOW, "192.0.2.8/30"),
    ];
    let rules = rules(&lists, |_| {});
    let all = ["trial:1 would decide", "good:1 decides", "bad:3", "bad:1", "wide:1"];
    assert_eq!(address(&rules, Direction::In, 9), expect("forward allow_list", &all));
    let spared = ["trial:1 would decide", "bad:1 decides", "wide:1"];
    assert_eq!(address(&rules, Direction::In, 3), expect("drop block_list", &spared));
    assert_eq!(address(&rules, Direction::In, 200), expect("drop block_list", &["wide:1 decides"]));
    assert_eq!(address(&rules, Direction::Out, 9), expect("forward clean", &[]));
}

#[test]
fn an_address_is_explained_by_direction() {
    let (out, both) =
        (format!("{BLOCK}\ndirection = 'out'"), format!("{BLOCK}\ndirection = 'both'{MONITOR}"));
    let rules = rules(&[("out", &out, "192.0.2.1"), ("both", &both, "192.0.2.0/24")], |_| {});
    assert_eq!(address(&rules, Direction::In, 1), expect("would-drop clean", &["both:1 would decide"]));
    assert_eq!(address(&rules, Direction::Out, 1), expect("drop block_list", &["out:1 decides", "both:1"]));
    let v6 = rules.0.explain_address(Direction::In, "2001:db8::1".parse().unwrap());
    assert_eq!(v6.matches, []);
}

#[test]
fn an_exact_fingerprint_is_decided_by_what_it_tells_and_the_rest_has_conditions() {
    let quiet = format!("{BLOCK_SYN}{MONITOR}");
    let lists = [
        ("a", BLOCK_SYN, "%:2:1460:\n1024:2:1460:;ttl=..64;name=\"nmap -sS\"\n1025:2:1460:"),
        ("b", quiet.as_str(), "1024:2:1460:\n1024:2:1460:;dir=SA"),
        ("ours", ALLOW_SYN, "%:%:%:%;dst=192.0.2.0/24;dport=22,80"),
        ("p0f", BLOCK_SYN, "4:64-:0:1460:1024,0:mss::0\n4:64:0:1460:1024,0:mss,nop::0"),
    ];
    let rules = rules(&lists, |_| {});
    let conditional = [
        "ours:1 if dport=22,80;dst=192.0.2.0/24",
        "a:2 if ttl=..64",
        "b:1 would decide",
        "a:1 decides",
        "p0f:1 if 4:64-:0:1460:1024,0:mss::0",
    ];
    let (verdict, mut matches) = syn(&rules, "1024:2:1460:");
    assert_eq!(verdict, "drop fingerprint_block");
    let mut expected = conditional;
    matches.sort();
    expected.sort_unstable();
    assert_eq!(matches, expected);
    // What is told besides makes conditions hold, or fail.
    let (verdict, matches) = syn(&rules, "1024:2:1460:;ttl=40;dst=192.0.2.7;dport=80");
    assert_eq!(verdict, "forward fingerprint_allow");
    assert_eq!((matches[0].as_str(), matches[1].as_str()), ("ours:1 decides", "a:2"));
    let (_, matches) = syn(&rules, "1024:2:1460:;ttl=65..;dport=443");
    assert_eq!(matches, ["b:1 would decide", "a:1 decides"]);
    assert_eq!(syn(&rules, "1026:2:1300:").0, "forward clean");
}

#[test]
fn the_notations_tell_each_other_what_they_have_in_common() {
    let lines = "64240:2-4-8-1-3:1460:7;df=1;ttl=..64\n64240:2-4-8-1-3:1460:7;ipid=0\n*:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";
    let rules = rules(&[("a", BLOCK_SYN, lines)], |_| {});
    let (_, matches) = syn(&rules, "4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0");
    assert_eq!(matches, ["a:1 decides", "a:3"]);
    let (_, matches) = syn(&rules, "64240:2-4-8-1-3:1460:7");
    let asks = "a:3 if *:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";
    assert_eq!(matches, ["a:1 if ttl=..64;df=1", "a:2 if ipid=0", asks]);
}

#[cfg(feature = "ja4t")]
#[test]
fn muonfp_hides_the_padding_that_ja4t_lists() {
    let lines = "65535_2-4-0-0_1460_00\n65535_2-4-0-0-0-0-0-0_1460_00\n65535:2-4-0:1460:\n1024_2_1460_00";
    let rules = rules(&[("a", BLOCK_SYN, lines)], |_| {});
    let (_, matches) = syn(&rules, "65535:2-4-0:1460:");
    assert_eq!(
        matches,
        ["a:1 if 65535_2-4-0-0_1460_00", "a:2 if 65535_2-4-0-0-0-0-0-0_1460_00", "a:3 decides"]
    );
    assert_eq!(syn(&rules, "65535_2-4-0-0_1460_00").1, ["a:1 decides", "a:3"]);
    assert_eq!(syn(&rules, "1024:2:1460:").1, ["a:4 decides"]);
    assert_eq!(syn(&rules, "1024_2_1460_00").1, ["a:4 decides"]);
}

#[test]
fn what_leaves_a_value_open_has_no_verdict_but_its_equals() {
    let lines = "1024:%:%:%\n1024:*:*:*;name=all\n1024:%:%:%;df=0\n1024:2:1460:";
    let (rules, _) = rules(&[("a", BLOCK_SYN, lines)], |_| {});
    for asked in ["1024:%:%:%", "%:2:1460:", "1024:2:%:", "4:64:0:*:1024,0:mss::0", "4:64:0:1460:%8,0:mss::0"]
    {
        assert_eq!(rules.explain_syn(&asked.parse().unwrap()), None, "{asked}");
    }
    // Of a SYN-ACK, and of a SYN whose MSS option is cut short.
    for asked in [
        "1024:2:1460:;dir=SA",
        "1024:1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-2::",
    ] {
        assert_eq!(rules.explain_syn(&asked.parse().unwrap()), None, "{asked}");
    }
    let same = rules.same_signatures(&"1024:%:%:%;name=\"another\"".parse().unwrap());
    assert_eq!(same.iter().map(|found| found.description.line).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_compat_list_is_explained_by_what_p0f_would_choose() {
    // Both signatures match a SYN with DF and without identification; p0f takes the specific one.
    let database = "classes = unix\n[tcp:request]\nlabel = g:unix:Any:\nsig = *:64:0:*:1024,0:mss:df:0\n\
        label = s:unix:One:\nsig = *:64:0:1460:1024,0:mss:df:0\n";
    let ask = |mode, asked: &str| {
        let rules = rules(&[("a", BLOCK_SYN, database)], |config| config.lists[0].p0f = mode);
        let ranks = rules.0.explain_syn(&asked.parse().unwrap()).unwrap();
        let ranks: Vec<_> = ranks.matches.iter().filter_map(|found| found.compat).collect();
        (syn(&rules, asked), ranks.iter().map(|rank| rank.generic).collect::<Vec<_>>())
    };
    let (strict, compat) = (None, Some(P0fMode::Compat));
    let (exact, other_mss) = ("4:64:0:1460:1024,0:mss:df:0", "4:64:0:1400:1024,0:mss:df:0");
    assert_eq!(ask(strict, exact), (expect("drop fingerprint_block", &["a:6 decides", "a:4"]), vec![]));
    assert_eq!(ask(compat, exact), (expect("drop fingerprint_block", &["a:6 decides"]), vec![false]));
    assert_eq!(ask(compat, other_mss), (expect("drop fingerprint_block", &["a:4 decides"]), vec![true]));
    // A TTL out of reach makes both fuzzy matches, of which p0f takes the first of the file.
    let far = "4:200:0:1460:1024,0:mss:df:0";
    assert_eq!(ask(strict, far), (expect("forward clean", &[]), vec![]));
    assert_eq!(ask(compat, far), (expect("drop fingerprint_block", &["a:4 decides"]), vec![true]));
    // MuonFP does not tell all that p0f looks at.
    let open = ask(compat, "1024:2:1460:").0;
    let chosen = ["a:6 if p0f 3.09b chooses it of its list", "a:4 if p0f 3.09b chooses it of its list"];
    assert_eq!(open, expect("forward clean", &chosen));
}

const KINDS: [&[u8]; 7] = [
    &[],
    &[2, 4, 5, 180],
    &[2, 4, 5, 180, 4, 2, 0, 0],
    &[2, 4, 5, 180, 4, 2, 0, 0, 0, 0, 0, 0],
    &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
    &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 9, 1, 3, 3, 7],
    &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 0],
];

const ASKED: [&str; 14] = [
    "1024:::",
    "1024:2:1460:;ttl=30..70",
    "64240:2-4-0:1460:",
    "64240:2-4-0:1460:;df=1;flags=SEC",
    "64240:2-4-8-1-3:1460:7",
    "64240:2-4-8-1-3:1460:7;ecn=1;dport=22,80",
    "64240:2-4-8-1-3:1460:0;ver=6",
    "4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0",
    "*:64:0:1460:64240,7:mss,sok,ts,nop,ws:df,id+:*",
    "6:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:flow:0",
    "4:64-:0:0:1024,0:::*;ipid=0..5;dst=192.0.0.0/16",
    "4:64:0:1460:64240,0:mss,sok,eol+1:df:0",
    "64240:2-4-8-1-3:1460:7;ipid=1..;payload=1",
    "64240:2-4-8-1-3:1460:7;dst=2001:db8::/32",
];

const RULES: [&str; 24] = [
    "%:%:%:%",
    "1024:::",
    "%:2-%:1460:%",
    "%:%:%:%;ttl=..64",
    "%:%:%:%;ttl=40",
    "%:%:%:%;df=1",
    "%:%:%:%;ipid=0",
    "%:%:%:%;ipid=3..9;payload=0",
    "%:%:%:%;flags=S",
    "%:%:%:%;flags=SEC",
    "%:%:%:%;ecn=1",
    "%:%:%:%;ecn=0;ver=4",
    "%:%:%:%;dport=80..443",
    "%:%:%:%;dst=192.0.2.0/24",
    "%:%:%:%;dst=2001:db8::/48;payload=1",
    "%:%:%:%;ver=6",
    "64240:2-4-8-1-3:1460:7;df=1;ttl=29..64",
    "4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0",
    "*:64:0:*:%2,*:mss,sok,ts,nop,ws:df,id+:*",
    "6:64:0:*:mss*44,7:mss,sok,ts,nop,ws:flow:0",
    "*:64-:0:0:1024,0::ecn:*",
    "*:64-:0:0:*,0::id-:0",
    "*:64:0:1460:*,*:mss,sok,eol+1:df:0",
    "*:128:0:*:*,*:mss,sok,ts,nop,ws:df,id+,ts1-,ts2+:*",
];

/// A SYN with values of which the rules ask for some.
fn syns() -> impl Strategy<Value = SynFacts> {
    let ip = (
        any::<bool>(),
        prop::sample::select(vec![0_u8, 28, 29, 40, 64, 65, 128]),
        any::<bool>(),
        0_u16..6,
        0_u8..2,
        any::<bool>(),
    );
    let tcp = (
        prop::sample::select(vec![1024_u16, 64240]),
        prop::sample::select(KINDS.to_vec()),
        prop::sample::select(vec![0x02_u16, 0xc2, 0x0a]),
        prop::sample::select(vec![22_u16, 80, 443]),
        any::<bool>(),
        any::<bool>(),
    );
    (ip, tcp).prop_map(|((ipv6, ttl, df, id, ecn, listed), (window, options, flags, port, payload, flow))| {
        let destination = match (ipv6, listed) {
            (false, true) => "192.0.2.7",
            (false, false) => "192.0.3.7",
            (true, true) => "2001:db8::7",
            (true, false) => "2001:db8:1::7",
        };
        SynFacts {
            ip_version: if ipv6 { 6 } else { 4 },
            ttl,
            dont_fragment: df && !ipv6,
            ip_id: (!ipv6).then_some(id),
            ip_header_len: if ipv6 { 40 } else { 20 },
            ecn,
            flow_label: flow && ipv6,
            window,
            options: OptionBytes::new(options).unwrap(),
            flags: TcpFlags::new(flags),
            destination: destination.parse().unwrap(),
            destination_port: port,
            payload,
            ..SynFacts::default()
        }
    })
}

/// The relation of each pair, once: what the property is about are the SYNs.
fn relations() -> Vec<(Signature, Signature, Relation)> {
    let parse = |text: &str| text.parse::<Signature>().unwrap();
    let of = |asked: &str| {
        let asked = parse(asked);
        let example = Example::of(&asked).unwrap();
        let pair = move |rule: &&str| {
            let rule = parse(rule);
            let relation = relation(&asked, &example, &rule);
            (asked.clone(), rule, relation)
        };
        RULES.iter().map(pair).collect::<Vec<_>>()
    };
    ASKED.iter().flat_map(|asked| of(asked)).collect()
}

#[test]
fn no_syn_contradicts_what_is_said_of_two_signatures() {
    let relations = relations();
    let mut met = std::collections::HashMap::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..20_000 {
        let seen = Fingerprint::of(&syns().new_tree(&mut runner).unwrap().current());
        for (asked, rule, relation) in &relations {
            if !asked.matches(&seen) {
                continue;
            }
            let is_matched = rule.matches(&seen);
            *met.entry((*relation, is_matched)).or_insert(0) += 1;
            let allowed = match relation {
                Relation::Always => is_matched,
                Relation::Sometimes => true,
                Relation::Never => !is_matched,
            };
            assert!(allowed, "{asked} and {rule} are {relation:?}, but see {seen:?}");
        }
    }
    // Each is met, and where a rule matches sometimes, both are.
    let (always, never) = ((Relation::Always, true), (Relation::Never, false));
    for case in [always, never, (Relation::Sometimes, true), (Relation::Sometimes, false)] {
        assert!(met.get(&case).is_some_and(|times| *times > 100), "{case:?}: {met:?}");
    }
}
