//! Where and how it was measured: without that a figure says nothing.

use std::fs;
use std::io;
use std::process::Command;
use std::thread;

use crate::memory::kibibytes;
use serde::Serialize;

/// The machine, and the measurement on it.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// As YYYY-MM-DD.
    pub date: String,
    /// What was typed to measure.
    pub command: String,
    /// Its model.
    pub processor: String,
    /// Number of cores that a process may use.
    pub cores: usize,
    /// GiB of RAM.
    pub memory: usize,
    /// The release of the kernel.
    pub kernel: String,
    /// The version of the compiler.
    pub rustc: String,
    /// The commit of this program, with a + where its files differ from it.
    pub commit: String,
}

impl Machine {
    /// Looks at this one.
    ///
    /// # Errors
    /// When /proc does not tell, or there is no compiler or no git.
    pub fn look(date: &str, command: &str) -> io::Result<Self> {
        Ok(Self {
            date: date.into(),
            command: command.into(),
            processor: processor()?,
            cores: thread::available_parallelism()?.get(),
            memory: kibibytes("/proc/meminfo", "MemTotal:")?.div_ceil(1 << 20),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().into(),
            rustc: said("rustc", &["--version"])?,
            commit: said("git", &["describe", "--always", "--exclude=*", "--dirty=+"])?,
        })
    }
}

/// As the kernel names it; some architectures have no name there.
fn processor() -> io::Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(name.map_or(std::env::consts::ARCH, |(_, name)| name).into())
}

/// What a program prints.
fn said(program: &str, words: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(words).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}
