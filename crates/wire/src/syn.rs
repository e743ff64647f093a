//! Everything a SYN tells.

use std::net::{IpAddr, Ipv4Addr};

use crate::packet::IpHeader;
use crate::{Packet, TcpFlags, ipv4};

/// What a SYN or a SYN-ACK shows of the program and the system that sent it: the raw material of every
/// fingerprint.
///
/// [`Default`] is all zeros, for tests to fill in what they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynFacts {
    /// The TCP window as on the wire, not scaled.
    pub window: u16,
    /// The TCP options with their padding, malformed or not.
    pub options: OptionBytes,
    /// The TCP flags, with the reserved bits: these tell a SYN from a SYN-ACK.
    pub flags: TcpFlags,
    /// 4 or 6.
    pub ip_version: u8,
    /// The IPv4 time to live or IPv6 hop limit, as it arrived.
    pub ttl: u8,
    /// Bytes of IPv4 options (0 to 40) or of IPv6 extension headers (255 also stands for more).
    pub ip_options_len: u8,
    /// The IPv4 flag DF; false for IPv6.
    pub dont_fragment: bool,
    /// The IPv4 flag that must be zero; false for IPv6.
    pub ip_reserved_bit: bool,
    /// The IPv4 identification; none for IPv6.
    pub ip_id: Option<u16>,
    /// The two ECN bits of the IP header (RFC 3168 section 5), 0 to 3.
    pub ecn: u8,
    /// Whether the IPv6 flow label is not zero; false for IPv4.
    pub flow_label: bool,
    /// Whether the sequence number is 0.
    pub sequence_zero: bool,
    /// The acknowledgment number, which in a SYN means nothing and is 0 in most.
    pub acknowledgment: u32,
    /// The urgent pointer, whether URG is set or not.
    pub urgent_pointer: u16,
    /// Whether data follows the TCP header.
    pub payload: bool,
    /// Bytes of all IP headers: the IPv4 header with its options, or the IPv6 header with its extension
    /// headers.
    pub ip_header_len: u16,
    /// The destination address of the IP header.
    pub destination: IpAddr,
    /// The source port.
    pub source_port: u16,
    /// The destination port.
    pub destination_port: u16,
}

impl SynFacts {
    /// The facts of a SYN or a SYN-ACK; none for any other packet.
    #[inline]
    pub fn of(packet: &Packet<'_>) -> Option<Self> {
        let segment = packet.segment.as_ref().filter(|segment| segment.is_syn() || segment.is_syn_ack())?;
        let ip = match packet.header {
            IpHeader::V4(header) => IpFacts::of_ipv4(header),
            IpHeader::V6(header) => IpFacts::of_ipv6(header, packet.header_len),
        };
        // All fields at once: each is written where it stays.
        Some(Self {
            window: segment.window(),
            options: OptionBytes::new(segment.options()).unwrap_or_default(),
            flags: segment.flags,
            ip_version: ip.version,
            ttl: ip.ttl,
            ip_options_len: ip.options_len,
            dont_fragment: ip.flags & ipv4::DONT_FRAGMENT != 0,
            ip_reserved_bit: ip.flags & ipv4::RESERVED_BIT != 0,
            ip_id: ip.id,
            ecn: ip.ecn,
            flow_label: ip.flow_label,
            sequence_zero: segment.sequence() == 0,
            acknowledgment: segment.acknowledgment(),
            urgent_pointer: segment.urgent_pointer(),
            payload: segment.payload_len() > 0,
            ip_header_len: packet.header_len,
            destination: packet.destination,
            source_port: segment.source_port(),
            destination_port: segment.destination_port(),
        })
    }
}

/// What the IP header tells of them.
struct IpFacts {
    version: u8,
    ttl: u8,
    options_len: u8,
    /// The IPv4 flags, where they stand beside the fragment offset; 0 for IPv6.
    flags: u16,
    id: Option<u16>,
    ecn: u8,
    flow_label: bool,
}

impl IpFacts {
    fn of_ipv4(&[first, tos, _, _, id_high, id_low, f0, f1, ttl, ..]: &[u8; 20]) -> Self {
        Self {
            version: 4,
            ttl,
            options_len: (first & 0x0f).saturating_sub(5) * 4,
            flags: u16::from_be_bytes([f0, f1]),
            id: Some(u16::from_be_bytes([id_high, id_low])),
            ecn: tos & 3,
            flow_label: false,
        }
    }

    /// The traffic class lies across the first two bytes, with its lower half, and so ECN, at the top of the
    /// second.
    fn of_ipv6(&[_, class_and_label, label_middle, label_low, .., ttl]: &[u8; 8], header_len: u16) -> Self {
        Self {
            version: 6,
            ttl,
            options_len: u8::try_from(header_len.saturating_sub(40)).unwrap_or(u8::MAX),
            flags: 0,
            id: None,
            ecn: class_and_label >> 4 & 3,
            flow_label: [class_and_label & 0x0f, label_middle, label_low] != [0, 0, 0],
        }
    }
}

impl Default for SynFacts {
    fn default() -> Self {
        Self {
            window: 0,
            options: OptionBytes::default(),
            flags: TcpFlags::default(),
            ip_version: 0,
            ttl: 0,
            ip_options_len: 0,
            dont_fragment: false,
            ip_reserved_bit: false,
            ip_id: None,
            ecn: 0,
            flow_label: false,
            sequence_zero: false,
            acknowledgment: 0,
            urgent_pointer: 0,
            payload: false,
            ip_header_len: 0,
            destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            source_port: 0,
            destination_port: 0,
        }
    }
}

/// The bytes of a TCP option list: at most 40, as no data offset leaves room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionBytes {
    /// Zero from `len` on, so that equal lists are equal here.
    bytes: [u8; Self::MAX],
    len: u8,
}

impl OptionBytes {
    /// The most bytes a TCP header can hold: 15 words less the 5 fixed ones.
    pub const MAX: usize = 40;

    /// The list as it is on the wire, or none if it is longer than [`MAX`](Self::MAX).
    #[inline]
    pub fn new(options: &[u8]) -> Option<Self> {
        let mut list = Self { bytes: [0; Self::MAX], len: u8::try_from(options.len()).ok()? };
        // Word by word, as option lists come, without a call.
        let (words, rest) = options.as_chunks::<4>();
        let (to, _) = list.bytes.get_mut(..options.len())?.as_chunks_mut::<4>();
        to.iter_mut().zip(words).for_each(|(to, word)| *to = *word);
        let start = options.len() - rest.len();
        list.bytes.get_mut(start..options.len())?.copy_from_slice(rest);
        Some(list)
    }

    /// The list as it is on the wire.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Default for OptionBytes {
    fn default() -> Self {
        Self { bytes: [0; Self::MAX], len: 0 }
    }
}
