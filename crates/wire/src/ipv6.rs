//! IPv6 and its extension headers (RFC 8200).

use crate::ethernet::ethertype;
use crate::packet::{IpHeader, protocol};
use crate::{Located, Oddity, Packet};

/// Next header numbers (IANA registry "IPv6 Extension Header Types").
mod next_header {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION_OPTIONS: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HIP: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
    pub(super) const EXPERIMENT_1: u8 = 253;
    pub(super) const EXPERIMENT_2: u8 = 254;
}

/// The flag in the fragment header's field of offset and flags (RFC 8200 section 4.5).
const MORE_FRAGMENTS: u16 = 1;

/// Extension headers walked. Real packets have one or two.
const MAX_EXTENSION_HEADERS: usize = 8;

/// Reads the packet that `bytes` starts with; what stands behind its payload length is padding.
///
/// ```text
///  0       4                 12       16              24               31
/// +-------+-----------------+---------------------------------------------+
/// | 6     | traffic class   | flow label                                  |
/// +-------+-----------------+--------+---------------+--------------------+
/// | payload length                   | next header   | hop limit          |
/// +----------------------------------+---------------+--------------------+
/// | source address, 16 bytes                                              |
/// +-----------------------------------------------------------------------+
/// | destination address, 16 bytes                                         |
/// +-----------------------------------------------------------------------+
/// ```
pub(crate) fn locate(bytes: &[u8]) -> Located<'_> {
    match read(bytes) {
        Some(packet) => Located::Packet(packet),
        None => Located::Odd(Oddity::TruncatedIp),
    }
}

/// Whether the payload length fits: it is a header, and no accident. Behind a packet there may be padding, however much, but not where
/// an Ethernet frame would have the EtherType of an IP packet, of ARP or of a tag: there the length must be exact.
pub(crate) fn is_consistent(bytes: &[u8], beyond: usize) -> bool {
    let Some((&[_, _, _, _, high, low, .., e0, e1], _)) = bytes.split_first_chunk::<14>() else {
        return false;
    };
    let total_len = 40 + usize::from(u16::from_be_bytes([high, low]));
    let may_be_ethernet = ethertype::is_common(u16::from_be_bytes([e0, e1]));
    let len = bytes.len() + beyond;
    len == total_len || (len > total_len && !may_be_ethernet)
}

fn read(bytes: &[u8]) -> Option<Packet<'_>> {
    let (header, rest) = bytes.split_first_chunk::<8>()?;
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let &[first, _, _, _, length_high, length_low, next_header, _] = header;
    let mut packet = Packet {
        source: (*source).into(),
        destination: (*destination).into(),
        protocol: next_header,
        odd: None,
        ports: None,
        segment: None,
        tunnel: None,
        header: IpHeader::V6(header),
        header_len: 40,
        beyond: 0,
    };
    let payload_len = usize::from(u16::from_be_bytes([length_high, length_low]));
    let payload = match rest.get(..payload_len) {
        Some(payload) if first >> 4 == 6 => payload,
        _ => damaged(&mut packet, rest, payload_len, first),
    };
    if is_extension(next_header) {
        walk(&mut packet, payload);
    } else {
        packet.read_transport(payload, Oddity::TcpHeader);
    }
    Some(packet)
}

/// What there is of the payload of a packet with the wrong version, or that goes on behind the bytes given.
#[cold]
fn damaged<'a>(packet: &mut Packet<'_>, rest: &'a [u8], payload_len: usize, first: u8) -> &'a [u8] {
    if first >> 4 == 6 {
        packet.beyond = payload_len.saturating_sub(rest.len());
        rest
    } else {
        packet.note(Oddity::TruncatedIp);
        &[]
    }
}

/// Whether a next header number stands for an extension header rather than for what the packet carries. ESP
/// and "no next header" do not count: nothing behind them can be read, and nothing odd is in that.
pub(crate) fn is_extension(next_header: u8) -> bool {
    use next_header::*;
    matches!(next_header, MOBILITY | HIP | SHIM6 | EXPERIMENT_1 | EXPERIMENT_2) || is_walked(next_header)
}

fn is_walked(next_header: u8) -> bool {
    use next_header::*;
    matches!(next_header, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// Walks the extension headers to the header of what the packet carries. Each starts with the number of the
/// next one:
///
/// ```text
///  0             8             16                              31 bits
/// +-------------+-------------+---------------------------------+
/// | next header | length      | type of routing, fragment field |
/// +-------------+-------------+---------------------------------+
/// ```
#[cold]
fn walk<'a>(packet: &mut Packet<'a>, mut rest: &'a [u8]) {
    // The length 0 announces a jumbogram, which no frame can hold. Some hosts then take the frame's length,
    // jumbo option or not.
    if rest.is_empty() && packet.protocol == next_header::HOP_BY_HOP {
        packet.note(Oddity::TruncatedIp);
    }
    let mut cut = Oddity::TcpHeader;
    for _ in 0..MAX_EXTENSION_HEADERS {
        let kind = packet.protocol;
        if !is_walked(kind) {
            break;
        }
        let Some(([next, high, low], len, inner)) = split_extension(kind, rest) else {
            return packet.note(Oddity::Ipv6IncompleteChain);
        };
        packet.protocol = next;
        packet.header_len += len;
        rest = inner;
        match (kind, u16::from_be_bytes([high, low])) {
            (next_header::ROUTING, _) if high == 0 => packet.note(Oddity::RoutingType0),
            (next_header::FRAGMENT, field) if field >> 3 != 0 => {
                return note_later_fragment(packet, field >> 3);
            }
            (next_header::FRAGMENT, field) if field & MORE_FRAGMENTS != 0 => {
                cut = Oddity::Ipv6IncompleteChain
            }
            _ => {}
        }
    }
    if is_extension(packet.protocol) {
        packet.note(Oddity::ExtensionHeaders);
    } else {
        packet.read_transport(rest, cut);
        if cut == Oddity::Ipv6IncompleteChain && rest.len() < least_header(packet.protocol) {
            packet.note(cut);
        }
    }
}

/// Bytes of the shortest header of what stands at the end of a chain (RFC 768, RFC 4443 section 2.1, RFC 9260 section 3).
/// Of TCP the segment tells.
fn least_header(protocol: u8) -> usize {
    match protocol {
        protocol::UDP => 8,
        protocol::ICMPV6 => 4,
        protocol::SCTP => 12,
        _ => 0,
    }
}

/// Splits off the extension header that `rest` starts with: its next header and its third and fourth byte,
/// its length in bytes, and what follows it. None if it is cut.
fn split_extension(kind: u8, rest: &[u8]) -> Option<([u8; 3], u16, &[u8])> {
    let &[next, len, high, low] = rest.first_chunk()?;
    let len = match kind {
        next_header::FRAGMENT => 8,
        // RFC 4302 section 2.2: in units of 4 bytes, less 2.
        next_header::AUTHENTICATION => (u16::from(len) + 2) * 4,
        // RFC 8200 section 4: in units of 8 bytes, not counting the first 8.
        _ => (u16::from(len) + 1) * 8,
    };
    Some(([next, high, low], len, rest.get(usize::from(len)..)?))
}

/// The fragment may start with more extension headers, but only the first one could tell where they end. And only the first one's
/// next header counts (RFC 8200 section 4.5): at offset 1 a fragment would overwrite TCP flags whatever it says of itself,
/// and honest senders fill the least MTU, of 1280 bytes.
fn note_later_fragment(packet: &mut Packet<'_>, offset: u16) {
    packet.note_later_fragment(offset);
    if offset == 1 {
        packet.note(Oddity::FragmentOffsetOne);
    }
    if is_extension(packet.protocol) {
        packet.note(Oddity::ExtensionHeaders);
    }
}
