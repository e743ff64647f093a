//! Where and how option lists are malformed: the crafted vectors, and any bytes.
#![cfg(test)]

mod common;

use std::collections::HashMap;

use proptest::prelude::*;
use serde::Deserialize;
use synward_fingerprint::Fault::{LengthBelowTwo, NoLength, PastEnd, WrongLength};
use synward_fingerprint::{Fault, Malformed, P0f};
use synward_wire::{OptionBytes, SynFacts, TcpFlags, options_well_formed};

#[derive(Deserialize)]
struct Vector {
    id: String,
    /// The TCP header, in hexadecimal, and what follows it in the packet.
    tcp: String,
}

/// The option bytes of each vector whose header is whole.
fn vectors() -> HashMap<String, Vec<u8>> {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("data/syn-vectors.json")).unwrap();
    let options = |vector: &Vector| {
        let digits = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let tcp: Vec<u8> = vector.tcp.as_bytes().chunks(2).map(digits).collect();
        tcp.get(20..usize::from(tcp.get(12)? >> 4) * 4).map(<[u8]>::to_vec)
    };
    vectors.iter().filter_map(|vector| Some((vector.id.clone(), options(vector)?))).collect()
}

/// Every malformed one of the vectors: what it is, read off its bytes by hand.
const MALFORMED: [(&str, u8, u8, Fault); 18] = [
    ("C037", 2, 0, WrongLength),
    ("C038", 2, 0, WrongLength),
    ("C040", 2, 0, WrongLength),
    ("C041", 3, 4, WrongLength),
    ("C042", 3, 4, WrongLength),
    ("C044", 4, 4, WrongLength),
    ("C045", 4, 4, LengthBelowTwo),
    ("C046", 4, 4, LengthBelowTwo),
    ("C048", 8, 4, WrongLength),
    ("C049", 253, 4, LengthBelowTwo),
    ("C050", 253, 4, LengthBelowTwo),
    ("C052", 253, 4, PastEnd),
    ("C053", 253, 7, NoLength),
    ("C054", 2, 5, PastEnd),
    ("C056", 2, 3, NoLength),
    ("C057", 3, 6, PastEnd),
    ("C058", 3, 7, NoLength),
    ("C060", 8, 4, PastEnd),
];

#[test]
fn the_vectors_are_malformed_where_and_how_they_were_crafted() {
    let expected: HashMap<_, _> = MALFORMED
        .into_iter()
        .map(|(id, kind, offset, fault)| (id.to_owned(), Malformed { kind, offset, fault }))
        .collect();
    let seen = vectors().into_iter().filter_map(|(id, options)| Some((id, Malformed::of(&options)?)));
    assert_eq!(seen.collect::<HashMap<_, _>>(), expected);
}

#[test]
fn the_fault_that_hides_the_rest_comes_before_the_one_that_does_not() {
    let fault = |options: &[u8]| Malformed::of(options).map(|malformed| malformed.fault);
    assert_eq!(fault(&[2, 9, 5, 180]), Some(PastEnd), "also a wrong length for MSS");
    assert_eq!(fault(&[2, 0, 5, 180]), Some(LengthBelowTwo), "also a wrong length for MSS");
    assert_eq!(fault(&[2, 9, 5, 180, 3]), Some(PastEnd), "the first option, not the last");
}

#[test]
fn nothing_is_malformed_behind_the_end_of_the_list() {
    assert_eq!(Malformed::of(&[]), None);
    assert_eq!(Malformed::of(&[1, 0, 2]), None);
    assert_eq!(Malformed::of(&[[1; 40].as_slice(), &[2]].concat()), None, "byte 41 is in no header");
}

proptest! {
    #[test]
    fn well_formed_lists_are_not_malformed(options in common::well_formed()) {
        prop_assert_eq!(Malformed::of(&options), None);
    }

    /// The wire's own test, that knows no more than yes and no.
    #[test]
    fn malformed_is_what_is_not_well_formed(options in common::any_options()) {
        prop_assert_eq!(Malformed::of(&options).is_none(), options_well_formed(&options));
    }

    /// p0f too has a quirk for it. It never overlooks a fault in the first 24 options.
    #[test]
    fn what_is_malformed_is_bad_to_p0f(options in common::any_options()) {
        prop_assume!(Malformed::of(&options).is_some());
        let syn = SynFacts {
            ip_version: 4,
            flags: TcpFlags::SYN,
            options: OptionBytes::new(&options).unwrap(),
            ..SynFacts::default()
        };
        prop_assert!(P0f::of(&syn).unwrap().quirks.to_string().contains("bad"));
    }
}
