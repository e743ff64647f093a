use etherparse::ip_number::{GRE, IPV4 as IPV4_IN_IP, IPV6 as IPV6_IN_IP, TCP, UDP};
use etherparse::{IpNumber, UdpHeader};
use proptest::prelude::*;

use super::{
    DESTINATION, IPV4, IPV6, SOURCE, ethernet, ipv4_fragment, ipv4_frame, ipv4_header, ipv4_packet,
    ipv6_fragment, ipv6_frame, ipv6_packet, odd, packet, syn_bytes,
};
use crate::{Located, Oddity, Packet, locate};

const IPV6_FRAG: IpNumber = IpNumber(44);
const TRANSPARENT_ETHERNET: u16 = 0x6558;

fn syn4() -> Vec<u8> {
    ipv4_packet(ipv4_header(TCP), &syn_bytes())
}

fn syn6() -> Vec<u8> {
    ipv6_packet(TCP, &syn_bytes())
}

/// GRE with these flags, and the words that they ask for.
fn gre(flags: u8, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let words = (flags & 0xb0).count_ones() as usize;
    [&[flags, 0][..], &protocol.to_be_bytes(), &vec![0x45; words * 4], payload].concat()
}

/// A datagram to a port, as etherparse writes it.
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let header = UdpHeader::without_ipv4_checksum(30000, port, payload.len()).unwrap();
    [&header.to_bytes(), payload].concat()
}

fn vxlan(flags: u8, frame: &[u8]) -> Vec<u8> {
    udp(4789, &[&[flags, 0, 0, 0, 0, 0, 7, 0], frame].concat())
}

/// A packet of this protocol over IPv4 and over IPv6.
fn over_both(protocol: IpNumber, payload: &[u8]) -> [Vec<u8>; 2] {
    [ipv4_frame(protocol, payload), ipv6_frame(protocol, payload)]
}

/// What a frame's tunnel carries.
fn opened(frame: &[u8]) -> Option<Located<'_>> {
    packet(frame).tunnel.expect("a tunnel").open()
}

fn inner(frame: &[u8]) -> Packet<'_> {
    match opened(frame) {
        Some(Located::Packet(packet)) => packet,
        other => panic!("no packet but {other:?} in {frame:02x?}"),
    }
}

/// All kinds of tunnels that can be opened, with a SYN inside: protocol, and what follows the IP header.
fn tunnels() -> Vec<(IpNumber, Vec<u8>)> {
    let (frame4, frame6) = (ethernet(IPV4, &syn4()), ethernet(IPV6, &syn6()));
    let mut tunnels = vec![
        (IPV4_IN_IP, syn4()),
        (IPV6_IN_IP, syn6()),
        (GRE, gre(0, TRANSPARENT_ETHERNET, &frame4)),
        (UDP, vxlan(8, &frame4)),
        (UDP, vxlan(8, &frame6)),
        (UDP, vxlan(0xff, &frame6)),
        (UDP, vxlan(8, &[&frame4[..12], &[0x81, 0, 0, 9], &frame4[12..]].concat())),
    ];
    for flags in [0, 0x80, 0x20, 0x10, 0xa0, 0xb0] {
        tunnels.push((GRE, gre(flags, IPV4, &syn4())));
        tunnels.push((GRE, gre(flags, IPV6, &syn6())));
    }
    tunnels
}

#[test]
fn every_kind_of_tunnel_is_opened_to_what_it_carries() {
    for (protocol, payload) in tunnels() {
        for frame in over_both(protocol, &payload) {
            let outer = packet(&frame);
            assert_eq!((outer.odd, outer.protocol), (Some(Oddity::Tunnel), protocol.0));
            let inner = inner(&frame);
            assert_eq!((inner.odd, inner.ports, inner.tunnel), (None, Some((40000, 80)), None));
            assert!(inner.segment.expect("a segment").is_syn());
        }
    }
}

#[test]
fn what_is_no_tunnel_has_none() {
    for frame in [ipv4_frame(TCP, &syn_bytes()), ipv4_frame(UDP, &udp(53, &[8; 60])), ipv4_frame(UDP, &[18])]
    {
        assert_eq!((packet(&frame).tunnel, odd(&frame)), (None, None));
    }
    // To the port, not from it.
    let mut from = udp(53, &[8; 60]);
    from[..2].copy_from_slice(&4789_u16.to_be_bytes());
    assert_eq!(packet(&ipv4_frame(UDP, &from)).tunnel, None);
}

#[test]
fn a_tunnel_in_a_tunnel_is_not_opened_further() {
    let nested = ipv4_packet(ipv4_header(IPV4_IN_IP), &syn4());
    let frame = ipv4_frame(GRE, &gre(0, IPV4, &nested));
    assert_eq!((inner(&frame).odd, inner(&frame).segment), (Some(Oddity::Tunnel), None));
}

#[test]
fn what_cannot_be_opened() {
    // PPTP (version 1), routing (RFC 1701), Geneve.
    let frames = [
        over_both(GRE, &[0x30, 1, 0x88, 0x0b, 0, 4, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21]),
        over_both(GRE, &gre(0x40, IPV4, &syn4())),
        over_both(UDP, &udp(6081, &[&[0, 0, 0x65, 0x58, 0, 0, 7, 0], &ethernet(IPV4, &syn4())[..]].concat())),
    ];
    for frame in frames.as_flattened() {
        assert_eq!((odd(frame), opened(frame)), (Some(Oddity::Tunnel), None));
    }
    // Later fragments; those of UDP do not tell.
    for protocol in [IPV4_IN_IP, IPV6_IN_IP, GRE] {
        for frame in [
            ipv4_fragment(protocol, 9, true, &syn4()),
            ipv6_frame(IPV6_FRAG, &ipv6_fragment(protocol, 9, false, &syn4())),
        ] {
            assert_eq!((odd(&frame), opened(&frame)), (Some(Oddity::Tunnel), None));
        }
    }
    assert_eq!(packet(&ipv4_fragment(UDP, 9, true, &vxlan(8, &syn4()))).tunnel, None);
}

#[test]
fn what_carries_no_ip() {
    let arp = ethernet(0x0806, &[0; 28]);
    for (protocol, payload) in [
        (GRE, gre(0, TRANSPARENT_ETHERNET, &arp)),
        (GRE, gre(0, 0x2001, &[0; 28])),
        (GRE, gre(0, 0, &[])),
        (UDP, vxlan(8, &arp)),
        // A receiver discards it.
        (UDP, vxlan(0xf7, &ethernet(IPV4, &syn4()))),
    ] {
        assert_eq!(opened(&ipv4_frame(protocol, &payload)), Some(Located::NotIp));
    }
}

#[test]
fn headers_that_are_cut() {
    for (protocol, payload) in tunnels() {
        let at_ip = payload.len() - if payload.ends_with(&syn6()) { syn6().len() } else { syn4().len() };
        let ip_header = payload.len() - syn_bytes().len() - at_ip;
        for len in 0..payload.len() {
            let whole = ipv4_frame(protocol, &payload[..len]);
            let first = ipv4_fragment(protocol, 0, true, &payload[..len]);
            let Some(tunnel) = packet(&whole).tunnel else {
                assert!(protocol == UDP && len < 4);
                continue;
            };
            match tunnel.open() {
                Some(Located::Odd(Oddity::Runt)) => assert!(len < at_ip),
                Some(Located::Odd(Oddity::TruncatedIp)) => assert!((at_ip..at_ip + ip_header).contains(&len)),
                Some(Located::Packet(packet)) => assert_eq!(packet.odd, Some(Oddity::TruncatedIp)),
                other => panic!("{other:?}"),
            }
            match opened(&first) {
                Some(Located::Odd(Oddity::TinyFragment)) => assert!(len < at_ip + ip_header),
                Some(Located::Packet(packet)) => assert_eq!(packet.odd, Some(Oddity::TinyFragment)),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_first_fragment_that_holds_the_headers_is_as_good_as_the_whole() {
    let with_data = [&syn_bytes()[..], &[7; 30]].concat();
    for inner_packet in [ipv4_packet(ipv4_header(TCP), &with_data), ipv6_packet(TCP, &with_data)] {
        let ether_type = if inner_packet[0] >> 4 == 4 { IPV4 } else { IPV6 };
        let payload = gre(0, ether_type, &inner_packet[..inner_packet.len() - 10]);
        let frame = ipv4_fragment(GRE, 0, true, &payload);
        assert_eq!(inner(&frame).odd, None);
        assert!(inner(&frame).segment.expect("a segment").is_syn());
        assert_eq!(inner(&ipv4_frame(GRE, &payload)).odd, Some(Oddity::TruncatedIp));
    }
}

#[test]
fn oddities_of_a_first_fragment_are_still_found() {
    let mut syn_fin = syn4();
    syn_fin[20 + 13] |= 1;
    syn_fin[3] += 9;
    assert_eq!(inner(&ipv4_fragment(GRE, 0, true, &gre(0, IPV4, &syn_fin))).odd, Some(Oddity::SynFin));
    // A chain of extension headers that goes on in the next fragment.
    let mut chain = ipv6_packet(IpNumber(60), &[6, 9, 1, 4, 0, 0, 0, 0]);
    chain[5] += 72;
    let frame = ipv4_fragment(GRE, 0, true, &gre(0, IPV6, &chain));
    assert_eq!(inner(&frame).odd, Some(Oddity::Ipv6IncompleteChain));
}

#[test]
fn the_udp_length_bounds_what_is_carried_unless_it_cannot_be_right() {
    let payload = vxlan(8, &ethernet(IPV4, &syn4()));
    let with_length = |length: usize| {
        let mut payload = payload.clone();
        payload[4..6].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        ipv4_frame(UDP, &payload)
    };
    assert_eq!(inner(&with_length(payload.len() - 1)).odd, Some(Oddity::TruncatedIp));
    for length in [0, 7, payload.len() + 1, 65535] {
        assert_eq!(inner(&with_length(length)).odd, None, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Whatever a tunnel carries is found as it is outside of one.
    #[test]
    fn contents_are_located_as_frames_are(frame in super::properties::mutated(), flags in prop::sample::select(vec![0, 0x80, 0xb0])) {
        for (protocol, payload) in [(GRE, gre(flags, TRANSPARENT_ETHERNET, &frame)), (UDP, vxlan(8, &frame))] {
            let outer = ipv4_frame(protocol, &payload);
            prop_assert_eq!(opened(&outer), Some(locate(&frame)));
        }
        if let Some((ether_type, packet)) = frame.get(12..).and_then(|rest| rest.split_first_chunk::<2>()) {
            let outer = ipv6_frame(GRE, &gre(flags, u16::from_be_bytes(*ether_type), packet));
            if u16::from_be_bytes(*ether_type) != TRANSPARENT_ETHERNET {
                prop_assert_eq!(opened(&outer), Some(locate(&frame)));
            }
        }
    }

    #[test]
    fn no_bytes_in_a_tunnel_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), more in any::<bool>()) {
        for protocol in [IPV4_IN_IP, IPV6_IN_IP, GRE, UDP] {
            let frame = ipv4_fragment(protocol, 0, more, &bytes);
            let outer = packet(&frame);
            prop_assert_eq!((outer.source, outer.destination), (SOURCE.into(), DESTINATION.into()));
            let _ = outer.tunnel.map(|tunnel| tunnel.open());
        }
        let _ = locate(&ipv4_frame(UDP, &vxlan(8, &bytes)));
    }
}
