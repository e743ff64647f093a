//! Where and how it was measured: without that a figure says nothing.

use std::fs;
use std::io;
use std::process::Command;
use std::thread;

use serde::Serialize;
use synward_bench::memory::kibibytes;

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// GiB of RAM.
    pub(crate) memory: usize,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
}

impl Machine {
    pub(crate) fn look(date: &str, command: &str) -> io::Result<Self> {
        Ok(Self {
            date: date.into(),
            command: command.into(),
            processor: processor()?,
            cores: thread::available_parallelism()?.get(),
            memory: kibibytes("/proc/meminfo", "MemTotal:")?.div_ceil(1 << 20),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().into(),
            rustc: rustc()?,
        })
    }
}

/// As the kernel names it; some architectures have no name there.
fn processor() -> io::Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(name.map_or(std::env::consts::ARCH, |(_, name)| name).into())
}

fn rustc() -> io::Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}
