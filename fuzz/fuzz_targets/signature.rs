//! A line of a list: a signature in any notation, with its traits, and a comment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synward_fingerprint::without_comment;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(line) = str::from_utf8(bytes) {
        synward_fuzz::try_text(without_comment(line).trim().as_bytes(), |_| true);
    }
});
