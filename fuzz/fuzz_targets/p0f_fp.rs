//! A whole `p0f.fp`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synward_fingerprint::P0fDatabase;
use synward_fuzz::{SYNS, try_fault};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (database, faults) = P0fDatabase::parse(text);
    for (number, fault) in &faults {
        let line = text.lines().nth(number - 1).expect("a fault is on a line");
        try_fault(line, fault);
    }
    for entry in database.requests().iter().chain(database.responses()) {
        assert_eq!(entry.signature.to_string().parse(), Ok(entry.signature), "line {}", entry.line);
    }
    for seen in SYNS.iter().filter_map(|seen| seen.p0f) {
        let found = database.find(&seen);
        assert!(found.is_none_or(|found| found.entry.signature.closeness(&seen).is_some()));
    }
});
