//! Where and how it was measured: without that a figure says nothing.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::Result;
use serde::Serialize;

use crate::contender::OuterBox;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// How frames get to programs that use AF_XDP here.
    pub(crate) driver_mode: String,
}

impl Machine {
    pub(crate) fn look(command: &str, outer: Option<&OuterBox>) -> Result<Self> {
        let date = Command::new("date").args(["--utc", "+%F"]).output()?;
        Ok(Self {
            date: String::from_utf8_lossy(&date.stdout).trim().into(),
            command: command.into(),
            processor: processor()?,
            cores: thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().into(),
            driver_mode: outer
                .map_or("veth, copy mode: compare, do not quote as throughput", |_| "a box between two ports")
                .into(),
        })
    }
}

/// As the kernel names it; some architectures have no name there.
fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(name.map_or(std::env::consts::ARCH, |(_, name)| name).into())
}
