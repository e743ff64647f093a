//! SYNs by chance, and signatures made of them: the same in each run.

use std::io;
use std::net::Ipv4Addr;

use etherparse::PacketBuilder;
use fastrand::Rng;
use synward_fingerprint::p0f::InitialTtl;
use synward_fingerprint::{Field, Fingerprint, Layout, MuonFpSignature, P0fSignature, Signature};
use synward_wire::{Located, OptionBytes, SynFacts, TcpFlags, locate};

/// Windows that real programs send.
const WINDOWS: [u16; 10] = [512, 1024, 8192, 14600, 29200, 32120, 62727, 64240, 65280, 65535];

/// What a SYN may list: NOP, MSS, window scale, SACK permitted, timestamps, and kinds that no scanner knows.
const OPTIONS: [&[u8]; 8] = [
    &[1],
    &[1],
    &[2, 4, 5, 180],
    &[2, 4, 4, 196],
    &[3, 3, 7],
    &[4, 2],
    &[8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
    &[254, 4, 1, 2],
];

/// A SYN that some program might send.
pub fn any_syn(rng: &mut Rng) -> SynFacts {
    let mut options = Vec::new();
    for _ in 0..rng.usize(0..8) {
        let option = rng.choice(OPTIONS).unwrap_or_default();
        if options.len() + option.len() <= OptionBytes::MAX {
            options.extend_from_slice(option);
        }
    }
    options.resize(options.len().next_multiple_of(4).min(OptionBytes::MAX), 1);
    let window = if rng.bool() { rng.u16(..) } else { rng.choice(WINDOWS).unwrap_or_default() };
    SynFacts {
        window,
        options: OptionBytes::new(&options).unwrap_or_default(),
        flags: TcpFlags::SYN,
        ip_version: 4,
        ttl: rng.u8(30..=255),
        dont_fragment: rng.bool(),
        ip_id: Some(rng.u16(..)),
        ip_header_len: 20,
        acknowledgment: 0,
        ..SynFacts::default()
    }
}

/// The signature of exactly this SYN.
pub fn exact(syn: &SynFacts) -> Signature {
    MuonFpSignature::from(Fingerprint::of(syn).muonfp).into()
}

/// A signature that this SYN matches, with a wildcard in one field or more, or with gaps in its layout.
pub fn wildcard(rng: &mut Rng, syn: &SynFacts) -> Signature {
    let seen = Fingerprint::of(syn).muonfp;
    let mut signature = MuonFpSignature::from(seen);
    match rng.u8(0..4) {
        0 => signature.window = Field::Any,
        1 => signature.window_scale = Field::Any,
        2 => signature.mss = Field::Any,
        _ => signature.kinds = Layout::with_gaps(seen.kinds, [rng.usize(0..=seen.kinds.as_slice().len())]),
    }
    if rng.bool() {
        signature.mss = Field::Any;
    }
    if rng.bool() {
        signature.window_scale = Field::Any;
    }
    signature.into()
}

/// A signature in p0f's notation that this SYN matches, as wide as those of p0f's own database.
pub fn p0f(rng: &mut Rng, syn: &SynFacts) -> Option<Signature> {
    let exact = P0fSignature::from(Fingerprint::of(syn).p0f?);
    let signature = P0fSignature {
        version: if rng.bool() { Field::Any } else { exact.version },
        ttl: if rng.bool() { InitialTtl::UpTo(255) } else { exact.ttl },
        mss: if rng.bool() { Field::Any } else { exact.mss },
        window_scale: if rng.bool() { Field::Any } else { exact.window_scale },
        payload: if rng.bool() { Field::Any } else { exact.payload },
        ..exact
    };
    Some(signature.into())
}

/// So many signatures, each with its place: of a hundred, `special` have a wildcard and as many are p0f's.
pub fn signatures(rng: &mut Rng, count: u32, special: u32) -> (Vec<(Signature, u32)>, Vec<SynFacts>) {
    let mut entries = Vec::new();
    let mut syns = Vec::new();
    for place in 0..count {
        let syn = any_syn(rng);
        let signature = match place % 100 {
            kind if kind < special => wildcard(rng, &syn),
            kind if kind < 2 * special => p0f(rng, &syn).unwrap_or_else(|| exact(&syn)),
            _ => exact(&syn),
        };
        entries.push((signature, place));
        syns.push(syn);
    }
    (entries, syns)
}

/// The SYN as a frame.
///
/// # Errors
/// None for a SYN whose options are whole words.
pub fn frame(syn: &SynFacts) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([192, 0, 2, 1], Ipv4Addr::new(198, 51, 100, 1).octets(), syn.ttl)
        .tcp(40000, 443, 1, syn.window)
        .syn()
        .options_raw(syn.options.as_slice())
        .map_err(io::Error::other)?
        .write(&mut frame, &[])
        .map_err(io::Error::other)?;
    Ok(frame)
}

/// The facts of the SYN in a frame.
pub fn facts(frame: &[u8]) -> Option<SynFacts> {
    match locate(frame) {
        Located::Packet(packet) => SynFacts::of(&packet),
        _ => None,
    }
}
