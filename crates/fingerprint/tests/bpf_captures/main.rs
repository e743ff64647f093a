//! Compiled signatures over captures: what the kernel takes with them is what our machine takes, and what tcpdump
//! takes with an expression that says the same.
//!
//! tcpdump cannot be given a program, only an expression. Debian's package `tcpdump` must be installed.
#![cfg(test)]

mod kernel;
#[path = "../bpf/machine.rs"]
mod machine;
#[path = "../p0f/packet.rs"]
#[allow(dead_code, reason = "each test uses its share")]
mod packet;
#[path = "../programs/mod.rs"]
mod programs;
#[path = "../bpf/rule.rs"]
mod rule;
#[path = "../common/vector.rs"]
mod vector;

use std::process::Command;

use kernel::Filter;
use programs::capture::{self, Capture, Syn, pcaps};
use rule::Rule;
use synward_fingerprint::p0f::IpVersion;
use synward_fingerprint::{Fingerprint, Signature};
use vector::{Vector, vectors};

/// A signature, and an expression of tcpdump's that says the same. `SYN` stands for what tells a SYN from a SYN-ACK
/// and a reset; tcpdump knows no `tcp[…]` in IPv6.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("1024:::;ver=4", "SYN and tcp[14:2] = 1024 and tcp[12] & 0xf0 = 0x50"),
    (
        "65535:::;ttl=255;df=0;ipid=54321",
        "SYN and tcp[14:2] = 65535 and tcp[12] & 0xf0 = 0x50 and ip[8] = 255 and ip[6] & 0x40 = 0 and ip[4:2] = 54321",
    ),
    (
        "1024:2:1460:;ver=4",
        "SYN and tcp[14:2] = 1024 and tcp[12] & 0xf0 = 0x60 and tcp[20] = 2 and tcp[22:2] = 1460",
    ),
    (
        "1024:2:1460:;ver=6",
        "SYN6 and ip6[54:2] = 1024 and ip6[52] & 0xf0 = 0x60 and ip6[60] = 2 and ip6[62:2] = 1460",
    ),
    (
        "64240:2-4-8-1-3:1460:%;ver=4",
        "SYN and tcp[14:2] = 64240 and tcp[12] & 0xf0 = 0xa0 and tcp[20] = 2 and tcp[22:2] = 1460 \
         and tcp[24:4] = 0x0402080a and tcp[36:2] = 0x0103",
    ),
    (
        "%:2-4-8-1-3:%:%;ver=6;dport=80",
        "SYN6 and ip6[42:2] = 80 and ip6[52] & 0xf0 = 0xa0 and ip6[60] = 2 and ip6[64:4] = 0x0402080a \
         and ip6[76:2] = 0x0103",
    ),
    (
        "4:64:0:1460:mss*44,10:mss,sok,ts,nop,ws:df,id+:0",
        "tcp[13] = 0x02 and (tcp[14:2] = 44 * 1460 or tcp[14:2] = 44 * 1448) and ip[0] = 0x45 \
         and ip[8] >= 29 and ip[8] <= 64 and ip[6] & 0xc0 = 0x40 and ip[4:2] != 0 and ip[1] & 3 = 0 \
         and tcp[4:4] != 0 and tcp[8] & 1 = 0 and tcp[18:2] = 0 and tcp[28:4] != 0 and tcp[32:4] = 0 \
         and tcp[12] & 0xf1 = 0xa0 and tcp[20:4] = 0x020405b4 and tcp[24:4] = 0x0402080a \
         and tcp[36:4] = 0x0103030a and ip[2:2] = 60",
    ),
    (
        "4:255:0:0:1024,0:::0",
        "tcp[13] = 0x02 and tcp[14:2] = 1024 and ip[0] = 0x45 and ip[2:2] = 40 and ip[8] >= 220 \
         and ip[6] & 0xc0 = 0 and ip[4:2] != 0 and ip[1] & 3 = 0 and tcp[12] & 0xf1 = 0x50 and tcp[4:4] != 0 \
         and tcp[8] & 1 = 0 and tcp[18:2] = 0",
    ),
    #[cfg(feature = "ja4t")]
    (
        "65535_2-1-3-1-1-8-4-0-0_1460_6;ver=4",
        "SYN and tcp[14:2] = 65535 and tcp[12] & 0xf0 = 0xb0 and tcp[20:4] = 0x020405b4 and tcp[24:4] = 0x01030306 \
         and tcp[28:4] = 0x0101080a and tcp[40:4] = 0x04020000",
    ),
];

/// All frames of the repository's captures, and the vectors.
fn all_frames() -> Vec<Vec<u8>> {
    let of_captures = pcaps().into_iter().flat_map(|capture| capture.frames);
    of_captures.chain(vectors().iter().map(Vector::frame)).collect()
}

/// What of a capture tcpdump takes with this expression.
fn taken_by_tcpdump(capture: &Capture, expression: &str, name: &str) -> Vec<Vec<u8>> {
    let written = capture::file(&format!("{name}.pcap"));
    let expression = expression
        .replace("SYN6", "ip6 and ip6[6] = 6 and ip6[53] & 0x16 = 0x02")
        .replace("SYN", "ip and tcp[13] & 0x16 = 0x02");
    let mut command = Command::new("timeout");
    command.args(["15", "tcpdump", "-r"]).arg(&capture.path).arg("-w").arg(&written).arg(&expression);
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{expression}: {complaint} (apt-get install tcpdump)");
    Capture::read(&written).frames
}

#[test]
fn the_kernel_takes_what_tcpdump_takes() {
    let capture = Capture::write("bpf-all", all_frames());
    for (number, (signature, expression)) in EXPRESSIONS.iter().enumerate() {
        let rule = Rule::new(signature, IpVersion::V4).unwrap();
        let filter = Filter::new(&rule.on_ethernet);
        let taken: Vec<_> = capture.frames.iter().filter(|frame| filter.takes(frame)).cloned().collect();
        assert!(!taken.is_empty(), "{signature}");
        assert_eq!(taken, taken_by_tcpdump(&capture, expression, &format!("bpf-{number}")), "{signature}");
    }
}

/// What a SYN shows in every notation.
fn texts(seen: &Fingerprint) -> Vec<String> {
    let mut texts = vec![
        seen.muonfp.to_string(),
        #[cfg(feature = "ja4t")]
        seen.ja4t.to_string(),
    ];
    texts.extend(seen.p0f.map(|p0f| p0f.to_string()));
    texts
}

/// The rules that the SYNs of a capture show, each for the version of its SYN. Of a malformed SYN the text may be no
/// signature, or one that has no program.
fn rules(capture: &Capture) -> Vec<Rule> {
    let of_syn = |syn: Syn| {
        let version = if syn.facts.ip_version == 6 { IpVersion::V6 } else { IpVersion::V4 };
        let texts = texts(&Fingerprint::of(&syn.facts)).into_iter();
        texts.filter(|text| text.parse::<Signature>().is_ok()).map(move |text| (text, version))
    };
    let syns = capture.syns().filter(|syn| !syn.is_syn_ack());
    let mut rules: Vec<Rule> =
        syns.flat_map(of_syn).filter_map(|(text, version)| Rule::new(&text, version).ok()).collect();
    rules.sort_by(|one, other| (&one.text, one.version as u8).cmp(&(&other.text, other.version as u8)));
    rules.dedup_by(|one, other| (&one.text, one.version) == (&other.text, other.version));
    rules
}

#[test]
fn the_kernel_takes_what_the_signatures_say() {
    let capture = Capture::write("bpf-rules", all_frames());
    let rules = rules(&capture);
    assert!(rules.len() > 150, "{}", rules.len());
    let plain: Vec<usize> = capture.syns().filter(|syn| syn.is_plain).map(|syn| syn.frame - 1).collect();
    for rule in &rules {
        let filter = Filter::new(&rule.on_ethernet);
        for frame in &capture.frames {
            assert_eq!(filter.takes(frame), machine::accepts(&rule.on_ethernet, frame), "{}", rule.text);
        }
        let judged = plain.iter().filter(|frame| rule.judge(&capture.frames[**frame])).count();
        assert!(judged > 0, "{} takes no frame", rule.text);
    }
}
