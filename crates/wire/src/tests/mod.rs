//! Frames for the tests, built with etherparse and then bent where no honest builder goes.

mod ethernet;
mod fragments;
mod head;
mod ipv4;
mod ipv6;
mod link;
mod properties;
mod syn;
mod tcp;
mod tunnel;

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header,
    Ipv6RawExtHeader, TcpHeader,
};

use crate::{Located, Oddity, Packet, locate};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

const SOURCE: [u8; 4] = [192, 0, 2, 1];
const DESTINATION: [u8; 4] = [198, 51, 100, 2];
const SOURCE6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DESTINATION6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// The options of a Linux SYN: MSS 1460, SACK permitted, timestamps, NOP, window scale 7.
const LINUX: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let header = Ethernet2Header {
        source: [2, 0, 0, 0, 0, 1],
        destination: [2, 0, 0, 0, 0, 2],
        ether_type: EtherType(ether_type),
    };
    [&header.to_bytes(), payload].concat()
}

/// A SYN to port 80 with the options of Linux.
fn syn() -> TcpHeader {
    let mut header = TcpHeader::new(40000, 80, 0x0102_0304, 64240);
    header.syn = true;
    header.set_options_raw(&LINUX).unwrap();
    header
}

fn syn_bytes() -> Vec<u8> {
    syn().to_bytes().to_vec()
}

/// A SYN whose two bytes of data offset and flags are as given.
fn with_flags(flags: u16) -> Vec<u8> {
    let mut bytes = syn_bytes();
    bytes[12] = bytes[12] & 0xf0 | (flags >> 8) as u8;
    bytes[13] = flags as u8;
    bytes
}

fn ipv4_header(protocol: IpNumber) -> Ipv4Header {
    Ipv4Header::new(0, 64, protocol, SOURCE, DESTINATION).unwrap()
}

fn ipv4_packet(mut header: Ipv4Header, payload: &[u8]) -> Vec<u8> {
    header.set_payload_len(payload.len()).unwrap();
    [&header.to_bytes(), payload].concat()
}

/// A frame with a whole IPv4 packet.
fn ipv4_frame(protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    ethernet(IPV4, &ipv4_packet(ipv4_header(protocol), payload))
}

/// A frame with an IPv4 fragment, `offset` in units of 8 bytes.
fn ipv4_fragment(protocol: IpNumber, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = ipv4_header(protocol);
    header.dont_fragment = false;
    header.more_fragments = more;
    header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
    ethernet(IPV4, &ipv4_packet(header, payload))
}

fn ipv6_packet(next_header: IpNumber, payload: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        payload_length: payload.len().try_into().unwrap(),
        next_header,
        hop_limit: 64,
        source: SOURCE6,
        destination: DESTINATION6,
        ..Default::default()
    };
    [&header.to_bytes(), payload].concat()
}

fn ipv6_frame(next_header: IpNumber, payload: &[u8]) -> Vec<u8> {
    ethernet(IPV6, &ipv6_packet(next_header, payload))
}

/// A hop-by-hop, destination options or routing header of 8 bytes and more, before `payload`.
fn extension(next_header: IpNumber, content: &[u8], payload: &[u8]) -> Vec<u8> {
    [&Ipv6RawExtHeader::new_raw(next_header, content).unwrap().to_bytes(), payload].concat()
}

/// A fragment header before `payload`, `offset` in units of 8 bytes.
fn ipv6_fragment(next_header: IpNumber, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let offset = IpFragOffset::try_new(offset).unwrap();
    [&Ipv6FragmentHeader::new(next_header, offset, more, 7).to_bytes(), payload].concat()
}

fn packet(frame: &[u8]) -> Packet<'_> {
    match locate(frame) {
        Located::Packet(packet) => packet,
        other => panic!("no packet but {other:?} in {frame:02x?}"),
    }
}

fn odd(frame: &[u8]) -> Option<Oddity> {
    packet(frame).odd
}

/// Asserts that the frame is the SYN of [`syn`], with nothing odd.
fn assert_plain_syn(frame: &[u8]) {
    assert_odd_syn(frame, None);
}

/// Asserts that the frame is the SYN of [`syn`], with this oddity.
fn assert_odd_syn(frame: &[u8], odd: Option<Oddity>) {
    let packet = packet(frame);
    assert_eq!((packet.odd, packet.protocol, packet.ports), (odd, 6, Some((40000, 80))));
    let segment = packet.segment.expect("a segment");
    assert!(segment.is_syn());
    assert_eq!((segment.window(), segment.options(), segment.payload_len()), (64240, &LINUX[..], 0));
}

#[test]
fn oddities_are_in_order_and_have_labels_of_their_own() {
    let labels: std::collections::HashSet<_> = Oddity::ALL.iter().map(|odd| odd.name()).collect();
    assert_eq!(labels.len(), Oddity::ALL.len());
    for (index, odd) in Oddity::ALL.into_iter().enumerate() {
        assert_eq!(odd as usize, index);
        assert_eq!(odd.to_string(), odd.name());
    }
}

/// The profile `balanced` drops exactly these: nothing milder may hide them.
#[test]
fn what_deserves_a_drop_is_worse_than_what_does_not() {
    let (carried, dropped) = Oddity::ALL.split_at(Oddity::SynRst as usize);
    let names = |oddities: &[Oddity]| oddities.iter().map(|odd| odd.name()).collect::<Vec<_>>().join(" ");
    assert_eq!(
        names(carried),
        "ip_options tunnel tcp_options xmas null_scan llc_snap source_route fragment opaque_tunnel \
         extension_headers too_many_tags spoofed_source"
    );
    assert_eq!(
        names(dropped),
        "syn_rst syn_fin tcp_header fragment_offset_one tiny_fragment ipv6_incomplete_chain routing_type_0 \
         truncated_ip runt"
    );
}
