use etherparse::Ipv4Options;
use etherparse::ip_number::{GRE, IPV6_DEST_OPTIONS, IPV6_FRAG, IPV6_ICMP, SCTP, TCP, UDP};

use super::{
    IPV4, assert_plain_syn, ethernet, extension, ipv4_fragment, ipv4_header, ipv4_packet, ipv6_fragment,
    ipv6_frame, odd, packet, syn_bytes,
};
use crate::Oddity;

fn ipv6(next: etherparse::IpNumber, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    ipv6_frame(IPV6_FRAG, &ipv6_fragment(next, offset, more, payload))
}

#[test]
fn a_first_fragment_with_the_whole_header_is_a_normal_syn() {
    assert_plain_syn(&ipv4_fragment(TCP, 0, true, &syn_bytes()));
    assert_plain_syn(&ipv6(TCP, 0, true, &syn_bytes()));
}

#[test]
fn an_atomic_fragment_is_a_normal_packet() {
    assert_plain_syn(&ipv6(TCP, 0, false, &syn_bytes()));
    assert_eq!(odd(&ipv6(TCP, 0, false, &syn_bytes()[..24])), Some(Oddity::TcpHeader));
}

/// The second byte of a fragment header is reserved, and no length as in the other extension headers.
#[test]
fn the_reserved_byte_of_a_fragment_header_is_no_length() {
    for reserved in [1, 4, 255] {
        let mut frame = ipv6(TCP, 0, true, &syn_bytes());
        frame[14 + 40 + 1] = reserved;
        assert_plain_syn(&frame);
    }
}

#[test]
fn a_first_fragment_with_a_cut_tcp_header() {
    for len in 0..40 {
        let part = &syn_bytes()[..len];
        let (four, six) = (ipv4_fragment(TCP, 0, true, part), ipv6(TCP, 0, true, part));
        assert_eq!(odd(&four), Some(Oddity::TinyFragment), "{len}");
        assert_eq!(odd(&six), Some(Oddity::Ipv6IncompleteChain), "{len}");
        assert_eq!((packet(&four).segment, packet(&six).segment), (None, None));
        assert_eq!(packet(&four).ports, (len >= 4).then_some((40000, 80)));
    }
}

#[test]
fn a_first_fragment_with_a_data_offset_below_5() {
    let mut bytes = syn_bytes();
    bytes[12] = 0x40;
    assert_eq!(odd(&ipv4_fragment(TCP, 0, true, &bytes)), Some(Oddity::TcpHeader));
    assert_eq!(odd(&ipv6(TCP, 0, true, &bytes)), Some(Oddity::TcpHeader));
}

#[test]
fn later_fragments_of_tcp() {
    for (offset, oddity) in [
        (1, Oddity::FragmentOffsetOne),
        (2, Oddity::Fragment),
        (185, Oddity::Fragment),
        (8191, Oddity::Fragment),
    ] {
        for more in [false, true] {
            for frame in
                [ipv4_fragment(TCP, offset, more, &syn_bytes()), ipv6(TCP, offset, more, &syn_bytes())]
            {
                let packet = packet(&frame);
                assert_eq!((packet.odd, packet.protocol), (Some(oddity), 6), "offset {offset}");
                assert_eq!((packet.ports, packet.segment), (None, None));
            }
        }
    }
}

#[test]
fn fragments_of_udp_are_not_odd() {
    for offset in [0, 1, 2, 185] {
        for (version, frame) in
            [(4, ipv4_fragment(UDP, offset, true, &[1; 64])), (6, ipv6(UDP, offset, true, &[1; 64]))]
        {
            let packet = packet(&frame);
            // Of IPv6 only the first fragment tells what it carries: it may say TCP.
            let odd = (version == 6 && offset == 1).then_some(Oddity::FragmentOffsetOne);
            assert_eq!((packet.odd, packet.protocol), (odd, 17));
            assert_eq!(packet.ports, (offset == 0).then_some((257, 257)));
        }
    }
}

#[test]
fn a_first_fragment_whose_extension_headers_are_cut() {
    let chain = extension(TCP, &[1, 4, 0, 0, 0, 0], &syn_bytes());
    assert_plain_syn(&ipv6(IPV6_DEST_OPTIONS, 0, true, &chain));
    for len in 0..chain.len() {
        let frame = ipv6(IPV6_DEST_OPTIONS, 0, true, &chain[..len]);
        assert_eq!(odd(&frame), Some(Oddity::Ipv6IncompleteChain), "{len}");
    }
}

/// The chain of RFC 7112 ends with the header of what is carried.
#[test]
fn a_first_fragment_of_ipv6_with_a_cut_header_of_another_protocol() {
    for (protocol, least) in [(UDP, 8), (IPV6_ICMP, 4), (SCTP, 12), (GRE, 0)] {
        for len in 0..20 {
            let oddity = odd(&ipv6(protocol, 0, true, &syn_bytes()[..len]));
            let cut = (len < least).then_some(Oddity::Ipv6IncompleteChain);
            assert_eq!(oddity.filter(|oddity| *oddity != Oddity::Tunnel), cut, "{protocol:?} {len}");
            assert_eq!(odd(&ipv6(UDP, 0, false, &syn_bytes()[..len])), None);
        }
    }
}

/// What a later fragment of an extension header holds cannot be told: it may well be TCP.
#[test]
fn a_later_fragment_of_extension_headers() {
    for (offset, oddity) in [(1, Oddity::FragmentOffsetOne), (2, Oddity::ExtensionHeaders)] {
        let frame = ipv6(IPV6_DEST_OPTIONS, offset, false, &syn_bytes());
        assert_eq!(odd(&frame), Some(oddity));
        assert_eq!(packet(&frame).segment, None);
    }
}

#[test]
fn a_fragment_in_a_fragment_stays_a_fragment() {
    let inner = ipv6_fragment(TCP, 0, false, &syn_bytes()[..20]);
    assert_eq!(odd(&ipv6(IPV6_FRAG, 0, true, &inner)), Some(Oddity::Ipv6IncompleteChain));
    let inner = ipv6_fragment(TCP, 1, false, &syn_bytes());
    assert_eq!(odd(&ipv6(IPV6_FRAG, 0, false, &inner)), Some(Oddity::FragmentOffsetOne));
}

/// A milder oddity met earlier saves no fragment that deserves a drop.
#[test]
fn a_source_route_does_not_hide_a_bad_fragment() {
    for (offset, payload, oddity) in [
        (0, &syn_bytes()[..16], Oddity::TinyFragment),
        (1, &syn_bytes()[..], Oddity::FragmentOffsetOne),
        (2, &syn_bytes()[..], Oddity::Fragment),
    ] {
        let mut header = ipv4_header(TCP);
        header.options = Ipv4Options::from([131, 3, 4, 0]);
        header.dont_fragment = false;
        header.more_fragments = true;
        header.fragment_offset = offset.try_into().unwrap();
        assert_eq!(odd(&ethernet(IPV4, &ipv4_packet(header, payload))), Some(oddity));
    }
}
