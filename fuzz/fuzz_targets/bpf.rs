//! A frame with a SYN, and the programs of the signatures that it shows: they take what these match.
#![no_main]

#[path = "../../crates/fingerprint/tests/bpf/machine.rs"]
mod machine;
#[path = "../../crates/fingerprint/tests/bpf/rule.rs"]
mod rule;

use libfuzzer_sys::fuzz_target;
use rule::Rule;
use synward_fingerprint::p0f::IpVersion;
use synward_fingerprint::{Fingerprint, Signature};
use synward_wire::{Located, SynFacts, locate};

fuzz_target!(|frame: &[u8]| {
    // A rule is tried on frames without tags.
    let Some([0x08, 0x00] | [0x86, 0xdd]) = frame.get(12..14) else { return };
    let Located::Packet(packet) = locate(frame) else { return };
    let Some(syn) = SynFacts::of(&packet) else { return };
    let version = if syn.ip_version == 6 { IpVersion::V6 } else { IpVersion::V4 };
    for signature in synward_fuzz::shown(&Fingerprint::of(&syn)) {
        judge(&signature.to_string(), version, frame);
    }
});

/// Of a malformed SYN the text may be refused as a signature, and not every signature has a program.
fn judge(text: &str, version: IpVersion, frame: &[u8]) {
    if text.parse::<Signature>().is_ok()
        && let Ok(rule) = Rule::new(text, version)
    {
        rule.judge(frame);
    }
}
