//! The table against the obvious: each signature asked in turn.
#![cfg(test)]

mod common;

use common::{any_options, fingerprint, widened};
use proptest::collection::vec;
use proptest::prelude::*;
use synward_fingerprint::{Fingerprint, Signature, SignatureTable};

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

proptest! {
    #[test]
    fn finds_what_asking_each_signature_finds(
        syns in vec((0..3u16, any_options()), 1..8),
        rules in vec((any::<prop::sample::Index>(), any::<bool>(), prop_oneof![Just(0), 0..16u8], 0..20u32), 0..40),
    ) {
        let syns: Vec<Fingerprint> = syns.iter().map(|(window, options)| fingerprint(*window, options)).collect();
        let entries: Vec<(Signature, u32)> = rules
            .iter()
            .map(|(syn, ja4t, any, value)| (widened(syn.get(&syns), *ja4t, *any), *value))
            .collect();
        let table = SignatureTable::build(entries.iter().copied());
        prop_assert_eq!(table.len(), entries.len());
        for seen in &syns {
            prop_assert_eq!(found(&table, seen), matching(&entries, seen));
        }
    }
}
