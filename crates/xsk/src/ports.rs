//! The two ports of the bridge, opened: from two names to sockets on every queue.

use std::io;
use std::path::Path;

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{MembarrierCommand, membarrier};

use crate::error::OpenError;
use crate::held::{self, Held};
use crate::mode::{XdpMode, XdpRequest};
use crate::monitor::PortMonitor;
use crate::nic::Nic;
use crate::pins::Pins;
use crate::queue::{Bind, FRAMES, Queue, Unbound};
use crate::shim::{self, Fallback, MAX_QUEUES, Occupant};
use crate::umem::{MAX_FRAME, Umem};

/// Bytes before the packet in the longest frame: an Ethernet header and four VLAN tags.
const LONGEST_HEADER: usize = 14 + 4 * 4;

/// The largest MTU whose frames fit into one buffer.
pub const MAX_WHOLE_MTU: u32 = (MAX_FRAME - LONGEST_HEADER) as u32;

/// The largest MTU: of frames in four buffers, more than any Ethernet has.
pub const MAX_MTU: u32 = (4 * MAX_FRAME - LONGEST_HEADER) as u32;

/// What one worker works with. The sockets lie before the memory: they are closed first.
#[derive(Debug)]
pub struct QueuePair {
    /// Number of the queue.
    pub queue: u32,
    /// The queue of the outside port.
    pub outside: Queue,
    /// The queue of the inside port.
    pub inside: Queue,
    /// The buffers of both.
    pub umem: Umem,
}

/// What the two ports are opened with.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Name of the port towards the router.
    pub outside: &'a str,
    /// Name of the port towards the LAN.
    pub inside: &'a str,
    /// How frames are to get from the driver to the worker.
    pub xdp: XdpRequest,
    /// Queues of each port; as many as they have, when it is not given.
    pub queues: Option<u32>,
    /// What becomes of frames that no worker takes.
    pub fallback: Fallback,
    /// Where a bpffs is mounted.
    pub bpffs: &'a Path,
    /// Whether the workers never sleep, so that they may do the kernel's work of receiving, where the driver lets them.
    pub busy_poll: bool,
}

/// The two ports, held until this is dropped.
///
/// Where there is a bpffs, the shims then stay, and hold the wire until another process takes it over or [`Ports::release`] is called.
/// Where there is none, or before [`Ports::arm`], they leave, and all settings are as before.
///
/// To be dropped after the workers: a driver gives up no queue that a socket is bound to.
#[derive(Debug)]
pub struct Ports {
    /// Outside, inside.
    held: [Held; 2],
    queues: u32,
    mode: XdpMode,
    busy_poll: bool,
}

/// Two opened ports and what to do with them.
#[derive(Debug)]
pub struct Opened {
    /// For the workers.
    pub pairs: Vec<QueuePair>,
    /// For the control thread: outside, inside.
    pub monitors: [PortMonitor; 2],
    /// Holds the ports.
    pub ports: Ports,
}

impl Ports {
    /// Opens the two ports. Shims that another process has left there are taken over: the frames that they let pass meanwhile do not
    /// notice. No frame reaches a socket before [`Ports::arm`].
    ///
    /// # Errors
    /// When that cannot be; both ports are then as they were.
    pub fn open(setup: &Setup<'_>) -> Result<Opened, OpenError> {
        shim::log_libbpf();
        lift_memory_limit();
        let Setup { outside, inside, xdp, queues, fallback, bpffs, busy_poll } = *setup;
        let ports = find(outside, inside)?;
        let [outer, inner] = &ports;
        let pins = [Pins::take(bpffs, outside)?, Pins::take(bpffs, inside)?];
        for (port, pins) in ports.iter().zip(&pins) {
            check_free(port, pins.as_ref())?;
        }
        let [outer_pins, inner_pins] = pins;
        // All settings come before the programs and sockets: many drivers refuse or reset with these in place.
        let mut held = [
            Held::take(outer, outer_pins, queues, fallback)?,
            Held::take(inner, inner_pins, queues, fallback)?,
        ];
        introduce(&held)?;
        let queues = common_queues(&ports)?;
        let (pairs, mode) = first_that_works(&mut held, xdp, queues, busy_poll)?;
        if busy_poll {
            poll_busily(&mut held, &pairs);
        }
        held.iter().for_each(Held::tell_stuck);
        let [outer_held, inner_held] = &held;
        let outer_queues = pairs.iter().map(|pair| (pair.queue, &pair.outside));
        let inner_queues = pairs.iter().map(|pair| (pair.queue, &pair.inside));
        let monitors = [
            PortMonitor::new(outer, &outer_held.shim, outer_queues, mode, fallback)?,
            PortMonitor::new(inner, &inner_held.shim, inner_queues, mode, fallback)?,
        ];
        Ok(Opened { pairs, monitors, ports: Self { held, queues, mode, busy_poll } })
    }

    /// Lets the frames reach the sockets. To be called when the workers run. From now on the shims stay on the ports, where there is
    /// a bpffs.
    ///
    /// # Errors
    /// When the kernel refuses an entry of the map of sockets, or a pin.
    pub fn arm(&self, monitors: &[PortMonitor; 2]) -> io::Result<()> {
        for queue in 0..self.queues {
            self.arm_queue(monitors, queue)?;
        }
        self.held.iter().try_for_each(Held::pin)
    }

    /// Lets the frames of one queue reach its sockets.
    ///
    /// # Errors
    /// When the kernel refuses an entry of the map of sockets, or the queue has no worker.
    pub fn arm_queue(&self, monitors: &[PortMonitor; 2], queue: u32) -> io::Result<()> {
        for (held, monitor) in self.held.iter().zip(monitors) {
            let monitor = monitor.queues.iter().find(|monitor| monitor.queue == queue);
            let monitor = monitor.ok_or(io::ErrorKind::NotFound)?;
            let socket = monitor.socket().ok_or(io::ErrorKind::NotConnected)?;
            held.shim.insert(queue, socket.as_fd()).map_err(io::Error::other)?;
            monitor.probe_again();
        }
        Ok(())
    }

    /// Makes new sockets and memory for a queue whose worker is gone. No frame reaches them before [`Ports::arm_queue`].
    ///
    /// # Errors
    /// When that cannot be: what the kernel said.
    pub fn reopen(&self, monitors: &[PortMonitor; 2], queue: u32) -> io::Result<QueuePair> {
        self.disarm_queue(queue);
        let pair =
            bind_pair(&self.held, queue, self.mode.bind(), self.busy_poll).map_err(io::Error::other)?;
        for (monitor, socket) in monitors.iter().zip([&pair.outside, &pair.inside]) {
            monitor
                .queues
                .iter()
                .filter(|known| known.queue == queue)
                .for_each(|known| known.replace(socket));
        }
        Ok(pair)
    }

    /// Lets no more frames reach the sockets: behind this call, what has arrived can be brought to its end. The shims hold the wire.
    pub fn disarm(&self) {
        (0..self.queues).for_each(|queue| self.disarm_queue(queue));
        // The kernel may be about to put a frame into a ring that it has found before.
        if let Err(error) = membarrier(MembarrierCommand::Global) {
            tracing::debug!(%error, "no membarrier: a frame may be lost at the end");
        }
    }

    fn disarm_queue(&self, queue: u32) {
        for held in &self.held {
            if let Err(error) = held.shim.remove(queue) {
                tracing::warn!(queue, %error, "cannot take a queue out of the map of sockets");
            }
        }
    }

    /// Whether the shims stay on the ports when this is dropped.
    pub fn stay(&self) -> bool {
        self.held.iter().all(Held::stays)
    }

    /// Takes off the ports of these names what a process has left there, and gives them back as they were before the first. Answers
    /// which of them had anything.
    ///
    /// # Errors
    /// When a process is at work on one of them.
    pub fn release<'a>(bpffs: &Path, ports: [&'a str; 2]) -> Result<Vec<&'a str>, OpenError> {
        let mut released = Vec::new();
        for port in ports {
            if held::release(bpffs, port)? {
                released.push(port);
            }
        }
        Ok(released)
    }
}

/// Tells each shim of the other's port.
fn introduce([outside, inside]: &[Held; 2]) -> Result<(), OpenError> {
    outside
        .shim
        .set_peer(&inside.nic)
        .and_then(|()| inside.shim.set_peer(&outside.nic))
        .map_err(OpenError::Load)
}

/// The memory of the frames counts as locked: without CAP_IPC_LOCK, the usual limit of 8 MiB is too little for one queue.
fn lift_memory_limit() {
    let unlimited = Rlimit { current: None, maximum: None };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        tracing::debug!(%error, "cannot lift the limit on locked memory");
    }
}

/// The two ports, untouched: they fit together.
fn find(outside: &str, inside: &str) -> Result<[Nic; 2], OpenError> {
    let ports = [Nic::open(outside)?, Nic::open(inside)?];
    check_mtus(&ports)?;
    Ok(ports)
}

fn check_mtus([outside, inside]: &[Nic; 2]) -> Result<(), OpenError> {
    if outside.index() == inside.index() {
        return Err(OpenError::SamePort(inside.name().to_owned()));
    }
    let (outside_mtu, inside_mtu) = (outside.mtu()?, inside.mtu()?);
    if outside_mtu != inside_mtu {
        let (outside, inside) = (outside.name().to_owned(), inside.name().to_owned());
        return Err(OpenError::MtusDiffer { outside, outside_mtu, inside, inside_mtu });
    }
    if outside_mtu > MAX_MTU {
        return Err(OpenError::MtuTooLarge { port: outside.name().to_owned(), mtu: outside_mtu });
    }
    Ok(())
}

/// Whether nobody else has the port.
fn check_free(port: &Nic, pins: Option<&Pins>) -> Result<(), OpenError> {
    match shim::occupant(port, pins) {
        None => Ok(()),
        Some(found) if found.is_shim() => Err(OpenError::AlreadyRunning(port.name().to_owned())),
        Some(Occupant { id, name, .. }) => {
            Err(OpenError::ForeignProgram { port: port.name().to_owned(), name, id })
        }
    }
}

/// The number of queues of both ports: every one of them can have a worker.
fn common_queues([outside, inside]: &[Nic; 2]) -> Result<u32, OpenError> {
    let (outside_queues, inside_queues) = (usable_queues(outside)?, usable_queues(inside)?);
    if outside_queues != inside_queues {
        let (outside, inside) = (outside.name().to_owned(), inside.name().to_owned());
        return Err(OpenError::QueuesDiffer { outside, outside_queues, inside, inside_queues });
    }
    Ok(outside_queues)
}

fn usable_queues(port: &Nic) -> Result<u32, OpenError> {
    let name = || port.name().to_owned();
    let channels = port.channels()?;
    let (rx, tx) = channels.map_or((1, 1), |channels| (channels.queues(), channels.tx_queues()));
    match rx {
        0 => Err(OpenError::NoQueues(name())),
        _ if tx < rx => Err(OpenError::TooFewTxQueues { port: name(), rx, tx }),
        _ if rx > MAX_QUEUES => Err(OpenError::TooManyQueues { port: name(), queues: rx }),
        _ => Ok(rx),
    }
}

/// Attaches and binds in the first mode that works on all queues of both ports: sharing their memory, they share the mode.
fn first_that_works(
    held: &mut [Held; 2],
    xdp: XdpRequest,
    queues: u32,
    busy_poll: bool,
) -> Result<(Vec<QueuePair>, XdpMode), OpenError> {
    let mut failures = String::new();
    let mut candidates = xdp.candidates();
    // Those first for which the program that is pinned need not leave its port.
    candidates.sort_by_key(|mode| {
        held.iter().any(|held| held.runner().is_some_and(|there| there != mode.runner()))
    });
    for mode in candidates {
        match start(held, mode, queues, busy_poll) {
            Ok(pairs) => return Ok((pairs, mode)),
            Err(reason) => {
                tracing::info!(mode = mode.name(), reason, "this XDP mode does not work on these ports");
                failures += &format!("\n  {}: {reason}", mode.name());
            }
        }
    }
    Err(OpenError::NoMode(failures))
}

/// Has interrupts wait where the workers' looks have the kernel receive; elsewhere they would only add to the latency.
fn poll_busily(held: &mut [Held; 2], pairs: &[QueuePair]) {
    let [outside, inside] = held;
    let outer = pairs.iter().all(|pair| pair.outside.polls());
    let inner = pairs.iter().all(|pair| pair.inside.polls());
    for (port, polls) in [(outside, outer), (inside, inner)] {
        if polls {
            port.defer_interrupts();
        } else {
            let port = port.nic.name();
            tracing::info!(port, "the workers cannot poll its queues: they spin, and interrupts go on");
        }
    }
}

/// Attaches both shims, then binds all queues. The programs come first: some drivers reset their rings for them.
fn start(
    held: &mut [Held; 2],
    mode: XdpMode,
    queues: u32,
    busy_poll: bool,
) -> Result<Vec<QueuePair>, String> {
    for held in &mut *held {
        let attached = held.attach(mode.runner());
        attached.map_err(|error| format!("{}: {}", held.nic.name(), attach_remedy(&held.nic, &error)))?;
    }
    (0..queues).map(|queue| bind_pair(held, queue, mode.bind(), busy_poll)).collect()
}

fn attach_remedy(port: &Nic, error: &io::Error) -> String {
    let mtu = port.mtu().unwrap_or(0);
    match Errno::from_io_error(error) {
        Some(Errno::OPNOTSUPP) => "its driver runs no XDP programs".to_owned(),
        Some(Errno::NOSPC) => format!(
            "its driver has too few queues for an XDP program: raise `queues` in [bridge], or lower those of the \
             other end of a veth ({error})"
        ),
        Some(Errno::RANGE | Errno::INVAL) if mtu > 1500 => {
            format!(
                "its driver runs no XDP program at an MTU of {mtu}: lower the MTU of both ports, to {MAX_WHOLE_MTU} where it is \
                 larger, else to 1500, which works with all ({error})"
            )
        }
        Some(Errno::PERM | Errno::ACCESS) => {
            format!("{error}: run as root, or with CAP_NET_ADMIN and CAP_BPF")
        }
        _ => format!("cannot attach the XDP program: {error}"),
    }
}

/// The sockets of one queue of both ports, over one memory.
fn bind_pair(
    [outside, inside]: &[Held; 2],
    queue: u32,
    mode: Bind,
    busy_poll: bool,
) -> Result<QueuePair, String> {
    let said =
        |held: &Held, error: &io::Error| format!("{} queue {queue}: {}", held.nic.name(), bind_remedy(error));
    let mut umem = Umem::new(FRAMES).map_err(|error| said(outside, &error))?;
    let pieces = outside.nic.mtu().map_err(|error| error.to_string())? > MAX_WHOLE_MTU;
    let first =
        Unbound::first(&mut umem).and_then(|socket| socket.bind(outside.nic.index(), queue, mode, pieces));
    let mut first = first.map_err(|error| said(outside, &error))?;
    let second =
        Unbound::further(&mut umem).and_then(|socket| socket.bind_shared(inside.nic.index(), queue, &first));
    let mut second = second.map_err(|error| said(inside, &error))?;
    // In zero-copy mode the kernel wakes no driver up to send while its sockets are polled (`xsk_no_wakeup`, net/xdp/xsk.c), for looking at
    // the queue is to send, too: with Linux 7.3 no frame crossed between two ports of virtio_net, nor of igb.
    if busy_poll && mode == Bind::Copy {
        first.poll_busily().map_err(|error| said(outside, &error))?;
        second.poll_busily().map_err(|error| said(inside, &error))?;
    }
    first.talk_on(outside.shim.line(queue));
    second.talk_on(inside.shim.line(queue));
    Ok(QueuePair { queue, outside: first, inside: second, umem })
}

fn bind_remedy(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::OPNOTSUPP | Errno::INVAL) => format!("its driver cannot do this ({error})"),
        Some(Errno::BUSY) => "another AF_XDP socket holds the queue: end the program that has it".to_owned(),
        Some(Errno::NETDOWN) => "the port is down".to_owned(),
        Some(Errno::PERM | Errno::ACCESS) => {
            format!("{error}: run as root, or with CAP_NET_RAW and CAP_NET_ADMIN")
        }
        Some(Errno::NOBUFS | Errno::NOMEM) => format!("{error}: raise LimitMEMLOCK, or use fewer queues"),
        _ => format!("cannot bind a socket: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_refuses_the_mtu_is_told_with_what_would_work() {
        let loopback = Nic::open("lo").unwrap();
        let mtu = loopback.mtu().unwrap();
        let said = attach_remedy(&loopback, &io::Error::from(Errno::INVAL));
        assert!(said.starts_with(&format!("its driver runs no XDP program at an MTU of {mtu}")), "{said}");
        assert!(said.contains("to 3810 where it is larger, else to 1500"), "{said}");
    }

    #[test]
    fn the_largest_frame_fits_into_a_buffer() {
        assert_eq!(MAX_WHOLE_MTU as usize + LONGEST_HEADER + crate::umem::HEADROOM, crate::umem::FRAME_SIZE);
    }
}
