//! Where the shim of a port is kept while no process has it: a folder of its own in a bpffs.
//!
//! ```text
//! /sys/fs/bpf/synward/PORT/link       the program stays on the port as long as this is here
//!                          sockets …  the maps, by name
//! ```
//!
//! Whoever works on the port holds a lock on the folder, which the kernel gives back however the process ends.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, fstat, openat, stat, statfs};
use rustix::io::Errno;

use crate::error::OpenError;
use crate::nic::Nic;
use crate::shim;

/// BPF_FS_MAGIC (linux/magic.h).
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// The folder of all ports in a bpffs, and the name of the pinned link in that of a port.
const FOLDER: &str = "synward";
const LINK: &str = "link";

/// How long another process may take to leave: one that was told to end brings to its end what is in its rings.
const PATIENCE: Duration = Duration::from_secs(3);

/// The folder of one port, locked.
#[derive(Debug)]
pub(crate) struct Pins {
    folder: PathBuf,
    _lock: OwnedFd,
}

impl Pins {
    /// Takes the folder of a port, or makes it. `None` where no bpffs is mounted, or one in which no folder can be made, which is logged: a
    /// wire that ends with the process is better than none.
    ///
    /// # Errors
    /// When another process has it and does not leave, or the folder cannot be locked.
    pub(crate) fn take(bpffs: &Path, port: &str) -> Result<Option<Self>, OpenError> {
        if !is_bpffs(bpffs) {
            return Ok(None);
        }
        let folder = find_folder(bpffs, port);
        let refused = |error| OpenError::Pins { folder: folder.clone(), error };
        if let Err(error) = fs::create_dir_all(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "cannot be made");
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = openat(CWD, &folder, flags, Mode::empty()).map_err(|error| refused(error.into()))?;
        let patience = Instant::now() + PATIENCE;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            match error {
                Errno::WOULDBLOCK if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Errno::WOULDBLOCK => return Err(OpenError::AlreadyRunning(port.to_owned())),
                error => return Err(refused(error.into())),
            }
        }
        // Whoever had it may have removed it: then this is the lock of a folder that nobody finds any more.
        let is_there =
            stat(&folder).is_ok_and(|there| fstat(&lock).is_ok_and(|ours| ours.st_ino == there.st_ino));
        if !is_there {
            return Self::take(bpffs, port);
        }
        Ok(Some(Self { folder, _lock: lock }))
    }

    /// The folder of a port, if it has one; see [`Pins::take`].
    pub(crate) fn existing(bpffs: &Path, port: &str) -> Result<Option<Self>, OpenError> {
        if find_folder(bpffs, port).is_dir() { Self::take(bpffs, port) } else { Ok(None) }
    }

    /// Where a map of this name is pinned.
    pub(crate) fn path(&self, map: &str) -> PathBuf {
        self.folder.join(map)
    }

    /// Where the link is pinned.
    pub(crate) fn link(&self) -> PathBuf {
        self.path(LINK)
    }

    /// Whether a program is on the port through this folder.
    pub(crate) fn has_link(&self) -> bool {
        self.link().exists()
    }

    /// Unpins the link: the program leaves the port with the last process that has it open.
    pub(crate) fn remove_link(&self) {
        self.remove(&self.link());
    }

    /// Unpins the maps, whatever their names.
    pub(crate) fn remove_maps(&self) {
        for pin in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if pin.path() != self.link() {
                self.remove(&pin.path());
            }
        }
    }

    /// Unpins everything, and removes the folder.
    pub(crate) fn clear(&self) {
        self.remove_link();
        self.remove_maps();
        if let Err(error) = fs::remove_dir(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot remove");
        }
    }

    fn remove(&self, pin: &Path) {
        match fs::remove_file(pin) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(pin = %pin.display(), %error, "cannot unpin");
            }
            _ => {}
        }
    }
}

/// The folder of a port: that of the shim which is on it, though it may have had another name then; else the one of its name.
fn find_folder(bpffs: &Path, port: &str) -> PathBuf {
    let index = Nic::open(port).map(|nic| nic.index()).ok();
    let holds = |folder: &PathBuf| index.is_some() && shim::pinned_interface(&folder.join(LINK)) == index;
    let folders = fs::read_dir(bpffs.join(FOLDER)).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.into_iter().find(holds).unwrap_or_else(|| folder(bpffs, port))
}

/// A bpffs has no names with dots, which the names of interfaces may have.
fn folder(bpffs: &Path, port: &str) -> PathBuf {
    bpffs.join(FOLDER).join(port.replace('.', "%2e"))
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.f_type as u64 == BPF_FS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bpffs_has_no_pins() {
        assert!(Pins::take(Path::new("/proc"), "outside0").unwrap().is_none());
        assert!(Pins::take(Path::new("/no/such/folder"), "outside0").unwrap().is_none());
    }

    #[test]
    fn every_port_has_a_folder_of_its_own_without_dots() {
        let folder = |port| folder(Path::new("/sys/fs/bpf"), port);
        assert_eq!(folder("enp1s0"), Path::new("/sys/fs/bpf/synward/enp1s0"));
        assert_eq!(folder("eth0.100"), Path::new("/sys/fs/bpf/synward/eth0%2e100"));
    }
}
