//! The two cores: one sends, the other does all of the contender's work.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Where the contender runs, with what receives for it in the kernel: the core that Synward gives its first worker.
pub(crate) const WORKER: usize = 0;

/// Where the generator runs, and what else there is to do.
pub(crate) const SENDER: usize = 1;

/// Keeps a thread on a core; with 0, this one.
pub(crate) fn pin(thread: i32, core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(thread), &cores)
        .with_context(|| format!("cannot pin {thread} to core {core}"))
}

/// The kernel's threads that receive for an interface (`napi/DEVICE-NUMBER`).
pub(crate) fn receivers(device: &str) -> Result<BTreeSet<i32>> {
    let name = format!("napi/{device}-");
    let threads = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_receiver =
        |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.starts_with(&name));
    Ok(threads.filter(is_receiver).collect())
}

/// How long a core has worked since the boot, in the resolution of the kernel's ticks; what the machine took from it counts too.
pub(crate) fn busy_time(core: usize) -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} ")));
    let ticks = line.with_context(|| format!("no core {core}"))?.split_whitespace().map(str::parse::<u64>);
    let ticks = ticks.collect::<Result<Vec<_>, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5))
    let [user, nice, system, _, _, irq, softirq, steal, ..] = ticks[..] else {
        anyhow::bail!("/proc/stat has too few columns");
    };
    // In hundredths of a second (USER_HZ), on every machine that Linux runs on today.
    Ok(Duration::from_millis(10 * (user + nice + system + irq + softirq + steal)))
}
