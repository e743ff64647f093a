//! The table against the obvious: each signature asked in turn.
#![cfg(test)]

mod common;

use common::{any_options, fingerprint, widened};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use synward_fingerprint::{Fingerprint, Signature, SignatureTable};
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

fn found(table: &SignatureTable, seen: &Fingerprint) -> Vec<u32> {
    let mut values = Vec::new();
    table.for_each_match(seen, |value| values.push(value));
    values.sort_unstable();
    values
}

fn matching(entries: &[(Signature, u32)], seen: &Fingerprint) -> Vec<u32> {
    let mut values: Vec<u32> =
        entries.iter().filter(|(signature, _)| signature.matches(seen)).map(|(_, value)| *value).collect();
    values.sort_unstable();
    values
}

fn numbered(texts: &[&str]) -> Vec<(Signature, u32)> {
    texts.iter().zip(0..).map(|(text, value)| (text.parse().unwrap(), value)).collect()
}

#[test]
fn an_empty_table_matches_nothing() {
    let table = SignatureTable::build([]);
    assert!(table.is_empty());
    assert!(found(&table, &fingerprint(1024, &[])).is_empty());
}

#[test]
fn every_match_is_visited() {
    let texts = ["1024:::", "%:::", "1024:2:1460:", "1024:::", "%:%:%:%"];
    let table = SignatureTable::build(numbered(&texts));
    assert_eq!(table.len(), 5);
    assert_eq!(found(&table, &fingerprint(1024, &[])), [0, 1, 3, 4]);
    assert_eq!(found(&table, &fingerprint(1024, &[2, 4, 5, 180])), [2, 4]);
    assert_eq!(found(&table, &fingerprint(1025, &[2, 4, 5, 180])), [4]);
}

#[cfg(feature = "ja4t")]
#[test]
fn both_notations_are_looked_up() {
    let table = SignatureTable::build(numbered(&["1024_00_00_00", "1024:::", "*_00_00_00"]));
    assert_eq!(found(&table, &fingerprint(1024, &[])), [0, 1, 2]);
    assert_eq!(found(&table, &fingerprint(1, &[])), [2]);
}

#[test]
fn memory_grows_with_the_signatures() {
    let exact: Vec<(Signature, u32)> =
        (0..1000u32).map(|window| (format!("{window}:::").parse().unwrap(), window)).collect();
    let usage = SignatureTable::build(exact).memory_usage();
    assert!((50_000..500_000).contains(&usage), "{usage}");
    assert!(SignatureTable::build([]).memory_usage() < 1000);
}

#[test]
fn is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&SignatureTable::default());
}

#[test]
fn traits_are_looked_at_whatever_the_notation() {
    let texts = ["1024:::", "1024:::;ttl=1", "1024:::;dir=SA", "1024:::;name=masscan", "%:::;ttl=2.."];
    let table = SignatureTable::build(numbered(&texts));
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
        let table = SignatureTable::build(entries.iter().cloned());
        prop_assert_eq!(table.len(), entries.len());
        for seen in &syns {
            prop_assert_eq!(found(&table, seen), matching(&entries, seen));
        }
    }
}
