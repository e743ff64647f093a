//! Replays every capture of `pcaps/` and compares what the program says, frame by frame, with the verdicts beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails by panicking is a test that works"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_capture_gets_the_verdicts_written_beside_it() {
    let captures = captures();
    assert!(!captures.is_empty(), "no capture in {}", folder().display());
    let differences: Vec<String> = captures.iter().flat_map(|capture| differences(capture)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps")
}

fn captures() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).expect("the folder of the captures").map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "pcap")).collect()
}

/// One line for each frame whose verdict is not the expected one, and for each that only one side knows of.
fn differences(capture: &Path) -> Vec<String> {
    let expected = fs::read_to_string(capture.with_extension("jsonl"))
        .unwrap_or_else(|error| panic!("{} has no verdicts beside it: {error}", capture.display()));
    let seen = replay(capture);
    assert!(!seen.is_empty(), "{}: no verdict", capture.display());
    let (expected, seen): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), seen.lines().collect());
    (0..expected.len().max(seen.len()))
        .map(|line| (expected.get(line), seen.get(line)))
        .filter(|(expected, seen)| expected != seen)
        .map(|(expected, seen)| format!("{}: expected {expected:?}, seen {seen:?}", capture.display()))
        .collect()
}

/// What `synward replay --json` prints.
fn replay(capture: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_synward"))
        .args(["replay", "--json", "-c"])
        .args([&folder().join("synward.toml"), capture])
        .output()
        .expect("the program runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}: {complaint}", capture.display(), output.status);
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}
