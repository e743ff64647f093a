//! A SYN with well-formed options that a signature describes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synward_fingerprint::p0f::{InitialTtl, IpVersion, MAX_DISTANCE, Multiple, Quirks, Window};
use synward_fingerprint::{
    Field, Fingerprint, Interval, MuonFp, Network, Notation, P0fSignature, Signature, Traits,
};
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

/// Option kinds (IANA registry of TCP parameters) that are written in a form of their own.
const EOL: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Bytes of an IPv4 header without options, of an IPv6 header, and of a TCP header without options.
const IPV4_HEADER: u16 = 20;
const IPV6_HEADER: u16 = 40;
const TCP_HEADER: u16 = 20;

/// A SYN whose options are not yet bytes, so that each part of it can be changed by itself.
#[derive(Debug, Clone)]
pub(super) struct Example {
    /// All but the options.
    pub(super) facts: SynFacts,
    pub(super) options: Options,
}

/// Well-formed options.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The kinds; EOL at most as the last.
    kinds: Vec<u8>,
    mss: u16,
    window_scale: u8,
    /// The two values of the timestamps option.
    pub(super) own_timestamp: u32,
    pub(super) echoed_timestamp: u32,
    /// Bytes behind EOL, and what they are.
    pub(super) padding: usize,
    pub(super) padding_byte: u8,
}

impl Example {
    /// A SYN that the signature describes; `None` if it leaves the window, the options or their values open, or if no SYN with
    /// well-formed options is so.
    pub(super) fn of(asked: &Signature) -> Option<Self> {
        let mut example = Self::of_notation(&asked.notation)?;
        example.show_traits(asked, asked);
        example.is_of(asked).then_some(example)
    }

    /// The same SYN, changed to be one of the rule's as well where `asked` leaves that open.
    pub(super) fn bent_to(&self, rule: &Signature, asked: &Signature) -> Self {
        let mut bent = self.clone();
        match &rule.notation {
            Notation::P0f(signature) => bent.show_p0f(signature),
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => bent.options.pad_as(&signature.kinds),
            _ => {}
        }
        bent.show_traits(rule, asked);
        bent
    }

    /// Whether the signature matches it.
    pub(super) fn is_of(&self, signature: &Signature) -> bool {
        self.fingerprint().is_some_and(|seen| signature.matches(&seen))
    }

    /// What it shows; `None` if the options do not fit.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.syn().map(|syn| Fingerprint::of(&syn))
    }

    fn of_notation(notation: &Notation) -> Option<Self> {
        match notation {
            Notation::MuonFp(signature) => {
                let MuonFp { window, kinds, mss, window_scale } = signature.exact()?;
                let values = (mss.unwrap_or_default(), window_scale.unwrap_or_default());
                Some(Self::new(window, Options::new(kinds.as_slice(), values)))
            }
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => {
                let seen = signature.exact()?;
                let mut options = Options::new(&[], (seen.mss, seen.window_scale));
                options.list(&seen.kinds);
                Some(Self::new(seen.window, options))
            }
            Notation::P0f(signature) => {
                let (mss, scale) = (signature.mss.exact()?, signature.window_scale.exact()?);
                let options = Options::new(signature.layout.kinds(), (mss, scale));
                let mut example = Self::new(window(signature, mss)?, options);
                example.show_p0f(signature);
                Some(example)
            }
            _ => None,
        }
    }

    fn new(window: u16, options: Options) -> Self {
        let facts = SynFacts { window, flags: TcpFlags::SYN, destination_port: 80, ..SynFacts::default() };
        let mut example = Self { facts, options };
        example.show_version(4);
        example
    }

    /// An IPv4 header with this DF bit and identification; one of IPv6 is replaced.
    pub(super) fn show_ipv4(&mut self, dont_fragment: bool, ip_id: u16) {
        self.show_version(4);
        (self.facts.dont_fragment, self.facts.ip_id) = (dont_fragment, Some(ip_id));
    }

    /// An IPv6 header with a flow label that is zero or not; one of IPv4 is replaced.
    pub(super) fn show_ipv6(&mut self, flow_label: bool) {
        self.show_version(6);
        self.facts.flow_label = flow_label;
    }

    /// An IP header of this version. One of the other is replaced, by one without anything that is optional in it.
    fn show_version(&mut self, version: u8) {
        if self.facts.ip_version == version {
            return;
        }
        let (ip_id, destination, ip_header_len) = match version {
            4 => (Some(1), IpAddr::V4(Ipv4Addr::UNSPECIFIED), IPV4_HEADER),
            _ => (None, IpAddr::V6(Ipv6Addr::UNSPECIFIED), IPV6_HEADER),
        };
        self.facts = SynFacts {
            ip_version: version,
            ip_id,
            destination,
            ip_header_len,
            ip_options_len: 0,
            dont_fragment: false,
            ip_reserved_bit: false,
            flow_label: false,
            ..self.facts
        };
    }

    /// Bytes of IPv4 options.
    pub(super) fn show_ip_options(&mut self, bytes: u8) {
        self.facts.ip_options_len = bytes;
        self.facts.ip_header_len = IPV4_HEADER + u16::from(bytes);
    }

    /// What a p0f signature says beside window, MSS and scale.
    fn show_p0f(&mut self, signature: &P0fSignature) {
        match signature.version {
            Field::Is(IpVersion::V4) => self.show_version(4),
            Field::Is(IpVersion::V6) => self.show_version(6),
            Field::Any => {}
        }
        if self.facts.ip_version == 4 {
            self.show_ip_options(signature.ip_options_len);
        }
        self.options.kinds = signature.layout.kinds().to_vec();
        self.options.padding = signature.layout.eol_padding().into();
        self.facts.payload = signature.payload.exact().unwrap_or(self.facts.payload);
        self.show_quirks(signature.quirks);
    }

    fn show_quirks(&mut self, quirks: Quirks) {
        let has = |quirk| quirks.contains(quirk);
        let facts = &mut self.facts;
        if facts.ip_version == 4 {
            facts.dont_fragment = has(Quirks::DF);
            let zero = if has(Quirks::DF) { !has(Quirks::ID_NONZERO) } else { has(Quirks::ID_ZERO) };
            facts.ip_id = Some(u16::from(!zero));
            facts.ip_reserved_bit = has(Quirks::RESERVED_BIT);
        } else {
            facts.flow_label = has(Quirks::FLOW);
        }
        facts.ecn = has(Quirks::ECN).into();
        facts.sequence_zero = has(Quirks::SEQUENCE_ZERO);
        facts.acknowledgment = if has(Quirks::ACK_NONZERO) { ACK_SEEN } else { 0 };
        facts.urgent_pointer = has(Quirks::URGENT_POINTER).into();
        let flag = |quirk, flag| if has(quirk) { flag } else { TcpFlags::default() };
        facts.flags = TcpFlags::SYN | flag(Quirks::URG, TcpFlags::URG) | flag(Quirks::PSH, TcpFlags::PSH);
        self.options.own_timestamp = (!has(Quirks::OWN_TIMESTAMP_ZERO)).into();
        self.options.echoed_timestamp = has(Quirks::PEER_TIMESTAMP).into();
        self.options.padding_byte = has(Quirks::PADDING_NONZERO).into();
    }

    /// What the traits of both signatures say, and their TTL. Where both ask for the same thing, and no value will do for both,
    /// it is the rule's.
    fn show_traits(&mut self, rule: &Signature, asked: &Signature) {
        let (rule_ttl, asked_ttl) = (ttl(rule), ttl(asked));
        self.facts.ttl = rule_ttl.start().max(asked_ttl.start()).to_owned();
        self.show_ip_traits(&rule.traits, &asked.traits);
        self.show_tcp_traits(&rule.traits, &asked.traits);
    }

    fn show_ip_traits(&mut self, rule: &Traits, asked: &Traits) {
        if let Some(version) = ip_version(rule).or(ip_version(asked)) {
            self.show_version(version);
        }
        let facts = &mut self.facts;
        facts.dont_fragment = rule.dont_fragment.or(asked.dont_fragment).unwrap_or(facts.dont_fragment);
        let ids = [rule.ip_id, asked.ip_id];
        let is_meant = |id: &u16| ids.iter().flatten().all(|ids| ids.contains(*id));
        facts.ip_id = facts.ip_id.map(|id| nearest(id, ids.iter().flatten().map(first), is_meant));
        let networks = [rule.destination, asked.destination];
        let is_meant = |to: &IpAddr| networks.iter().flatten().all(|network| network.contains(*to));
        let firsts = networks.iter().flatten().map(Network::first);
        facts.destination = nearest(facts.destination, firsts, is_meant);
    }

    fn show_tcp_traits(&mut self, rule: &Traits, asked: &Traits) {
        let facts = &mut self.facts;
        facts.flags = rule.flags.or(asked.flags).unwrap_or(facts.flags);
        // The bits of the IP header speak of ECN whatever the flags are.
        facts.ecn = rule.ecn.or(asked.ecn).map_or(facts.ecn, u8::from);
        facts.payload = rule.payload.or(asked.payload).unwrap_or(facts.payload);
        let ports = [&rule.destination_ports, &asked.destination_ports];
        let is_meant = |port: &u16| ports.into_iter().flatten().all(|ports| ports.contains(*port));
        let firsts = ports.into_iter().flatten().flat_map(|ports| ports.intervals()).map(first);
        facts.destination_port = nearest(facts.destination_port, firsts, is_meant);
    }

    /// What it is on the wire; `None` if the options do not fit.
    pub(super) fn syn(&self) -> Option<SynFacts> {
        Some(SynFacts { options: OptionBytes::new(&self.options.bytes())?, ..self.facts })
    }
}

/// An acknowledgment number that p0f sees ([`Quirks::ACK_NONZERO`]).
pub(super) const ACK_SEEN: u32 = 1 << 24;

/// The IP version that traits leave, if they do not leave both.
fn ip_version(traits: &Traits) -> Option<u8> {
    let of_network = traits.destination.map(|network| if network.first().is_ipv4() { 4 } else { 6 });
    let of_ipv4 = traits.dont_fragment.is_some() || traits.ip_id.is_some();
    traits.ip_version.or(of_network).or(of_ipv4.then_some(4))
}

fn first(interval: &Interval) -> u16 {
    interval.first
}

/// The value itself if it is meant, else the first of the others that is. Where none is, no value is.
fn nearest<T: Copy>(value: T, others: impl Iterator<Item = T>, is_meant: impl Fn(&T) -> bool) -> T {
    [value].into_iter().chain(others).find(is_meant).unwrap_or(value)
}

/// The TTLs that a signature takes, by its notation and by its trait. The first is above the last where there is none.
fn ttl(signature: &Signature) -> std::ops::RangeInclusive<u8> {
    let (first, last) = match &signature.notation {
        Notation::P0f(P0fSignature { ttl: InitialTtl::Is(initial), .. }) => {
            (initial.saturating_sub(MAX_DISTANCE), *initial)
        }
        Notation::P0f(P0fSignature { ttl: InitialTtl::UpTo(most), .. }) => (0, *most),
        _ => (0, u8::MAX),
    };
    let narrow = |end: u16| u8::try_from(end).unwrap_or(u8::MAX);
    let asked = signature.traits.ttl.map_or((0, u8::MAX), |ttl| (narrow(ttl.first), narrow(ttl.last)));
    first.max(asked.0)..=last.min(asked.1)
}

/// The window that a p0f signature asks for, where that is one. A multiple of the MTU is one of the least that p0f
/// takes for an MTU.
fn window(signature: &P0fSignature, mss: u16) -> Option<u16> {
    let ip_header = if signature.version == Field::Is(IpVersion::V6) { IPV6_HEADER } else { IPV4_HEADER };
    match signature.window {
        Window::Is(window) => Some(window),
        Window::Times(Multiple::Mss(factor)) => mss.checked_mul(factor),
        Window::Times(Multiple::Mtu(factor)) => mss.checked_add(ip_header + TCP_HEADER)?.checked_mul(factor),
        Window::Any | Window::MultipleOf(_) => None,
    }
}

impl Options {
    /// With no more padding behind EOL than fills the last word of the header.
    fn new(kinds: &[u8], (mss, window_scale): (u16, u8)) -> Self {
        let mut options = Self {
            kinds: kinds.to_vec(),
            mss,
            window_scale,
            own_timestamp: 1,
            echoed_timestamp: 0,
            padding: 0,
            padding_byte: 0,
        };
        if options.end_in_eol() {
            options.padding = options.bytes().len().next_multiple_of(4) - options.bytes().len();
        }
        options
    }

    /// Whether an EOL ends them.
    pub(super) fn end_in_eol(&self) -> bool {
        self.kinds.last() == Some(&EOL)
    }

    /// These kinds, where each zero behind the first is a byte of padding: as JA4T lists them.
    #[cfg(feature = "ja4t")]
    fn list(&mut self, kinds: &synward_fingerprint::Kinds) {
        let eol = kinds.as_slice().iter().position(|kind| *kind == EOL);
        let listed = eol.map_or(kinds.as_slice().len(), |eol| eol + 1);
        self.kinds = kinds.as_slice().iter().take(listed).copied().collect();
        self.padding = kinds.as_slice().len() - listed;
    }

    /// Bytes of padding such as a signature of JA4T asks for.
    #[cfg(feature = "ja4t")]
    fn pad_as(&mut self, layout: &synward_fingerprint::Layout) {
        if let Some(kinds) = layout.exact() {
            return self.list(&kinds);
        }
        let zeros = layout.kinds().as_slice().iter().filter(|kind| **kind == EOL).count();
        self.padding = self.padding.max(zeros.saturating_sub(1));
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.kinds.iter().flat_map(|kind| self.option(*kind)).collect();
        bytes.extend(std::iter::repeat_n(self.padding_byte, self.padding));
        bytes
    }

    fn option(&self, kind: u8) -> Vec<u8> {
        let timestamps = [self.own_timestamp, self.echoed_timestamp].map(u32::to_be_bytes);
        let value = match kind {
            EOL | NOP => return vec![kind],
            MSS => self.mss.to_be_bytes().to_vec(),
            WINDOW_SCALE => vec![self.window_scale],
            TIMESTAMPS => timestamps.concat(),
            // One block, the fewest there can be (RFC 2018 section 3).
            SACK => vec![0; 8],
            _ => Vec::new(),
        };
        let length = u8::try_from(value.len() + 2).unwrap_or(u8::MAX);
        [vec![kind, length], value].concat()
    }
}
