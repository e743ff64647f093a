//! Signatures by chance, and SYNs that match them or nearly do.
#![allow(dead_code, reason = "each test file uses its share")]

use proptest::prelude::*;
use synward_fingerprint::p0f::{InitialTtl, P0fSignature, Window};
use synward_fingerprint::{Field, Fingerprint, Interval, Kinds, Layout, Notation, Signature, Traits};
use synward_wire::{Located, SynFacts, locate, options_well_formed};

use crate::common::widened;
use crate::generator::Generator;
use crate::packet::Packet;

/// What a signature is made from.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    seed: u64,
    /// 0: MuonFP, 1: JA4T, else p0f.
    notation: u8,
    /// The fields that are wildcards.
    any: u8,
    /// Kinds from which on a gap stands, and for how many.
    gap: Option<(usize, usize)>,
    /// The traits that are given.
    traits: u8,
}

pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    let wild = prop_oneof![Just(0u8), any::<u8>().prop_map(|a| a & 0x55), any::<u8>()];
    let gap = prop::option::weighted(0.3, (0..6usize, 0..4usize));
    let traits = prop_oneof![Just(0u8), any::<u8>()];
    (any::<u64>(), 0..3u8, wild, gap, traits).prop_map(|(seed, notation, any, gap, traits)| Recipe {
        seed,
        notation,
        any,
        gap,
        traits,
    })
}

impl Recipe {
    /// The same of another SYN.
    pub(crate) fn of_same_syn(self, other: &Recipe) -> Recipe {
        Recipe { seed: other.seed, ..self }
    }

    /// The signature, unless the language has no words for it.
    pub(crate) fn signature(&self) -> Option<Signature> {
        let syn = facts(&Generator::new(self.seed).any_syn())?;
        let seen = Fingerprint::of(&syn);
        let notation = match self.notation {
            2 => Notation::P0f(self.p0f(&seen)?),
            ja4t => self.with_gap(widened(&seen, ja4t == 1, self.any).notation),
        };
        Signature { notation, traits: self.traits(&syn) }.to_string().parse().ok()
    }

    fn p0f(&self, seen: &Fingerprint) -> Option<P0fSignature> {
        let exact = P0fSignature::from(seen.p0f?);
        let bit = |place: u8| self.any >> place & 1 == 1;
        Some(P0fSignature {
            version: if bit(0) { Field::Any } else { exact.version },
            ttl: if bit(1) { InitialTtl::UpTo(exact_ttl(exact.ttl)) } else { exact.ttl },
            mss: if bit(2) { Field::Any } else { exact.mss },
            window: match (bit(3), bit(4)) {
                (true, true) => Window::Any,
                (true, false) => Window::Is(seen.syn.window),
                _ => exact.window,
            },
            window_scale: if bit(5) { Field::Any } else { exact.window_scale },
            payload: if bit(6) { Field::Any } else { exact.payload },
            ..exact
        })
    }

    fn with_gap(&self, mut notation: Notation) -> Notation {
        let kinds = match &mut notation {
            Notation::MuonFp(muonfp) => &mut muonfp.kinds,
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(ja4t) => &mut ja4t.kinds,
            _ => return notation,
        };
        if let (Some((start, length)), false) = (self.gap, kinds.has_gap()) {
            let mut list = kinds.kinds().as_slice().to_vec();
            let start = start.min(list.len());
            list.drain(start..(start + length).min(list.len()));
            *kinds = Layout::with_gaps(Kinds::new(&list).unwrap(), [start]);
        }
        notation
    }

    fn traits(&self, syn: &SynFacts) -> Traits {
        let given = |place: u8| self.traits >> place & 1 == 1;
        let ttl = u16::from(syn.ttl);
        let spread = [0, 3, 35, 255][usize::from(self.traits >> 6)];
        Traits {
            ttl: given(0).then(|| Interval { first: ttl.saturating_sub(spread), last: ttl }),
            dont_fragment: (given(1) && syn.ip_version == 4).then_some(syn.dont_fragment),
            ip_id: syn.ip_id.filter(|_| given(2)).map(|id| match id {
                0 => Interval { first: 0, last: spread },
                id => Interval { first: u16::from(given(3)), last: id.max(u16::MAX * u16::from(given(6))) },
            }),
            flags: given(3).then_some(syn.flags),
            ecn: given(4)
                .then(|| Fingerprint::of(syn).p0f.is_some_and(|p0f| p0f.quirks.names().any(|q| q == "ecn"))),
            payload: given(5).then_some(syn.payload),
            ip_version: given(6).then_some(syn.ip_version),
            ..Traits::default()
        }
    }

    /// SYNs like that of which the signature was made, and some others.
    pub(crate) fn syns(&self) -> Vec<SynFacts> {
        let own = Generator::new(self.seed).any_syn();
        let mut generator = Generator::new(!self.seed);
        let like = facts(&own).and_then(|syn| Fingerprint::of(&syn).p0f).map(P0fSignature::from);
        let near = (0..150).filter_map(|_| like.map(|like| generator.packet_of(&like)));
        let packets: Vec<Packet> = near.chain([own]).collect();
        let others = (0..20).map(|_| generator.any_syn());
        let all = packets.into_iter().chain(others);
        all.filter_map(|packet| facts(&packet)).flat_map(|syn| variants(&syn)).collect()
    }
}

/// The SYN, and the same with other padding and without values.
fn variants(syn: &SynFacts) -> Vec<SynFacts> {
    let options = syn.options.as_slice();
    let with = |list: Vec<u8>| {
        let options = synward_wire::OptionBytes::new(&list);
        options.map(|options| SynFacts { options, ..*syn })
    };
    let longer = with([options, &[0; 4]].concat());
    let zeroed = options.windows(2).position(|pair| pair == [2, 4]).and_then(|at| {
        let mut list = options.to_vec();
        list.get_mut(at + 2..at + 4)?.fill(0);
        with(list)
    });
    [Some(*syn), longer, zeroed].into_iter().flatten().collect()
}

fn exact_ttl(ttl: InitialTtl) -> u8 {
    match ttl {
        InitialTtl::Is(ttl) | InitialTtl::UpTo(ttl) => ttl.max(1),
    }
}

pub(crate) fn facts(packet: &Packet) -> Option<SynFacts> {
    match locate(&packet.frame_from_client(4000)) {
        Located::Packet(packet) => SynFacts::of(&packet),
        _ => None,
    }
}

/// Whether it is one of the SYNs by which signatures of different notations are compared.
pub(crate) fn is_plain(syn: &SynFacts) -> bool {
    options_well_formed(syn.options.as_slice())
        && padding(syn.options.as_slice()).iter().all(|byte| *byte == 0)
}

fn padding(mut options: &[u8]) -> &[u8] {
    while let [kind, rest @ ..] = options {
        options = match kind {
            0 => return rest,
            1 => rest,
            _ => rest.first().and_then(|length| options.get(usize::from(*length)..)).unwrap_or_default(),
        };
    }
    &[]
}
