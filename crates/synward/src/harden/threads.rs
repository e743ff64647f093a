//! What the kernel says of the threads of this process (proc_pid_status(5)).

use std::fs;

use rustix::thread::CapabilitySet;

/// SECCOMP_MODE_FILTER (linux/seccomp.h).
const FILTERED: &str = "2";

/// What the names of workers begin with.
const WORKER: &str = "synward-q";

/// A thread.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) is_worker: bool,
    pub(super) permitted: CapabilitySet,
    pub(super) is_filtered: bool,
}

/// All threads that live now; those that end meanwhile are left out.
pub(super) fn all() -> Vec<Thread> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(|task| read(&fs::read_to_string(task.path().join("status")).ok()?)).collect()
}

fn read(status: &str) -> Option<Thread> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let permitted = u64::from_str_radix(field("CapPrm:")?, 16).ok()?;
    let is_worker = field("Name:")?.starts_with(WORKER);
    // A kernel without seccomp has no such line.
    let is_filtered = field("Seccomp:") == Some(FILTERED);
    Some(Thread { is_worker, permitted: CapabilitySet::from_bits_retain(permitted), is_filtered })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let status = "Name:\tsynward-q0\nCapPrm:\t0000000000003000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let permitted = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
        assert_eq!(read(status), Some(Thread { is_worker: true, permitted, is_filtered: true }));
        let bare = status.replace("Seccomp:\t2\n", "").replace("-q0", "");
        assert_eq!(read(&bare), Some(Thread { is_worker: false, permitted, is_filtered: false }));
        assert_eq!(read("Name:\tsynward\n"), None);
        assert!(!all().is_empty());
    }
}
