//! The notation of p0f.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synward_fingerprint::Notation;

fuzz_target!(|bytes: &[u8]| synward_fuzz::try_text(bytes, |notation| matches!(notation, Notation::P0f(_))));
