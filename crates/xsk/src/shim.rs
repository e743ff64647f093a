//! The XDP program on a port, and its maps.

use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use libbpf_rs::libbpf_sys;
use libbpf_rs::query::ProgInfoIter;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, MapHandle, Xdp, XdpFlags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::nic::Nic;

/// The skeleton that libbpf-cargo generates of `bpf/shim.bpf.c`.
#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, clippy::all, clippy::restriction)]
#[allow(clippy::multiple_unsafe_ops_per_block, clippy::undocumented_unsafe_blocks)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/shim.skel.rs"));
}

/// The name of the program, as the kernel shows it.
const PROGRAM: &str = "synward_shim";

/// Number of queues that the maps have room for (`MAX_QUEUES` in the program).
pub const MAX_QUEUES: u32 = 64;

/// The places in the map of counters (`enum counter` in the program).
const REDIRECTED: u32 = 0;
const NO_SOCKET: u32 = 1;

/// How long a port may take to get rid of the program of a process that was killed.
const LEFTOVER: Duration = Duration::from_secs(1);

/// Who runs the program: the driver, or the network stack on its behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Driver,
    Stack,
}

/// A program that a port has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub(crate) id: u32,
    pub(crate) name: String,
}

impl Occupant {
    /// Whether it is a shim of this program: another instance runs on the port.
    pub(crate) fn is_shim(&self) -> bool {
        self.name == PROGRAM
    }
}

/// The program loaded for one port, with maps of its own.
pub(crate) struct Shim {
    skeleton: skeleton::ShimSkel<'static>,
    /// The program is on the port while this is open.
    link: Option<OwnedFd>,
}

impl Shim {
    /// Loads the program into the kernel.
    pub(crate) fn load() -> libbpf_rs::Result<Self> {
        // The skeleton borrows its object for as long as it lives, and nothing can own both. There is one for each
        // port of the process: the few hundred bytes are left to its end.
        let object = Box::leak(Box::new(MaybeUninit::uninit()));
        let skeleton = skeleton::ShimSkelBuilder::default().open(object)?.load()?;
        Ok(Self { skeleton, link: None })
    }

    /// Puts the program on a port. It leaves the port when the shim is dropped, or the process ends.
    pub(crate) fn attach(&mut self, port: &Nic, runner: Runner) -> io::Result<()> {
        self.detach();
        self.link = Some(link_program(self.skeleton.progs.synward_shim.as_fd(), port.index(), runner)?);
        Ok(())
    }

    /// Takes the program off its port.
    pub(crate) fn detach(&mut self) {
        self.link = None;
    }

    /// Tells the program which port is on the other side of the bridge.
    pub(crate) fn set_peer(&self, peer: &Nic) -> libbpf_rs::Result<()> {
        let (slot, index) = (0_u32.to_ne_bytes(), peer.index().to_ne_bytes());
        self.skeleton.maps.peer.update(&slot, &index, MapFlags::ANY)
    }

    /// Sends the frames of a queue to a socket from now on.
    pub(crate) fn insert(&self, queue: u32, socket: BorrowedFd<'_>) -> libbpf_rs::Result<()> {
        let (key, value) = (queue.to_ne_bytes(), socket.as_raw_fd().to_ne_bytes());
        self.skeleton.maps.sockets.update(&key, &value, MapFlags::ANY)
    }

    /// Sends no more frames of a queue to its socket.
    pub(crate) fn remove(&self, queue: u32) -> libbpf_rs::Result<()> {
        self.skeleton.maps.sockets.delete(&queue.to_ne_bytes())
    }

    /// A handle to read the counters with, from any thread.
    pub(crate) fn counters(&self) -> libbpf_rs::Result<ShimCounters> {
        MapHandle::try_from(&self.skeleton.maps.counters).map(ShimCounters)
    }
}

impl std::fmt::Debug for Shim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shim").field("link", &self.link).finish_non_exhaustive()
    }
}

/// Makes a BPF link of a program to a port. Unlike a program attached without one, it ends with its owner, and it can
/// be pinned and updated in place.
fn link_program(program: BorrowedFd<'_>, interface: u32, runner: Runner) -> io::Result<OwnedFd> {
    let flags = match runner {
        Runner::Driver => libbpf_sys::XDP_FLAGS_DRV_MODE,
        Runner::Stack => libbpf_sys::XDP_FLAGS_SKB_MODE,
    };
    let size = size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t;
    let options = libbpf_sys::bpf_link_create_opts { sz: size, flags, ..Default::default() };
    let interface = i32::try_from(interface).map_err(io::Error::other)?;
    // SAFETY: the program is a valid descriptor, and `options` a valid structure of the size that it says.
    let link = unsafe {
        libbpf_sys::bpf_link_create(program.as_raw_fd(), interface, libbpf_sys::BPF_XDP, &raw const options)
    };
    if link < 0 {
        return Err(io::Error::from_raw_os_error(-link));
    }
    // SAFETY: the kernel has just made the descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(link) })
}

/// The program that is on a port now. One of a process that was just killed is waited for: the kernel takes it
/// off when it has torn the process down.
pub(crate) fn occupant(port: &Nic) -> Option<Occupant> {
    let patience = Instant::now() + LEFTOVER;
    loop {
        let found = program_on(port)?;
        if !found.is_shim() || Instant::now() > patience {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn program_on(port: &Nic) -> Option<Occupant> {
    let interface = i32::try_from(port.index()).ok()?;
    // The query asks about the interface; the descriptor, which only attaching needs, is not looked at.
    let query = Xdp::new(io::stdin().as_fd()).query(interface, XdpFlags::NONE).ok()?;
    let id = [query.prog_id, query.drv_prog_id, query.skb_prog_id, query.hw_prog_id]
        .into_iter()
        .find(|id| *id != 0)?;
    let known = ProgInfoIter::default().find(|program| program.id == id);
    let name = known.map_or_else(
        || "of unknown name, perhaps another synward".into(),
        |program| program.name.to_string_lossy().into_owned(),
    );
    Some(Occupant { id, name })
}

/// What the shim of a port has counted since it was loaded.
#[derive(Debug)]
pub struct ShimCounters(MapHandle);

impl ShimCounters {
    /// Frames handed to a socket.
    pub fn redirected(&self) -> u64 {
        self.sum(REDIRECTED)
    }

    /// Frames dropped because their queue had no socket.
    pub fn no_socket(&self) -> u64 {
        self.sum(NO_SOCKET)
    }

    fn sum(&self, counter: u32) -> u64 {
        let cores = self.0.lookup_percpu(&counter.to_ne_bytes(), MapFlags::ANY).ok().flatten();
        let count = |bytes: &Vec<u8>| bytes.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        cores.iter().flatten().map(count).sum()
    }
}

/// Sends what libbpf prints to the log, at the level of details: what matters comes back as an error, too.
pub(crate) fn log_libbpf() {
    fn log(_: libbpf_rs::PrintLevel, message: String) {
        tracing::debug!(target: "libbpf", "{}", message.trim_end());
    }
    libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Info, log)));
}
