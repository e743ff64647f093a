//! The XDP program on a port, and its maps.

mod board;
mod link;

use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libbpf_rs::libbpf_sys;
use libbpf_rs::query::ProgInfoIter;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, MapHandle, Xdp, XdpFlags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::changes::Changes;
use crate::nic::Nic;
use crate::pins::Pins;
use board::Board;
pub(crate) use board::{Line, now};
use link::Link;

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

/// Number of the counters of a queue (`OUTCOMES` in the program).
const OUTCOMES: usize = 4;

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
    runner: Runner,
}

impl Occupant {
    /// Whether it is a shim of this program: another instance runs on the port.
    pub(crate) fn is_shim(&self) -> bool {
        self.name == PROGRAM
    }
}

/// How the program treats frames while no worker takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// Whether they are sent out of the other port, or dropped.
    pub open: bool,
    /// How long a worker may say nothing before it counts as dead.
    pub stale_after: Duration,
}

/// What the program is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    pub(crate) fallback: Fallback,
    /// Number of the queues that have workers.
    pub(crate) queues: u32,
    /// Whether frames may be longer than a buffer.
    pub(crate) pieces: bool,
}

/// The program loaded for one port, with maps of its own or those that were pinned for it.
pub(crate) struct Shim {
    skeleton: skeleton::ShimSkel<'static>,
    link: Option<Link>,
    board: Arc<Board>,
}

impl Shim {
    /// Loads the program into the kernel. With pins, it goes on with the maps that are pinned, and new ones are pinned.
    pub(crate) fn load(build: Build, pins: Option<&Pins>) -> Result<Self, libbpf_rs::Error> {
        // The skeleton borrows its object for as long as it lives, and nothing can own both. There is one for each
        // port of the process: the few hundred bytes are left to its end.
        let object = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = skeleton::ShimSkelBuilder::default().open(object)?;
        if let Some(settings) = open.maps.rodata_data.as_deref_mut() {
            settings.fail_open = build.fallback.open;
            settings.stale_after = u64::try_from(build.fallback.stale_after.as_nanos()).unwrap_or(u64::MAX);
            settings.queues_served = build.queues;
        }
        if build.pieces {
            open.progs.synward_shim.set_flags(libbpf_sys::BPF_F_XDP_HAS_FRAGS);
        }
        if let Some(pins) = pins {
            let maps = &mut open.maps;
            for map in [
                &mut maps.sockets,
                &mut maps.peer,
                &mut maps.queues,
                &mut maps.blocked,
                &mut maps.counters,
                &mut maps.changes,
            ] {
                let path = pins.path(&map.name().to_string_lossy());
                map.set_pin_path(path)?;
            }
        }
        let skeleton = open.load()?;
        let board = Board::of(&skeleton.maps.queues, &skeleton.maps.blocked)?;
        Ok(Self { skeleton, link: None, board })
    }

    /// Puts the program on a port, or in the place of the one that is pinned there. It leaves the port when the shim is dropped or the
    /// process ends, unless it is pinned.
    pub(crate) fn attach(&mut self, port: &Nic, runner: Runner, pins: Option<&Pins>) -> io::Result<()> {
        let program = self.skeleton.progs.synward_shim.as_fd();
        let there = self.link.take().or_else(|| pins.and_then(|pins| pinned_link(port, pins)));
        self.link = Some(match there {
            Some(link) if link.runner == runner => {
                link.update(program)?;
                link
            }
            there => {
                // One of another kind leaves first: a port has one program only.
                if let Some(there) = there {
                    there.detach()?;
                }
                if let Some(pins) = pins {
                    pins.remove_link();
                }
                Link::create(program, port.index(), runner)?
            }
        });
        Ok(())
    }

    /// Takes the program off its port, unless it is pinned.
    pub(crate) fn detach(&mut self) {
        self.link = None;
    }

    /// Keeps the program on its port when the process is gone.
    pub(crate) fn pin(&self, pins: &Pins) -> io::Result<()> {
        match &self.link {
            Some(link) if !pins.has_link() => link.pin(&pins.link()),
            _ => Ok(()),
        }
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
        match self.skeleton.maps.sockets.delete(&queue.to_ne_bytes()) {
            // The kernel takes a socket out when it is closed.
            Err(error) if error.kind() == libbpf_rs::ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }

    /// What the shim and the worker of a queue tell each other.
    pub(crate) fn line(&self, queue: u32) -> Line {
        self.board.line(queue)
    }

    /// A handle to read the counters with, from any thread.
    pub(crate) fn counters(&self) -> libbpf_rs::Result<ShimCounters> {
        MapHandle::try_from(&self.skeleton.maps.counters).map(ShimCounters)
    }

    /// Notes what was done to the port, for whoever lets go of it.
    pub(crate) fn note_changes(&self, changes: &Changes) -> libbpf_rs::Result<()> {
        let map = &self.skeleton.maps.changes;
        let mut bytes = serde_json::to_vec(changes).map_err(io::Error::other)?;
        bytes.resize(map.value_size() as usize, 0);
        map.update(&0_u32.to_ne_bytes(), &bytes, MapFlags::ANY)
    }
}

/// What was done to a port whose shim is pinned.
pub(crate) fn pinned_changes(pins: &Pins) -> Option<Changes> {
    let map = MapHandle::from_pinned_path(pins.path("changes")).ok()?;
    let bytes = map.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY).ok()??;
    let text = bytes.split(|byte| *byte == 0).next()?;
    serde_json::from_slice(text).ok()
}

/// The interface that a link which is pinned at `path` is on; none if there is no link, or the interface is gone.
pub(crate) fn pinned_interface(path: &Path) -> Option<u32> {
    // Who runs the program is of no matter for the question.
    let link = Link::adopt(path, Runner::Driver).ok()?;
    link.interface().ok().filter(|index| *index != 0)
}

/// Who runs the program that is pinned for a port.
pub(crate) fn pinned_runner(port: &Nic, pins: &Pins) -> Option<Runner> {
    pinned_link(port, pins).map(|link| link.runner)
}

/// Takes the program that is pinned for a port off it, at once.
pub(crate) fn detach_pinned(pins: &Pins) {
    // Who runs it is of no matter; where there is none, there is nothing to do.
    if let Ok(link) = Link::adopt(&pins.link(), Runner::Driver)
        && let Err(error) = link.detach()
    {
        tracing::warn!(%error, "cannot take the XDP program off its port");
    }
}

/// The link that is pinned for a port, if it is on this very interface.
fn pinned_link(port: &Nic, pins: &Pins) -> Option<Link> {
    let runner = program_on(port)?.runner;
    let link = Link::adopt(&pins.link(), runner).ok()?;
    (link.interface().ok()? == port.index()).then_some(link)
}

impl std::fmt::Debug for Shim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shim").field("link", &self.link).finish_non_exhaustive()
    }
}

/// A program of somebody else's that is on a port. One of a process that was just killed is waited for: the kernel takes it
/// off when it has torn the process down.
pub(crate) fn occupant(port: &Nic, pins: Option<&Pins>) -> Option<Occupant> {
    if pins.is_some_and(|pins| pinned_link(port, pins).is_some()) {
        return None;
    }
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
    let runner = if query.skb_prog_id == id { Runner::Stack } else { Runner::Driver };
    Some(Occupant { id, name, runner })
}

/// What the shim of a port has counted since it first came onto the port.
#[derive(Debug)]
pub struct ShimCounters(MapHandle);

/// What a shim did with the frames of one queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShimCounts {
    /// Handed to the socket of a worker.
    pub redirected: u64,
    /// While no worker took them: sent out of the other port without a look at more than their source.
    pub bypassed: u64,
    /// While no worker took them: dropped.
    pub dropped: u64,
    /// While no worker took them: dropped, because the worker had dropped others of their source.
    pub blocked: u64,
}

impl ShimCounters {
    /// What became of the frames of a queue.
    pub fn of_queue(&self, queue: u32) -> ShimCounts {
        let cores = self.0.lookup_percpu(&queue.to_ne_bytes(), MapFlags::ANY).ok().flatten();
        let mut sums = [0_u64; OUTCOMES];
        for core in cores.iter().flatten() {
            let (counts, _) = core.as_chunks::<8>();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from_ne_bytes(*count));
        }
        let [redirected, bypassed, dropped, blocked] = sums;
        ShimCounts { redirected, bypassed, dropped, blocked }
    }
}

/// Sends what libbpf prints to the log, at the level of details: what matters comes back as an error, too.
pub(crate) fn log_libbpf() {
    fn log(_: libbpf_rs::PrintLevel, message: String) {
        tracing::debug!(target: "libbpf", "{}", message.trim_end());
    }
    libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Info, log)));
}
