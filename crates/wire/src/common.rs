//! The way of nearly every frame: TCP right behind one IP header, right behind the EtherType.
//!
//! The fields stand at fixed offsets, and whether a frame is of this kind is one question, not one for each field: what the
//! processor must guess is which of the two IP versions comes, and no more. Any other frame, and any that is damaged, is
//! left to [`ethernet::locate`](crate::ethernet::locate), which reads every frame and finds the same in these.

use std::net::IpAddr;

use crate::ethernet::ethertype;
use crate::packet::{IpHeader, protocol};
use crate::{Oddity, Packet, Segment, ipv4};

/// What is found in a frame of this kind: a few pointers, which stay in registers. Only at the end a packet is made of them.
pub(crate) struct Parts<'a> {
    ip: Ip<'a>,
    segment: Segment<'a>,
}

enum Ip<'a> {
    V4(&'a [u8; 20]),
    V6 { header: &'a [u8; 8], source: &'a [u8; 16], destination: &'a [u8; 16] },
}

impl<'a> Parts<'a> {
    /// None if the frame is of another kind, or the TCP header not whole.
    #[inline(always)]
    pub(crate) fn of(frame: &'a [u8]) -> Option<Self> {
        let (&[.., high, low], packet) = frame.split_first_chunk::<14>()?;
        let (ip, payload) = match u16::from_be_bytes([high, low]) {
            ethertype::IPV4 => behind_ipv4(packet)?,
            ethertype::IPV6 => behind_ipv6(packet)?,
            _ => return None,
        };
        // What a cut header means is for the other way to say.
        Some(Self { ip, segment: Segment::read(payload, Oddity::TcpHeader).ok()? })
    }

    #[inline(always)]
    pub(crate) fn packet(self) -> Packet<'a> {
        let segment = self.segment;
        let (source, destination, header, header_len) = match self.ip {
            Ip::V4(header) => {
                let &[.., s0, s1, s2, s3, d0, d1, d2, d3] = header;
                ([s0, s1, s2, s3].into(), [d0, d1, d2, d3].into(), IpHeader::V4(header), 20)
            }
            Ip::V6 { header, source, destination } => {
                ((*source).into(), (*destination).into(), IpHeader::V6(header), 40)
            }
        };
        Packet {
            source,
            destination,
            protocol: protocol::TCP,
            odd: segment.oddity(),
            ports: Some((segment.source_port(), segment.destination_port())),
            segment: Some(segment),
            tunnel: None,
            header,
            header_len,
            beyond: 0,
        }
    }
}

/// What stands where an untagged frame has its source and its destination: a guess, good for fetching memory that the judgement
/// will read, and for nothing else.
#[inline]
pub fn likely_addresses(frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (&[.., high, low], packet) = frame.split_first_chunk::<14>()?;
    match u16::from_be_bytes([high, low]) {
        ethertype::IPV4 => {
            let &[.., s0, s1, s2, s3, d0, d1, d2, d3] = packet.first_chunk::<20>()?;
            Some(([s0, s1, s2, s3].into(), [d0, d1, d2, d3].into()))
        }
        ethertype::IPV6 => {
            let (_, addresses) = packet.split_first_chunk::<8>()?;
            let (source, rest) = addresses.split_first_chunk::<16>()?;
            Some(((*source).into(), (*rest.first_chunk::<16>()?).into()))
        }
        _ => None,
    }
}

/// Without options, and no fragment.
#[inline(always)]
fn behind_ipv4(packet: &[u8]) -> Option<(Ip<'_>, &[u8])> {
    let header = packet.first_chunk::<20>()?;
    let &[first, _, t0, t1, _, _, f0, f1, _, protocol, ..] = header;
    let fragment = u16::from_be_bytes([f0, f1]) & (ipv4::MORE_FRAGMENTS | ipv4::OFFSET);
    let is_common = (first == 0x45) & (fragment == 0) & (protocol == protocol::TCP);
    let payload = packet.get(20..usize::from(u16::from_be_bytes([t0, t1])))?;
    is_common.then_some((Ip::V4(header), payload))
}

/// Without extension headers.
#[inline(always)]
fn behind_ipv6(packet: &[u8]) -> Option<(Ip<'_>, &[u8])> {
    let (header, rest) = packet.split_first_chunk::<8>()?;
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let &[first, _, _, _, length_high, length_low, next_header, _] = header;
    let is_common = (first >> 4 == 6) & (next_header == protocol::TCP);
    let payload = rest.get(..usize::from(u16::from_be_bytes([length_high, length_low])))?;
    is_common.then_some((Ip::V6 { header, source, destination }, payload))
}
