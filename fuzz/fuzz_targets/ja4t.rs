//! The notation of JA4T.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synward_fingerprint::Notation;

fuzz_target!(|bytes: &[u8]| synward_fuzz::try_text(bytes, |notation| matches!(notation, Notation::Ja4t(_))));
