//! Tunnels: an IP packet or an Ethernet frame behind an IP header.

use crate::ethernet::{self, behind_ethertype};
use crate::packet::protocol;
use crate::{Head, Located, Oddity, Packet, ipv4, ipv6};

/// The UDP ports of VXLAN (RFC 7348 section 5) and of Geneve (RFC 8926 section 3.3).
mod port {
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const GENEVE: u16 = 6081;
}

/// The EtherType of an Ethernet frame in GRE (RFC 7637 section 3.2).
const TRANSPARENT_ETHERNET: u16 = 0x6558;

/// The header of UDP: both ports, length, checksum.
const UDP_HEADER: usize = 8;

/// A packet of a tunnel. What it carries is not looked at before it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel<'a> {
    kind: Kind,
    /// What follows the IP headers, or the IP header and the UDP header.
    content: &'a [u8],
    /// Bytes that it has behind those.
    beyond: usize,
    /// Not so of a first fragment.
    is_whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// IPv4 in IP (RFC 2003, RFC 2473).
    Ipv4,
    /// IPv6 in IP (RFC 4213, RFC 2473).
    Ipv6,
    Gre,
    Vxlan,
    Geneve,
    /// Of any kind, without a header to tell where in the tunnel it is.
    LaterFragment,
}

impl<'a> Tunnel<'a> {
    /// The same, of which only so many bytes follow those given.
    pub(crate) fn cut(self, beyond: usize) -> Self {
        Self { beyond, ..self }
    }

    /// The tunnel, if a packet of this protocol to this port is of one.
    pub(crate) fn of(packet: &Packet<'_>, payload: &'a [u8], is_whole: bool) -> Option<Self> {
        let Packet { protocol, ports, beyond, .. } = *packet;
        let kind = match (protocol, ports) {
            (protocol::IPV4, _) => Kind::Ipv4,
            (protocol::IPV6, _) => Kind::Ipv6,
            (protocol::GRE, _) => Kind::Gre,
            (protocol::UDP, Some((_, port::VXLAN))) => Kind::Vxlan,
            (protocol::UDP, Some((_, port::GENEVE))) => Kind::Geneve,
            _ => return None,
        };
        let content = if protocol == protocol::UDP { behind_udp(payload) } else { payload };
        Some(Self { kind, content, beyond, is_whole })
    }

    /// The tunnel of a fragment other than the first. UDP does not tell there what it carries.
    pub(crate) fn of_later_fragment(protocol: u8) -> Option<Self> {
        let is_tunnel = matches!(protocol, protocol::IPV4 | protocol::IPV6 | protocol::GRE);
        is_tunnel.then_some(Self { kind: Kind::LaterFragment, content: &[], beyond: 0, is_whole: false })
    }

    /// Finds the headers of what the tunnel carries, as [`locate`](crate::locate) does for a frame: one level, for a tunnel
    /// inside is not opened. None for what cannot be opened: a later fragment, Geneve, GRE of another version than 0 (PPTP) or with
    /// RFC 1701's routing. A cut header of the tunnel is [`Oddity::Runt`].
    ///
    /// A first fragment shows the first bytes of what it carries: that their end is missing is not odd, and that they end
    /// before the TCP header does is [`Oddity::TinyFragment`].
    pub fn open(&self) -> Option<Located<'a>> {
        let located = match self.kind {
            Kind::Ipv4 => ipv4::locate(self.content),
            Kind::Ipv6 => ipv6::locate(self.content),
            Kind::Gre => behind_gre(self.content, self.beyond)?,
            Kind::Vxlan => behind_vxlan(self.content, self.beyond),
            Kind::Geneve | Kind::LaterFragment => return None,
        };
        Some(if self.is_whole { located.within(self.beyond) } else { in_first_fragment(located.within(0)) })
    }
}

/// What was found, when more follows in other fragments.
fn in_first_fragment(located: Located<'_>) -> Located<'_> {
    match located {
        Located::Odd(Oddity::Runt | Oddity::TruncatedIp) => Located::Odd(Oddity::TinyFragment),
        Located::Packet(packet) if packet.odd == Some(Oddity::TruncatedIp) => {
            Located::Packet(Packet { odd: oddity_of_start(&packet), ..packet })
        }
        located => located,
    }
}

/// What is odd about a packet beside its missing end.
fn oddity_of_start(packet: &Packet<'_>) -> Option<Oddity> {
    match packet.segment {
        Some(segment) => segment.oddity(),
        None if packet.protocol == protocol::TCP => Some(Oddity::TinyFragment),
        None if packet.source.is_ipv6() && ipv6::is_extension(packet.protocol) => {
            Some(Oddity::Ipv6IncompleteChain)
        }
        None => None,
    }
}

/// What the UDP header says it carries; a length that cannot be right bounds nothing.
///
/// ```text
///  0             2                  4        6          8
/// +-------------+------------------+--------+----------+----
/// | source port | destination port | length | checksum | …
/// +-------------+------------------+--------+----------+----
/// ```
fn behind_udp(payload: &[u8]) -> &[u8] {
    let length = payload.first_chunk().map_or(0, |&[_, _, _, _, high, low]| u16::from_be_bytes([high, low]));
    let all = || payload.get(UDP_HEADER..).unwrap_or_default();
    payload.get(UDP_HEADER..usize::from(length)).unwrap_or_else(all)
}

/// GRE (RFC 2784 section 2, RFC 2890 section 2). Each of the three optional words is there if its bit is set.
///
/// ```text
///  0 1 2 3         12   13        16                                     31 bits
/// +-+-+-+-+--------+-------------+-----------------------------------------+
/// |C|R|K|S| …      | version     | protocol, an EtherType                  |
/// +-+-+-+-+--------+-------------+-----------------------------------------+
/// | checksum, reserved (C)                                                 |
/// +-------------------------------------------------------------------------+
/// | key (K)                                                                |
/// +-------------------------------------------------------------------------+
/// | sequence number (S)                                                    |
/// +-------------------------------------------------------------------------+
/// ```
fn behind_gre(packet: &[u8], beyond: usize) -> Option<Located<'_>> {
    const CHECKSUM_KEY_SEQUENCE: u8 = 0b1011_0000;
    const ROUTING: u8 = 0b0100_0000;
    const VERSION: u8 = 0b0000_0111;
    let Some((&[flags, version, high, low], rest)) = packet.split_first_chunk() else {
        return Some(Located::Odd(Oddity::Runt));
    };
    if flags & ROUTING != 0 || version & VERSION != 0 {
        return None;
    }
    let words = (flags & CHECKSUM_KEY_SEQUENCE).count_ones() as usize;
    let Some(rest) = rest.get(words * 4..) else { return Some(Located::Odd(Oddity::Runt)) };
    Some(match u16::from_be_bytes([high, low]) {
        TRANSPARENT_ETHERNET => ethernet::locate(Head { bytes: rest, beyond }),
        ethertype => behind_ethertype(ethertype, rest, beyond),
    })
}

/// VXLAN (RFC 7348 section 5), then an Ethernet frame. Without the I flag a receiver must discard it: it carries nothing.
///
/// ```text
///  0         8          32    56         64 bits
/// +---------+----------+-----+----------+----------
/// | …I…     | reserved | VNI | reserved | Ethernet
/// +---------+----------+-----+----------+----------
/// ```
fn behind_vxlan(packet: &[u8], beyond: usize) -> Located<'_> {
    const VNI_IS_VALID: u8 = 0b0000_1000;
    match packet.split_first_chunk::<8>() {
        None => Located::Odd(Oddity::Runt),
        Some(([flags, ..], _)) if flags & VNI_IS_VALID == 0 => Located::NotIp,
        Some((_, bytes)) => ethernet::locate(Head { bytes, beyond }),
    }
}
