//! The link layers of captures: behind each the packet is the one that Ethernet carries.

use proptest::prelude::*;

use super::*;
use crate::Link;

const ARP: u16 = 0x0806;
const VLAN: u16 = 0x8100;

/// A packet of each version, with the EtherType that announces it.
fn packets() -> [(u16, Vec<u8>); 2] {
    let ipv4 = ipv4_packet(ipv4_header(IpNumber::TCP), &syn_bytes());
    [(IPV4, ipv4), (IPV6, ipv6_packet(IpNumber::TCP, &syn_bytes()))]
}

fn cooked(ethertype: u16, rest: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &ethertype.to_be_bytes()[..], rest].concat()
}

fn cooked2(ethertype: u16, rest: &[u8]) -> Vec<u8> {
    let behind = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    [&ethertype.to_be_bytes()[..], &behind, rest].concat()
}

fn loopback(family: [u8; 4], packet: &[u8]) -> Vec<u8> {
    [&family[..], packet].concat()
}

#[test]
fn every_link_layer_leads_to_the_same_packet() {
    for (version, packet) in packets() {
        let frame = ethernet(version, &packet);
        let expected = locate(&frame);
        assert!(matches!(expected, Located::Packet(Packet { segment: Some(_), .. })));
        assert_eq!(Link::Ethernet.locate(&frame), expected);
        assert_eq!(Link::Ip.locate(&packet), expected);
        assert_eq!(Link::Cooked.locate(&cooked(version, &packet)), expected);
        assert_eq!(Link::Cooked2.locate(&cooked2(version, &packet)), expected);
    }
}

#[test]
fn a_loopback_frame_has_its_family_in_either_byte_order() {
    let [(_, ipv4), (_, ipv6)] = packets();
    let families = [(2, &ipv4), (10, &ipv6), (24, &ipv6), (28, &ipv6), (30, &ipv6)];
    for (family, packet) in families {
        for bytes in [u32::to_be_bytes(family), u32::to_le_bytes(family)] {
            assert_eq!(Link::Loopback.locate(&loopback(bytes, packet)), Link::Ip.locate(packet), "{family}");
        }
    }
    for other in [[0, 0, 0, 0], [0, 0, 0, 7], [0, 2, 0, 0], [2, 0, 0, 1]] {
        assert_eq!(Link::Loopback.locate(&loopback(other, &ipv4)), Located::NotIp, "{other:?}");
    }
}

#[test]
fn a_tag_is_looked_through_behind_a_cooked_header() {
    let [(version, packet), _] = packets();
    let tagged = [&[0, 42], &version.to_be_bytes()[..], &packet].concat();
    assert_eq!(Link::Cooked.locate(&cooked(VLAN, &tagged)), Link::Ip.locate(&packet));
    assert_eq!(Link::Cooked2.locate(&cooked2(VLAN, &tagged)), Link::Ip.locate(&packet));
}

#[test]
fn what_is_no_ip_is_told_apart_from_what_is_cut() {
    assert_eq!(Link::Cooked.locate(&cooked(ARP, &[0; 28])), Located::NotIp);
    assert_eq!(Link::Cooked2.locate(&cooked2(ARP, &[0; 28])), Located::NotIp);
    assert_eq!(Link::Ip.locate(&[0x50; 40]), Located::NotIp);
    let shortest =
        [(Link::Ethernet, 14), (Link::Ip, 1), (Link::Cooked, 16), (Link::Cooked2, 20), (Link::Loopback, 4)];
    for (link, header_len) in shortest {
        assert_eq!(link.locate(&vec![0; header_len - 1]), Located::Odd(Oddity::Runt), "{link:?}");
        assert_eq!(link.locate(&vec![0; header_len]), Located::NotIp, "{link:?}");
    }
}

proptest! {
    #[test]
    fn no_frame_makes_a_link_layer_panic(
        start in any::<[u8; 20]>(),
        rest in prop::collection::vec(any::<u8>(), 0..80),
        len in 0..100usize,
    ) {
        let frame = [&start[..], &rest].concat();
        let frame = &frame[..len.min(frame.len())];
        for link in [Link::Ethernet, Link::Ip, Link::Cooked, Link::Cooked2, Link::Loopback] {
            if let Located::Packet(packet) = link.locate(frame) {
                prop_assert_eq!(packet.source.is_ipv4(), packet.destination.is_ipv4());
            }
        }
    }
}
