//! A lookup allocates nothing: whatever the SYN, and whatever signatures there are.
#![cfg(test)]

mod common;

use allocation_counter::measure;
use common::{any_options, fingerprint, widened};
use proptest::collection::vec;
use proptest::prelude::*;
use synward_fingerprint::p0f::{P0f, P0fDatabase};
use synward_fingerprint::{CompatSignature, Fingerprint, P0fSignature, Signature, SignatureTable, Traits};
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

fn syn(window: u16, options: &[u8]) -> SynFacts {
    let options = OptionBytes::new(options).unwrap();
    let ip = SynFacts { ip_version: 4, ttl: 64, ip_header_len: 20, ..SynFacts::default() };
    SynFacts { window, options, flags: TcpFlags::SYN, ..ip }
}

/// A table with the SYNs' own signatures in every notation, exact, with wildcards and with traits.
fn table(syns: &[SynFacts]) -> SignatureTable<u32> {
    let mut entries: Vec<(Signature, u32)> = Vec::new();
    let mut compat = Vec::new();
    for (syn, value) in syns.iter().zip(0..) {
        let seen = Fingerprint::of(syn);
        entries.extend((0..32u8).map(|bits| (widened(&seen, bits & 16 == 16, bits & 15), value)));
        let exact = widened(&seen, false, 0);
        // There are no words for some malformed options: as they ought to be, they would take more than 40 bytes.
        let with_traits = format!("{exact};ttl=1..200;dport=0").parse().ok();
        entries.extend(with_traits.map(|signature| (signature, value)));
        if let Some(p0f) = seen.p0f {
            let signature = P0fSignature::from(p0f);
            entries.push((signature.into(), value));
            compat.push((
                CompatSignature { signature, traits: Traits::default(), generic: false, of_program: false },
                value,
            ));
        }
    }
    SignatureTable::build(entries).with_compat([compat])
}

proptest! {
    #[test]
    fn nothing_is_allocated(list in vec((0..4u16, any_options()), 1..12), others in vec((0..4u16, any_options()), 0..12)) {
        let syns: Vec<SynFacts> = list.iter().chain(&others).map(|(window, options)| syn(*window, options)).collect();
        let table = table(&syns[..list.len()]);
        for (place, syn) in syns.iter().enumerate() {
            let mut found = (None, None);
            let allocated = measure(|| {
                found = (table.find_in(syn), table.find(&Fingerprint::of(syn)));
            });
            prop_assert_eq!(allocated.count_total, 0);
            prop_assert_eq!(found.0, found.1);
            prop_assert!(found.0.is_some() || place >= list.len(), "its own signatures find it");
        }
    }
}

#[test]
fn the_counter_counts() {
    assert!(measure(|| drop(std::hint::black_box(fingerprint(1, &[]).muonfp.to_string()))).count_total > 0);
}

#[test]
fn p0fs_own_database_is_asked_without_allocating() {
    let text = "classes = unix\n[tcp:request]\nlabel = s:unix:Any:\nsig = *:64:0:*:*,*:::0\n";
    let (database, faults) = P0fDatabase::parse(text);
    assert!(faults.is_empty());
    let seen = P0f::of(&syn(1024, &[])).unwrap();
    let mut line = None;
    let allocated = measure(|| line = database.find(&seen).map(|found| found.entry.line));
    assert_eq!((allocated.count_total, line), (0, Some(4)));
}
