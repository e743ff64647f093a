//! Link types, byte orders, precisions, interfaces.

use serde_json::Value;

use crate::files::{
    MICRO, NANO, Order, enhanced, interface, pcap_frame, pcap_head, section, simple, statistics,
};
use crate::packets::{arp, ethernet, ethertype, linux, linux6};
use crate::program::{frames, told};

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

/// Each link type and how a frame of it is made. The family of AF_INET6 is that of macOS.
type Wrap = fn(&[u8]) -> Vec<u8>;
const LINKS: [(u32, Wrap); 9] = [
    (1, ethernet),
    (12, <[u8]>::to_vec),
    (101, <[u8]>::to_vec),
    (228, <[u8]>::to_vec),
    (229, <[u8]>::to_vec),
    (113, cooked),
    (276, cooked2),
    (0, |packet| [&family(packet).to_le_bytes()[..], packet].concat()),
    (108, |packet| [&family(packet).to_be_bytes()[..], packet].concat()),
];

fn cooked(packet: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &ethertype(packet)[..], packet].concat()
}

fn cooked2(packet: &[u8]) -> Vec<u8> {
    [&ethertype(packet)[..], &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], packet].concat()
}

fn family(packet: &[u8]) -> u32 {
    if packet[0] >> 4 == 4 { 2 } else { 30 }
}

/// The line of the first frame without what tells when and where in the capture it was.
fn told_of(packet: &[u8]) -> Value {
    let mut line = told(&[], &crate::files::pcap(&[ethernet(packet)])).remove(0);
    line.as_object_mut().unwrap().remove("time");
    line
}

#[test]
fn every_link_type_in_every_form_of_pcap() {
    let packets = [linux(), linux6()];
    let expected = packets.clone().map(|packet| told_of(&packet));
    for (link_type, wrap) in LINKS {
        for order in ORDERS {
            for (magic, time) in
                [(MICRO, "2023-11-14T22:13:20.000042Z"), (NANO, "2023-11-14T22:13:20.000000042Z")]
            {
                for (packet, expected) in packets.iter().zip(&expected) {
                    let frame = pcap_frame(order, [1_700_000_000, 42], &wrap(packet), 0);
                    let mut lines = told(&[], &[pcap_head(order, magic, link_type), frame].concat());
                    assert_eq!(lines.len(), 1, "{link_type} {order:?}");
                    let seen = lines[0].as_object_mut().unwrap().remove("time").unwrap();
                    assert_eq!((seen.as_str(), &lines[0]), (Some(time), expected), "{link_type} {order:?}");
                }
            }
        }
    }
}

/// Two sections of several interfaces each; the second is in the other byte order.
#[test]
fn a_pcapng_file_of_many_interfaces() {
    for (first, second) in [(Order::Little, Order::Big), (Order::Big, Order::Little)] {
        let capture = [
            section(first),
            interface(first, 1, 0, None, None),
            interface(first, 101, 0, Some(9), None),
            enhanced(first, 0, 1_700_000_000_123_456, &ethernet(&linux())),
            statistics(first),
            enhanced(first, 1, 1_700_000_000_123_456_789, &linux6()),
            enhanced(first, 0, 0, &arp()),
            section(second),
            interface(second, 113, 0, None, None),
            interface(second, 276, 0, Some(3), Some(-3600)),
            enhanced(second, 1, 1_700_000_000_123, &cooked2(&linux())),
            enhanced(second, 0, 1_700_000_000_000_001, &cooked(&linux6())),
        ]
        .concat();
        let told = told(&[], &capture);
        assert_eq!(frames(&told), [1, 2, 4, 5]);
        let times: Vec<_> = told.iter().map(|line| line["time"].as_str().unwrap()).collect();
        let expected = [
            "2023-11-14T22:13:20.123456Z",
            "2023-11-14T22:13:20.123456789Z",
            "2023-11-14T21:13:20.123Z",
            "2023-11-14T22:13:20.000001Z",
        ];
        assert_eq!(times, expected);
        let sources: Vec<_> = told.iter().map(|line| line["src"].as_str().unwrap().contains(':')).collect();
        assert_eq!(sources, [false, true, false, true]);
    }
}

#[test]
fn clocks_of_every_resolution() {
    let cases: [(u8, u64, Value); 8] = [
        (0, 1_700_000_000, "2023-11-14T22:13:20Z".into()),
        (6, 1_700_000_000_500_000, "2023-11-14T22:13:20.500000Z".into()),
        (12, 1_700_000_000_000_000_123, "1970-01-20T16:13:20.000000000Z".into()),
        (127, u64::MAX, "1970-01-01T00:00:00.000000000Z".into()),
        // Powers of 2: halves of a second, and the resolution of NTP.
        (0x81, 3_400_000_001, "2023-11-14T22:13:20.500000000Z".into()),
        (0xa0, 1 << 31, "1970-01-01T00:00:00.500000000Z".into()),
        (0xff, u64::MAX, "1970-01-01T00:00:00.000000000Z".into()),
        // In the year 584 billion.
        (0, u64::MAX, Value::Null),
    ];
    for order in ORDERS {
        for (resolution, ticks, time) in &cases {
            let capture = [
                section(order),
                interface(order, 101, 0, Some(*resolution), None),
                enhanced(order, 0, *ticks, &linux()),
            ];
            assert_eq!(told(&[], &capture.concat())[0]["time"], *time, "{resolution:#x}");
        }
    }
}

#[test]
fn a_simple_packet_has_no_time_and_may_be_cut_by_the_snap_length() {
    for order in ORDERS {
        let whole =
            [section(order), interface(order, 101, 0, None, None), simple(order, &linux(), 60)].concat();
        let told_whole = told(&[], &whole);
        assert_eq!((told_whole.len(), &told_whole[0]["time"]), (1, &Value::Null));
        // 59 bytes of 60, and one of padding, which is no part of the options.
        let cut = simple(order, &linux()[..59], 60);
        let cut = [section(order), interface(order, 101, 59, None, None), cut].concat();
        assert_eq!(told(&[], &cut).len(), 0);
    }
}
