//! Traits: read, printed, matched.
#![cfg(test)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use synward_fingerprint::{Direction, Interval, Network, Ports, Signature, Traits, without_comment};
use synward_wire::{SynFacts, TcpFlags};

#[track_caller]
fn traits(text: &str) -> Traits {
    format!("%:::{text}").parse::<Signature>().unwrap_or_else(|fault| panic!("{text}: {fault}")).traits
}

fn v4() -> SynFacts {
    SynFacts {
        flags: TcpFlags::SYN,
        ip_version: 4,
        ttl: 64,
        dont_fragment: true,
        ip_id: Some(54321),
        destination: Ipv4Addr::new(192, 0, 2, 7).into(),
        destination_port: 443,
        ..SynFacts::default()
    }
}

fn v6() -> SynFacts {
    let destination = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into();
    SynFacts { ip_version: 6, dont_fragment: false, ip_id: None, destination, ..v4() }
}

#[test]
fn each_trait_asks_what_it_says() {
    for text in [
        "",
        ";dir=S",
        ";ttl=64",
        ";ttl=..64",
        ";ttl=64..",
        ";ttl=1..128",
        ";df=1",
        ";ipid=54321",
        ";ipid=0xD431",
        ";ipid=1..",
        ";flags=S",
        ";ecn=0",
        ";payload=0",
        ";dport=443",
        ";dport=22,443",
        ";dport=..1023",
        ";dst=192.0.2.7",
        ";dst=192.0.2.0/24",
        ";dst=0.0.0.0/0",
        ";ver=4",
        ";name=zmap",
        ";name=\"a;b=c\";df=1",
    ] {
        assert!(traits(text).matches(&v4()), "{text}");
    }
    for text in [
        ";dir=SA",
        ";ttl=63",
        ";ttl=..63",
        ";ttl=65..",
        ";df=0",
        ";ipid=0",
        ";ipid=..54320",
        ";flags=SE",
        ";ecn=1",
        ";payload=1",
        ";dport=22,80",
        ";dport=444..",
        ";dst=192.0.2.6",
        ";dst=192.0.3.0/24",
        ";dst=::/0",
        ";ver=6",
        ";name=\"x\";df=0",
    ] {
        assert!(!traits(text).matches(&v4()), "{text}");
    }
}

#[test]
fn ipv6_has_neither_df_nor_an_identification() {
    for text in [";df=0", ";df=1", ";ipid=0", ";ipid=0..", ";dst=192.0.2.7", ";dst=0.0.0.0/0"] {
        assert!(!traits(text).matches(&v6()), "{text}");
    }
    for text in [";ver=6;ttl=64", ";dst=2001:db8::/32", ";dst=2001:db8::7", ";dst=::/0"] {
        assert!(traits(text).matches(&v6()), "{text}");
    }
}

#[test]
fn ecn_is_in_ip_or_in_tcp() {
    let ecn = traits(";ecn=1");
    assert!(ecn.matches(&SynFacts { ecn: 2, ..v4() }));
    for flag in [TcpFlags::ECE, TcpFlags::CWR, TcpFlags::AE] {
        assert!(ecn.matches(&SynFacts { flags: TcpFlags::SYN | flag, ..v4() }));
    }
    assert!(!ecn.matches(&SynFacts { flags: TcpFlags::SYN | TcpFlags::PSH | TcpFlags::RESERVED, ..v4() }));
}

#[test]
fn flags_are_all_twelve_and_exact() {
    for (text, flags) in [("SEC", 0x0c2), ("SN", 0x102), ("CES", 0x0c2), ("SFPU", 0x02b), ("SXYZ", 0xe02)] {
        let asked = traits(&format!(";flags={text}"));
        for seen in 0..0x1000 {
            let syn = SynFacts { flags: TcpFlags::new(seen), ..v4() };
            assert_eq!(asked.matches(&syn), seen == flags, "{text} {seen:#05x}");
        }
    }
}

#[test]
fn a_syn_ack_is_matched_by_dir_sa_alone() {
    let syn_ack = SynFacts { flags: TcpFlags::SYN | TcpFlags::ACK, ..v4() };
    for text in ["", ";dir=S", ";ttl=64"] {
        assert!(!traits(text).matches(&syn_ack), "{text}");
    }
    for text in [";dir=SA", ";dir=SA;flags=SA;ttl=64"] {
        assert!(traits(text).matches(&syn_ack), "{text}");
        assert_eq!(traits(text).direction, Direction::SynAck);
    }
}

#[test]
fn traits_follow_either_notation() {
    let texts = [
        "65535:2-1-3-1-1-4:1460:8;ttl=..64;df=0",
        #[cfg(feature = "ja4t")]
        "65535_2-1-3-1-1-4_1460_8;ttl=..64;df=0",
    ];
    for text in texts {
        let signature: Signature = text.parse().unwrap();
        assert_eq!((signature.to_string().as_str(), signature.traits.constraints()), (text, 2));
    }
}

#[test]
fn one_form_is_printed() {
    for (text, canonical) in [
        (";dir=S", ""),
        (";name=zmap;df=0;ttl=0..64;dir=SA", ";dir=SA;ttl=..64;df=0;name=\"zmap\""),
        (";ttl=64..255", ";ttl=64.."),
        (";ttl=0..255", ";ttl=0.."),
        (";ttl=64..64;ipid=0xd431", ";ttl=64;ipid=54321"),
        (";ipid=0x0..0xff", ";ipid=..255"),
        (";flags=CES", ";flags=SEC"),
        (";dport=80,22,23,1000..2000,1500..65535", ";dport=22..23,80,1000.."),
        (";dst=2001:DB8:0::/32;ver=6", ";dst=2001:db8::/32;ver=6"),
        (";dst=192.0.2.7/32", ";dst=192.0.2.7"),
        (r#";name="a\"b\\;#""#, r#";name="a\"b\\;#""#),
    ] {
        assert_eq!(traits(text).to_string(), canonical, "{text}");
        assert_eq!(traits(canonical), traits(text), "{text}");
    }
}

#[test]
fn a_name_constrains_nothing() {
    assert_eq!(traits(";name=\"masscan ≤ 1.3.2\"").constraints(), 0);
    assert_eq!(
        traits(";dir=SA;ttl=1;df=0;ipid=0;flags=SA;ecn=0;payload=0;dport=1;dst=1.2.3.4;ver=4").constraints(),
        10
    );
    assert!(traits(";name=x").heap_bytes() > 0 && traits(";ttl=1").heap_bytes() == 0);
}

#[test]
fn a_comment_starts_outside_of_quotes() {
    for (line, entry) in [
        ("1024::: # masscan", "1024::: "),
        ("# \"", ""),
        (r#"1024:::;name="C#" # "x""#, r#"1024:::;name="C#" "#),
        (r##"1024:::;name="\"#" # x"##, r##"1024:::;name="\"#" "##),
        (r#"1024:::;name="\\" # x"#, r#"1024:::;name="\\" "#),
    ] {
        assert_eq!(without_comment(line), entry);
    }
}

#[test]
fn a_signature_stays_small() {
    assert!(size_of::<Signature>() <= 192, "{}", size_of::<Signature>());
}

fn intervals(most: u16) -> impl Strategy<Value = Interval> {
    let end = prop_oneof![Just(0), Just(most), 0..=most, 0..=5.min(most)];
    (end.clone(), end).prop_map(|(a, b)| Interval { first: a.min(b), last: a.max(b) })
}

fn networks(version: u8) -> impl Strategy<Value = Network> {
    (any::<u128>(), 0..=128u8).prop_map(move |(bits, length)| {
        let (first, length): (IpAddr, u8) = if version == 4 {
            let length = length.min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            (Ipv4Addr::from_bits(bits as u32 & mask).into(), length)
        } else {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            // Without the IPv4-mapped ones, which are refused.
            (Ipv6Addr::from_bits((bits | 1 << 127) & mask).into(), length)
        };
        Network::new(first, length).unwrap()
    })
}

/// Traits that a signature can be read with.
fn any_traits() -> impl Strategy<Value = Traits> {
    let ports = vec(intervals(u16::MAX), 1..4).prop_map(|intervals| Ports::new(intervals).unwrap());
    let flags = (0..0x1000u16, any::<bool>()).prop_map(|(bits, ack)| {
        // A SYN, or a SYN-ACK; never a RST.
        TcpFlags::new(bits & !0x16 | if ack { 0x12 } else { 0x02 })
    });
    let name =
        prop_oneof!["[a-z0-9._-]{1,8}", r#"[ ;#"\\a-z=é]{0,8}x"#].prop_map(|name| name.as_str().into());
    let tcp = (
        option::of(flags),
        any::<bool>(),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(ports),
    );
    let version = select(vec![None, Some(4), Some(6)]);
    let ip = version.prop_flat_map(|version| {
        let only_v4 = move |strategy: BoxedStrategy<Interval>| {
            if version == Some(6) { Just(None).boxed() } else { option::of(strategy).boxed() }
        };
        let network = option::of(networks(version.unwrap_or(4)));
        (
            option::of(intervals(255)),
            only_v4(intervals(1).boxed()),
            only_v4(intervals(u16::MAX).boxed()),
            network,
            Just(version),
        )
    });
    (tcp, ip, option::of(name)).prop_map(|(tcp, ip, name)| {
        let (flags, ack, ecn, payload, destination_ports) = tcp;
        let (ttl, df, ip_id, destination, ip_version) = ip;
        let ack = flags.map_or(ack, |flags| flags.contains(TcpFlags::ACK));
        let says_ecn = flags.is_some_and(|flags| flags.bits() & 0x1c0 != 0);
        Traits {
            direction: if ack { Direction::SynAck } else { Direction::Syn },
            ttl,
            dont_fragment: df.map(|df| df.first == 1),
            ip_id,
            flags,
            ecn: ecn.map(|ecn| ecn || says_ecn),
            payload,
            destination_ports,
            destination,
            ip_version,
            name,
        }
    })
}

/// A SYN that the traits match, as far as they say.
fn matching(traits: &Traits) -> SynFacts {
    let ack = if traits.direction == Direction::SynAck { 0x12 } else { 0x02 };
    let destination = traits.destination.map_or(Ipv4Addr::UNSPECIFIED.into(), |network| network.first());
    let ip_version = if destination.is_ipv6() { 6 } else { traits.ip_version.unwrap_or(4) };
    SynFacts {
        flags: traits.flags.unwrap_or(TcpFlags::new(ack)),
        ip_version,
        ttl: traits.ttl.map_or(64, |ttl| ttl.last as u8),
        dont_fragment: traits.dont_fragment.unwrap_or(false),
        ip_id: (ip_version == 4).then(|| traits.ip_id.map_or(1, |id| id.first)),
        ecn: u8::from(traits.ecn == Some(true)),
        payload: traits.payload.unwrap_or(false),
        destination,
        destination_port: traits.destination_ports.as_ref().map_or(1, |ports| ports.intervals()[0].first),
        ..SynFacts::default()
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same(asked in any_traits()) {
        let signature = Signature { traits: asked, .."1024:::".parse::<Signature>().unwrap() };
        prop_assert_eq!(signature.to_string().parse(), Ok(signature));
    }

    #[test]
    fn one_fact_changed_matches_no_more(asked in any_traits()) {
        let syn = matching(&asked);
        prop_assert!(asked.matches(&syn), "{} {:?}", asked, syn);
        let Traits { ttl, dont_fragment, ip_id, flags, ecn, payload, .. } = &asked;
        let other_flags = TcpFlags::new(syn.flags.bits() ^ TcpFlags::PSH.bits());
        let other_direction = TcpFlags::new(syn.flags.bits() ^ TcpFlags::ACK.bits());
        let no_ecn = TcpFlags::new(syn.flags.bits() & !0x1c0);
        let inside = |interval: &Option<Interval>, other: u16| interval.is_none_or(|asked| asked.contains(other));
        let (other_ttl, other_id) = (syn.ttl.wrapping_add(1), syn.ip_id.map(|id| id.wrapping_sub(1)));
        for (changed, expected) in [
            (SynFacts { ttl: other_ttl, ..syn }, inside(ttl, other_ttl.into())),
            (SynFacts { dont_fragment: !syn.dont_fragment, ..syn }, dont_fragment.is_none()),
            (SynFacts { ip_id: other_id, ..syn }, other_id.is_none_or(|id| inside(ip_id, id))),
            (SynFacts { flags: other_flags, ..syn }, flags.is_none()),
            (SynFacts { flags: other_direction, ..syn }, false),
            (SynFacts { payload: !syn.payload, ..syn }, payload.is_none()),
            (SynFacts { flags: no_ecn, ecn: 0, ..syn }, ecn != &Some(true) && flags.is_none_or(|f| f == no_ecn)),
        ] {
            prop_assert_eq!(asked.matches(&changed), expected, "{} {:?}", asked, changed);
        }
    }

    #[test]
    fn ports_are_those_of_any_range(ranges in vec(intervals(u16::MAX), 1..6), probes in vec(any::<u16>(), 20)) {
        let ports = Ports::new(ranges.clone()).unwrap();
        let ends = ranges.iter().flat_map(|range| [range.first, range.last]);
        let near: Vec<u16> = ends.flat_map(|end| [end.saturating_sub(1), end, end.saturating_add(1)]).collect();
        for port in probes.into_iter().chain(near) {
            prop_assert_eq!(ports.contains(port), ranges.iter().any(|range| range.contains(port)), "{} {}", ports, port);
        }
    }

    #[test]
    fn networks_hold_what_agrees_in_the_leading_bits(v4: u32, other: u32, length in 0..=32u8) {
        let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        let network = Network::new(Ipv4Addr::from_bits(v4 & mask).into(), length).unwrap();
        prop_assert!(network.contains(Ipv4Addr::from_bits(v4).into()));
        for bit in 0..32 {
            let flipped = Ipv4Addr::from_bits(v4 ^ 1 << (31 - bit));
            prop_assert_eq!(network.contains(flipped.into()), bit >= length);
        }
        let agrees = other & mask == v4 & mask;
        prop_assert_eq!(network.contains(Ipv4Addr::from_bits(other).into()), agrees);
    }

    #[test]
    fn traits_may_come_in_any_order(
        order in Just(vec![";ttl=64", ";df=1", ";name=\"a;b\"", ";dport=443", ";flags=S", ";ver=4"]).prop_shuffle(),
        chosen in subsequence((0..6).collect::<Vec<usize>>(), 0..=6),
    ) {
        let text: String = chosen.iter().map(|place| order[*place]).collect();
        let mut sorted: Vec<&str> = chosen.iter().map(|place| order[*place]).collect();
        sorted.sort_unstable();
        prop_assert_eq!(traits(&text), traits(&sorted.concat()));
        prop_assert!(traits(&text).matches(&v4()));
    }
}
