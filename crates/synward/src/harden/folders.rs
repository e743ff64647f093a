//! The folders that a thread may reach (landlock(7)).

use std::path::{Path, PathBuf};

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use synward_policy::{Bridge, Config, Wait};

/// All kinds of access up to this version are refused, unless granted. Those that a later one adds are not: nobody has tried them here.
const ABI_KNOWN: ABI = ABI::V7;

/// To read files and list folders.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// To append to a log, and to make it anew when it was moved away.
const APPEND: BitFlags<AccessFs> = make_bitflags!(AccessFs::{WriteFile | MakeReg});

/// To remove a file.
const REMOVE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{RemoveFile});

/// To write to a switch of the kernel, as `std::fs::write` does.
const SWITCH: BitFlags<AccessFs> = make_bitflags!(AccessFs::{WriteFile | Truncate});

/// To take pins out of a bpffs, when the shims leave the ports after all.
const UNPIN: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir | RemoveFile | RemoveDir});

/// The kernel's own folders: what it says of this process and of those that ask on the control socket, of the memory of the machine, of
/// ports and cores.
const OF_THE_KERNEL: [&str; 2] = ["/proc", "/sys"];

/// Where IPv6 is turned on again, for ports that are given back.
const SWITCHES: &str = "/proc/sys/net/ipv6/conf";

/// What a thread is confined to.
#[derive(Debug)]
pub(super) struct Folders {
    abi: i32,
    /// Where lists and the configuration may be.
    read: Vec<PathBuf>,
    /// Where the event log may be.
    written: Vec<PathBuf>,
}

/// Leaves the thread no file to open, no TCP port to bind or connect to, and no process to signal but this one.
pub(super) fn confine_to_none() -> Result<(), String> {
    confine_to(&[]).map(drop)
}

/// Leaves the thread the folders that this configuration needs, as [`confine_to_none`] does none.
pub(super) fn confine(config: &Config) -> Result<Folders, String> {
    let lists = config.lists.iter().map(|list| &*list.file);
    let read: Vec<_> = lists.chain([&*config.file]).flat_map(homes).collect();
    let written: Vec<_> = config.events.iter().flat_map(|events| homes(&events.file)).collect();
    let grant = |access| move |folder: &PathBuf| (folder.clone(), access);
    let mut grants: Vec<_> = read.iter().map(grant(READ)).collect();
    grants.extend(written.iter().map(grant(APPEND)));
    grants.extend(homes(&config.control.socket).iter().map(grant(REMOVE)));
    grants.extend(OF_THE_KERNEL.map(|folder| (folder.into(), READ)));
    grants.push((SWITCHES.into(), SWITCH));
    grants.extend(polled_ports(config).map(|port| (port, SWITCH)));
    grants.push((config.bridge.bpffs.clone(), UNPIN));
    let abi = confine_to(&grants)?;
    Ok(Folders { abi, read, written })
}

/// Where interrupts are given back, for ports whose workers poll.
fn polled_ports(config: &Config) -> impl Iterator<Item = PathBuf> {
    let Bridge { outside, inside, wait, .. } = &config.bridge;
    let polls = *wait == Wait::Busy;
    [outside, inside].into_iter().filter(move |_| polls).map(|port| Path::new("/sys/class/net").join(port))
}

/// Answers the version of landlock that the kernel keeps to.
fn confine_to(grants: &[(PathBuf, BitFlags<AccessFs>)]) -> Result<i32, String> {
    restrict(grants).map_err(|error| error.to_string()).and_then(|status| match status {
        RestrictionStatus { ruleset: RulesetStatus::NotEnforced, .. } => {
            Err("the kernel has none".to_owned())
        }
        RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, kernel_abi }, .. } => {
            Ok(kernel_abi.unwrap_or(effective_abi as i32))
        }
        RestrictionStatus { .. } => Err("the kernel has none".to_owned()),
    })
}

fn restrict(grants: &[(PathBuf, BitFlags<AccessFs>)]) -> Result<RestrictionStatus, ::landlock::RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI_KNOWN))?
        .handle_access(AccessNet::from_all(ABI_KNOWN))?
        .scope(Scope::from_all(ABI_KNOWN))?
        .create()?;
    for (folder, access) in grants {
        // One that is not there, as IPv6 is not everywhere, needs no grant.
        if let Ok(folder) = PathFd::new(folder) {
            rules = rules.add_rule(PathBeneath::new(folder, *access))?;
        }
    }
    rules.restrict_self()
}

/// Where a file is, and where it really is if a link leads to it.
fn homes(file: &Path) -> Vec<PathBuf> {
    let here = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let really = file.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned));
    [here.canonicalize().ok(), really].into_iter().flatten().collect()
}

impl Folders {
    /// The folder of a file that may not be read, if it is so.
    pub(super) fn unreadable(&self, file: &Path) -> Option<PathBuf> {
        outside(file, self.read.iter().map(|folder| &**folder).chain(OF_THE_KERNEL.map(Path::new)))
    }

    /// The folder of a file that may not be appended to, if it is so.
    pub(super) fn unwritable(&self, file: &Path) -> Option<PathBuf> {
        outside(file, self.written.iter().map(|folder| &**folder))
    }

    pub(super) fn describe(&self) -> String {
        format!("ABI {}", self.abi)
    }
}

/// Where a file really is, if that is in none of some folders.
fn outside<'a>(file: &Path, mut folders: impl Iterator<Item = &'a Path>) -> Option<PathBuf> {
    let home = homes(file).pop()?;
    (!folders.any(|folder| home.starts_with(folder))).then_some(home)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;
    use std::{io, thread};

    use super::*;

    /// On a thread of its own: nobody gets out again.
    fn confined<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    fn is_refused<T>(done: io::Result<T>) -> bool {
        done.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    fn append(file: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(file)
    }

    #[test]
    fn a_worker_reaches_no_file_and_no_tcp_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        confined(|| {
            confine_to_none().unwrap();
            assert!(is_refused(File::open("/proc/self/status")));
            assert!(is_refused(fs::read_dir("/")));
            assert!(is_refused(TcpListener::bind("127.0.0.1:0")));
            assert!(is_refused(TcpStream::connect(address)));
        });
    }

    #[test]
    fn the_control_thread_reaches_what_the_configuration_names() {
        let top = std::env::temp_dir().join(format!("synward-folders-{}", std::process::id()));
        for folder in ["etc", "lists", "log", "run", "elsewhere"] {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        let in_top = |file: &str| top.join(file);
        fs::write(in_top("lists/real.txt"), "192.0.2.1\n").unwrap();
        fs::write(in_top("elsewhere/other.txt"), "192.0.2.1\n").unwrap();
        std::os::unix::fs::symlink(in_top("lists/real.txt"), in_top("etc/link.txt")).unwrap();
        let socket = UnixListener::bind(in_top("run/control.sock")).unwrap();
        let text = "[bridge]\noutside = 'a'\ninside = 'b'\n[events]\nfile = '../log/events.json'\n\
            [control]\nsocket = '../run/control.sock'\n\
            [[list]]\nname = 'x'\nkind = 'ip'\naction = 'block'\nfile = 'link.txt'\n";
        fs::write(in_top("etc/synward.toml"), text).unwrap();
        append(&in_top("log/events.json")).unwrap();
        let config = Config::load(&in_top("etc/synward.toml")).unwrap();
        confined(|| {
            let folders = confine(&config).unwrap();
            for file in ["etc/synward.toml", "etc/link.txt", "lists/real.txt"] {
                assert!(fs::read(in_top(file)).is_ok(), "{file}");
                assert_eq!(folders.unreadable(&in_top(file)), None);
            }
            assert!(fs::read("/proc/self/status").is_ok() && fs::read_dir("/sys/class/net").is_ok());
            let other = in_top("elsewhere/other.txt");
            assert!(is_refused(fs::read(&other)) && is_refused(fs::read("/etc/passwd")));
            assert_eq!(folders.unreadable(&other), Some(in_top("elsewhere")));

            fs::remove_file(in_top("log/events.json")).unwrap_err();
            assert!(append(&in_top("log/events.json")).is_ok() && append(&in_top("log/new.json")).is_ok());
            assert!(is_refused(fs::read(in_top("log/events.json"))), "the log is for others to read");
            for file in ["etc/synward.toml", "lists/new.txt", "elsewhere/new.txt"] {
                assert!(is_refused(append(&in_top(file))), "{file}");
                assert!(folders.unwritable(&in_top(file)).is_some());
            }
            assert_eq!(folders.unwritable(&in_top("log/events.json")), None);
            assert!(fs::remove_file(in_top("run/control.sock")).is_ok());
            assert!(is_refused(TcpListener::bind("127.0.0.1:0")));
        });
        drop(socket);
        fs::remove_dir_all(&top).unwrap();
    }
}
