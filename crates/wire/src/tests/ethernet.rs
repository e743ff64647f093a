use etherparse::ip_number::TCP;
use etherparse::{EtherType, SingleVlanHeader, VlanId, VlanPcp};

use super::{
    DESTINATION6, IPV4, IPV6, SOURCE, assert_odd_syn, assert_plain_syn, ethernet, ipv4_frame, ipv4_header,
    ipv4_packet, ipv6_frame, ipv6_packet, odd, packet, syn_bytes,
};
use crate::{Located, Oddity, locate};

const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
const OLD_QINQ: u16 = 0x9100;
const OLD_QINQ_2: u16 = 0x9200;
const OLD_QINQ_3: u16 = 0x9300;
const PPPOE_DISCOVERY: u16 = 0x8863;
const PPPOE_SESSION: u16 = 0x8864;
const MPLS: u16 = 0x8847;
const MPLS_UPSTREAM: u16 = 0x8848;

fn syn4() -> Vec<u8> {
    ipv4_packet(ipv4_header(TCP), &syn_bytes())
}

fn syn6() -> Vec<u8> {
    ipv6_packet(TCP, &syn_bytes())
}

/// `tags` are the EtherTypes of the tags, the outer one first, all of VLAN `id`.
pub(super) fn tagged(tags: &[u16], id: u16, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let Some((&outer, inner)) = tags.split_first() else {
        return ethernet(ether_type, payload);
    };
    let following = inner.iter().copied().chain([ether_type]);
    let headers: Vec<u8> = following
        .flat_map(|next| {
            SingleVlanHeader {
                pcp: VlanPcp::try_new(5).unwrap(),
                drop_eligible_indicator: true,
                vlan_id: VlanId::try_new(id).unwrap(),
                ether_type: EtherType(next),
            }
            .to_bytes()
        })
        .collect();
    ethernet(outer, &[&headers, payload].concat())
}

pub(super) fn pppoe(length: usize, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(length).unwrap().to_be_bytes();
    ethernet(PPPOE_SESSION, &[&[0x11, 0, 0, 9], &length[..], &protocol.to_be_bytes(), payload].concat())
}

/// Labels before a packet; an IPv4 header gets its checksum, for behind labels no other is believed.
pub(super) fn mpls(ether_type: u16, labels: usize, payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    if payload.len() >= 20 && payload[0] == 0x45 {
        let header = etherparse::Ipv4Header::from_slice(&payload).unwrap().0;
        payload[10..12].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
    }
    let stack: Vec<u8> =
        (1..=labels).flat_map(|label| [0, label as u8, u8::from(label == labels), 64]).collect();
    ethernet(ether_type, &[stack, payload].concat())
}

#[test]
fn plain_frames_of_both_versions() {
    assert_plain_syn(&ipv4_frame(TCP, &syn_bytes()));
    assert_plain_syn(&ipv6_frame(TCP, &syn_bytes()));
    assert_eq!(packet(&ethernet(IPV4, &syn4())).source, std::net::IpAddr::from(SOURCE));
    assert_eq!(packet(&ethernet(IPV6, &syn6())).destination, std::net::IpAddr::from(DESTINATION6));
}

#[test]
fn frames_shorter_than_an_ethernet_header_are_runts() {
    let frame = ethernet(IPV4, &syn4());
    for len in 0..14 {
        assert_eq!(locate(&frame[..len]), Located::Odd(Oddity::Runt));
    }
}

#[test]
fn other_ether_types_and_lengths_are_no_ip() {
    // An 802.3 length, slow protocols, ARP, LLDP, a PPPoE discovery, an unknown one.
    for ether_type in [0x0026, 0x05ff, 0x8809, 0x0806, 0x88cc, PPPOE_DISCOVERY, 0xffff] {
        assert_eq!(locate(&ethernet(ether_type, &syn4())), Located::NotIp, "{ether_type:#06x}");
        assert_eq!(locate(&tagged(&[VLAN], 5, ether_type, &syn4())), Located::NotIp, "{ether_type:#06x}");
    }
}

/// An IEEE 802.3 frame of this header and payload.
fn llc(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len() + payload.len()).unwrap();
    ethernet(length, &[header, payload].concat())
}

#[test]
fn ip_behind_llc_is_judged_and_odd() {
    const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
    let snap = |ether_type: u16| [&SNAP[..], &ether_type.to_be_bytes()].concat();
    let frames = [
        llc(&snap(IPV4), &syn4()),
        llc(&snap(IPV6), &syn6()),
        llc(&[6, 6, 3], &syn4()),
        tagged(&[VLAN], 5, 68, &[&snap(IPV4), &syn4()[..]].concat()),
        // A length that cannot be right.
        ethernet(1499, &[&snap(IPV4), &syn4()[..]].concat()),
    ];
    for frame in frames {
        assert_odd_syn(&frame, Some(Oddity::LlcSnap));
    }
    // The length bounds the packet.
    assert_eq!(odd(&ethernet(67, &[&snap(IPV4), &syn4()[..]].concat())), Some(Oddity::TruncatedIp));
    assert_eq!(locate(&llc(&snap(IPV4), &[])), Located::Odd(Oddity::TruncatedIp));
    // STP; CDP; SNAP of another organization, with another control field, and cut; ARP.
    let arp = snap(0x0806);
    for header in [
        &[0x42, 0x42, 3, 0, 0][..],
        &[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0],
        &[0xaa, 0xaa, 3, 0, 0, 0xf8, 8, 0],
        &[0xaa, 0xaa, 0xf3, 0, 0, 0, 8, 0],
        &[0xaa, 0xaa, 3],
        &arp,
        &[],
    ] {
        assert_eq!(locate(&llc(header, &[0; 40])), Located::NotIp, "{header:?}");
    }
}

#[test]
fn up_to_four_tags_of_any_kind_and_id() {
    for id in [0, 1, 4094] {
        for tags in [
            &[VLAN][..],
            &[SERVICE_VLAN, VLAN],
            &[OLD_QINQ, OLD_QINQ, VLAN],
            &[OLD_QINQ_2, OLD_QINQ_3],
            &[SERVICE_VLAN, VLAN, VLAN, VLAN],
        ] {
            assert_plain_syn(&tagged(tags, id, IPV4, &syn4()));
            assert_plain_syn(&tagged(tags, id, IPV6, &syn6()));
        }
    }
}

#[test]
fn a_fifth_tag_is_too_many() {
    assert_eq!(locate(&tagged(&[VLAN; 5], 1, IPV4, &syn4())), Located::Odd(Oddity::TooManyTags));
    assert_eq!(locate(&tagged(&[VLAN; 300], 1, IPV4, &syn4())), Located::Odd(Oddity::TooManyTags));
}

#[test]
fn a_cut_tag_is_a_runt() {
    let frame = tagged(&[SERVICE_VLAN, VLAN], 1, IPV4, &syn4());
    for len in 14..22 {
        assert_eq!(locate(&frame[..len]), Located::Odd(Oddity::Runt), "{len}");
    }
    assert_eq!(locate(&frame[..22]), Located::Odd(Oddity::TruncatedIp));
}

#[test]
fn pppoe_carries_both_versions_and_control() {
    assert_plain_syn(&pppoe(syn4().len() + 2, 0x0021, &syn4()));
    assert_plain_syn(&pppoe(syn6().len() + 2, 0x0057, &syn6()));
    assert_eq!(locate(&pppoe(syn4().len() + 2, 0xc021, &syn4())), Located::NotIp);
    assert_eq!(locate(&pppoe(2, 0x0021, &[])), Located::Odd(Oddity::TruncatedIp));
}

#[test]
fn a_compressed_protocol_of_ppp_hides_nothing() {
    for (protocol, packet) in [(0x21, syn4()), (0x57, syn6())] {
        let payload = [&[protocol], &*packet].concat();
        for length in [packet.len() + 1, 0, 1400] {
            let header = [&[0x11, 0, 0, 9], &u16::try_from(length).unwrap().to_be_bytes()[..]].concat();
            assert_plain_syn(&ethernet(PPPOE_SESSION, &[&header[..], &payload].concat()));
        }
    }
}

#[test]
fn pppoe_bounds_the_packet_unless_it_cannot_be_right() {
    assert_eq!(odd(&pppoe(syn4().len() + 1, 0x0021, &syn4())), Some(Oddity::TruncatedIp));
    assert_plain_syn(&pppoe(1, 0x0021, &syn4()));
    assert_plain_syn(&pppoe(1400, 0x0021, &syn4()));
}

#[test]
fn a_cut_pppoe_header_is_a_runt() {
    let frame = pppoe(syn4().len() + 2, 0x0021, &syn4());
    for len in 14..22 {
        assert_eq!(locate(&frame[..len]), Located::Odd(Oddity::Runt), "{len}");
    }
}

#[test]
fn pppoe_and_mpls_behind_tags() {
    let pppoe = pppoe(syn4().len() + 2, 0x0021, &syn4());
    assert_plain_syn(&tagged(&[VLAN, VLAN], 7, PPPOE_SESSION, &pppoe[14..]));
    assert_plain_syn(&tagged(&[SERVICE_VLAN], 7, MPLS, &mpls(MPLS, 2, &syn6())[14..]));
}

#[test]
fn up_to_eight_mpls_labels() {
    for labels in 1..=8 {
        assert_plain_syn(&mpls(MPLS, labels, &syn4()));
        assert_plain_syn(&mpls(MPLS_UPSTREAM, labels, &syn6()));
    }
    assert_eq!(locate(&mpls(MPLS, 9, &syn4())), Located::Odd(Oddity::TooManyTags));
}

/// However much of it: the IP length alone says where a packet ends.
#[test]
fn padding_behind_a_packet_behind_labels_hides_nothing() {
    for padding in [1, 7, 100, 1000] {
        assert_plain_syn(&mpls(MPLS, 1, &[syn4(), vec![9; padding]].concat()));
        assert_plain_syn(&mpls(MPLS, 1, &[syn6(), vec![9; padding]].concat()));
    }
}

/// An Ethernet frame in a pseudowire without control word: the destination address looks like an IP version.
#[test]
fn a_pseudowire_is_no_ip() {
    for destination in [[0x48, 0xa9, 0x8a, 1, 2, 3], [0x64, 0x51, 0x06, 1, 2, 3], [0x64, 0x51, 0x06, 1, 0, 3]]
    {
        let mut inner = ipv4_frame(TCP, &syn_bytes());
        inner[..6].copy_from_slice(&destination);
        assert_eq!(locate(&mpls(MPLS, 1, &inner)), Located::NotIp);
    }
}

#[test]
fn mpls_without_ip_or_cut() {
    assert_eq!(locate(&mpls(MPLS, 1, &[0, 0, 0, 0, 0x45])), Located::NotIp);
    assert_eq!(locate(&mpls(MPLS, 1, &[])), Located::NotIp);
    let frame = mpls(MPLS, 2, &syn4());
    for len in 14..22 {
        assert_eq!(locate(&frame[..len]), Located::Odd(Oddity::Runt), "{len}");
    }
}
