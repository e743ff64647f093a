//! Quirks: the oddities of a SYN that p0f names.

use std::fmt;
use std::ops::BitOr;

use super::IpVersion;

/// A set of quirks, displayed as p0f lists them: by name, in p0f's own order, with `,` between.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Quirks(u32);

impl Quirks {
    /// No quirk at all.
    pub const NONE: Quirks = Quirks(0);
    /// `df`: the IPv4 flag "don't fragment" is set.
    pub const DF: Quirks = Quirks(1);
    /// `id+`: DF is set, and yet the IPv4 identification is not zero.
    pub const ID_NONZERO: Quirks = Quirks(1 << 1);
    /// `id-`: DF is not set, and yet the IPv4 identification is zero.
    pub const ID_ZERO: Quirks = Quirks(1 << 2);
    /// `ecn`: an ECN bit of the IP header, or ECE, CWR or AE of the TCP header is set.
    pub const ECN: Quirks = Quirks(1 << 3);
    /// `0+`: the IPv4 flag that must be zero is set.
    pub const RESERVED_BIT: Quirks = Quirks(1 << 4);
    /// `flow`: the IPv6 flow label is not zero.
    pub const FLOW: Quirks = Quirks(1 << 5);
    /// `seq-`: the sequence number is zero.
    pub const SEQUENCE_ZERO: Quirks = Quirks(1 << 6);
    /// `ack+`: ACK is not set, and yet the lowest bit of the first byte of the acknowledgment number is. p0f's
    /// README says "the number is not zero", but 3.09b looks at this bit alone.
    pub const ACK_NONZERO: Quirks = Quirks(1 << 7);
    /// `ack-`: ACK is set, and yet the acknowledgment number is zero.
    pub const ACK_ZERO: Quirks = Quirks(1 << 8);
    /// `uptr+`: URG is not set, and yet the urgent pointer is not zero.
    pub const URGENT_POINTER: Quirks = Quirks(1 << 9);
    /// `urgf+`: URG is set.
    pub const URG: Quirks = Quirks(1 << 10);
    /// `pushf+`: PSH is set.
    pub const PSH: Quirks = Quirks(1 << 11);
    /// `ts1-`: a timestamps option whose own value is zero.
    pub const OWN_TIMESTAMP_ZERO: Quirks = Quirks(1 << 12);
    /// `ts2+`: a timestamps option of a SYN whose echo is not zero.
    pub const PEER_TIMESTAMP: Quirks = Quirks(1 << 13);
    /// `opt+`: a byte of the padding after EOL is not zero. The last one does not count: 3.09b overlooks it.
    pub const PADDING_NONZERO: Quirks = Quirks(1 << 14);
    /// `exws`: a window scale above 14, the most that RFC 7323 section 2.3 allows.
    pub const EXCESSIVE_SCALE: Quirks = Quirks(1 << 15);
    /// `bad`: malformed options, or more than 24 of them.
    pub const BAD: Quirks = Quirks(1 << 16);

    /// Every quirk.
    pub const ALL: Quirks = Quirks((1 << 17) - 1);

    /// The quirks of an IPv4 header, which a signature for either version does not ask of IPv6. `0+` is not
    /// among them for 3.09b: `*:…:0+:0` never matches IPv6.
    const OF_IPV4: Quirks = Self::DF.with(Self::ID_NONZERO).with(Self::ID_ZERO);

    /// Every quirk and its name, in the order in which p0f prints them.
    const NAMED: [(Quirks, &str); 17] = [
        (Quirks::DF, "df"),
        (Quirks::ID_NONZERO, "id+"),
        (Quirks::ID_ZERO, "id-"),
        (Quirks::ECN, "ecn"),
        (Quirks::RESERVED_BIT, "0+"),
        (Quirks::FLOW, "flow"),
        (Quirks::SEQUENCE_ZERO, "seq-"),
        (Quirks::ACK_NONZERO, "ack+"),
        (Quirks::ACK_ZERO, "ack-"),
        (Quirks::URGENT_POINTER, "uptr+"),
        (Quirks::URG, "urgf+"),
        (Quirks::PSH, "pushf+"),
        (Quirks::OWN_TIMESTAMP_ZERO, "ts1-"),
        (Quirks::PEER_TIMESTAMP, "ts2+"),
        (Quirks::PADDING_NONZERO, "opt+"),
        (Quirks::EXCESSIVE_SCALE, "exws"),
        (Quirks::BAD, "bad"),
    ];

    /// Whether all of `quirks` are in this set.
    pub const fn contains(self, quirks: Quirks) -> bool {
        self.0 & quirks.0 == quirks.0
    }

    /// Whether no quirk is in this set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A bit for each quirk in this set.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// This set and `quirks`.
    #[must_use]
    pub const fn with(self, quirks: Quirks) -> Quirks {
        Quirks(self.0 | quirks.0)
    }

    /// This set less `quirks`.
    #[must_use]
    pub const fn without(self, quirks: Quirks) -> Quirks {
        Quirks(self.0 & !quirks.0)
    }

    /// The quirk of this name.
    pub fn named(name: &str) -> Option<Quirks> {
        Quirks::NAMED.iter().find(|(_, known)| *known == name).map(|(quirk, _)| *quirk)
    }

    /// The names of the quirks in this set, in the order in which p0f prints them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Quirks::NAMED.iter().filter(move |(quirk, _)| self.contains(*quirk)).map(|(_, name)| *name)
    }

    /// The quirks that a packet of this version cannot show and that a signature for either version does not
    /// ask of it.
    pub(crate) const fn foreign_to(version: IpVersion) -> Quirks {
        match version {
            IpVersion::V4 => Quirks::FLOW,
            IpVersion::V6 => Quirks::OF_IPV4,
        }
    }

    /// The quirks that no packet of this version can show.
    pub(crate) const fn impossible_in(version: IpVersion) -> Quirks {
        match version {
            IpVersion::V4 => Quirks::FLOW,
            IpVersion::V6 => Quirks::OF_IPV4.with(Quirks::RESERVED_BIT),
        }
    }

    /// The quirk where `there`, nothing elsewhere.
    pub(crate) const fn when(self, there: bool) -> Quirks {
        if there { self } else { Quirks::NONE }
    }
}

impl BitOr for Quirks {
    type Output = Quirks;

    fn bitor(self, other: Quirks) -> Quirks {
        self.with(other)
    }
}

impl FromIterator<Quirks> for Quirks {
    fn from_iter<I: IntoIterator<Item = Quirks>>(quirks: I) -> Quirks {
        quirks.into_iter().fold(Quirks::NONE, Quirks::with)
    }
}

impl fmt::Display for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.names().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quirks({self})")
    }
}
