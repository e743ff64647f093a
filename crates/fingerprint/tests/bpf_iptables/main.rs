//! Compiled signatures in the kernel: `iptables -m bpf` drops the SYNs of a signature, and no others.
//!
//! It needs root, and Debian's packages `iptables` and `p0f`. All traffic is between two network namespaces of its
//! own.
#![cfg(test)]

#[path = "../p0f/generator.rs"]
mod generator;
#[path = "../bpf/machine.rs"]
mod machine;
#[path = "../namespace/mod.rs"]
mod namespace;
#[path = "../p0f/packet.rs"]
#[allow(dead_code, reason = "each test uses its share")]
mod packet;
#[path = "../bpf/rule.rs"]
mod rule;
mod wire;

use std::fs;

use generator::Generator;
use packet::Packet;
use rule::Rule;
use synward_fingerprint::p0f::{IpVersion, P0fDatabase, P0fSignature};
use wire::{Counted, Wire};

/// A signature, and one in p0f's notation to make packets for it.
const SIGNATURES: [(&str, &str); 12] = [
    (LINUX, LINUX),
    ("64240:2-4-8-1-3:1460:7", LINUX),
    ("%:2-4-8-1-3:%:%;ttl=40..64;df=1;dport=80", LINUX),
    ("*:64:0:*:mss*44,*:mss,sok,ts,nop,ws:df,id+:0", LINUX),
    (FAST_OPEN, FAST_OPEN),
    ("64240:2-4-8-1-3-34-1-1:1460:7", FAST_OPEN),
    (MACOS, MACOS),
    ("65535:2-1-3-1-1-8-4-0:1460:6", MACOS),
    ("1024:::", "*:64:0:0:1024,0:::0"),
    ("*:64-:0:*:%8192,*:mss,nop,ws,eol+3:opt+:*", "*:64-:0:*:%8192,*:mss,nop,ws,eol+3:opt+:*"),
    ("6:64:0:1440:mss*45,7:mss,sok,ts,nop,ws:flow:0", "6:64:0:1440:mss*45,7:mss,sok,ts,nop,ws:flow:0"),
    ("64800:2-4-8-1-3:1440:7;dst=fd00::/16", "6:64:0:1440:mss*45,7:mss,sok,ts,nop,ws:flow:0"),
];
const LINUX: &str = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";
const FAST_OPEN: &str = "4:64:0:*:mss*44,7:mss,sok,ts,nop,ws,?34,nop,nop:df,id+:0";
const MACOS: &str = "4:64:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df:0";

/// Frames of this version that the kernel brings before iptables, near to the signature and far from it.
fn frames(of: &str, version: IpVersion) -> Vec<Vec<u8>> {
    let signature: P0fSignature = of.parse().unwrap();
    let mut generator = Generator::new(11);
    let near: Vec<Packet> = (0..300).map(|_| generator.packet_of(&signature)).collect();
    let far = (0..100).map(|_| generator.any_syn());
    let of_version = |packet: &Packet| packet.v6 == (version == IpVersion::V6);
    near.into_iter().chain(far).filter(of_version).map(|packet| received(&packet)).collect()
}

/// The frame with the checksum of its IPv4 header (RFC 791 section 3.1), without which the kernel drops it.
fn received(packet: &Packet) -> Vec<u8> {
    let mut frame = packet.frame_from_client(1000);
    if !packet.v6 {
        let header = &mut frame[14..34 + packet.ip_options];
        let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        header[10..12].copy_from_slice(&(!folded as u16).to_be_bytes());
    }
    frame
}

fn tool(version: IpVersion) -> &'static str {
    match version {
        IpVersion::V4 => "iptables",
        IpVersion::V6 => "ip6tables",
    }
}

#[test]
fn iptables_drops_the_syns_of_a_signature_and_no_others() {
    let wire = Wire::new("drop");
    let (mut dropped, mut passed) = (0, 0);
    for (text, near) in SIGNATURES {
        for version in [IpVersion::V4, IpVersion::V6] {
            let Ok(rule) = Rule::new(text, version) else { panic!("{text}") };
            if rule.version != version {
                continue;
            }
            let takes = |frame: &Vec<u8>| {
                rule.judge(frame);
                machine::accepts(&rule.on_ip, &frame[14..])
            };
            let (taken, others): (Vec<_>, Vec<_>) = frames(near, version).into_iter().partition(takes);
            let bytecode = rule.on_ip.to_bytecode();
            let of_taken = wire.count(tool(version), &bytecode, &taken);
            assert_eq!(of_taken, Counted { dropped: taken.len(), passed: 0 }, "{text} {version}");
            let of_others = wire.count(tool(version), &bytecode, &others);
            assert_eq!(of_others, Counted { dropped: 0, passed: others.len() }, "{text} {version}");
            (dropped, passed) = (dropped + taken.len(), passed + others.len());
        }
    }
    assert!(dropped > 1000 && passed > 1000, "{dropped} {passed}");
}

#[test]
fn the_kernel_takes_the_program_of_every_signature_of_p0f() {
    let wire = Wire::new("load");
    let text = fs::read_to_string("/etc/p0f/p0f.fp").expect("p0f's database: apt-get install p0f");
    let (database, _) = P0fDatabase::parse(&text);
    for version in [IpVersion::V4, IpVersion::V6] {
        let of_version = |entry: &&synward_fingerprint::p0f::Entry| entry.signature.version.matches(&version);
        let rules: String = database
            .requests()
            .iter()
            .filter(of_version)
            .map(|entry| {
                Rule::new(&entry.signature.to_string(), version).unwrap_or_else(|fault| panic!("{fault}"))
            })
            .map(|rule| format!("-A PREROUTING -m bpf --bytecode \"{}\" -j DROP\n", rule.on_ip.to_bytecode()))
            .collect();
        wire.restore(tool(version), &rules);
    }
}
