//! A list of addresses: what is read prints as text that reads as the same.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use synward_policy::AddressList;

fuzz_target!(|bytes: &[u8]| {
    let list = AddressList::read(Path::new("list"), bytes);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(list.len() + list.refused() <= lines);
    for (line, entry) in list.entries() {
        assert!((1..=lines).contains(&(line as usize)), "{entry}");
        let again = AddressList::read(Path::new("list"), entry.as_bytes());
        assert!(again.entries().eq([(1, entry.clone())]), "{entry}");
        assert_eq!(again.refused(), 0, "{entry}");
    }
    for finding in list.lint() {
        assert!(!finding.diagnostic.to_string().is_empty());
    }
});
