//! Frames of which only the first part is at hand.

use etherparse::ip_number::{IPV4 as IP_IN_IP, IPV6_FRAG, TCP, UDP};

use super::ethernet::{mpls, pppoe, tagged};
use super::{
    IPV4, ethernet, extension, ipv4_fragment, ipv4_frame, ipv4_header, ipv4_packet, ipv6_fragment,
    ipv6_frame, syn_bytes,
};
use crate::{Head, Located, Oddity, Packet, locate};

/// Bytes of the first part.
const PART: usize = 3840;

/// A segment that is longer than the part.
fn long_segment() -> Vec<u8> {
    [syn_bytes(), vec![7; 8000]].concat()
}

/// Long frames of all kinds.
fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let (segment, rest) = (long_segment(), vec![7; 8000]);
    let packet = ipv4_packet(ipv4_header(TCP), &segment);
    let inner = ipv4_packet(ipv4_header(IP_IN_IP), &packet);
    vec![
        ("IPv4", ipv4_frame(TCP, &segment)),
        ("IPv6", ipv6_frame(TCP, &segment)),
        ("UDP", ipv4_frame(UDP, &rest)),
        ("a first fragment", ipv4_fragment(TCP, 0, true, &segment)),
        ("a later fragment", ipv4_fragment(TCP, 100, false, &rest)),
        ("a fragment at offset 1", ipv4_fragment(TCP, 1, false, &rest)),
        ("an IPv6 fragment", ipv6_frame(IPV6_FRAG, &ipv6_fragment(TCP, 100, false, &rest))),
        ("an extension header", ipv6_frame(60.into(), &extension(TCP, &[0; 6], &segment))),
        ("a tag", tagged(&[0x8100], 1, IPV4, &packet)),
        ("PPPoE", pppoe(packet.len() + 2, 0x21, &packet)),
        ("MPLS", mpls(0x8847, 2, &packet)),
        ("a pseudowire", mpls(0x8847, 1, &ipv4_frame(TCP, &segment))),
        ("a tunnel", ethernet(IPV4, &inner)),
    ]
}

fn head(frame: &[u8], beyond: usize) -> Located<'_> {
    locate(Head { bytes: &frame[..PART], beyond })
}

/// What can be told of a packet without its payload.
fn told<'a>(packet: &Packet<'a>) -> impl PartialEq + std::fmt::Debug + use<'a> {
    let Packet { source, destination, protocol, odd, ports, segment, .. } = *packet;
    (source, destination, protocol, odd, ports, segment.map(|segment| (segment.flags, segment.window())))
}

#[test]
fn of_the_first_part_the_same_is_told_as_of_the_whole() {
    for (name, frame) in frames() {
        match (locate(&frame), head(&frame, frame.len() - PART)) {
            (Located::Packet(whole), Located::Packet(part)) => {
                assert_eq!(told(&part), told(&whole), "{name}");
                let opened = |packet: &Packet<'_>| match packet.tunnel?.open()? {
                    Located::Packet(inner) => Some(inner.odd),
                    other => panic!("{name}: {other:?}"),
                };
                assert_eq!(opened(&part), opened(&whole), "{name}");
            }
            (whole, part) => {
                assert_eq!(name, "a pseudowire");
                assert_eq!((whole, part), (Located::NotIp, Located::NotIp));
            }
        }
    }
}

#[test]
fn a_packet_that_ends_behind_its_frame_is_cut() {
    for (name, frame) in frames() {
        if matches!(name, "PPPoE" | "MPLS" | "a pseudowire") {
            continue;
        }
        let Located::Packet(packet) = head(&frame, frame.len() - PART - 1) else { panic!("{name}") };
        assert_eq!(packet.odd, Some(Oddity::TruncatedIp), "{name}");
    }
}
