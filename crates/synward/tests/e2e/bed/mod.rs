//! The test bed: two hosts with the program between them, each in a network namespace of its own.
//!
//! ```text
//!  outside host             wire                          inside host
//!  end0 ═══ veth ═══ outside0  synward  inside0 ═══ veth ═══ end0
//! ```

mod capture;
mod command;
mod config;
mod end;
mod metrics;
mod namespace;
mod program;
mod wait;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use capture::{Capture, Records};
pub(crate) use command::{attempt, run};
pub(crate) use config::Config;
#[allow(unused_imports, reason = "the faults use it")]
pub(crate) use end::packet_socket;
pub(crate) use end::{DEVICE, End};
pub(crate) use metrics::Metrics;
pub(crate) use namespace::Namespace;
pub(crate) use program::{Program, SYNWARD};
pub(crate) use wait::eventually;
pub(crate) use wire::{Case, Fate, Wire};

/// The names of the two ports of the wire.
pub(crate) const PORTS: [&str; 2] = ["outside0", "inside0"];

/// A side of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Outside,
    Inside,
}

impl Side {
    /// Both, each with its other one.
    pub(crate) const WAYS: [(Self, Self); 2] = [(Self::Outside, Self::Inside), (Self::Inside, Self::Outside)];

    pub(crate) fn other(self) -> Self {
        if self == Self::Outside { Self::Inside } else { Self::Outside }
    }

    /// The name of its port in metrics and events.
    pub(crate) fn name(self) -> &'static str {
        if self == Self::Outside { "outside" } else { "inside" }
    }

    /// The address of its host, if hosts have addresses.
    pub(crate) fn ipv4(self) -> &'static str {
        if self == Self::Outside { "192.0.2.1" } else { "192.0.2.2" }
    }

    /// The address of its host, if hosts have addresses.
    pub(crate) fn ipv6(self) -> &'static str {
        if self == Self::Outside { "2001:db8:0:2::1" } else { "2001:db8:0:2::2" }
    }
}

/// What kind of bed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Queues of each interface.
    pub(crate) queues: u32,
    /// Whether the hosts have addresses, and talk. Without, every frame is one of the test's.
    pub(crate) addresses: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { queues: 2, addresses: false }
    }
}

/// Three namespaces, two cables, and a folder.
pub(crate) struct Bed {
    pub(crate) outside: End,
    pub(crate) inside: End,
    pub(crate) wire: Namespace,
    folder: Folder,
}

/// A bpffs of a bed's own, unmounted when this is dropped: what is pinned in it goes too.
pub(crate) struct BpfFs(PathBuf);

impl BpfFs {
    /// The folder that it is mounted on.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        attempt(&format!("umount {}", self.0.display()));
    }
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::with(Layout::default())
    }

    /// A bed whose hosts have addresses.
    pub(crate) fn with_hosts() -> Self {
        Self::with(Layout { addresses: true, ..Layout::default() })
    }

    pub(crate) fn with(layout: Layout) -> Self {
        static BEDS: AtomicU32 = AtomicU32::new(0);
        let number = BEDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("synward-e2e-{}-{number}", std::process::id());
        let wire = Namespace::new(format!("{name}-wire"), false);
        let [outside, inside] = [Side::Outside, Side::Inside]
            .map(|side| Namespace::new(format!("{name}-{}", side.name()), layout.addresses));
        cable(&wire, "outside0", &outside, layout.queues);
        cable(&wire, "inside0", &inside, layout.queues);
        Self {
            outside: End::new(outside, Side::Outside, layout.addresses),
            inside: End::new(inside, Side::Inside, layout.addresses),
            wire,
            folder: Folder::new(&name),
        }
    }

    pub(crate) fn end(&self, side: Side) -> &End {
        if side == Side::Outside { &self.outside } else { &self.inside }
    }

    /// All four interfaces, each with its namespace.
    #[allow(dead_code, reason = "the faults use it")]
    pub(crate) fn interfaces(&self) -> [(&Namespace, &'static str); 4] {
        let [outside, inside] = PORTS.map(|port| (&self.wire, port));
        [outside, inside, (&self.outside.namespace, DEVICE), (&self.inside.namespace, DEVICE)]
    }

    /// A folder for the configuration and what else the test needs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// A bpffs in its folder. `ip netns exec` hides that of the machine.
    pub(crate) fn bpffs(&self) -> BpfFs {
        let path = self.folder().join("bpf");
        fs::create_dir(&path).unwrap();
        run(&format!("mount -t bpf bpf {}", path.display()));
        BpfFs(path)
    }

    /// Starts the program, and waits until frames can cross.
    pub(crate) fn start(&self, config: &Config) -> Wire<'_> {
        self.start_as("", config)
    }

    /// Starts the program with words before its name, such as `setpriv` and its options.
    pub(crate) fn start_as(&self, prefix: &str, config: &Config) -> Wire<'_> {
        Wire::start(self, prefix, config)
    }

    /// Starts a program that ends at once, and answers its exit code and what it said.
    pub(crate) fn refused(&self, prefix: &str, config: &Config) -> (Option<i32>, String) {
        let (status, log) = Program::start(&self.wire, prefix, &config.write(self.folder())).end();
        (status.code(), log)
    }
}

/// A veth pair with queues at both ends, from a port of the wire to a host.
fn cable(wire: &Namespace, port: &str, host: &Namespace, queues: u32) {
    let queues = format!("numtxqueues {queues} numrxqueues {queues}");
    let host = host.name();
    wire.ip(&format!("link add {port} {queues} type veth peer name {DEVICE} netns {host} {queues}"));
    wire.ip(&format!("link set dev {port} up"));
}

/// A folder that goes with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
