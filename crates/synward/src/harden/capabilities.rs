//! Capabilities (capabilities(7)): those of a thread, in all its sets.

use std::path::Path;
use std::{io, thread};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use synward_policy::Config;

/// What the control thread cannot do without: to change ports and their settings, and to make the socket of a new worker.
const ALWAYS: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW);

/// The first kernel that lets whoever has a map of BPF use it without CAP_BPF where `kernel.unprivileged_bpf_disabled` is set: since
/// the commit "bpf: refine kernel.unprivileged_bpf_disabled behaviour". Before, every bpf(2) is refused.
const BPF_BY_DESCRIPTOR: (u32, u32) = (6, 0);

/// Leaves the thread these capabilities, as far as it has them, and no others.
pub(super) fn keep(kept: CapabilitySet) -> io::Result<()> {
    // First, because it takes CAP_SETPCAP. Whoever lacks that has a bounding set that matters little: nothing is ever executed.
    empty_bounding_set();
    let kept = capabilities(None)?.permitted & kept;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    Ok(set_capabilities(None, sets)?)
}

fn empty_bounding_set() {
    let all = (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number));
    for capability in all {
        // Past the last one that the kernel knows, it is an error to ask.
        if capability_is_in_bounding_set(capability).unwrap_or(false)
            && let Err(error) = remove_capability_from_bounding_set(capability)
        {
            tracing::debug!(%error, ?capability, "cannot be taken out of the bounding set");
        }
    }
}

/// What the control thread needs with this configuration on this machine, of what it has.
pub(super) fn needed(config: &Config) -> CapabilitySet {
    let has = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    (ALWAYS | of_the_kernel() | of_files(config)) & has
}

fn of_the_kernel() -> CapabilitySet {
    let mut needed = CapabilitySet::empty();
    // The memory of a new worker is locked (XDP_UMEM_REG), and counted against the limit.
    needed.set(CapabilitySet::IPC_LOCK, getrlimit(Resource::Memlock).current.is_some());
    let release = rustix::system::uname();
    needed.set(CapabilitySet::BPF, version(&release.release().to_string_lossy()) < BPF_BY_DESCRIPTOR);
    needed
}

/// The first two numbers of a kernel's release; zeros where there are none.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// What it takes to go past the permissions of files: root without capabilities is a user like others.
fn of_files(config: &Config) -> CapabilitySet {
    // A thread tries how it is without: it cannot take back what it has given up.
    let try_it =
        || if keep(CapabilitySet::empty()).is_ok() { lacking(config) } else { CapabilitySet::empty() };
    thread::scope(|scope| scope.spawn(try_it).join()).unwrap_or(CapabilitySet::empty())
}

/// What a thread without capabilities lacks.
fn lacking(config: &Config) -> CapabilitySet {
    let change = Access::WRITE_OK | Access::EXEC_OK;
    let mut lacking = CapabilitySet::empty();
    lacking.set(CapabilitySet::DAC_READ_SEARCH, read_by(config).any(|file| lacks(file, Access::READ_OK)));
    lacking.set(CapabilitySet::DAC_OVERRIDE, changed_by(config).any(|folder| lacks(folder, change)));
    lacking
}

/// The files that a reload reads.
fn read_by(config: &Config) -> impl Iterator<Item = &Path> {
    config.lists.iter().map(|list| &*list.file).chain([&*config.file])
}

/// The folders in which files are made and removed. A bpffs is the kernel's own, and of the user that made the pins.
fn changed_by(config: &Config) -> impl Iterator<Item = &Path> {
    let files = config.events.iter().map(|events| &*events.file).chain([&*config.control.socket]);
    files.filter_map(Path::parent)
}

fn lacks(path: &Path, access: Access) -> bool {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let lacks = accessat(CWD, path, access, AtFlags::empty()) == Err(Errno::ACCESS);
    if lacks {
        tracing::warn!(path = %path.display(), "reached only thanks to a capability, which the program therefore keeps: let its user reach this (chown, chmod)");
    }
    lacks
}

/// Why a file cannot be read that could be at the start.
pub(super) fn why_unreadable(file: &Path) -> Option<String> {
    let refused = accessat(CWD, file, Access::READ_OK, AtFlags::empty()) == Err(Errno::ACCESS);
    refused.then(|| {
        "the running program has given up the right to read the files of all users: \
         let its user read this one (chown, chmod), or restart synward"
            .to_owned()
    })
}

/// Their names, as in capabilities(7).
pub(super) fn describe(set: CapabilitySet) -> String {
    let names: Vec<_> = set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    format!("{} (workers: none)", if names.is_empty() { "none".to_owned() } else { names.join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_of_a_kernel_is_read() {
        assert_eq!(version("6.1.0-28-amd64"), (6, 1));
        assert_eq!(version("5.15.167.4-microsoft-standard"), (5, 15));
        assert_eq!(version("6.12-rc1"), (6, 12));
        assert_eq!(version("next"), (0, 0));
    }

    #[test]
    fn capabilities_are_named_as_in_the_manual() {
        assert_eq!(describe(ALWAYS), "CAP_NET_ADMIN CAP_NET_RAW (workers: none)");
        assert_eq!(describe(CapabilitySet::empty()), "none (workers: none)");
    }

    #[test]
    fn a_thread_without_capabilities_has_none_in_any_set() {
        let sets = thread::spawn(|| {
            keep(CapabilitySet::empty()).unwrap();
            capabilities(None).unwrap()
        });
        let sets = sets.join().unwrap();
        assert_eq!([sets.effective, sets.permitted, sets.inheritable], [CapabilitySet::empty(); 3]);
    }
}
