//! What was found in a frame.

use std::net::IpAddr;

use crate::{Oddity, Segment, Tunnel};

/// Protocol numbers (IANA registry) whose headers are read.
pub(crate) mod protocol {
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const SCTP: u8 = 132;
}

/// What [`locate`](crate::locate) found in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Located<'a> {
    /// No IP: another EtherType, an IEEE 802.3 length, a PPP control protocol, an MPLS pseudowire.
    NotIp,
    /// No addresses could be read: [`Oddity::Runt`], [`Oddity::TruncatedIp`] or [`Oddity::TooManyTags`], in a tunnel also
    /// [`Oddity::TinyFragment`].
    Odd(Oddity),
    /// An IP packet, whatever else may be wrong with it.
    Packet(Packet<'a>),
}

/// An IP packet: whose it is and what it carries.
///
/// Everything in it lies within the length that the IP header states: Ethernet padding is never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The source address of the IP header.
    pub source: IpAddr,
    /// The destination address of the IP header.
    pub destination: IpAddr,
    /// The protocol number of the last header reached: 6 for TCP, 17 for UDP, 1 or 58 for ICMP…; the number
    /// of an IPv6 extension header if the walk ended before it.
    pub protocol: u8,
    /// The worst oddity met, by the order of [`Oddity`].
    pub odd: Option<Oddity>,
    /// Source and destination port of TCP, UDP or SCTP, where they are in this packet: not in a fragment
    /// other than the first.
    pub ports: Option<(u16, u16)>,
    /// The TCP segment, if its whole header is here: in a whole packet or in the first fragment.
    pub segment: Option<Segment<'a>>,
    /// The tunnel, if the packet is of one.
    pub tunnel: Option<Tunnel<'a>>,
    /// The bytes of the IP header that [`SynFacts`](crate::SynFacts) reads.
    pub(crate) header: IpHeader<'a>,
    /// Bytes from the start of the IP header to the header of [`protocol`](Self::protocol).
    pub(crate) header_len: u16,
    /// Bytes that the packet has behind those given, as its IP header says.
    pub(crate) beyond: usize,
}

/// The fixed part of the IP header; for IPv6 without the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpHeader<'a> {
    V4(&'a [u8; 20]),
    V6(&'a [u8; 8]),
}

impl Located<'_> {
    /// Notes an oddity of what leads to an IP packet, if there is one.
    pub(crate) fn noting(mut self, odd: Oddity) -> Self {
        if let Self::Packet(packet) = &mut self {
            packet.note(odd);
        }
        self
    }
}

impl Located<'_> {
    /// What was found, when a packet may go on for `beyond` bytes behind those given: one that goes on for longer is cut.
    #[inline]
    pub(crate) fn within(self, beyond: usize) -> Self {
        match self {
            Self::Packet(packet) if packet.beyond > beyond => Self::Packet(packet.cut(beyond)),
            located => located,
        }
    }
}

impl<'a> Packet<'a> {
    /// The packet, of which only so many bytes follow those given.
    #[cold]
    fn cut(mut self, beyond: usize) -> Self {
        self.note(Oddity::TruncatedIp);
        self.tunnel = self.tunnel.map(|tunnel| tunnel.cut(beyond));
        self
    }

    /// Notes an oddity: the worst one stays.
    pub(crate) fn note(&mut self, odd: impl Into<Option<Oddity>>) {
        self.odd = self.odd.max(odd.into());
    }

    /// Reads what the packet carries. `cut` is what it means that a TCP header does not end within `payload`.
    pub(crate) fn read_transport(&mut self, payload: &'a [u8], cut: Oddity) {
        match self.protocol {
            protocol::TCP => return self.read_segment(payload, cut),
            protocol::UDP | protocol::SCTP => self.ports = ports(payload),
            _ => {}
        }
        let is_whole = cut == Oddity::TcpHeader;
        self.note_tunnel(Tunnel::of(self, payload, is_whole));
    }

    fn note_tunnel(&mut self, tunnel: Option<Tunnel<'a>>) {
        self.tunnel = tunnel;
        self.note(tunnel.map(|_| Oddity::Tunnel));
    }

    fn read_segment(&mut self, payload: &'a [u8], cut: Oddity) {
        self.ports = ports(payload);
        match Segment::read(payload, cut) {
            Ok(segment) => {
                self.note(segment.oddity());
                self.segment = Some(segment);
            }
            Err(oddity) => self.note(oddity),
        }
    }

    /// Notes that this is a fragment other than the first, `offset` 8-byte units into the packet. It starts
    /// with no header.
    pub(crate) fn note_later_fragment(&mut self, offset: u16) {
        if self.protocol == protocol::TCP {
            self.note(if offset == 1 { Oddity::FragmentOffsetOne } else { Oddity::Fragment });
        }
        self.note_tunnel(Tunnel::of_later_fragment(self.protocol));
    }
}

/// TCP, UDP and SCTP all start with the two ports.
fn ports(payload: &[u8]) -> Option<(u16, u16)> {
    let &[s0, s1, d0, d1] = payload.first_chunk()?;
    Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])))
}
