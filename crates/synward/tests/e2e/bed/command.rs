//! Programs run to their end.

use std::process::{Command, Output};

/// No program that is run here needs longer; one that hangs is killed.
const PATIENCE: &str = "20";

/// Runs a command line, split at white space, and answers whatever came of it.
pub(crate) fn attempt(line: &str) -> Output {
    let words = line.split_whitespace();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", PATIENCE]).args(words);
    command.output().unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Runs a command line that must succeed, and answers what it printed.
pub(crate) fn run(line: &str) -> String {
    let output = attempt(line);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}: {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
