use etherparse::ip_number::TCP;

use super::{ipv4_frame, ipv6_frame, odd, packet, syn, syn_bytes, with_flags};
use crate::{Oddity, TcpFlags, options_well_formed};

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const RST: u16 = 0x04;
const ACK: u16 = 0x10;
const XMAS: u16 = 0x29;

/// The rules for the flags, written as they are said.
fn expected(flags: u16) -> Option<Oddity> {
    let set = |flag| flags & flag != 0;
    if set(SYN) && set(FIN) {
        Some(Oddity::SynFin)
    } else if set(SYN) && set(RST) {
        Some(Oddity::SynRst)
    } else if flags & 0x3f == 0 {
        Some(Oddity::NullScan)
    } else if flags & XMAS == XMAS && !set(SYN) && !set(ACK) && !set(RST) {
        Some(Oddity::Xmas)
    } else {
        None
    }
}

#[test]
fn every_combination_of_flags() {
    for flags in 0..0x1000 {
        let frame = ipv4_frame(TCP, &with_flags(flags));
        let packet = packet(&frame);
        let segment = packet.segment.expect("a segment");
        assert_eq!(segment.flags.bits(), flags);
        assert_eq!(packet.odd, expected(flags), "{flags:#05x}");
        assert_eq!(segment.is_syn(), flags & (SYN | ACK | RST) == SYN, "{flags:#05x}");
        assert_eq!(segment.is_syn_ack(), flags & (SYN | ACK | RST) == SYN | ACK, "{flags:#05x}");
    }
}

#[test]
fn flags_have_the_bits_of_the_header() {
    let names = [
        TcpFlags::FIN,
        TcpFlags::SYN,
        TcpFlags::RST,
        TcpFlags::PSH,
        TcpFlags::ACK,
        TcpFlags::URG,
        TcpFlags::ECE,
        TcpFlags::CWR,
        TcpFlags::AE,
    ];
    for (bit, flag) in names.into_iter().enumerate() {
        assert_eq!(flag.bits(), 1 << bit);
    }
    let both = TcpFlags::SYN | TcpFlags::ACK;
    assert!(both.contains(TcpFlags::ACK) && !TcpFlags::ACK.contains(both));
    assert!(both.intersects(TcpFlags::SYN | TcpFlags::RST) && !both.intersects(TcpFlags::RST));
    assert_eq!(TcpFlags::new(0xffff), TcpFlags::new(0x0fff));
    assert_eq!(TcpFlags::RESERVED.bits() | 0x1ff, 0x0fff);
}

#[test]
fn the_fields_of_a_segment() {
    let mut header = syn();
    header.acknowledgment_number = 0x0a0b_0c0d;
    header.urgent_pointer = 0x0e0f;
    let frame = ipv6_frame(TCP, &[&header.to_bytes()[..], b"data"].concat());
    let segment = packet(&frame).segment.expect("a segment");
    assert_eq!((segment.source_port(), segment.destination_port()), (40000, 80));
    assert_eq!((segment.sequence(), segment.acknowledgment()), (0x0102_0304, 0x0a0b_0c0d));
    assert_eq!((segment.window(), segment.urgent_pointer(), segment.payload_len()), (64240, 0x0e0f, 4));
}

#[test]
fn a_header_longer_than_the_packet_or_shorter_than_itself() {
    for len in 0..40 {
        for frame in [ipv4_frame(TCP, &syn_bytes()[..len]), ipv6_frame(TCP, &syn_bytes()[..len])] {
            assert_eq!(odd(&frame), Some(Oddity::TcpHeader), "{len}");
            assert_eq!(packet(&frame).ports.is_some(), len >= 4);
            assert_eq!(packet(&frame).segment, None);
        }
    }
    for data_offset in 0..5 {
        let mut bytes = syn_bytes();
        bytes[12] = data_offset << 4;
        assert_eq!(odd(&ipv4_frame(TCP, &bytes)), Some(Oddity::TcpHeader), "{data_offset}");
    }
}

#[test]
fn malformed_options_are_odd_in_a_syn_only() {
    let mut bytes = syn_bytes();
    bytes[21] = 0;
    for (flags, oddity) in [
        (SYN, Some(Oddity::TcpOptions)),
        (SYN | 0xfe8, Some(Oddity::TcpOptions)),
        (SYN | FIN, Some(Oddity::SynFin)),
        (SYN | ACK, None),
        (ACK, None),
        (RST, None),
    ] {
        bytes[12] = 0xa0 | (flags >> 8) as u8;
        bytes[13] = flags as u8;
        let frame = ipv4_frame(TCP, &bytes);
        assert_eq!(odd(&frame), oddity, "{flags:#05x}");
        assert_eq!(packet(&frame).segment.expect("a segment").options().len(), 20);
    }
}

#[test]
fn well_formed_option_lists() {
    let lists: [&[u8]; 9] = [
        &[],
        &[1, 1, 1, 1],
        &[0, 9, 9, 9],
        &[2, 4, 5, 180, 0, 0],
        &[3, 3, 7, 4, 2],
        &[8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
        &[34, 2, 1, 1],
        &[5, 10, 1, 2, 3, 4, 5, 6, 7, 8],
        &[254, 4, 0xf9, 0x89],
    ];
    for list in lists {
        assert!(options_well_formed(list), "{list:?}");
    }
}

#[test]
fn malformed_option_lists() {
    let lists: [&[u8]; 12] = [
        &[2],
        &[2, 4, 5],
        &[1, 1, 8],
        &[254, 0, 0, 0],
        &[254, 1, 0, 0],
        &[254, 5, 0, 0],
        &[2, 3, 5, 1],
        &[3, 4, 7, 0],
        &[4, 3, 0, 0],
        &[5, 2],
        &[5, 6, 0, 0, 0, 0],
        &[8, 9, 0, 0, 0, 1, 0, 0, 0, 0],
    ];
    for list in lists {
        assert!(!options_well_formed(list), "{list:?}");
    }
}
