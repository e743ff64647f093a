use std::net::IpAddr;

use etherparse::ip_number::{GRE, ICMP, SCTP, TCP, UDP};
use etherparse::{IpNumber, Ipv4Options};

use super::{
    DESTINATION, IPV4, SOURCE, assert_odd_syn, assert_plain_syn, ethernet, ipv4_frame, ipv4_header,
    ipv4_packet, odd, packet, syn_bytes,
};
use crate::{Located, Oddity, locate};

const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// A SYN behind IPv4 options.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut header = ipv4_header(TCP);
    header.options = Ipv4Options::try_from(options).unwrap();
    ethernet(IPV4, &ipv4_packet(header, &syn_bytes()))
}

fn with_total_len(total_len: u16) -> Vec<u8> {
    let mut frame = ipv4_frame(TCP, &syn_bytes());
    frame[16..18].copy_from_slice(&total_len.to_be_bytes());
    frame
}

#[test]
fn ports_of_what_has_ports() {
    let payload = [0x9c, 0x40, 0, 53, 0, 8, 0, 0];
    for protocol in [UDP, SCTP] {
        let frame = ipv4_frame(protocol, &payload);
        assert_eq!(packet(&frame).ports, Some((40000, 53)));
        assert_eq!((packet(&frame).protocol, packet(&frame).odd), (protocol.0, None));
        assert_eq!(packet(&ipv4_frame(protocol, &payload[..3])).ports, None);
    }
    for protocol in [ICMP, GRE, IpNumber(255)] {
        let frame = ipv4_frame(protocol, &payload);
        assert_eq!((packet(&frame).protocol, packet(&frame).ports), (protocol.0, None));
    }
}

#[test]
fn every_header_length_is_honoured() {
    assert_plain_syn(&with_options(&[]));
    for words in 1..=10 {
        assert_odd_syn(&with_options(&vec![1; words * 4]), Some(Oddity::IpOptions));
    }
}

#[test]
fn a_source_route_is_found_behind_other_options() {
    let (record, padding) = ([7, 7, 4, 0, 0, 0, 0], [0, 0]);
    for kind in [LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE] {
        let route = [kind, 7, 4, 203, 0, 113, 9];
        assert_eq!(odd(&with_options(&[&route[..], &[0]].concat())), Some(Oddity::SourceRoute));
        let frame = with_options(&[&record[..], &route, &padding].concat());
        assert_eq!(odd(&frame), Some(Oddity::SourceRoute));
        assert!(packet(&frame).segment.expect("the segment is still read").is_syn());
    }
}

#[test]
fn no_source_route_is_seen_where_none_is() {
    let harmless: [&[u8]; 6] = [
        &[7, 7, 4, LOOSE_SOURCE_ROUTE, 7, 4, 0, 0], // inside a recorded route
        &[0, LOOSE_SOURCE_ROUTE, 3, 4],             // behind the end of the list
        &[148, 4, 0, 0],                            // router alert
        &[7, 0, LOOSE_SOURCE_ROUTE, 3],             // behind a length of 0
        &[7, 1, LOOSE_SOURCE_ROUTE, 3],             // behind a length of 1
        &[1, 1, 1, 7],                              // no length at all
    ];
    for options in harmless {
        assert_odd_syn(&with_options(options), Some(Oddity::IpOptions));
    }
}

#[test]
fn a_cut_header_has_no_addresses() {
    let frame = ipv4_frame(TCP, &syn_bytes());
    for len in 14..34 {
        assert_eq!(locate(&frame[..len]), Located::Odd(Oddity::TruncatedIp), "{len}");
    }
}

#[test]
fn a_cut_packet_still_tells_its_addresses() {
    let frame = with_options(&[1; 40]);
    for len in 34..frame.len() {
        let packet = packet(&frame[..len]);
        assert_eq!(packet.odd, Some(Oddity::TruncatedIp), "{len}");
        assert_eq!((packet.source, packet.destination), (IpAddr::from(SOURCE), IpAddr::from(DESTINATION)));
        assert_eq!(packet.ports.is_some(), len >= 14 + 60 + 4, "{len}");
        assert_eq!(packet.segment, None);
    }
}

#[test]
fn a_wrong_total_length_is_odd_and_tells_the_addresses() {
    let whole = 20 + 40;
    assert_plain_syn(&with_total_len(whole));
    for total_len in (0..20).chain([whole + 1, 1500, u16::MAX]) {
        let frame = with_total_len(total_len);
        assert_eq!(odd(&frame), Some(Oddity::TruncatedIp), "{total_len}");
        assert_eq!(packet(&frame).source, IpAddr::from(SOURCE));
        assert_eq!(packet(&frame).segment.is_some(), total_len > whole, "{total_len}");
    }
}

#[test]
fn the_total_length_bounds_the_segment() {
    for total_len in 20..60 {
        assert_eq!(odd(&with_total_len(total_len)), Some(Oddity::TcpHeader), "{total_len}");
        assert_eq!(packet(&with_total_len(total_len)).segment, None);
    }
}

#[test]
fn a_wrong_version_or_header_length_hides_the_segment_only() {
    for first in (0..=255).filter(|first| !(0x45..=0x4f).contains(first)) {
        let mut frame = ipv4_frame(TCP, &syn_bytes());
        frame[14] = first;
        let packet = packet(&frame);
        assert_eq!((packet.odd, packet.segment), (Some(Oddity::TruncatedIp), None), "{first:#04x}");
        assert_eq!((packet.source, packet.destination), (IpAddr::from(SOURCE), IpAddr::from(DESTINATION)));
    }
}

/// Each pair of IHL and data offset, the rest of the frame a SYN with room for all of it.
#[test]
fn every_header_length_with_every_data_offset() {
    let mut frame = ipv4_frame(TCP, &[&syn_bytes()[..], &[1; 100]].concat());
    for ihl in 0..=15 {
        for data_offset in 0..=15 {
            frame[14] = 0x40 | ihl;
            let tcp = 14 + usize::from(ihl) * 4;
            frame[34..74].copy_from_slice(&syn_bytes());
            frame[tcp + 12] = data_offset << 4;
            frame[tcp + 13] = 2;
            let packet = packet(&frame);
            let expected = match (ihl, data_offset) {
                (..5, _) => Some(Oddity::TruncatedIp),
                (_, ..5) => Some(Oddity::TcpHeader),
                _ => packet.odd.filter(|odd| {
                    matches!(odd, Oddity::IpOptions | Oddity::TcpOptions | Oddity::SourceRoute)
                }),
            };
            assert_eq!(packet.odd, expected, "IHL {ihl}, data offset {data_offset}");
            let options = packet.segment.map(|segment| segment.options().len());
            let readable = ihl >= 5 && data_offset >= 5;
            assert_eq!(options, readable.then(|| usize::from(data_offset - 5) * 4));
        }
    }
}
