//! What the other tools fail on: the order of options, many NOPs, an EOL first, kinds above 64, absent against zero.
//! And the property behind it: a signature that is printed from a SYN matches this SYN, and none that differs.
#![cfg(test)]

mod common;

use common::{exact_signatures, option, well_formed};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use synward_fingerprint::p0f::{InitialTtl, MAX_DISTANCE, P0fSignature};
use synward_fingerprint::{Fingerprint, Notation, Signature};
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

/// A SYN over IPv4 that p0f finds nothing odd about.
fn syn(window: u16, options: &[u8]) -> SynFacts {
    let options = OptionBytes::new(options).expect("at most 40 bytes");
    SynFacts {
        window,
        options,
        flags: TcpFlags::SYN,
        ip_version: 4,
        ttl: 64,
        ip_id: Some(1),
        ip_header_len: 20,
        ..SynFacts::default()
    }
}

/// What the SYN shows in each notation: printed, and read as a signature.
fn signatures(syn: &SynFacts) -> Vec<Signature> {
    let seen = Fingerprint::of(syn);
    let p0f = P0fSignature::from(seen.p0f.expect("p0f looks at it"));
    let printed = exact_signatures(&seen).into_iter().chain([p0f.into()]).map(|it| it.to_string());
    printed.map(|text| text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))).collect()
}

/// SYNs that each notation tells apart.
const APART: [&[u8]; 24] = [
    &[],
    // EOL first, and how much padding follows it.
    &[0, 0, 0, 0],
    // Many NOPs, and what they must not hide.
    &[1, 1, 1, 1, 1, 1, 1, 1],
    &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    &[1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7],
    &[1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 8],
    &[1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7, 1],
    &[3, 3, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    &[1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 180],
    &[1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 181],
    // Kinds above 64, whose lower six bits are those of an MSS, a scale, and of each other.
    &[66, 4, 5, 180],
    &[67, 3, 7, 1],
    &[130, 4, 5, 180],
    &[253, 4, 5, 180],
    &[254, 4, 5, 180],
    &[255, 4, 5, 180],
    // A value that is not there, and one of zero.
    &[2, 4, 0, 0],
    &[3, 3, 0, 1],
    &[3, 3, 1, 1],
    &[2, 4, 0, 0, 3, 3, 0, 1],
    &[2, 4, 0, 0, 1, 3, 3, 0],
    // The same options in another order.
    &[2, 4, 5, 180, 4, 2, 1, 1],
    &[2, 4, 5, 180, 1, 1, 4, 2],
    &[4, 2, 2, 4, 5, 180, 1, 1],
];

#[test]
fn each_matches_itself_and_no_other() {
    for one in APART {
        for signature in signatures(&syn(1024, one)) {
            for other in APART {
                let seen = Fingerprint::of(&syn(1024, other));
                assert_eq!(signature.matches(&seen), one == other, "{signature} {one:?} {other:?}");
            }
        }
    }
}

/// How far EOL and what follows it tell a SYN: MuonFP does not see the padding.
#[test]
fn padding_counts_in_ja4t_and_p0f_alone() {
    let [four, eight] = [&[0; 4][..], &[0; 8]].map(|options| syn(1024, options));
    let matching: Vec<bool> =
        signatures(&four).iter().map(|signature| signature.matches(&Fingerprint::of(&eight))).collect();
    assert_eq!(matching.first(), Some(&true));
    assert!(!matching[1..].contains(&true));
}

/// One way in which a SYN can differ from another.
#[derive(Clone, Copy, Debug)]
enum Change {
    Window(u16),
    Option(Index, u8),
    Ttl(u8),
    DontFragment,
    IpId(u16),
    IpOptions(u8),
    Ecn(u8),
    ReservedBit,
    Flags(u16),
    SequenceZero,
    Acknowledgment(u32),
    UrgentPointer(u16),
    Payload,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u16>().prop_map(Change::Window),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Option(at, byte)),
        any::<u8>().prop_map(Change::Ttl),
        Just(Change::DontFragment),
        any::<u16>().prop_map(Change::IpId),
        select(vec![4u8, 8, 40]).prop_map(Change::IpOptions),
        (1..4u8).prop_map(Change::Ecn),
        Just(Change::ReservedBit),
        select(vec![0x08u16, 0x20, 0x40, 0x80, 0x100, 0x800]).prop_map(Change::Flags),
        Just(Change::SequenceZero),
        any::<u32>().prop_map(Change::Acknowledgment),
        any::<u16>().prop_map(Change::UrgentPointer),
        Just(Change::Payload),
    ]
}

impl Change {
    fn of(self, syn: SynFacts) -> SynFacts {
        match self {
            Change::Window(window) => SynFacts { window, ..syn },
            Change::Option(at, byte) => SynFacts { options: with_byte(&syn.options, at, byte), ..syn },
            Change::Ttl(ttl) => SynFacts { ttl, ..syn },
            Change::DontFragment => SynFacts { dont_fragment: !syn.dont_fragment, ..syn },
            Change::IpId(id) => SynFacts { ip_id: Some(id), ..syn },
            Change::IpOptions(ip_options_len) => {
                SynFacts { ip_options_len, ip_header_len: 20 + u16::from(ip_options_len), ..syn }
            }
            Change::Ecn(ecn) => SynFacts { ecn, ..syn },
            Change::ReservedBit => SynFacts { ip_reserved_bit: !syn.ip_reserved_bit, ..syn },
            Change::Flags(bits) => SynFacts { flags: TcpFlags::new(syn.flags.bits() ^ bits), ..syn },
            Change::SequenceZero => SynFacts { sequence_zero: !syn.sequence_zero, ..syn },
            Change::Acknowledgment(acknowledgment) => SynFacts { acknowledgment, ..syn },
            Change::UrgentPointer(urgent_pointer) => SynFacts { urgent_pointer, ..syn },
            Change::Payload => SynFacts { payload: !syn.payload, ..syn },
        }
    }
}

fn with_byte(options: &OptionBytes, at: Index, byte: u8) -> OptionBytes {
    let mut bytes = options.as_slice().to_vec();
    if !bytes.is_empty() {
        let at = at.index(bytes.len());
        bytes[at] = byte;
    }
    OptionBytes::new(&bytes).unwrap()
}

/// Whether a SYN shows what the signature was printed from. In p0f's notation the TTL is the one that the sender starts
/// from, and up to 35 hops may be gone.
fn shows(signature: &Signature, syn: &SynFacts) -> bool {
    let seen = Fingerprint::of(syn);
    match &signature.notation {
        Notation::MuonFp(_) => seen.muonfp.to_string() == signature.to_string(),
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(_) => seen.ja4t.to_string() == signature.to_string(),
        Notation::P0f(p0f) => {
            let InitialTtl::Is(initial) = p0f.ttl else { panic!("a SYN has one TTL") };
            let hops = initial.checked_sub(syn.ttl);
            hops.is_some_and(|hops| hops <= MAX_DISTANCE)
                && P0fSignature { ttl: p0f.ttl, ..seen.p0f.unwrap().into() } == *p0f
        }
        _ => panic!("a notation that is not tried"),
    }
}

proptest! {
    #[test]
    fn a_printed_signature_matches_its_syn_and_none_that_differs(
        options in well_formed(), window: u16, changes in vec(change(), 20)
    ) {
        let syn = syn(window, &options);
        for signature in signatures(&syn) {
            prop_assert!(signature.matches(&Fingerprint::of(&syn)), "{}", signature);
            for change in &changes {
                let changed = change.of(syn);
                let matches = signature.matches(&Fingerprint::of(&changed));
                prop_assert_eq!(matches, shows(&signature, &changed), "{} {:?}", signature, change);
            }
        }
    }

    #[test]
    fn a_syn_with_its_options_permuted_never_matches(
        (options, permuted) in vec(option(), 2..5)
            .prop_flat_map(|options| (Just(options.clone()), Just(options).prop_shuffle()))
    ) {
        let in_order = |options: &[Vec<u8>]| options.iter().map(|option| option[0]).collect::<Vec<_>>();
        prop_assume!(in_order(&options) != in_order(&permuted));
        let seen = Fingerprint::of(&syn(1024, &permuted.concat()));
        for signature in signatures(&syn(1024, &options.concat())) {
            prop_assert!(!signature.matches(&seen), "{}", signature);
        }
    }
}
