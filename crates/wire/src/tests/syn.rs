use etherparse::ip_number::{IPV6_DEST_OPTIONS, TCP};
use etherparse::{IpEcn, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, TcpHeader};

use super::{
    DESTINATION, DESTINATION6, IPV4, IPV6, LINUX, SOURCE6, ethernet, extension, ipv4_frame, ipv4_header,
    ipv4_packet, ipv6_frame, packet, syn, syn_bytes, with_flags,
};
use crate::{OptionBytes, SynFacts, TcpFlags};

fn facts(frame: &[u8]) -> SynFacts {
    SynFacts::of(&packet(frame)).expect("a SYN")
}

fn facts4(bend: impl FnOnce(&mut Ipv4Header)) -> SynFacts {
    let mut header = ipv4_header(TCP);
    bend(&mut header);
    facts(&ethernet(IPV4, &ipv4_packet(header, &syn_bytes())))
}

fn facts6(bend: impl FnOnce(&mut Ipv6Header)) -> SynFacts {
    let mut header = Ipv6Header {
        payload_length: 40,
        next_header: TCP,
        hop_limit: 64,
        source: SOURCE6,
        destination: DESTINATION6,
        ..Default::default()
    };
    bend(&mut header);
    facts(&ethernet(IPV6, &[&header.to_bytes()[..], &syn_bytes()].concat()))
}

fn facts_of_tcp(bend: impl FnOnce(&mut TcpHeader)) -> SynFacts {
    let mut header = syn();
    bend(&mut header);
    facts(&ipv4_frame(TCP, &header.to_bytes()))
}

/// What the SYN of the other tests tells, over IPv4.
fn linux4() -> SynFacts {
    SynFacts {
        window: 64240,
        options: OptionBytes::new(&LINUX).unwrap(),
        flags: TcpFlags::SYN,
        ip_version: 4,
        ttl: 64,
        dont_fragment: true,
        ip_id: Some(0),
        ip_header_len: 20,
        destination: DESTINATION.into(),
        source_port: 40000,
        destination_port: 80,
        ..Default::default()
    }
}

fn linux6() -> SynFacts {
    SynFacts {
        ip_version: 6,
        dont_fragment: false,
        ip_id: None,
        ip_header_len: 40,
        destination: DESTINATION6.into(),
        ..linux4()
    }
}

#[test]
fn each_field_of_the_ipv4_header() {
    assert_eq!(facts4(|_| ()), linux4());
    assert_eq!(facts4(|ip| ip.time_to_live = 255), SynFacts { ttl: 255, ..linux4() });
    assert_eq!(facts4(|ip| ip.dont_fragment = false), SynFacts { dont_fragment: false, ..linux4() });
    for id in [1, 0x100, u16::MAX] {
        assert_eq!(facts4(|ip| ip.identification = id), SynFacts { ip_id: Some(id), ..linux4() });
    }
    assert_eq!(facts4(|ip| ip.ecn = IpEcn::TWO), SynFacts { ecn: 2, ..linux4() });
    assert_eq!(facts4(|ip| ip.dscp = 63.try_into().unwrap()), linux4());
    let options = Ipv4Options::from([1; 40]);
    assert_eq!(
        facts4(|ip| ip.options = options),
        SynFacts { ip_options_len: 40, ip_header_len: 60, ..linux4() }
    );
}

#[test]
fn the_reserved_bit_of_ipv4() {
    let mut frame = ipv4_frame(TCP, &syn_bytes());
    frame[20] |= 0x80;
    assert_eq!(facts(&frame), SynFacts { ip_reserved_bit: true, ..linux4() });
}

#[test]
fn each_field_of_the_ipv6_header() {
    assert_eq!(facts6(|_| ()), linux6());
    assert_eq!(facts6(|ip| ip.hop_limit = 1), SynFacts { ttl: 1, ..linux6() });
    for label in [1, 0x100, 0xf_0000] {
        let label = Ipv6FlowLabel::try_new(label).unwrap();
        assert_eq!(facts6(|ip| ip.flow_label = label), SynFacts { flow_label: true, ..linux6() });
    }
    assert_eq!(facts6(|ip| ip.traffic_class = 0b11), SynFacts { ecn: 3, ..linux6() });
    assert_eq!(facts6(|ip| ip.traffic_class = 0b1111_1100), linux6());
}

#[test]
fn extension_headers_count_as_ip_options() {
    let frame = ipv6_frame(IPV6_DEST_OPTIONS, &extension(TCP, &[1; 14], &syn_bytes()));
    assert_eq!(facts(&frame), SynFacts { ip_options_len: 16, ip_header_len: 56, ..linux6() });
    let frame = ipv6_frame(IPV6_DEST_OPTIONS, &extension(TCP, &[1; 510], &syn_bytes()));
    assert_eq!(facts(&frame), SynFacts { ip_options_len: 255, ip_header_len: 552, ..linux6() });
}

#[test]
fn each_field_of_the_tcp_header() {
    assert_eq!(facts_of_tcp(|tcp| tcp.window_size = 1024), SynFacts { window: 1024, ..linux4() });
    assert_eq!(facts_of_tcp(|tcp| tcp.sequence_number = 0), SynFacts { sequence_zero: true, ..linux4() });
    assert_eq!(facts_of_tcp(|tcp| tcp.acknowledgment_number = 9), SynFacts { acknowledgment: 9, ..linux4() });
    assert_eq!(facts_of_tcp(|tcp| tcp.urgent_pointer = 9), SynFacts { urgent_pointer: 9, ..linux4() });
    assert_eq!(
        facts_of_tcp(|tcp| (tcp.source_port, tcp.destination_port) = (1, 2)),
        SynFacts { source_port: 1, destination_port: 2, ..linux4() }
    );
    let frame = ipv4_frame(TCP, &[&syn_bytes()[..], b"x"].concat());
    assert_eq!(facts(&frame), SynFacts { payload: true, ..linux4() });
}

#[test]
fn padding_is_no_payload() {
    let mut frame = ipv4_frame(TCP, &syn_bytes());
    frame.extend([0xaa; 6]);
    assert_eq!(facts(&frame), linux4());
}

#[test]
fn only_syns_and_syn_acks_have_facts() {
    for flags in 0..0x1000 {
        let frame = ipv4_frame(TCP, &with_flags(flags));
        let expected = (flags & 0x06 == 0x02).then_some(flags);
        assert_eq!(SynFacts::of(&packet(&frame)).map(|facts| facts.flags.bits()), expected, "{flags:#05x}");
    }
    assert_eq!(SynFacts::of(&packet(&ipv4_frame(TCP, &syn_bytes()[..20]))), None);
}

#[test]
fn option_bytes_hold_a_whole_list_and_no_more() {
    for len in 0..=40 {
        let list = vec![7; len];
        assert_eq!(OptionBytes::new(&list).unwrap().as_slice(), list);
    }
    assert_eq!(OptionBytes::new(&[0; 41]), None);
    assert_eq!(OptionBytes::new(&[0; 256]), None);
    assert_eq!(OptionBytes::default(), OptionBytes::new(&[]).unwrap());
}
