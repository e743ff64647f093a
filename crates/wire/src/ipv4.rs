//! IPv4 (RFC 791).

use std::ops::RangeInclusive;

use crate::packet::IpHeader;
use crate::{Located, Oddity, Packet};

/// Flags and fragment offset, one 16-bit field.
pub(crate) const RESERVED_BIT: u16 = 0x8000;
pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
/// In units of 8 bytes.
pub(crate) const OFFSET: u16 = 0x1fff;

/// Version 4 and an IHL of at least 5.
const SANE_FIRST_BYTES: RangeInclusive<u8> = 0x45..=0x4f;

/// Option types (RFC 791 section 3.1), with the copied bit.
mod option {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const LOOSE_SOURCE_ROUTE: u8 = 131;
    pub(super) const STRICT_SOURCE_ROUTE: u8 = 137;
}

/// Reads the packet that `bytes` starts with; what stands behind its total length is padding.
///
/// ```text
///  0                 8                 16                                31
/// +--------+--------+-----------------+-----------------------------------+
/// | 4      | IHL    | DSCP, ECN       | total length                      |
/// +--------+--------+-----------------+---+---+---+-----------------------+
/// | identification                    | 0 |DF |MF | fragment offset       |
/// +-----------------+-----------------+---+---+---+-----------------------+
/// | TTL             | protocol        | checksum                          |
/// +-----------------+-----------------+-----------------------------------+
/// | source address                                                        |
/// +-----------------------------------------------------------------------+
/// | destination address                                                   |
/// +-----------------------------------------------------------------------+
/// | options, (IHL - 5) * 4 bytes                                          |
/// +-----------------------------------------------------------------------+
/// ```
pub(crate) fn locate(bytes: &[u8]) -> Located<'_> {
    let Some(header) = bytes.first_chunk::<20>() else {
        return Located::Odd(Oddity::TruncatedIp);
    };
    let &[first, _, t0, t1, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
    let header_len = u16::from(first & 0x0f) * 4;
    let total_len = u16::from_be_bytes([t0, t1]);
    let mut packet = Packet {
        source: [s0, s1, s2, s3].into(),
        destination: [d0, d1, d2, d3].into(),
        protocol,
        odd: None,
        ports: None,
        segment: None,
        tunnel: None,
        header: IpHeader::V4(header),
        header_len,
        beyond: 0,
    };
    let payload = match bytes.get(usize::from(header_len)..usize::from(total_len)) {
        Some(payload) if SANE_FIRST_BYTES.contains(&first) => payload,
        _ => damaged(&mut packet, bytes, usize::from(total_len)),
    };
    if header_len > 20 {
        note_options(&mut packet, bytes.get(20..usize::from(header_len)).unwrap_or_default());
    }
    match u16::from_be_bytes([f0, f1]) & (MORE_FRAGMENTS | OFFSET) {
        0 => packet.read_transport(payload, Oddity::TcpHeader),
        MORE_FRAGMENTS => packet.read_transport(payload, Oddity::TinyFragment),
        later => packet.note_later_fragment(later & OFFSET),
    }
    Located::Packet(packet)
}

/// Whether the header's lengths fit and its checksum (RFC 1071) is right: it is one, and no accident.
pub(crate) fn is_consistent(bytes: &[u8], beyond: usize) -> bool {
    let Some(&[first, _, t0, t1]) = bytes.first_chunk() else { return false };
    let header_len = usize::from(first & 0x0f) * 4;
    let total_len = usize::from(u16::from_be_bytes([t0, t1]));
    let Some(header) = bytes.get(..header_len) else { return false };
    let word = |pair: &[u8]| pair.first_chunk().map_or(0, |pair| u32::from(u16::from_be_bytes(*pair)));
    let sum: u32 = header.chunks_exact(2).map(word).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let fits = SANE_FIRST_BYTES.contains(&first) && (header_len..=bytes.len() + beyond).contains(&total_len);
    fits && (folded & 0xffff) + (folded >> 16) == 0xffff
}

/// What there is of the payload of a packet that goes on behind the bytes given, or whose version or lengths are wrong. Only a header
/// that is itself in order tells where it starts.
#[cold]
fn damaged<'a>(packet: &mut Packet<'a>, bytes: &'a [u8], total_len: usize) -> &'a [u8] {
    let sane = bytes.first().is_some_and(|first| SANE_FIRST_BYTES.contains(first));
    match total_len.checked_sub(bytes.len()) {
        Some(beyond) if sane && total_len >= usize::from(packet.header_len) => {
            packet.beyond = beyond;
            bytes.get(usize::from(packet.header_len)..).unwrap_or_default()
        }
        _ => {
            packet.note(Oddity::TruncatedIp);
            &[]
        }
    }
}

/// Notes the options, and whether a source route is among them; a list that ends or breaks off before one has none.
#[cold]
fn note_options(packet: &mut Packet<'_>, mut options: &[u8]) {
    packet.note(Oddity::IpOptions);
    while let Some((&kind, rest)) = options.split_first() {
        options = match kind {
            option::END => return,
            option::NOP => rest,
            option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE => {
                return packet.note(Oddity::SourceRoute);
            }
            _ => skip_option(options),
        }
    }
}

/// The options after the first one, which has a length byte. A length below 2 would not get on: it ends the
/// list.
fn skip_option(options: &[u8]) -> &[u8] {
    let len = options.get(1).copied().map_or(0, usize::from);
    options.get(len..).filter(|_| len >= 2).unwrap_or_default()
}
