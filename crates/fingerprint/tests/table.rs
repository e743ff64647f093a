//! The table against the obvious: each signature asked in turn.
#![cfg(test)]

mod common;

use std::collections::BTreeSet;

use common::{any_options, fingerprint, widened};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use synward_fingerprint::p0f::{InitialTtl, P0fDatabase, Strictness, Window};
use synward_fingerprint::{
    CompatSignature, Field, Fingerprint, Kinds, Layout, Notation, P0fSignature, Signature, SignatureTable,
    Traits,
};
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

/// A table whose answers name every signature that matches.
type Table = SignatureTable<BTreeSet<u32>>;

fn build(entries: &[(Signature, u32)]) -> Table {
    SignatureTable::build(
        entries.iter().map(|(signature, value)| (signature.clone(), BTreeSet::from([*value]))),
    )
}

fn found(table: &Table, seen: &Fingerprint) -> Vec<u32> {
    let values = table.find(seen);
    assert_eq!(table.find_in(&seen.syn), values, "what is read of the notations in use is all that counts");
    values.unwrap_or_default().into_iter().collect()
}

fn matching(entries: &[(Signature, u32)], seen: &Fingerprint) -> Vec<u32> {
    let matches = entries.iter().filter(|(signature, _)| signature.matches(seen));
    BTreeSet::from_iter(matches.map(|(_, value)| *value)).into_iter().collect()
}

fn numbered(texts: &[&str]) -> Vec<(Signature, u32)> {
    texts.iter().zip(0..).map(|(text, value)| (text.parse().unwrap(), value)).collect()
}

#[test]
fn an_empty_table_matches_nothing() {
    let table = build(&[]);
    assert!(table.is_empty());
    assert!(found(&table, &fingerprint(1024, &[])).is_empty());
}

#[test]
fn every_match_is_visited() {
    let texts = ["1024:::", "%:::", "1024:2:1460:", "1024:::", "%:%:%:%"];
    let table = build(&numbered(&texts));
    assert_eq!(table.len(), 5);
    assert_eq!(found(&table, &fingerprint(1024, &[])), [0, 1, 3, 4]);
    assert_eq!(found(&table, &fingerprint(1024, &[2, 4, 5, 180])), [2, 4]);
    assert_eq!(found(&table, &fingerprint(1025, &[2, 4, 5, 180])), [4]);
}

#[cfg(feature = "ja4t")]
#[test]
fn both_notations_are_looked_up() {
    let table = build(&numbered(&["1024_00_00_00", "1024:::", "*_00_00_00"]));
    assert_eq!(found(&table, &fingerprint(1024, &[])), [0, 1, 2]);
    assert_eq!(found(&table, &fingerprint(1, &[])), [2]);
}

#[test]
fn memory_grows_with_the_signatures() {
    let exact: Vec<(Signature, u32)> =
        (0..1000u32).map(|window| (format!("{window}:::").parse().unwrap(), window)).collect();
    let usage = SignatureTable::build(exact).memory_usage();
    assert!((50_000..500_000).contains(&usage), "{usage}");
    assert!(build(&[]).memory_usage() < 2000);
}

#[test]
fn is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Table::default());
}

#[test]
fn traits_are_looked_at_whatever_the_notation() {
    let texts = ["1024:::", "1024:::;ttl=1", "1024:::;dir=SA", "1024:::;name=masscan", "%:::;ttl=2.."];
    let table = build(&numbered(&texts));
    assert_eq!(found(&table, &syn(1024, &[], 0)), [0, 3]);
    assert_eq!(found(&table, &syn(1024, &[], 1)), [0, 1, 3]);
    assert_eq!(found(&table, &syn(1024, &[], 2)), [0, 3, 4]);
    let syn_ack = SynFacts { flags: TcpFlags::SYN | TcpFlags::ACK, window: 1024, ..SynFacts::default() };
    assert_eq!(found(&table, &Fingerprint::of(&syn_ack)), [2]);
}

/// A SYN or, with a TTL of 3, a SYN-ACK.
fn syn(window: u16, options: &[u8], ttl: u8) -> Fingerprint {
    let options = OptionBytes::new(options).unwrap();
    let flags = if ttl == 3 { TcpFlags::SYN | TcpFlags::ACK } else { TcpFlags::SYN };
    Fingerprint::of(&SynFacts { window, options, ttl, flags, ..SynFacts::default() })
}

fn trait_text() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just(""),
        1 => select(vec![";ttl=1", ";ttl=..1", ";dir=SA", ";name=x", ";dir=SA;ttl=3", ";flags=S"]),
    ]
}

fn with_traits(signature: Signature, traits: &str) -> Signature {
    Signature { traits: format!("%:::{traits}").parse::<Signature>().unwrap().traits, ..signature }
}

/// What p0f lists of these is not what the other notations list: a table must not take one for the other.
#[test]
fn kinds_that_p0f_lists_alone_are_found() {
    let nops = ["nop"; 24].join(",");
    let texts = [format!("4:64:0:0:*,0:{nops}:bad:0"), "4:64:0:0:*,0:?5:bad:0".to_owned()];
    let table = build(&numbered(&texts.each_ref().map(String::as_str)));
    for (options, expected) in [(&[1; 28][..], vec![0]), (&[1; 24], vec![]), (&[5, 4, 2, 2], vec![1])] {
        let facts = SynFacts { ip_version: 4, ip_id: Some(1), ..syn(1024, options, 60).syn };
        assert_eq!(found(&table, &Fingerprint::of(&facts)), expected, "{options:?}");
    }
}

proptest! {
    #[test]
    fn finds_what_asking_each_signature_finds(
        syns in vec((0..3u16, any_options(), 0..4u8), 1..8),
        rules in vec(
            (any::<prop::sample::Index>(), any::<bool>(), prop_oneof![Just(0), 0..16u8], trait_text(), 0..20u32),
            0..40,
        ),
    ) {
        let syns: Vec<Fingerprint> = syns.iter().map(|(window, options, ttl)| syn(*window, options, *ttl)).collect();
        let entries: Vec<(Signature, u32)> = rules
            .iter()
            .map(|(syn, ja4t, any, traits, value)| (with_traits(widened(syn.get(&syns), *ja4t, *any), traits), *value))
            .collect();
        let table = build(&entries);
        prop_assert_eq!(table.len(), entries.len());
        for seen in &syns {
            prop_assert_eq!(found(&table, seen), matching(&entries, seen));
        }
    }
}

/// A SYN of either version, with something for every quirk.
fn any_syn() -> impl Strategy<Value = Fingerprint> {
    let ip = (any::<bool>(), select(vec![1u8, 29, 57, 64, 128, 255]), any::<bool>(), any::<bool>(), 0..2u8);
    let window = select(vec![0u16, 512, 1024, 29200, 64240, 65535]);
    (window, any_options(), ip, any::<bool>()).prop_map(
        |(window, options, (v4, ttl, df, id, ecn), payload)| {
            Fingerprint::of(&SynFacts {
                window,
                options: OptionBytes::new(&options).unwrap(),
                flags: TcpFlags::SYN,
                ip_version: if v4 { 4 } else { 6 },
                ttl,
                dont_fragment: v4 && df,
                ip_id: v4.then_some(id.into()),
                ecn,
                payload,
                ..SynFacts::default()
            })
        },
    )
}

/// How a signature differs from a SYN that it was made of, as bits.
fn widened_p0f(seen: &Fingerprint, bits: u16) -> Option<P0fSignature> {
    let bit = |place: u16| bits >> place & 1 == 1;
    let any = |place, field: Field<u16>| if bit(place) { Field::Any } else { field };
    let exact = P0fSignature::from(seen.p0f?);
    let window = match bits >> 8 & 3 {
        0 => exact.window,
        1 => Window::Is(seen.syn.window),
        2 => Window::MultipleOf(512),
        _ => Window::Any,
    };
    Some(P0fSignature {
        version: if bit(0) { Field::Any } else { exact.version },
        ttl: if bit(1) { InitialTtl::UpTo(64) } else { exact.ttl },
        mss: any(2, exact.mss),
        window,
        window_scale: if bit(3) { Field::Any } else { exact.window_scale },
        payload: if bit(4) { Field::Any } else { exact.payload },
        ..exact
    })
}

/// A layout with gaps that the kinds of a SYN match, mostly: `keep` tells which stay.
fn with_gaps(kinds: &Kinds, keep: u64, gaps: u64, ignores_eol: bool) -> Layout {
    let kept = |place: &usize| keep >> (place % 64) & 1 == 1;
    let list: Vec<u8> =
        kinds.as_slice().iter().enumerate().filter(|(place, _)| kept(place)).map(|(_, k)| *k).collect();
    let places = (0..=list.len()).filter(|place| gaps >> (place % 64) & 1 == 1);
    let layout = Layout::with_gaps(Kinds::new(&list).unwrap(), places);
    if ignores_eol { layout.ignoring_eol() } else { layout }
}

fn gapped(seen: &Fingerprint, any: u8, layout: impl Fn(&Kinds) -> Layout) -> Signature {
    let mut signature = widened(seen, any & 16 == 16, any);
    match &mut signature.notation {
        Notation::MuonFp(signature) => signature.kinds = layout(&seen.muonfp.kinds),
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(signature) => signature.kinds = layout(&seen.ja4t.kinds),
        _ => {}
    }
    signature
}

proptest! {
    #[test]
    fn gaps_and_ignored_eols_are_found_as_by_asking_each(
        syns in vec(any_syn(), 1..6),
        rules in vec((any::<prop::sample::Index>(), 0..32u8, any::<(u64, u64)>(), any::<bool>(), any::<bool>()), 0..60),
    ) {
        let sparse = |bits: (u64, u64), is_sparse: bool| if is_sparse { bits.0 & bits.1 } else { 0 };
        let entries: Vec<(Signature, u32)> = rules
            .iter()
            .zip(0..)
            .map(|((syn, any, bits, ignores_eol, has_gaps), value)| {
                let keep = if *has_gaps { bits.0 | bits.1 } else { u64::MAX };
                let layout = |kinds: &Kinds| with_gaps(kinds, keep, sparse(*bits, *has_gaps), *ignores_eol);
                (gapped(syn.get(&syns), *any, layout), value)
            })
            .collect();
        let table = build(&entries);
        for seen in &syns {
            prop_assert_eq!(found(&table, seen), matching(&entries, seen));
        }
    }

    #[test]
    fn p0f_signatures_are_found_as_by_asking_each(
        syns in vec(any_syn(), 1..8),
        rules in vec((any::<prop::sample::Index>(), any::<u16>(), trait_text()), 0..60),
    ) {
        let entries: Vec<(Signature, u32)> = rules
            .iter()
            .zip(0..)
            .filter_map(|((syn, bits, traits), value)| {
                let signature = widened_p0f(syn.get(&syns), *bits)?;
                Some((with_traits(signature.into(), traits), value))
            })
            .collect();
        let table = build(&entries);
        for seen in &syns {
            prop_assert_eq!(found(&table, seen), matching(&entries, seen));
        }
    }

    /// Against the obvious: all signatures of the list asked in its order.
    #[test]
    fn compat_names_what_p0f_names(
        syns in vec(any_syn(), 1..8),
        rules in vec((any::<prop::sample::Index>(), any::<u16>(), any::<bool>(), any::<bool>()), 0..40),
    ) {
        let list: Vec<CompatSignature> = rules
            .iter()
            .filter_map(|(syn, bits, generic, of_program)| {
                let signature = widened_p0f(syn.get(&syns), *bits)?;
                Some(CompatSignature { signature, traits: Traits::default(), generic: *generic, of_program: *of_program })
            })
            .collect();
        let (database, faults) = P0fDatabase::parse(&database_text(&list));
        prop_assert!(faults.is_empty(), "{:?}", faults);
        // Three lines a signature, behind two.
        let expected = |seen: &Fingerprint| Some(database.find(&seen.p0f?)?.entry.line as u32);
        let values = (0..).map(|place| BTreeSet::from([place * 3 + 5]));
        let table = build(&[]).with_compat([list.into_iter().zip(values)]);
        for seen in &syns {
            prop_assert_eq!(found(&table, seen), Vec::from_iter(expected(seen)));
        }
    }
}

/// The list as a p0f.fp file.
fn database_text(list: &[CompatSignature]) -> String {
    let label = |rule: &CompatSignature| {
        let specific = if rule.generic { "g" } else { "s" };
        let class = if rule.of_program { "!" } else { "unix" };
        format!("{specific}:{class}:name:flavor")
    };
    let systems = |rule: &CompatSignature| if rule.of_program { "sys = unix" } else { "; of a system" };
    let lines = list
        .iter()
        .map(|rule| format!("label = {}\n{}\nsig = {}\n", label(rule), systems(rule), rule.signature));
    ["classes = unix\n[tcp:request]\n".to_owned()].into_iter().chain(lines).collect()
}

#[test]
fn a_compat_list_finds_a_fuzzy_match_that_a_strict_one_does_not() {
    let signature: P0fSignature = "4:64:0:*:*,*:::0".parse().unwrap();
    // The TTL is out of reach: fuzzy.
    let facts =
        SynFacts { ip_version: 4, ttl: 200, ip_id: Some(1), flags: TcpFlags::SYN, ..SynFacts::default() };
    let seen = Fingerprint::of(&facts);
    assert!(!signature.matches(&seen.p0f.unwrap(), Strictness::Strict));
    let rule =
        |of_program| CompatSignature { signature, traits: Traits::default(), generic: false, of_program };
    let table = |of_program| build(&[]).with_compat([[(rule(of_program), BTreeSet::from([1]))]]);
    assert_eq!(found(&table(false), &seen), [1]);
    assert!(found(&table(true), &seen).is_empty(), "a program is not named by a fuzzy match");
}
