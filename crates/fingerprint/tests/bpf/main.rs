//! Compiled signatures, run by a machine of our own, against the signatures themselves.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../p0f/generator.rs"]
mod generator;
mod machine;
#[path = "../p0f/packet.rs"]
#[allow(dead_code, reason = "each test uses its share")]
mod packet;
mod rule;
#[path = "../common/vector.rs"]
mod vector;

use std::fs;

use generator::Generator;
use packet::Packet;
use proptest::prelude::*;
use rule::Rule;
use synward_fingerprint::bpf::{self, BpfError, Link};
use synward_fingerprint::p0f::{IpVersion, P0f, P0fDatabase, P0fSignature};
use synward_fingerprint::{Fingerprint, MuonFp, Signature, Traits};
use synward_wire::{Located, SynFacts, locate};
use vector::{Vector, vectors};

const LINUX: &str = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";

impl Vector {
    /// None where the header is not whole.
    fn options_well_formed(&self) -> Option<bool> {
        let tcp = self.tcp();
        let options = tcp.get(20..usize::from(tcp.get(12)? >> 4) * 4)?;
        Some(synward_wire::options_well_formed(options))
    }

    fn version(&self) -> IpVersion {
        if self.is_ipv6() { IpVersion::V6 } else { IpVersion::V4 }
    }

    fn signatures(&self) -> impl Iterator<Item = &String> {
        let said = [
            &self.muonfp,
            #[cfg(feature = "ja4t")]
            &self.ja4t,
            &self.p0f,
        ];
        // Where a program names no fingerprint but a reason, that stands in its place; `+?` is not read.
        said.into_iter().filter(|said| said.starts_with(|c: char| c.is_ascii_digit()) && !said.contains('?'))
    }
}

fn rule(text: &str, version: IpVersion) -> Rule {
    Rule::new(text, version).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn fault(text: &str, version: Option<IpVersion>) -> BpfError {
    let signature: Signature = text.parse().unwrap();
    bpf::compile(&signature, Link::RawIp, version).expect_err(text)
}

fn p0f_fault(text: &str, version: Option<IpVersion>) -> BpfError {
    let signature: P0fSignature = text.parse().unwrap();
    bpf::compile_p0f(&signature, &Traits::default(), Link::RawIp, version).expect_err(text)
}

/// The SYN of Linux 5.
fn linux() -> Packet {
    let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    Packet { df: true, window: 64240, options: options.to_vec(), ..Packet::default() }
}

fn linux6() -> Packet {
    let options = [2, 4, 5, 160, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    Packet { v6: true, flow: 7, window: 64800, options: options.to_vec(), ..Packet::default() }
}

fn windows() -> Packet {
    let options = [2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2];
    Packet { df: true, ttl: 128, window: 64240, options: options.to_vec(), ..Packet::default() }
}

fn macos() -> Packet {
    let options = [2, 4, 5, 180, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2, 0, 0];
    Packet { df: true, id: 0, window: 65535, options: options.to_vec(), ..Packet::default() }
}

/// With an option of unknown length in the middle: TCP Fast Open.
fn fast_open() -> Packet {
    let Packet { mut options, .. } = linux();
    options.extend([34, 6, 1, 2, 3, 4, 1, 1]);
    Packet { options, ..linux() }
}

#[test]
fn each_signature_of_each_vector_takes_its_own_syn_and_no_other() {
    let vectors = vectors();
    let mut compiled = 0;
    for vector in &vectors {
        for text in vector.signatures() {
            let Ok(rule) = Rule::new(text, vector.version()) else {
                let is_odd = vector.options_well_formed() != Some(true) || text.contains("bad");
                assert!(is_odd, "{text}: {}", fault(text, Some(vector.version())));
                continue;
            };
            compiled += 1;
            assert!(vectors.iter().any(|other| rule.judge(&other.frame())), "{text}");
        }
    }
    let of_ja4t = if cfg!(feature = "ja4t") { 122 } else { 0 };
    assert_eq!(compiled, 216 + of_ja4t, "all but those of malformed options");
}

#[test]
fn each_bit_of_a_syn_counts_as_it_does_for_the_signature() {
    let subjects = [
        (linux(), LINUX),
        (linux(), "64240:2-4-8-1-3:1460:7"),
        (linux(), "%:2-4-8-1-3:%:%;ttl=40..64;df=1;ipid=1..;ecn=0;payload=0;dport=80,443,1000..2000"),
        (linux(), "64240:2-4-8-1-3:1460:7;flags=S;dst=10.2.0.0/22;ipid=1"),
        (linux6(), "6:64:0:1440:mss*45,7:mss,sok,ts,nop,ws:flow:0"),
        (linux6(), "64800:2-4-8-1-3:1440:7;ver=6;dst=fd00::/60;ecn=0;payload=0;ttl=64"),
        (windows(), "4:128:0:*:mss*44,*:mss,nop,ws,nop,nop,sok:df,id+:*"),
        (windows(), "65535:2-1-3-1-1-4:1460:8;df=0"),
        (macos(), "4:64:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df:0"),
        (macos(), "65535:2-1-3-1-1-8-4-0:1460:6"),
        (fast_open(), "64240:2-4-8-1-3-34-1-1:1460:7"),
        (fast_open(), "4:64:0:*:mss*44,7:mss,sok,ts,nop,ws,?34,nop,nop:df,id+:0"),
        #[cfg(feature = "ja4t")]
        (macos(), "65535_2-1-3-1-1-8-4-0-0_1460_6"),
        #[cfg(feature = "ja4t")]
        (fast_open(), "64240_2-4-8-1-3-34-1-1_1460_7"),
    ];
    for (packet, text) in subjects {
        let version = if packet.v6 { IpVersion::V6 } else { IpVersion::V4 };
        let rule = rule(text, version);
        for packet in
            [packet.clone(), Packet { payload: 9, ..packet.clone() }, Packet { ip_options: 8, ..packet }]
        {
            each_byte_changed(&packet.frame_from_client(1000), |frame| {
                rule.judge(frame);
            });
        }
    }
}

/// Each notation has its own idea of where the padding ends.
#[test]
fn padding_behind_eol() {
    let paddings: [&[u8]; 8] = [
        &[0, 0],
        &[0, 7],
        &[0, 0, 0, 0, 0, 0],
        &[0, 0, 7, 0, 0, 0],
        &[0, 0, 0, 0, 0, 7],
        &[0, 7, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 0],
    ];
    let frames = paddings.map(|padding| {
        let Packet { mut options, .. } = macos();
        options.truncate(22);
        options.extend(padding);
        Packet { options, ..macos() }.frame_from_client(1)
    });
    for frame in &frames {
        for text in texts_of(frame) {
            let rule = rule(&text, IpVersion::V4);
            assert!(rule.judge(frame), "{text}");
            let of_p0f = text.matches(':').count() == 7;
            let taken = frames.iter().filter(|other| rule.judge(other)).count();
            assert!(if of_p0f { taken <= 2 } else { taken < frames.len() }, "{text}: {taken}");
        }
    }
}

/// The frame, and all that differ from it in one byte of the packet.
fn each_byte_changed(frame: &[u8], mut judge: impl FnMut(&[u8])) {
    judge(frame);
    let mut changed = frame.to_vec();
    for at in 14..frame.len() {
        for by in 1..=255 {
            changed[at] = frame[at] ^ by;
            judge(&changed);
        }
        changed[at] = frame[at];
    }
}

/// What a generated SYN shows, in every notation.
fn texts_of(frame: &[u8]) -> Vec<String> {
    let Located::Packet(packet) = locate(frame) else { return Vec::new() };
    let Some(syn) = SynFacts::of(&packet) else { return Vec::new() };
    let seen = Fingerprint::of(&syn);
    let p0f = P0f::of(&syn).map(|seen| P0fSignature::from(seen).to_string());
    let mut texts = vec![
        seen.muonfp.to_string(),
        #[cfg(feature = "ja4t")]
        seen.ja4t.to_string(),
    ];
    texts.extend(p0f);
    texts
}

proptest! {
    #[test]
    fn what_a_syn_shows_compiles_to_what_takes_it_and_few_others(seed: u64) {
        let mut generator = Generator::new(seed);
        let packet = generator.any_syn();
        let version = if packet.v6 { IpVersion::V6 } else { IpVersion::V4 };
        let frame = packet.frame_from_client(1);
        for text in texts_of(&frame) {
            // Of a malformed SYN the text may be no signature.
            if text.parse::<Signature>().is_err() && text.parse::<P0fSignature>().is_err() {
                continue;
            }
            let Ok(rule) = Rule::new(&text, version) else { continue };
            rule.judge(&frame);
            for _ in 0..20 {
                rule.judge(&generator.any_syn().frame_from_client(2));
            }
            if let Ok(p0f) = text.parse::<P0fSignature>() {
                for _ in 0..60 {
                    rule.judge(&generator.packet_of(&p0f).frame_from_client(3));
                }
            }
        }
    }

    #[test]
    fn well_formed_options_changed_in_one_byte(options in common::well_formed(), window: u16) {
        let packet = Packet { window, options, ..Packet::default() };
        let frame = packet.frame_from_client(1);
        let kinds = MuonFp::of(window, &packet.options).kinds;
        let is_unknown = |kind: &&u8| ![0, 1, 2, 3, 4, 8].contains(*kind);
        let of_unknown_length = kinds.as_slice().iter().filter(is_unknown).count();
        for text in texts_of(&frame) {
            let rule = match Rule::new(&text, IpVersion::V4) {
                Ok(rule) => rule,
                Err(BpfError::Unsupported(_)) if text.matches(':').count() == 7 => continue,
                Err(BpfError::TooLong { .. }) if of_unknown_length > 2 => continue,
                Err(fault) => panic!("{text}: {fault}"),
            };
            prop_assert!(rule.judge(&frame), "{}", text);
            let mut changed = frame.clone();
            for at in 34..frame.len() {
                for by in [1, 2, 4, 6, 8, 16, 255] {
                    changed[at] = frame[at] ^ by;
                    rule.judge(&changed);
                }
                changed[at] = frame[at];
            }
        }
    }
}

#[test]
fn every_signature_of_p0fs_database_has_a_program() {
    let text = fs::read_to_string("/etc/p0f/p0f.fp").expect("p0f's database: apt-get install p0f");
    let (database, _) = P0fDatabase::parse(&text);
    assert_eq!(database.requests().len(), 91);
    let mut generator = Generator::new(7);
    for entry in database.requests() {
        let signature = entry.signature;
        for version in [IpVersion::V4, IpVersion::V6].into_iter().filter(|v| signature.version.matches(v)) {
            let rule = rule(&signature.to_string(), version);
            assert!(rule.on_ip.instructions().len() <= 50, "{signature}");
            let packets = (0..300).map(|_| generator.packet_of(&signature));
            let taken = packets.filter(|packet| rule.judge(&packet.frame_from_client(1))).count();
            assert!(taken > 0, "{signature}");
        }
    }
}

#[test]
fn ordinary_signatures_take_far_less_than_they_may() {
    let most = [
        (LINUX, 35),
        ("4:64:0:*:mss*44,*:mss,sok,ts,nop,ws:df,id+:0", 50),
        ("4:128:0:1460:mss*44,8:mss,nop,ws,nop,nop,sok:df,id+:0", 31),
        ("4:64:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df:0", 34),
        ("6:64:0:1440:mss*45,7:mss,sok,ts,nop,ws:flow:0", 36),
        ("6:64:0:*:mss*45,*:mss,sok,ts,nop,ws:flow:0", 52),
        ("4:64:0:0:1024,0:::0", 22),
        ("4:64:0:*:mss*44,7:mss,sok,ts,nop,ws,?34,nop,nop:df,id+:0", 63),
        ("64240:2-4-8-1-3:1460:7", 24),
        ("64240:2-1-3-1-1-4:1460:8", 24),
        ("65535:2-1-3-1-1-8-4-0:1460:6", 36),
        ("64240:2-4-8-1-3-34-1-1:1460:7", 39),
        ("1024:::", 16),
        ("65535:2-1-3-1-1-4:1460:8;df=0;ttl=..64", 26),
        #[cfg(feature = "ja4t")]
        ("64240_2-4-8-1-3_1460_7", 22),
        #[cfg(feature = "ja4t")]
        ("65535_2-1-3-1-1-8-4-0-0_1460_6", 38),
    ];
    for (text, most) in most {
        let instructions = rule(text, IpVersion::V4).on_ip.instructions().len();
        assert!(instructions <= most, "{text}: {instructions}");
    }
}

#[test]
fn what_has_no_program_says_why() {
    let (v4, v6) = (IpVersion::V4, IpVersion::V6);
    let too_long = p0f_fault("4:64:0:*:mtu*10,*:mss,sok,ts,nop,ws:df,id+:0", None);
    assert!(matches!(too_long, BpfError::TooLong { instructions: 65.. }));
    assert!(too_long.to_string().ends_with("a program for iptables has at most 64"), "{too_long}");

    let needed = fault("1024:::", None);
    assert_eq!(needed, BpfError::VersionNeeded);
    assert!(needed.to_string().contains("iptables sees IPv4 only and ip6tables IPv6"));
    assert_eq!(p0f_fault("*:64:0:0:1024,0:::0", None), BpfError::VersionNeeded);
    let other = BpfError::OtherVersion { of: v4, asked: v6 };
    assert_eq!(fault("1024:::;df=1", Some(v6)), other);
    assert_eq!(p0f_fault("4:64:0:0:1024,0:::0", Some(v6)), other);
    let traits = "1024:::;ver=6".parse::<Signature>().unwrap().traits;
    let both = bpf::compile_p0f(&"4:64:0:0:1024,0:::0".parse().unwrap(), &traits, Link::RawIp, None);
    assert!(matches!(both, Err(BpfError::OtherVersion { .. })));

    for gaps in ["%:%:%:%", "64240:2-%:1460:%", "64240:%-8::"] {
        assert_eq!(fault(gaps, Some(v4)), BpfError::Gaps, "{gaps}");
    }
    assert!(matches!(fault("1024:::;dir=SA", Some(v4)), BpfError::Unsupported(_)));
    assert!(matches!(fault("64240:2-4:1460:", Some(v4)), BpfError::NeverMatches(_)));
}

#[test]
fn p0f_signatures_that_no_syn_has_or_that_are_beyond_a_program() {
    for unsupported in
        ["4:64:0:1460:1024,0:mss:bad:0", "4:64:0:0:1024,0:ts,ts:ts1-:0", "4:64:0:*:mtu*2,0:mss,?34:df:0"]
    {
        let fault = p0f_fault(unsupported, None);
        assert!(matches!(fault, BpfError::Unsupported(_)), "{unsupported}: {fault}");
    }
    for impossible in [
        "4:64:0:1460:1024,0::df:0",
        "4:64:0:0:1024,0:nop,nop,nop:df:0",
        "4:64:3:0:1024,0:::0",
        "6:64:4:0:1024,0:::0",
        "4:64:0:0:1024,0::ts1-:0",
        "4:64:0:0:1024,0::id+:0",
        "4:64:0:0:1024,0::ack-:0",
        "4:64:0:0:1024,0:nop,nop,eol+1:opt+:0",
        "4:64:0:0:1024,3:nop,ws:exws:0",
        "4:64:0:99:mss*2,0:mss::0",
    ] {
        let fault = p0f_fault(impossible, None);
        assert!(matches!(fault, BpfError::NeverMatches(_)), "{impossible}: {fault}");
    }
}

#[test]
fn programs_are_written_as_iptables_and_tcpdump_read_them() {
    let program = rule("1024:::", IpVersion::V6).on_ip;
    let bytecode = program.to_bytecode();
    let written: Vec<Vec<u32>> = bytecode
        .split(',')
        .map(|part| part.split(' ').map(|number| number.parse().unwrap()).collect())
        .collect();
    let expected = program.instructions().iter();
    let expected = expected.map(|i| vec![i.code.into(), i.jt.into(), i.jf.into(), i.k]);
    let count = vec![program.instructions().len() as u32];
    assert_eq!(written, [count].into_iter().chain(expected).collect::<Vec<_>>());
    assert!(bytecode.ends_with(",6 0 0 262144,6 0 0 0"));
    assert_eq!(program.to_ddd(), bytecode.replace(',', "\n"));
}

/// What the p0f compiler of bpftools gets wrong, most of it for this very signature.
#[test]
fn the_faults_of_bpftools_are_not_repeated() {
    let theirs = rule("4:64:0:*:mss*10,6:mss,sok,ts,nop,ws:df,id+:0", IpVersion::V4);
    let bytecode = theirs.on_ip.to_bytecode();
    assert!(!bytecode.contains("48 0 0 0,84 0 0 240,21 0 54 64,48 0 0 8,37 52 0 64,37 0 51 29"));
    assert!(theirs.on_ip.instructions().len() <= 48, "bpftools takes 58");

    let Packet { mut options, .. } = linux();
    options[19] = 6;
    let syn = Packet { window: 14600, options, ..linux() };
    let takes = |packet: &Packet| theirs.judge(&packet.frame_from_client(1));
    assert!(takes(&syn));
    assert!(takes(&Packet { window: 14480, ..syn.clone() }), "ten times the MSS less timestamps");
    for flags in [0x10, 0x12, 0x18, 0x04, 0x11, 0x06] {
        assert!(!takes(&Packet { flags, ..syn.clone() }), "no SYN: {flags:#x}");
    }
    assert!(!takes(&Packet { id: 0, ..syn.clone() }), "`df,id+` is not `df`");
    assert!(!takes(&Packet { sequence: 0, ..syn.clone() }), "`seq-` is not asked for");
    assert!(!takes(&Packet { flags: 0xc2, ..syn.clone() }), "`ecn` is not asked for");
    assert!(!takes(&Packet { traffic_class: 2, ..syn.clone() }), "nor in the IP header");
    assert!(!takes(&Packet { payload: 1, ..syn }), "there is no payload");
}

#[test]
fn what_bpftools_refuses_or_reads_otherwise() {
    let linux_syn = linux().frame_from_client(1);
    assert!(rule(LINUX, IpVersion::V4).judge(&linux_syn), "`64+0`");
    let scale_0 = rule("4:64:0:1460:mss*44,0:mss,sok,ts,nop,ws:df,id+:0", IpVersion::V4);
    assert!(!scale_0.judge(&linux_syn), "0 is not any");
    let four_bytes = rule("4:64:4:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0", IpVersion::V4);
    assert!(four_bytes.judge(&Packet { ip_options: 4, ..linux() }.frame_from_client(1)));
    assert!(!four_bytes.judge(&Packet { ip_options: 16, ..linux() }.frame_from_client(1)), "not four words");
    let either = rule("*:64:0:*:*,*:mss,sok,ts,nop,ws,?34,nop,nop:df,id+:0", IpVersion::V4);
    assert!(either.judge(&fast_open().frame_from_client(1)), "`*` and `?n`");

    let no_options = rule("6:64:0:0:1024,0:::0", IpVersion::V6);
    let mut frame = Packet { v6: true, window: 1024, ..Packet::default() }.frame_from_client(1);
    assert!(no_options.judge(&frame));
    frame[14 + 6] = 17;
    assert!(!no_options.judge(&frame), "the next header counts");
}

/// Where a program is narrower than its signature, its documentation says so.
#[test]
fn tags_and_extension_headers_are_passed_by() {
    let extended = Packet { extension: true, ..linux6() }.frame_from_client(1);
    let rule6 = rule("64800:2-4-8-1-3:1440:7", IpVersion::V6);
    assert!(rule6.judge(&extended) && !machine::accepts(&rule6.on_ip, &extended[14..]));

    let rule4 = rule(LINUX, IpVersion::V4);
    let plain = linux().frame_from_client(1);
    let tagged = [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat();
    assert!(machine::accepts(&rule4.on_ethernet, &plain));
    assert!(!machine::accepts(&rule4.on_ethernet, &tagged));
}
