//! Commands of the machine's own tools.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command line, which must succeed, and answers what it printed. Words are parted by spaces.
pub(crate) fn run(line: &str) -> Result<String> {
    run_words(&line.split_whitespace().collect::<Vec<_>>())
}

/// Runs a command of these words, which must succeed, and answers what it printed.
pub(crate) fn run_words(words: &[&str]) -> Result<String> {
    let (program, arguments) = words.split_first().context("no command")?;
    // A signal from the terminal is for the harness, which ends its work by such commands.
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).process_group(0).output();
    let output = output.with_context(|| format!("cannot start `{program}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("`{}` failed: {}", words.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be found on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
