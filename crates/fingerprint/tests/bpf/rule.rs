//! Signatures of every notation, and what their programs have to say.

use synward_fingerprint::bpf::{self, BpfError, Link, Program};
use synward_fingerprint::p0f::{IpVersion, P0f, P0fSignature, Strictness};
use synward_fingerprint::{Direction, Fingerprint, Notation, Signature, Traits};
use synward_wire::{Located, SynFacts, locate, options_well_formed};

use crate::machine::accepts;

/// A signature and its programs for one version of IP.
pub(crate) struct Rule {
    pub(crate) text: String,
    signature: Written,
    pub(crate) version: IpVersion,
    pub(crate) on_ethernet: Program,
    pub(crate) on_ip: Program,
}

enum Written {
    P0f(Box<P0fSignature>),
    Other(Box<Signature>),
}

impl Written {
    fn compile(&self, link: Link, version: Option<IpVersion>) -> Result<Program, BpfError> {
        match self {
            Written::P0f(signature) => bpf::compile_p0f(signature, &Traits::default(), link, version),
            Written::Other(signature) => bpf::compile(signature, link, version),
        }
    }

    fn matches(&self, syn: &SynFacts) -> bool {
        match self {
            Written::P0f(signature) => {
                let seen = P0f::of(syn).filter(|_| Direction::of(syn) == Direction::Syn);
                seen.is_some_and(|seen| signature.matches(&seen, Strictness::Strict))
            }
            Written::Other(signature) => signature.matches(&Fingerprint::of(syn)),
        }
    }

    /// Whether the signature is in MuonFP and of options whose length MuonFP does not look at.
    fn is_exact_on_malformed(&self) -> bool {
        let Written::Other(signature) = self else { return false };
        let Notation::MuonFp(muonfp) = &signature.notation else { return false };
        muonfp.kinds.kinds().as_slice().iter().all(|kind| *kind < 4)
    }
}

impl Rule {
    /// The rule of this text, for the version that the text tells or else for this one.
    pub(crate) fn new(text: &str, version: IpVersion) -> Result<Rule, BpfError> {
        let signature = if text.matches(':').count() == 7 {
            Written::P0f(Box::new(text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))))
        } else {
            Written::Other(Box::new(text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))))
        };
        let told = signature.compile(Link::RawIp, None) != Err(BpfError::VersionNeeded);
        let chosen = (!told).then_some(version);
        let on_ip = signature.compile(Link::RawIp, chosen)?;
        let on_ethernet = signature.compile(Link::Ethernet, chosen)?;
        let version = match chosen {
            Some(version) => version,
            None if signature.compile(Link::RawIp, Some(IpVersion::V4)).is_ok() => IpVersion::V4,
            None => IpVersion::V6,
        };
        Ok(Rule { text: text.to_owned(), signature, version, on_ethernet, on_ip })
    }

    /// Whether the signature matches the frame, which has no tags. The programs must agree, as far as they promise;
    /// never may they match what the signature does not.
    pub(crate) fn judge(&self, frame: &[u8]) -> bool {
        let frame = &whole(frame);
        let syn = match locate(frame) {
            Located::Packet(packet) => SynFacts::of(&packet),
            _ => None,
        };
        let of_version = |syn: &SynFacts| (syn.ip_version == 4) == (self.version == IpVersion::V4);
        let expected = syn.is_some_and(|syn| of_version(&syn) && self.signature.matches(&syn));
        let found = accepts(&self.on_ip, &frame[14..]);
        let context = || format!("{} {:?}\n{frame:02x?}\n{syn:?}", self.text, self.version);
        assert_eq!(found, accepts(&self.on_ethernet, frame), "Ethernet: {}", context());
        assert!(expected || !found, "wider: {}", context());
        let promised = syn.is_some_and(|syn| self.promises(&syn));
        assert!(found || !expected || !promised, "narrower: {}", context());
        expected
    }

    fn promises(&self, syn: &SynFacts) -> bool {
        let has_extension_headers = syn.ip_version == 6 && syn.ip_options_len > 0;
        let is_read = options_well_formed(syn.options.as_slice()) || self.signature.is_exact_on_malformed();
        is_read && !has_extension_headers
    }
}

/// The frame, with zeros behind it as far as the IP header says that there is more: programs take it at its word.
fn whole(frame: &[u8]) -> Vec<u8> {
    let ip = &frame[14..];
    let number = |at: usize| usize::from(u16::from_be_bytes([ip[at], ip[at + 1]]));
    let len = if ip[0] >> 4 == 6 { 40 + number(4) } else { number(2) };
    let mut whole = frame.to_vec();
    whole.resize(frame.len().max(14 + len), 0);
    whole
}
