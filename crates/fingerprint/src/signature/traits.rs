//! What a signature asks beside its notation.

mod flags;
mod name;
mod network;
mod number;
mod read;

use std::fmt;
use std::sync::Arc;

use synward_wire::{SynFacts, TcpFlags};

pub use name::without_comment;
pub use network::Network;
pub use number::{Interval, Ports};

use crate::p0f::IpVersion;
pub(crate) use flags::ECN_FLAGS;
pub(super) use read::read;

/// What a signature asks of a SYN beside its notation: `;key=value`, in any order, each key at most once.
///
/// | trait | asks that |
/// |---|---|
/// | `dir=S`, `dir=SA` | it is a SYN (which is so without the trait, too), or a SYN-ACK |
/// | `ttl=64`, `ttl=..64`, `ttl=65..128` | the TTL or hop limit, as it arrived, is this, or from this to that |
/// | `df=0`, `df=1` | it is IPv4, and DF is clear, or set |
/// | `ipid=0`, `ipid=0xd431`, `ipid=1..` | it is IPv4, and the identification is this, or from this to that |
/// | `flags=S`, `flags=SEC` | these TCP flags are set and no other: the first letters of SYN, ACK, FIN, RST, PSH, URG, ECE and CWR; `N` for AE, once the nonce sum; `X`, `Y` and `Z` for the reserved ones, from the lowest |
/// | `ecn=0`, `ecn=1` | an ECN bit of the IP header, ECE, CWR or AE is set, or none is: p0f's quirk `ecn` |
/// | `payload=0`, `payload=1` | data follows the TCP header, or not |
/// | `dport=22`, `dport=22,80`, `dport=1..1023` | the destination port is one of these |
/// | `dst=192.0.2.7`, `dst=2001:db8::/32` | the destination address is this, or has this prefix |
/// | `ver=4`, `ver=6` | the IP version is this |
/// | `name="zmap 4"`, `name=zmap` | nothing: it says what the signature stands for |
///
/// Displayed as they stand behind a notation, each with its `;`, in the order of this table; nothing without
/// traits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Traits {
    /// `dir`: whose fingerprint it is.
    pub direction: Direction,
    /// `ttl`: 0 to 255.
    pub ttl: Option<Interval>,
    /// `df`: the IPv4 flag; no IPv6 SYN will do.
    pub dont_fragment: Option<bool>,
    /// `ipid`: the IPv4 identification; no IPv6 SYN will do.
    pub ip_id: Option<Interval>,
    /// `flags`: all twelve, as they are.
    pub flags: Option<TcpFlags>,
    /// `ecn`: whether any bit of IP or TCP speaks of ECN.
    pub ecn: Option<bool>,
    /// `payload`: whether data follows the TCP header.
    pub payload: Option<bool>,
    /// `dport`.
    pub destination_ports: Option<Ports>,
    /// `dst`.
    pub destination: Option<Network>,
    /// `ver`: 4 or 6.
    pub ip_version: Option<u8>,
    /// `name`: what the signature stands for, in words. Not empty.
    pub name: Option<Arc<str>>,
}

/// Which segment a signature is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The SYN of a client.
    #[default]
    Syn,
    /// The SYN-ACK of a server.
    SynAck,
}

impl Direction {
    /// What these facts are of: nothing else has any.
    pub fn of(syn: &SynFacts) -> Direction {
        if syn.flags.contains(TcpFlags::ACK) { Direction::SynAck } else { Direction::Syn }
    }
}

impl Traits {
    /// Whether the SYN is as all traits ask.
    pub fn matches(&self, syn: &SynFacts) -> bool {
        self.direction == Direction::of(syn) && self.matches_ip(syn) && self.matches_tcp(syn)
    }

    fn matches_ip(&self, syn: &SynFacts) -> bool {
        let Traits { ttl, dont_fragment, ip_id, destination, ip_version, .. } = self;
        ttl.is_none_or(|ttl| ttl.contains(syn.ttl.into()))
            && dont_fragment.is_none_or(|df| syn.ip_version == 4 && syn.dont_fragment == df)
            && ip_id.is_none_or(|id| syn.ip_id.is_some_and(|seen| id.contains(seen)))
            && destination.is_none_or(|network| network.contains(syn.destination))
            && ip_version.is_none_or(|version| syn.ip_version == version)
    }

    fn matches_tcp(&self, syn: &SynFacts) -> bool {
        let Traits { flags, ecn, payload, destination_ports, .. } = self;
        flags.is_none_or(|flags| syn.flags == flags)
            && ecn.is_none_or(|ecn| (syn.ecn != 0 || syn.flags.intersects(ECN_FLAGS)) == ecn)
            && payload.is_none_or(|payload| syn.payload == payload)
            && destination_ports.as_ref().is_none_or(|ports| ports.contains(syn.destination_port))
    }

    /// Number of traits that rule some SYN out: the more, the more specific the signature.
    pub fn constraints(&self) -> usize {
        [
            self.direction != Direction::Syn,
            self.ttl.is_some(),
            self.dont_fragment.is_some(),
            self.ip_id.is_some(),
            self.flags.is_some(),
            self.ecn.is_some(),
            self.payload.is_some(),
            self.destination_ports.is_some(),
            self.destination.is_some(),
            self.ip_version.is_some(),
        ]
        .into_iter()
        .filter(|asked| *asked)
        .count()
    }

    /// The versions of IP that they imply, each in its way.
    pub(crate) fn versions(&self) -> [Option<IpVersion>; 3] {
        let of = |is_ipv4: bool| if is_ipv4 { IpVersion::V4 } else { IpVersion::V6 };
        [
            self.ip_version.map(|version| of(version == 4)),
            (self.dont_fragment.is_some() || self.ip_id.is_some()).then_some(IpVersion::V4),
            self.destination.map(|network| of(network.first().is_ipv4())),
        ]
    }

    /// The version of IP that they imply. Those that were read imply no two.
    pub(crate) fn version(&self) -> Option<IpVersion> {
        self.versions().into_iter().flatten().next()
    }

    /// Bytes of the heap that the name and the ports take. Clones share them.
    pub fn heap_bytes(&self) -> usize {
        /// The counts of an `Arc`.
        const COUNTS: usize = 2 * size_of::<usize>();
        let name = self.name.as_ref().map_or(0, |name| COUNTS + name.len());
        let ports = self.destination_ports.as_ref();
        name + ports.map_or(0, |ports| COUNTS + size_of_val(ports.intervals()))
    }
}

impl fmt::Display for Traits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.direction == Direction::SynAck {
            f.write_str(";dir=SA")?;
        }
        show(f, "ttl", self.ttl.map(number::ttl_text))?;
        show(f, "df", self.dont_fragment.map(u8::from))?;
        show(f, "ipid", self.ip_id)?;
        show(f, "flags", self.flags.map(flags::text))?;
        show(f, "ecn", self.ecn.map(u8::from))?;
        show(f, "payload", self.payload.map(u8::from))?;
        show(f, "dport", self.destination_ports.as_ref())?;
        show(f, "dst", self.destination)?;
        show(f, "ver", self.ip_version)?;
        show(f, "name", self.name.as_deref().map(name::quoted))
    }
}

fn show(f: &mut fmt::Formatter<'_>, key: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ";{key}={value}"))
}
