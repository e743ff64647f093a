//! What must hold for every text that is read as a signature, and for every text that is not one.

use std::sync::LazyLock;

use synward_fingerprint::bpf::{self, Link, Program};
use synward_fingerprint::p0f::IpVersion;
use synward_fingerprint::{
    Fingerprint, Ja4tSignature, MuonFpSignature, Notation, P0fSignature, Signature, SignatureError,
};
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

/// Reads a signature, and tries it if `is_meant` knows its notation. Bytes that are no text are passed over.
pub fn try_text(bytes: &[u8], is_meant: impl Fn(&Notation) -> bool) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match text.parse::<Signature>() {
        Ok(signature) if is_meant(&signature.notation) => try_signature(&signature),
        Ok(_) => {}
        Err(fault) => try_fault(text, &fault),
    }
}

/// A signature prints as text that reads as the same; it can be matched; and it has a program for iptables, or none.
fn try_signature(signature: &Signature) {
    let printed = signature.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(signature), "{printed}");
    for seen in SYNS.iter().filter(|seen| signature.matches(seen)) {
        assert!(signature.clone().ignoring_eol().matches(seen), "{printed} is narrower without EOL");
    }
    for version in [None, Some(IpVersion::V4), Some(IpVersion::V6)] {
        let compiled = [Link::Ethernet, Link::RawIp].map(|link| bpf::compile(signature, link, version));
        for program in compiled.iter().flatten() {
            assert!(program.instructions().len() <= Program::MAX_INSTRUCTIONS, "{printed}");
        }
    }
}

/// A fault shows its place in the text, and says what is wrong.
pub fn try_fault(text: &str, fault: &SignatureError) {
    assert!(text.get(fault.span.clone()).is_some(), "{text:?}: {fault:?}");
    assert!(!fault.message.is_empty(), "{text:?}");
}

/// What a SYN shows in each notation, as signatures of it.
pub fn shown(seen: &Fingerprint) -> Vec<Signature> {
    let p0f = seen.p0f.map(|p0f| P0fSignature::from(p0f).into());
    let both = [MuonFpSignature::from(seen.muonfp).into(), Ja4tSignature::from(seen.ja4t).into()];
    both.into_iter().chain(p0f).collect()
}

/// SYNs to match with: of Linux, of Windows, one whose options are malformed, and one without any.
pub static SYNS: LazyLock<[Fingerprint; 4]> = LazyLock::new(|| {
    [
        syn(4, 64240, &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]),
        syn(4, 65535, &[2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2]),
        syn(6, 1024, &[3, 9, 2, 2, 5, 180, 254, 1, 0, 9, 9, 9]),
        syn(6, 0, &[]),
    ]
});

fn syn(ip_version: u8, window: u16, options: &[u8]) -> Fingerprint {
    let options = OptionBytes::new(options).unwrap_or_default();
    let ip_id = (ip_version == 4).then_some(1);
    let flags = TcpFlags::SYN;
    Fingerprint::of(&SynFacts { ip_version, window, options, ip_id, flags, ttl: 64, ..SynFacts::default() })
}
