//! SYNs and signatures for the tests.
#![allow(dead_code, reason = "each test file uses its share")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
#[cfg(feature = "ja4t")]
use synward_fingerprint::Ja4tSignature;
use synward_fingerprint::{Field, Fingerprint, Layout, MuonFpSignature, Signature};
use synward_wire::{OptionBytes, SynFacts};

pub(crate) fn fingerprint(window: u16, options: &[u8]) -> Fingerprint {
    let options = OptionBytes::new(options).expect("at most 40 bytes");
    Fingerprint::of(&SynFacts { window, options, ..SynFacts::default() })
}

/// The text of every signature that is exactly this fingerprint.
pub(crate) fn exact_signatures(seen: &Fingerprint) -> Vec<Signature> {
    vec![
        MuonFpSignature::from(seen.muonfp).into(),
        #[cfg(feature = "ja4t")]
        Ja4tSignature::from(seen.ja4t).into(),
    ]
}

/// One well-formed option.
pub(crate) fn option() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(vec![1]),
        2 => any::<u16>().prop_map(|mss| [vec![2, 4], mss.to_be_bytes().to_vec()].concat()),
        2 => any::<u8>().prop_map(|shift| vec![3, 3, shift]),
        1 => Just(vec![4, 2]),
        1 => any::<[u8; 8]>().prop_map(|stamps| [vec![8, 10], stamps.to_vec()].concat()),
        1 => any::<[u8; 8]>().prop_map(|block| [vec![5, 10], block.to_vec()].concat()),
        1 => (select(vec![19u8, 30, 34, 64, 253, 255]), vec(any::<u8>(), 0..6))
            .prop_map(|(kind, data)| [vec![kind, data.len() as u8 + 2], data].concat()),
    ]
}

/// A well-formed option list, padded to a whole number of words with NOPs or with EOL and zeros.
pub(crate) fn well_formed() -> impl Strategy<Value = Vec<u8>> {
    (vec(option(), 0..10), any::<bool>(), 0..3usize).prop_map(|(options, eol, words)| {
        let mut list = Vec::new();
        options.into_iter().for_each(|option| {
            if list.len() + option.len() <= 40 {
                list.extend(option);
            }
        });
        let end = list.len().next_multiple_of(4);
        let end = if eol { (end + 4 * words).min(40) } else { end };
        list.resize(end, u8::from(!eol));
        list
    })
}

/// Whatever bytes a data offset can make option bytes.
pub(crate) fn any_options() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => 0..12u8, 1 => any::<u8>()];
    let random = (0..=10usize).prop_flat_map(move |words| vec(byte.clone(), words * 4));
    let damaged = (well_formed(), any::<prop::sample::Index>(), 0..12u8).prop_map(|(mut list, at, byte)| {
        if !list.is_empty() {
            let at = at.index(list.len());
            list[at] = byte;
        }
        list
    });
    prop_oneof![random, damaged, well_formed()]
}

/// A signature that matches the fingerprint, with wildcards in the fields whose bit of `any` is set.
pub(crate) fn widened(seen: &Fingerprint, ja4t: bool, any: u8) -> Signature {
    fn field<T>(value: T, any: bool) -> Field<T> {
        if any { Field::Any } else { Field::Is(value) }
    }
    let bit = |place: u8| any >> place & 1 == 1;
    let layout = |kinds| if bit(1) { Layout::ANY } else { Layout::from(kinds) };
    #[cfg(feature = "ja4t")]
    if ja4t {
        return Signature::from(Ja4tSignature {
            window: field(seen.ja4t.window, bit(0)),
            kinds: layout(seen.ja4t.kinds),
            mss: field(seen.ja4t.mss, bit(2)),
            window_scale: field(seen.ja4t.window_scale, bit(3)),
        });
    }
    let _ = ja4t;
    Signature::from(MuonFpSignature {
        window: field(seen.muonfp.window, bit(0)),
        kinds: layout(seen.muonfp.kinds),
        mss: field(seen.muonfp.mss, bit(2)),
        window_scale: field(seen.muonfp.window_scale, bit(3)),
    })
}
