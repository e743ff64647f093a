//! Whether a signature matches the SYNs that another describes: all, some or none of them.

use synward_fingerprint::{Fingerprint, Interval, Network, Signature};
use synward_wire::TcpFlags;

use super::example::{ACK_SEEN, Example};

/// How many of the SYNs that are as asked a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    /// Each.
    Always,
    /// It asks for something that is not told.
    Sometimes,
    /// None.
    Never,
}

/// `example` is a SYN that is as `asked`.
///
/// Both signatures themselves are asked, and no notation is compared with another: first about a SYN that should satisfy both,
/// then about every way in which it could be otherwise.
pub(super) fn relation(asked: &Signature, example: &Example, rule: &Signature) -> Relation {
    let both = example.bent_to(rule, asked);
    if !both.is_of(asked) || !both.is_of(rule) {
        return Relation::Never;
    }
    let mut others = variants(&both, asked, rule).into_iter();
    let escapes = others.any(|other| !other.is_of(rule) && other.is_of(asked));
    if escapes { Relation::Sometimes } else { Relation::Always }
}

/// The same for a rule that `names` tells the SYNs of, rather than its signature alone: every SYN is asked about that comes of
/// `example`, or of one that should satisfy both, by the change of one thing.
pub(super) fn relation_by(
    names: impl Fn(&Fingerprint) -> bool,
    asked: &Signature,
    example: &Example,
    rule: &Signature,
) -> Relation {
    let starts = [example.clone(), example.bent_to(rule, asked)];
    let syns = starts.into_iter().flat_map(|start| [variants(&start, asked, rule), vec![start]].concat());
    let seen = syns.filter_map(|syn| syn.fingerprint()).filter(|seen| asked.matches(seen));
    let (mut some, mut all) = (false, true);
    for named in seen.map(|seen| names(&seen)) {
        (some, all) = (some || named, all && named);
    }
    match (some, all) {
        (false, _) => Relation::Never,
        (true, true) => Relation::Always,
        (true, false) => Relation::Sometimes,
    }
}

/// The SYN with one thing changed that a signature can ask for: every value where there are few, else what lies just outside
/// of what the rule asks for, and for ports, which may be many ranges, the ends of those that are asked, too.
fn variants(example: &Example, asked: &Signature, rule: &Signature) -> Vec<Example> {
    let mut variants = Variants { example, all: Vec::new() };
    variants.of_ip(rule);
    variants.of_tcp();
    variants.of_ports(asked, rule);
    variants.of_options();
    variants.all
}

struct Variants<'a> {
    example: &'a Example,
    all: Vec<Example>,
}

impl Variants<'_> {
    fn add(&mut self, change: impl FnOnce(&mut Example)) {
        let mut changed = self.example.clone();
        change(&mut changed);
        self.all.push(changed);
    }

    fn of_ip(&mut self, rule: &Signature) {
        for ttl in 0..=u8::MAX {
            self.add(|example| example.facts.ttl = ttl);
        }
        for ecn in 0..=3 {
            self.add(|example| example.facts.ecn = ecn);
        }
        for (dont_fragment, id) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
            self.add(|example| example.show_ipv4(dont_fragment, id));
        }
        for flow_label in [false, true] {
            self.add(|example| example.show_ipv6(flow_label));
        }
        if self.example.facts.ip_version == 4 {
            self.of_ipv4(rule);
        }
        if let Some(outside) = rule.traits.destination.and_then(just_outside) {
            self.add(|example| example.facts.destination = outside);
        }
    }

    fn of_ipv4(&mut self, rule: &Signature) {
        self.add(|example| example.facts.ip_reserved_bit ^= true);
        for bytes in [0, 4] {
            self.add(|example| example.show_ip_options(bytes));
        }
        for id in rule.traits.ip_id.into_iter().flat_map(around) {
            self.add(|example| example.facts.ip_id = Some(id));
        }
    }

    fn of_tcp(&mut self) {
        // SYN, ACK and RST are not changed: with another of these it is no SYN.
        let flags = [TcpFlags::FIN, TcpFlags::PSH, TcpFlags::URG, TcpFlags::ECE, TcpFlags::CWR, TcpFlags::AE];
        for flag in flags.into_iter().chain([TcpFlags::RESERVED]) {
            self.add(|example| {
                example.facts.flags = TcpFlags::new(example.facts.flags.bits() ^ flag.bits());
            });
        }
        self.add(|example| example.facts.sequence_zero ^= true);
        self.add(|example| example.facts.acknowledgment ^= ACK_SEEN);
        self.add(|example| example.facts.urgent_pointer ^= 1);
        self.add(|example| example.facts.payload ^= true);
    }

    fn of_ports(&mut self, asked: &Signature, rule: &Signature) {
        let intervals = |signature: &Signature| {
            let ports = signature.traits.destination_ports.as_ref();
            ports.map(|ports| ports.intervals().to_vec()).unwrap_or_default()
        };
        let ends = intervals(asked).into_iter().flat_map(|ports| [ports.first, ports.last]);
        for port in ends.chain(intervals(rule).into_iter().flat_map(around)) {
            self.add(|example| example.facts.destination_port = port);
        }
    }

    fn of_options(&mut self) {
        self.add(|example| example.options.own_timestamp ^= 1);
        self.add(|example| example.options.echoed_timestamp ^= 1);
        if self.example.options.end_in_eol() {
            self.add(|example| example.options.padding += 4);
            self.add(|example| example.options.padding = example.options.padding.saturating_sub(4));
            self.add(|example| example.options.padding_byte ^= 1);
        }
    }
}

/// The numbers next to an interval.
fn around(interval: Interval) -> impl Iterator<Item = u16> {
    [interval.first.checked_sub(1), interval.last.checked_add(1)].into_iter().flatten()
}

/// An address that has all bits of a prefix but the last; none where there is no bit.
fn just_outside(network: Network) -> Option<std::net::IpAddr> {
    let length = u32::from(network.length());
    match network.first() {
        std::net::IpAddr::V4(first) => {
            let bit = 1_u32.checked_shl(32_u32.checked_sub(length)?)?;
            Some(std::net::Ipv4Addr::from_bits(first.to_bits() ^ bit).into())
        }
        std::net::IpAddr::V6(first) => {
            let bit = 1_u128.checked_shl(128_u32.checked_sub(length)?)?;
            Some(std::net::Ipv6Addr::from_bits(first.to_bits() ^ bit).into())
        }
    }
}
