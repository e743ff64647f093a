use std::net::IpAddr;

use etherparse::ip_number::{IPV6_FRAG, TCP, UDP};
use etherparse::{
    IpAuthHeader, IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv4Options, Ipv6Extensions,
    Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, Ipv6RoutingExtensions, NetSlice, PacketBuilder,
    SlicedPacket, TcpHeader, TcpSlice, TransportSlice,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{IPV4, IPV6, assert_plain_syn, ethernet, ipv4_fragment, ipv6_fragment, ipv6_frame, syn_bytes};
use crate::common::Parts;

use crate::{Located, Oddity, Packet, SynFacts, locate, options_well_formed};

/// Captured SYNs, from the IP header on.
const CAPTURED: [(&str, &str); 8] = [
    (
        "curl",
        "4500003c348240004006f19d0a4d00010a4d0002a79e00509c5f478100000000a002faf0e9c80000020405b40402080a1c8ba64c000000000103030a",
    ),
    (
        "curl over IPv6",
        "6009fc4d00280640fd770000000000000000000000000001fd770000000000000000000000000002edae0050fb7c586500000000a002fd20a31b0000020405a00402080afa977069000000000103030a",
    ),
    ("masscan", "450000283f210000ff0668120a4d00010a4d0002a824005113323f7200000000500204009c2c0000"),
    ("zmap", "45000028d4310000ff06d3010a4d00010a4d0002a74a0050fdd08a68000000005002ffff6b720000"),
    ("nmap -sS", "4500002cab2700003606c5080a4d00010a4d00029d500050a61553a50000000060020400e82e0000020405b4"),
    (
        "nmap -sS over IPv6",
        "60000000001806fffd770000000000000000000000000001fd770000000000000000000000000002d86b0050022b2c6f000000006002040091de0000020405b4",
    ),
    (
        "nmap -O",
        "450000346b9c00003606048c0a4d00010a4d00029eec0050802c8b150000000088c20003a643f7f503030a01020405b404020101",
    ),
    (
        "nmap with IP options",
        "4f00005462ff0000800690fd0a4d00010a4d000201072704000000000000000000000000000000000000000000000000000000000000000000000000982f0050300d3323000000006002040083da0000020405b4",
    ),
];

fn captured() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    CAPTURED.into_iter().map(|(name, hex)| {
        let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        let packet: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        (name, ethernet(if packet[0] >> 4 == 4 { IPV4 } else { IPV6 }, &packet))
    })
}

#[test]
fn captured_frames_are_syns_with_nothing_odd() {
    for (name, frame) in captured() {
        let Located::Packet(packet) = locate(&frame) else { panic!("{name}: no packet") };
        let odd = (name == "nmap with IP options").then_some(Oddity::IpOptions);
        assert_eq!(packet.odd, odd, "{name}");
        assert!(packet.segment.expect(name).is_syn(), "{name}");
    }
}

#[test]
fn captured_frames_are_of_the_common_kind_but_for_ip_options_and_tags() {
    for (name, frame) in captured() {
        assert_eq!(Parts::of(&frame).is_some(), name != "nmap with IP options", "{name}");
        let tagged = [&frame[..12], &[0x81, 0, 0, 1], &frame[12..]].concat();
        assert!(Parts::of(&tagged).is_none(), "{name}");
    }
}

/// Frames that reach every branch: captured ones, tags, PPPoE, MPLS, fragments, extension headers.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = captured().map(|(_, frame)| frame).collect();
    let curl = seeds[0][14..].to_vec();
    seeds.push(ethernet(0x8100, &[&[0, 1, 0x88, 0xa8, 0, 2, 8, 0], &curl[..]].concat()));
    seeds.push(ethernet(0x8864, &[&[0x11, 0, 0, 1, 0, 62, 0, 0x21], &curl[..]].concat()));
    seeds.push(ethernet(0x8847, &[&[0, 0, 0, 9, 0, 0, 1, 9], &curl[..]].concat()));
    seeds.push(ipv4_fragment(TCP, 0, true, &syn_bytes()));
    seeds.push(ipv4_fragment(UDP, 1, true, &syn_bytes()));
    seeds.push(ipv6_frame(IPV6_FRAG, &ipv6_fragment(TCP, 0, true, &syn_bytes())));
    seeds.push(ipv6_frame(
        IpNumber(0),
        &[&[43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 2, 0, 0, 0, 0, 0], &syn_bytes()[..]].concat(),
    ));
    seeds
}

/// A seed with some bytes changed, cut or extended.
pub(super) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (
        prop::sample::select(seeds()),
        vec(change, 0..6),
        option::of(any::<prop::sample::Index>()),
        vec(any::<u8>(), 0..20),
    )
        .prop_map(|(mut frame, changes, cut, tail)| {
            for (at, byte) in changes {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            if let Some(cut) = cut {
                frame.truncate(cut.index(frame.len() + 1));
            }
            frame.extend(tail);
            frame
        })
}

/// Bytes that start like a frame worth parsing.
fn framed() -> impl Strategy<Value = Vec<u8>> {
    let ether_type = prop::sample::select(vec![IPV4, IPV6, 0x8100, 0x88a8, 0x9100, 0x8847, 0x8848, 0x8864]);
    (ether_type, vec(any::<u8>(), 0..200)).prop_map(|(ether_type, bytes)| ethernet(ether_type, &bytes))
}

/// Frames that are of the common kind, or that one change in a header keeps from it.
fn nearly_common() -> impl Strategy<Value = Vec<u8>> {
    let frame = (well_formed_packet(), any::<[u8; 2]>()).prop_map(|(mut packet, flags)| {
        let tcp = if packet[0] >> 4 == 4 { usize::from(packet[0] & 15) * 4 } else { 40 };
        packet[tcp + 12] = packet[tcp + 12] & 0xf0 | flags[0] & 0x0f;
        packet[tcp + 13] = flags[1];
        in_frame(&[], &packet)
    });
    let change = (12..76_usize, any::<u8>());
    (frame, option::of(change), option::of(0..120_usize)).prop_map(|(mut frame, change, cut)| {
        if let Some((at, to)) = change
            && let Some(byte) = frame.get_mut(at)
        {
            *byte = to;
        }
        frame.truncate(cut.unwrap_or(usize::MAX));
        frame
    })
}

/// What holds of every answer, whatever the frame.
fn check(frame: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(locate(frame), locate_any(frame));
    match locate(frame) {
        Located::NotIp => {}
        Located::Odd(odd) => {
            prop_assert!(matches!(odd, Oddity::Runt | Oddity::TruncatedIp | Oddity::TooManyTags));
        }
        Located::Packet(packet) => check_packet(&packet)?,
    }
    Ok(())
}

fn check_packet(packet: &Packet<'_>) -> Result<(), TestCaseError> {
    prop_assert!(!matches!(packet.odd, Some(Oddity::Runt | Oddity::TooManyTags)));
    prop_assert_eq!(packet.source.is_ipv4(), packet.destination.is_ipv4());
    let facts = SynFacts::of(packet);
    let Some(segment) = packet.segment else {
        prop_assert_eq!(facts, None);
        return Ok(());
    };
    prop_assert_eq!(packet.protocol, 6);
    prop_assert_eq!(packet.ports, Some((segment.source_port(), segment.destination_port())));
    prop_assert_eq!(segment.options().len() % 4, 0);
    prop_assert_eq!(facts.is_some(), segment.is_syn() || segment.is_syn_ack());
    if let Some(facts) = facts {
        prop_assert_eq!(facts.options.as_slice(), segment.options());
        let fixed = if facts.ip_version == 4 { 20 } else { 40 };
        prop_assert_eq!(facts.ip_header_len.min(295), (fixed + u16::from(facts.ip_options_len)).min(295));
    }
    if segment.is_syn() && packet.odd.is_none() {
        prop_assert!(options_well_formed(segment.options()));
    }
    Ok(())
}

fn ipv4_headers() -> impl Strategy<Value = IpHeaders> {
    let options = (0..=10_usize).prop_flat_map(|words| vec(any::<u8>(), words * 4));
    (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<(u8, u16, bool)>(), options).prop_map(
        |(source, destination, (ttl, id, dont_fragment), options)| {
            let mut header = Ipv4Header::new(0, ttl, TCP, source, destination).unwrap();
            header.identification = id;
            header.dont_fragment = dont_fragment;
            header.options = Ipv4Options::try_from(&options[..]).unwrap();
            IpHeaders::Ipv4(header, Default::default())
        },
    )
}

/// A raw extension header. It starts with a byte that is not 0, so that no routing header is of type 0.
fn raw_extension() -> impl Strategy<Value = Ipv6RawExtHeader> {
    (1..=255_u8, 0..6_usize)
        .prop_flat_map(|(first, units)| (Just(first), vec(any::<u8>(), units * 8 + 5)))
        .prop_map(|(first, rest)| Ipv6RawExtHeader::new_raw(TCP, &[&[first], &rest[..]].concat()).unwrap())
}

fn extensions() -> impl Strategy<Value = Ipv6Extensions> {
    let auth = (1..5_usize).prop_flat_map(|words| vec(any::<u8>(), words * 4));
    (
        option::of(raw_extension()),
        option::of(raw_extension()),
        option::of((raw_extension(), option::of(raw_extension()))),
        option::of(any::<u32>()),
        option::of(auth),
    )
        .prop_map(|(hop_by_hop_options, destination_options, routing, fragment, auth)| Ipv6Extensions {
            hop_by_hop_options,
            destination_options,
            routing: routing.map(|(routing, final_destination_options)| Ipv6RoutingExtensions {
                routing,
                final_destination_options,
            }),
            fragment: fragment.map(|id| Ipv6FragmentHeader::new(TCP, IpFragOffset::ZERO, false, id)),
            auth: auth.map(|icv| IpAuthHeader::new(TCP, 1, 2, &icv).unwrap()),
        })
}

fn ipv6_headers() -> impl Strategy<Value = IpHeaders> {
    (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u8>(), extensions()).prop_map(
        |(source, destination, hop_limit, extensions)| {
            let header = Ipv6Header { source, destination, hop_limit, ..Default::default() };
            IpHeaders::Ipv6(header, extensions)
        },
    )
}

/// A SYN or SYN-ACK.
fn tcp_header() -> impl Strategy<Value = TcpHeader> {
    (any::<(u16, u16, u32, u16)>(), any::<(bool, bool, bool)>(), vec(any::<u8>(), 0..=40)).prop_map(
        |((source, destination, sequence, window), (ack, ece, ns), options)| {
            let mut header = TcpHeader::new(source, destination, sequence, window);
            (header.syn, header.ack, header.ece, header.ns) = (true, ack, ece, ns);
            header.set_options_raw(&options).unwrap();
            header
        },
    )
}

fn well_formed_packet() -> impl Strategy<Value = Vec<u8>> {
    (prop_oneof![ipv4_headers(), ipv6_headers()], tcp_header(), vec(any::<u8>(), 0..50)).prop_map(
        |(ip, tcp, payload)| {
            let mut packet = Vec::new();
            PacketBuilder::ip(ip).tcp_header(tcp).write(&mut packet, &payload).unwrap();
            packet
        },
    )
}

/// The packet in a frame with these tags, each an EtherType and the number of a VLAN.
fn in_frame(tags: &[(u16, u16)], packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 4 { IPV4 } else { IPV6 };
    let ether_types: Vec<_> = tags.iter().map(|tag| tag.0).chain([ether_type]).collect();
    let mut payload = Vec::new();
    for ((_, control), next) in tags.iter().zip(&ether_types[1..]) {
        payload.extend(control.to_be_bytes());
        payload.extend(next.to_be_bytes());
    }
    payload.extend(packet);
    ethernet(ether_types[0], &payload)
}

fn tags() -> impl Strategy<Value = Vec<(u16, u16)>> {
    vec((prop::sample::select(vec![0x8100, 0x88a8, 0x9100]), any::<u16>()), 0..=4)
}

/// The addresses and the segment as etherparse sees them.
fn by_etherparse(packet: &[u8]) -> ((IpAddr, IpAddr), TcpSlice<'_>) {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let addresses = match sliced.net.unwrap() {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        other => panic!("{other:?}"),
    };
    match sliced.transport.unwrap() {
        TransportSlice::Tcp(tcp) => (addresses, tcp),
        other => panic!("{other:?}"),
    }
}

/// As [`locate`], the long way.
fn locate_any(frame: &[u8]) -> Located<'_> {
    crate::ethernet::locate(frame.into()).within(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_bytes(frame in vec(any::<u8>(), 0..200)) {
        check(&frame)?;
    }

    #[test]
    fn any_bytes_behind_a_known_ether_type(frame in framed()) {
        check(&frame)?;
    }

    #[test]
    fn mutated_frames(frame in mutated()) {
        check(&frame)?;
    }

    #[test]
    fn both_ways_find_the_same_in_frames_of_the_common_kind(frame in nearly_common()) {
        prop_assert_eq!(locate(&frame), locate_any(&frame));
    }

    #[test]
    fn padding_changes_nothing(frame in mutated(), padding in vec(any::<u8>(), 1..70)) {
        if let Located::Packet(packet) = locate(&frame) && packet.odd != Some(Oddity::TruncatedIp) {
            let padded = [&frame[..], &padding].concat();
            prop_assert_eq!(locate(&padded), Located::Packet(packet));
        }
    }

    #[test]
    fn well_formed_frames_as_etherparse_sees_them(tags in tags(), bytes in well_formed_packet()) {
        let frame = in_frame(&tags, &bytes);
        let Located::Packet(packet) = locate(&frame) else { panic!("no packet in {frame:02x?}") };
        let (addresses, tcp) = by_etherparse(&bytes);
        prop_assert_eq!((packet.source, packet.destination), addresses);
        let segment = packet.segment.expect("a segment");
        prop_assert_eq!(packet.ports, Some((tcp.source_port(), tcp.destination_port())));
        prop_assert_eq!(segment.window(), tcp.window_size());
        prop_assert_eq!(segment.sequence(), tcp.sequence_number());
        prop_assert_eq!(segment.options(), tcp.options());
        prop_assert_eq!(segment.payload_len(), tcp.payload().len());
        prop_assert_eq!(segment.is_syn_ack(), tcp.ack());
        // The options are random: nothing else can be odd.
        prop_assert!(matches!(
            packet.odd,
            None | Some(Oddity::IpOptions | Oddity::TcpOptions | Oddity::SourceRoute)
        ));
    }

    #[test]
    fn well_formed_frames_and_padding(tags in tags(), packet in well_formed_packet(), padding in vec(any::<u8>(), 1..50)) {
        let frame = in_frame(&tags, &packet);
        let padded = [&frame[..], &padding].concat();
        prop_assert_eq!(locate(&padded), locate(&frame));
    }

    #[test]
    fn option_lists_of_whole_options_are_well_formed(
        options in vec((prop::sample::select(vec![1_u8, 5, 19, 28, 30, 34, 254]), vec(any::<u8>(), 0..6)), 0..8),
        padding in vec(any::<u8>(), 0..4),
    ) {
        let mut list: Vec<u8> = options
            .iter()
            .flat_map(|(kind, value)| match kind {
                1 => vec![1],
                // Of one block to four.
                5 => [&[5, 10 + 8 * (value.len() as u8 % 4)], &[0; 8].repeat(value.len() % 4 + 1)[..]].concat(),
                _ => [&[*kind, value.len() as u8 + 2], &value[..]].concat(),
            })
            .collect();
        prop_assert!(options_well_formed(&list));
        list.extend([&[0], &padding[..]].concat());
        prop_assert!(options_well_formed(&list));
    }
}

#[test]
fn the_frame_of_the_other_tests_under_four_tags() {
    let frame = super::ipv4_frame(TCP, &syn_bytes());
    assert_plain_syn(&in_frame(&[(0x88a8, 0), (0x8100, 1), (0x8100, 0xffff), (0x9100, 2)], &frame[14..]));
}
