//! What the reference programs say of 135 SYNs, crafted and captured.
#![cfg(test)]

mod common;

use serde::Deserialize;
use synward_fingerprint::{Fingerprint, Signature};

/// One SYN. Where a program says no fingerprint but a reason, the reason stands in its place.
#[derive(Deserialize)]
struct Vector {
    id: String,
    name: String,
    /// The TCP header, in hexadecimal, and what follows it in the packet.
    tcp: String,
    muonfp: String,
    #[cfg(feature = "ja4t")]
    ja4t: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("data/syn-vectors.json")).unwrap()
}

impl Vector {
    /// Nothing where the header is not whole: such a segment has no fingerprint.
    fn fingerprint(&self) -> Option<Fingerprint> {
        let digits = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let tcp: Vec<u8> = self.tcp.as_bytes().chunks(2).map(digits).collect();
        let header_len = usize::from(tcp.get(12)? >> 4) * 4;
        let options = tcp.get(20..header_len)?;
        Some(common::fingerprint(u16::from_be_bytes([tcp[14], tcp[15]]), options))
    }
}

/// Whether the program names a fingerprint, and not why there is none.
fn is_fingerprint(said: &str) -> bool {
    said.starts_with(|c: char| c.is_ascii_digit())
}

#[test]
fn muonfp_is_what_the_sensor_says() {
    let mut compared = 0;
    for vector in vectors() {
        if let Some(seen) = vector.fingerprint().filter(|_| is_fingerprint(&vector.muonfp)) {
            assert_eq!(seen.muonfp.to_string(), vector.muonfp, "{} {}", vector.id, vector.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 129, "all but the four without a whole header, a SYN-ACK and one with every flag");
}

#[cfg(feature = "ja4t")]
#[test]
fn ja4t_is_what_the_wireshark_plugin_says() {
    let mut compared = 0;
    for vector in vectors() {
        if let Some(seen) = vector.fingerprint().filter(|_| is_fingerprint(&vector.ja4t)) {
            assert_eq!(seen.ja4t.to_string(), vector.ja4t, "{} {}", vector.id, vector.name);
            compared += 1;
        }
    }
    assert_eq!(compared, 130, "all but the four without a whole header and a fragment");
}

#[test]
fn each_string_is_a_signature_of_its_own_syn() {
    for vector in vectors() {
        let Some(seen) = vector.fingerprint() else { continue };
        let texts = [
            &vector.muonfp,
            #[cfg(feature = "ja4t")]
            &vector.ja4t,
        ];
        for text in texts.into_iter().filter(|text| is_fingerprint(text)) {
            let signature: Signature = text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(&signature.to_string(), text);
            assert!(signature.matches(&seen), "{} {text}", vector.id);
        }
    }
}

#[test]
fn no_other_syn_matches() {
    let all: Vec<(Vector, Fingerprint)> =
        vectors().into_iter().filter_map(|vector| vector.fingerprint().map(|seen| (vector, seen))).collect();
    for (vector, _) in all.iter().filter(|(vector, _)| is_fingerprint(&vector.muonfp)) {
        let signature: Signature = vector.muonfp.parse().unwrap();
        for (other, seen) in &all {
            assert_eq!(
                signature.matches(seen),
                seen.muonfp.to_string() == vector.muonfp,
                "{} {}",
                vector.id,
                other.id
            );
        }
    }
}
