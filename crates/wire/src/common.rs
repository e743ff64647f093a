//! The way of nearly every frame: TCP right behind one IP header, right behind the EtherType.
//!
//! The fields stand at fixed offsets, and whether a frame is of this kind is one question, not one for each field: what the
//! processor must guess is which of the two IP versions comes, and no more. Any other frame, and any that is damaged, is
//! left to [`ethernet::locate`](crate::ethernet::locate), which reads every frame and finds the same in these.

use crate::ethernet::ethertype;
use crate::packet::{IpHeader, protocol};
use crate::{Oddity, Packet, Segment, ipv4};

/// The packet in a frame of this kind; none if it is of another.
#[inline(always)]
pub(crate) fn locate(frame: &[u8]) -> Option<Packet<'_>> {
    let (&[.., high, low], packet) = frame.split_first_chunk::<14>()?;
    match u16::from_be_bytes([high, low]) {
        ethertype::IPV4 => behind_ipv4(packet),
        ethertype::IPV6 => behind_ipv6(packet),
        _ => None,
    }
}

/// Without options, and no fragment.
#[inline(always)]
fn behind_ipv4(packet: &[u8]) -> Option<Packet<'_>> {
    let header = packet.first_chunk::<20>()?;
    let &[first, _, t0, t1, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
    let fragment = u16::from_be_bytes([f0, f1]) & (ipv4::MORE_FRAGMENTS | ipv4::OFFSET);
    let is_common = (first == 0x45) & (fragment == 0) & (protocol == protocol::TCP);
    let payload = packet.get(20..usize::from(u16::from_be_bytes([t0, t1]))).filter(|_| is_common)?;
    let addresses = ([s0, s1, s2, s3].into(), [d0, d1, d2, d3].into());
    carrying_tcp(addresses, IpHeader::V4(header), 20, payload)
}

/// Without extension headers.
#[inline(always)]
fn behind_ipv6(packet: &[u8]) -> Option<Packet<'_>> {
    let (header, rest) = packet.split_first_chunk::<8>()?;
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let &[first, _, _, _, length_high, length_low, next_header, _] = header;
    let is_common = (first >> 4 == 6) & (next_header == protocol::TCP);
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let payload = rest.get(..length).filter(|_| is_common)?;
    carrying_tcp(((*source).into(), (*destination).into()), IpHeader::V6(header), 40, payload)
}

/// None if the TCP header is not whole.
#[inline(always)]
fn carrying_tcp<'a>(
    (source, destination): (std::net::IpAddr, std::net::IpAddr),
    header: IpHeader<'a>,
    header_len: u16,
    payload: &'a [u8],
) -> Option<Packet<'a>> {
    // What a cut header means is for the other way to say.
    let segment = Segment::read(payload, Oddity::TcpHeader).ok()?;
    Some(Packet {
        source,
        destination,
        protocol: protocol::TCP,
        odd: segment.oddity(),
        ports: Some((segment.source_port(), segment.destination_port())),
        segment: Some(segment),
        header,
        header_len,
    })
}
