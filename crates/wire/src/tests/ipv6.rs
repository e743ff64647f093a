use std::net::IpAddr;

use etherparse::ip_number::{
    AUTH, ENCAP_SEC, HIP, IPV6_DEST_OPTIONS, IPV6_HOP_BY_HOP, IPV6_ICMP, IPV6_NO_NEXT_HEADER, IPV6_ROUTE,
    MOBILITY, SHIM6, TCP, UDP,
};
use etherparse::{IpAuthHeader, IpNumber};

use super::{DESTINATION6, SOURCE6, assert_plain_syn, extension, ipv6_frame, odd, packet, syn_bytes};
use crate::{Located, Oddity, locate};

/// The content of a hop-by-hop or destination options header of 8 bytes: one PadN option.
const PAD: [u8; 6] = [1, 4, 0, 0, 0, 0];

/// A SYN behind `count` destination options headers.
fn behind_options(count: usize) -> Vec<u8> {
    let mut payload = syn_bytes();
    let mut next = TCP;
    for _ in 0..count {
        payload = extension(next, &PAD, &payload);
        next = IPV6_DEST_OPTIONS;
    }
    ipv6_frame(next, &payload)
}

fn with_payload_len(mut frame: Vec<u8>, len: u16) -> Vec<u8> {
    frame[18..20].copy_from_slice(&len.to_be_bytes());
    frame
}

#[test]
fn up_to_eight_extension_headers_are_walked() {
    for count in 0..=8 {
        assert_plain_syn(&behind_options(count));
    }
    for count in [9, 10, 50] {
        let frame = behind_options(count);
        assert_eq!(odd(&frame), Some(Oddity::ExtensionHeaders));
        assert_eq!((packet(&frame).protocol, packet(&frame).ports), (60, None));
    }
}

#[test]
fn every_kind_is_walked_by_its_own_length() {
    let auth = |icv: &[u8]| {
        let header = IpAuthHeader::new(TCP, 1, 2, icv).unwrap();
        [&header.to_bytes()[..], &syn_bytes()].concat()
    };
    for icv in [&[9; 4][..], &[9; 12], &[9; 1016]] {
        assert_plain_syn(&ipv6_frame(AUTH, &auth(icv)));
    }
    for len in [6, 14, 2046] {
        let content = vec![1; len];
        for kind in [IPV6_HOP_BY_HOP, IPV6_ROUTE, IPV6_DEST_OPTIONS] {
            assert_plain_syn(&ipv6_frame(kind, &extension(TCP, &content, &syn_bytes())));
        }
    }
}

#[test]
fn routing_type_0_is_odd_wherever_it_stands() {
    let mut content = [0; 22];
    content[1] = 1;
    let routing = extension(TCP, &content, &syn_bytes());
    let frame = ipv6_frame(IPV6_ROUTE, &routing);
    assert_eq!(odd(&frame), Some(Oddity::RoutingType0));
    assert!(packet(&frame).segment.expect("the segment is still read").is_syn());
    let frame = ipv6_frame(IPV6_DEST_OPTIONS, &extension(IPV6_ROUTE, &PAD, &routing));
    assert_eq!(odd(&frame), Some(Oddity::RoutingType0));
    content[0] = 2;
    assert_plain_syn(&ipv6_frame(IPV6_ROUTE, &extension(TCP, &content, &syn_bytes())));
}

/// A header that is walked no further is worse than none, but never better than what stood before it.
#[test]
fn routing_type_0_is_not_hidden_by_a_long_chain() {
    let mut payload = syn_bytes();
    for _ in 0..9 {
        payload = extension(IPV6_DEST_OPTIONS, &PAD, &payload);
    }
    let frame = ipv6_frame(IPV6_ROUTE, &extension(IPV6_DEST_OPTIONS, &[0; 6], &payload));
    assert_eq!(odd(&frame), Some(Oddity::RoutingType0));
}

#[test]
fn unknown_extension_headers_are_odd() {
    for kind in [MOBILITY, HIP, SHIM6, IpNumber(253), IpNumber(254)] {
        let frame = ipv6_frame(kind, &extension(TCP, &PAD, &syn_bytes()));
        let packet = packet(&frame);
        assert_eq!((packet.odd, packet.protocol), (Some(Oddity::ExtensionHeaders), kind.0));
        assert_eq!((packet.ports, packet.segment), (None, None));
    }
}

#[test]
fn esp_and_no_next_header_end_the_walk_in_order() {
    for kind in [ENCAP_SEC, IPV6_NO_NEXT_HEADER] {
        for frame in [ipv6_frame(kind, &[]), ipv6_frame(IPV6_HOP_BY_HOP, &extension(kind, &PAD, &[1; 32]))] {
            let packet = packet(&frame);
            assert_eq!((packet.odd, packet.protocol, packet.ports), (None, kind.0, None));
        }
    }
}

#[test]
fn other_protocols_behind_extension_headers() {
    let frame = ipv6_frame(IPV6_HOP_BY_HOP, &extension(IPV6_ICMP, &PAD, &[143, 0, 0, 0]));
    assert_eq!((packet(&frame).odd, packet(&frame).protocol), (None, 58));
    let frame = ipv6_frame(IPV6_DEST_OPTIONS, &extension(UDP, &PAD, &[0, 53, 0, 54, 0, 8, 0, 0]));
    assert_eq!(packet(&frame).ports, Some((53, 54)));
}

#[test]
fn a_chain_past_the_end_of_the_packet_is_incomplete() {
    let frame = behind_options(1);
    for len in 1..8 {
        let frame = with_payload_len(frame.clone(), len);
        assert_eq!(odd(&frame), Some(Oddity::Ipv6IncompleteChain), "{len}");
    }
    for len in 8..48 {
        let frame = with_payload_len(frame.clone(), len);
        assert_eq!(odd(&frame), Some(Oddity::TcpHeader), "{len}");
        assert_eq!(packet(&frame).segment, None);
    }
    assert_plain_syn(&with_payload_len(frame, 48));
}

#[test]
fn a_jumbogram_is_truncated() {
    let jumbo = [0xc2, 4, 0, 1, 0, 0];
    for content in [jumbo, PAD] {
        let frame = ipv6_frame(IPV6_HOP_BY_HOP, &extension(TCP, &content, &syn_bytes()));
        let frame = with_payload_len(frame, 0);
        assert_eq!(odd(&frame), Some(Oddity::TruncatedIp));
        assert_eq!(packet(&frame).source, IpAddr::from(SOURCE6));
    }
}

#[test]
fn a_cut_header_has_no_addresses() {
    let frame = behind_options(0);
    for len in 14..54 {
        assert_eq!(locate(&frame[..len]), Located::Odd(Oddity::TruncatedIp), "{len}");
    }
}

#[test]
fn a_cut_packet_still_tells_its_addresses() {
    let frame = behind_options(2);
    for len in 54..frame.len() {
        let packet = packet(&frame[..len]);
        assert_eq!(packet.odd, Some(Oddity::TruncatedIp), "{len}");
        assert_eq!((packet.source, packet.destination), (IpAddr::from(SOURCE6), IpAddr::from(DESTINATION6)));
        assert_eq!(packet.segment, None);
    }
}

#[test]
fn a_wrong_version_hides_the_segment_only() {
    for version in (0..16).filter(|&version| version != 6) {
        let mut frame = behind_options(1);
        frame[14] = version << 4;
        let packet = packet(&frame);
        assert_eq!((packet.odd, packet.segment), (Some(Oddity::TruncatedIp), None), "{version}");
        assert_eq!((packet.source, packet.destination), (IpAddr::from(SOURCE6), IpAddr::from(DESTINATION6)));
    }
}
