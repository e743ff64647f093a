//! A frame with a SYN: what it shows in every notation is a signature that matches it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synward_fingerprint::{Direction, Fingerprint, Signature};
use synward_wire::{Located, SynFacts, locate, options_well_formed};

fuzz_target!(|frame: &[u8]| {
    let Located::Packet(packet) = locate(frame) else { return };
    let Some(syn) = SynFacts::of(&packet) else { return };
    let seen = Fingerprint::of(&syn);
    for signature in synward_fuzz::shown(&seen) {
        reads_as_printed(&signature, &syn);
        assert_eq!(signature.matches(&seen), Direction::of(&syn) == Direction::Syn, "{signature}");
    }
});

/// Of a malformed SYN the text may be refused as a signature.
fn reads_as_printed(signature: &Signature, syn: &SynFacts) {
    let text = signature.to_string();
    match text.parse::<Signature>() {
        Ok(read) => assert_eq!(read, *signature),
        Err(fault) => assert!(!options_well_formed(syn.options.as_slice()), "{text}: {fault}"),
    }
}
