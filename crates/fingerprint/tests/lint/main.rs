//! What is found in lists of signatures, and that no claim is wrong.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../p0f/generator.rs"]
mod generator;
#[path = "../p0f/packet.rs"]
#[allow(dead_code, reason = "each test uses its share")]
mod packet;
#[path = "../common/rivals.rs"]
mod rivals;

use std::mem::discriminant;

use proptest::prelude::*;
use rivals::{is_plain, recipe};
use synward_fingerprint::lint::{Entry, Finding, Kind, lint};
use synward_fingerprint::{Fingerprint, Signature};

fn findings(lines: &[&str]) -> Vec<Finding> {
    let read = |line: &&str| line.parse().unwrap_or_else(|fault| panic!("{line}: {fault}"));
    let signatures: Vec<Signature> = lines.iter().map(read).collect();
    let entries: Vec<Entry<'_>> =
        lines.iter().zip(&signatures).map(|(text, signature)| Entry::new(text, signature)).collect();
    lint(&entries)
}

/// The findings of these kinds, as entry and other.
fn pairs(lines: &[&str], kind: Kind) -> Vec<(usize, Option<usize>)> {
    let found = findings(lines).into_iter().filter(|finding| finding.kind == kind);
    found.map(|finding| (finding.entry, finding.other)).collect()
}

fn only(line: &str, kind: Kind) -> Finding {
    let found = findings(&[line]).into_iter().find(|finding| finding.kind == kind);
    found.unwrap_or_else(|| panic!("{line}: no {kind:?}"))
}

#[test]
fn what_scanners_send_is_as_it_should_be() {
    let lines = [
        "1024:::",
        "1024:2:1460:",
        "65535:::;ipid=54321",
        "65535:2-1-3-1-1-4:1460:8;df=0;ttl=..64",
        "*:64-:0:1460:2048,0:mss::0;dport=22",
        "%:::;ver=6",
    ];
    assert_eq!(findings(&lines), []);
}

#[test]
fn duplicates_are_found_across_spellings_and_notations() {
    let mut lines = vec!["*:::;df=0", "%:::;df=0", "4:54+10:0:0:1024,0::df:0", "4:64:0:0:1024,0::df:0"];
    let mut expected = vec![(1, Some(0)), (3, Some(2))];
    // Without options there are no values to be any.
    lines.extend(["2048:::", "2048::%:%"]);
    expected.push((5, Some(4)));
    #[cfg(feature = "ja4t")]
    {
        lines.extend(["1024:2-%:1460:%", "1024_2-%_1460_*"]);
        expected.push((7, Some(6)));
    }
    // A name makes no difference.
    lines.extend(["4:64:0:0:1024,0::df:0;name=x"]);
    expected.push((lines.len() - 1, Some(2)));
    assert_eq!(pairs(&lines, Kind::Duplicate), expected);
    assert_eq!(pairs(&lines, Kind::Shadowed), []);
}

#[test]
fn the_wider_of_two_shadows_the_narrower() {
    for (wide, narrow) in [
        ("%:::;ver=4", "1024:::;df=1"),
        ("1024:::;ttl=..64", "1024:::;ttl=50..60;ecn=0"),
        ("1024:::;ecn=1", "1024:::;flags=SE"),
        ("1024:::;dport=20..25,80", "1024:::;dport=22,80"),
        ("1024:::;dst=192.0.2.0/24", "1024:::;dst=192.0.2.128/25"),
        ("1024:%:%:%;df=0", "1024:2-%-8:%:%;df=0"),
        ("1024:%-8-%:%:%;df=0", "1024:2-%-1-8-1-1:1460:;df=0"),
        ("1024:%-8-%-8:%:%;df=0", "1024:8-%-8-%-8:%:%;df=0"),
        ("*:64-:0:*:%1024,*:mss::*", "4:64:0:1460:%2048,0:mss::0"),
        ("*:64:0:*:*,*:mss:df,id+,flow:*", "6:64:0:1440:mss*4,0:mss:flow:0"),
        ("1024:2:%:;df=0", "4:64:0:1460:1024,0:mss::0"),
        ("%:2:1460:;ttl=..100;df=1;ipid=1..;payload=0", "4:64:0:1460:mss*4,0:mss:df,id+:0"),
    ] {
        assert_eq!(pairs(&[narrow, wide], Kind::Shadowed), [(0, Some(1))], "{narrow} in {wide}");
        assert_eq!(pairs(&[wide, narrow], Kind::Shadowed), [(1, Some(0))], "{narrow} in {wide}");
    }
}

#[test]
fn what_only_looks_wider_shadows_nothing() {
    for (wide, narrow) in [
        ("%:::;ver=4", "1024:::;ecn=0"),
        ("1024:::;ttl=..64", "1024:::;ttl=50..65"),
        ("1024:::;ecn=0", "1024:::;flags=S"),
        ("1024:::;dport=22,24", "1024:::;dport=23..25"),
        ("1024:::;flags=S", "1024:::;ver=4"),
        ("1024:2-%-8:%:%", "1024:%-8:%:%"),
        ("1024:%-8-%-8:%:%", "1024:2-8-1:%:%"),
        ("1024:2-4-8-%:%:%", "1024:2-4-%:%:%"),
        ("1024:2:1460:", "1024:2:%:"),
        ("1024:2-%:1460:", "4:64:0:1460:mss*1,0:mss::0"),
        ("1024:2-%:1460:;dir=SA", "1024:2:1460:"),
        ("4:64:0:1460:1024,0:mss::0", "1024:2:1460:;df=0;ttl=64;ver=4;payload=0;ecn=0;ipid=1.."),
        ("*:64:0:*:*,*:mss:df,id+:*", "6:64:0:1440:mss*4,0:mss:flow:0"),
        ("*:64:0:*:*,*:mss:df,id+:*", "*:64-:0:*:*,*:mss:df,id+:*"),
        ("%:2:1460:;df=1", "*:64:0:1460:*,0:mss:df,id+:0"),
    ] {
        assert!(!pairs(&[narrow, wide], Kind::Shadowed).contains(&(0, Some(1))), "{narrow} in {wide}");
    }
}

#[test]
fn a_last_resort_is_meant_to_match_what_others_match() {
    let (wide, narrow): (Signature, Signature) =
        ("*:64:0:*:*,*:mss::0".parse().unwrap(), "*:64:0:*:1024,0:mss::0".parse().unwrap());
    let generic = Entry { last_resort: true, ..Entry::new("", &wide) };
    let found = lint(&[Entry::new("", &narrow), generic]);
    assert!(!found.iter().any(|finding| finding.kind == Kind::Shadowed), "{found:?}");
}

#[test]
fn what_never_matches_is_told_with_its_reason() {
    for (line, why) in [
        ("1024:2:1460:;dir=SA", "only SYNs are judged"),
        ("1024:2-1-3-1:1460:7", "9 bytes"),
        ("4:64:0:1460:1024,0:mss,sok::0", "6 bytes"),
        ("4:64:0:1460:1024,0:mss::0;ttl=65..", "(29 to 64)"),
        ("*:64:0:50:mss*4,0:mss::0", "at least 100"),
        ("4:64:0:1460:mss*60,0:mss::0", "no window is `mss*60` with the MSS 1460"),
        ("4:64:0:1460:1024,0:mss::0;df=1", "`df` contradict"),
    ] {
        let message = only(line, Kind::Never).message;
        assert!(message.contains(why), "{line}: {message}");
    }
}

#[test]
fn slips_are_told_with_their_place_and_what_was_meant() {
    for (line, span, help) in [
        ("64240:2-4-8-1-3:14560:7", 16..21, Some("did you mean an MSS of 1460?")),
        ("64240:2-4-8-1-3:14600:7", 16..21, Some("did you mean an MSS of 1460?")),
        ("64240:2-4-8-1-3:60000:7", 16..21, None),
        ("64240:2-4-8-1-3:0:7", 16..17, None),
        ("64240:2-4-8-1-3:1460:17", 21..23, None),
        ("4:64:0:14400:*,16:mss,sok,ts,nop,ws:df,id+,exws:0", 7..12, Some("did you mean an MSS of 1440?")),
        ("4:64:0:1440:*,16:mss,sok,ts,nop,ws:df,id+,exws:0", 14..16, None),
        ("*:::", 0..4, Some("anything is `%:%:%:%`")),
        #[cfg(feature = "ja4t")]
        ("64240_2-4-8-1-3_13600_7;ver=4", 16..21, Some("did you mean an MSS of 1360?")),
    ] {
        let finding = only(line, Kind::Typo);
        assert_eq!((finding.span, finding.help.as_deref()), (span, help), "{line}: {}", finding.message);
    }
    for fine in ["62727:2-4-8-1-3:8961:%;df=0", "65495:2-4-8-1-3:65495:7;df=0", "%:::;df=0", "1024:2:%:;df=0"]
    {
        assert_eq!(pairs(&[fine], Kind::Typo), [], "{fine}");
    }
}

#[test]
fn a_scanner_under_the_name_of_another_is_told() {
    for (line, is_told) in [
        ("1024:::;name=nmap", true),
        ("1024:2:1460:;name=\"Masscan 1.3\";df=0", true),
        ("1024:::;name=masscan", false),
        ("1024:::;name=\"masscan, not nmap\"", false),
        ("4242:::;name=nmap", false),
        ("1024:::;name=\"a scanner\"", false),
    ] {
        assert_eq!(!pairs(&[line], Kind::Mislabelled).is_empty(), is_told, "{line}");
    }
    let signature: Signature = "65535:::".parse().unwrap();
    let found = lint(&[Entry { remark: "seen in May: Nmap", ..Entry::new("65535:::", &signature) }]);
    assert_eq!(found[0].message, "this is said to be of nmap, and is what zmap sends");
}

#[test]
fn stock_clients_are_named() {
    let windows = only("64240:2-1-3-1-1-4:1460:8", Kind::StockClient);
    assert_eq!(windows.message, "this also matches a stock client: Windows 10 and 11");
    let macos = only("65535:2-1-3-1-1-8-4-0:1460:6", Kind::StockClient);
    assert_eq!(macos.message, "this also matches stock clients: macOS or iOS and 1 more");
    assert_eq!(macos.help.as_deref(), Some("the others: macOS, ECN on"));
    assert_eq!(only("%:%:%:%", Kind::StockClient).message, "this also matches every stock client");
    for (line, is_matched) in [
        ("%:2-1-3-1-1-4:%:%;ttl=65..;df=1", true),
        ("%:2-1-3-1-1-4:%:%;ttl=..64", false),
        ("%:2-1-3-1-1-4:%:%;df=0", false),
        ("%:%:%:%;flags=SEC;dst=2001:db8::/32;dport=22", false),
        ("%:%:%:%;flags=SEC;dst=192.0.2.0/24;dport=22", true),
        ("%:2-1-3-4-1-1-1-1-8:%:%;df=0", true),
    ] {
        assert_eq!(!pairs(&[line], Kind::StockClient).is_empty(), is_matched, "{line}");
    }
}

#[test]
fn a_long_list_takes_no_long_time() {
    // Pair by pair these would be five thousand million comparisons.
    let texts: Vec<String> = (0..100_000).map(|n| format!("{}:2:5000:", n % 60_000)).collect();
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(pairs(&lines, Kind::Duplicate).len(), 40_000);
}

/// Whether what one matches the other does, for each SYN of which this is claimed.
fn refuted(narrow: &Signature, wide: &Signature, recipe: &rivals::Recipe) -> Option<String> {
    let alike = discriminant(&narrow.notation) == discriminant(&wide.notation);
    let mut syns =
        recipe.syns().into_iter().filter(|syn| alike || is_plain(syn)).map(|syn| Fingerprint::of(&syn));
    let missed = syns.find(|seen| narrow.matches(seen) && !wide.matches(seen))?;
    Some(format!("{narrow} is not in {wide}: {missed:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_claim_of_redundancy_is_wrong(first in recipe(), others in prop::collection::vec(recipe(), 1..4)) {
        // The same SYN in other signatures, so that some contain others.
        let recipes: Vec<_> = others.into_iter().map(|other| other.of_same_syn(&first)).chain([first.clone()]).collect();
        let signatures: Vec<Signature> = recipes.iter().filter_map(|recipe| recipe.signature()).collect();
        let entries: Vec<Entry<'_>> = signatures.iter().map(|signature| Entry::new("", signature)).collect();
        for finding in lint(&entries) {
            let Some(other) = finding.other else { continue };
            let (narrow, wide) = (&signatures[finding.entry], &signatures[other]);
            let refuted = refuted(narrow, wide, &first);
            prop_assert!(refuted.is_none(), "{:?}", refuted);
        }
    }
}

/// The property above says something only if there are claims: there are, of both kinds and across notations.
#[test]
fn there_are_claims_to_refute() {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut claims, mut across) = (0, 0);
    for _ in 0..2000 {
        let (first, other) = (recipe(), recipe()).new_tree(&mut runner).unwrap().current();
        let (Some(one), Some(two)) = (first.signature(), other.of_same_syn(&first).signature()) else {
            continue;
        };
        let found = lint(&[Entry::new("", &one), Entry::new("", &two)]);
        if found.iter().any(|finding| finding.other.is_some()) {
            claims += 1;
            across += usize::from(discriminant(&one.notation) != discriminant(&two.notation));
        }
    }
    assert!(claims > 100 && across > 20, "{claims} claims, {across} across notations");
}
