//! The two ports of the bridge, opened: from two names to sockets on every queue.

use std::io;

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::error::OpenError;
use crate::held::Held;
use crate::mode::{XdpMode, XdpRequest};
use crate::monitor::PortMonitor;
use crate::nic::Nic;
use crate::queue::{Bind, FRAMES, Queue, Unbound};
use crate::shim::{self, MAX_QUEUES, Occupant};
use crate::umem::{MAX_FRAME, Umem};

/// Bytes before the packet in the longest frame: an Ethernet header and four VLAN tags.
const LONGEST_HEADER: usize = 14 + 4 * 4;

/// The largest MTU whose frames fit into one buffer.
pub const MAX_MTU: u32 = (MAX_FRAME - LONGEST_HEADER) as u32;

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

/// The two ports, held until this is dropped: then the XDP programs leave, and all settings are as before.
///
/// To be dropped after the workers: a driver gives up no queue that a socket is bound to.
#[derive(Debug)]
pub struct Ports {
    /// Outside, inside.
    held: [Held; 2],
    queues: u32,
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
    /// Says what speaks against opening the two ports, as far as a look can tell that changes nothing.
    ///
    /// # Errors
    /// When a port is missing or taken, or the two do not fit together.
    pub fn check(outside: &str, inside: &str) -> Result<(), OpenError> {
        find(outside, inside).map(drop)
    }

    /// Opens the two ports, `queues` queues of each or as many as they have. No frame reaches a socket before
    /// [`Ports::arm`].
    ///
    /// # Errors
    /// When that cannot be; both ports are then as they were.
    pub fn open(
        outside: &str,
        inside: &str,
        xdp: XdpRequest,
        queues: Option<u32>,
    ) -> Result<Opened, OpenError> {
        shim::log_libbpf();
        lift_memory_limit();
        let ports = find(outside, inside)?;
        let [outer, inner] = &ports;
        // All settings come before the programs and sockets: many drivers refuse or reset with these in place.
        let mut held = [Held::take(outer, inner, queues)?, Held::take(inner, outer, queues)?];
        let queues = common_queues(&ports)?;
        let (pairs, mode) = first_that_works(&ports, &mut held, xdp, queues)?;
        held.iter().for_each(Held::tell_stuck);
        let [outer_held, inner_held] = &held;
        let outer_queues = pairs.iter().map(|pair| (pair.queue, &pair.outside));
        let inner_queues = pairs.iter().map(|pair| (pair.queue, &pair.inside));
        let monitors = [
            PortMonitor::new(outer, &outer_held.shim, outer_queues, mode)?,
            PortMonitor::new(inner, &inner_held.shim, inner_queues, mode)?,
        ];
        Ok(Opened { pairs, monitors, ports: Self { held, queues } })
    }

    /// Lets the frames reach the sockets. To be called when the workers run.
    ///
    /// # Errors
    /// When the kernel refuses an entry of the map of sockets.
    pub fn arm(&self, monitors: &[PortMonitor; 2]) -> io::Result<()> {
        for (held, monitor) in self.held.iter().zip(monitors) {
            for queue in &monitor.queues {
                held.shim.insert(queue.queue, queue.socket.as_fd()).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// Lets no more frames reach the sockets: what has arrived can be brought to its end.
    pub fn disarm(&self) {
        for (held, queue) in
            self.held.iter().flat_map(|held| (0..self.queues).map(move |queue| (held, queue)))
        {
            if let Err(error) = held.shim.remove(queue) {
                tracing::warn!(queue, %error, "cannot take a queue out of the map of sockets");
            }
        }
    }
}

/// The memory of the frames counts as locked: without CAP_IPC_LOCK, the usual limit of 8 MiB is too little for one queue.
fn lift_memory_limit() {
    let unlimited = Rlimit { current: None, maximum: None };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        tracing::debug!(%error, "cannot lift the limit on locked memory");
    }
}

/// The two ports, untouched: they fit together, and nobody else has them.
fn find(outside: &str, inside: &str) -> Result<[Nic; 2], OpenError> {
    let ports = [Nic::open(outside)?, Nic::open(inside)?];
    check_mtus(&ports)?;
    ports.iter().try_for_each(check_free)?;
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

fn check_free(port: &Nic) -> Result<(), OpenError> {
    match shim::occupant(port) {
        None => Ok(()),
        Some(found) if found.is_shim() => Err(OpenError::AlreadyRunning(port.name().to_owned())),
        Some(Occupant { id, name }) => {
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
    ports: &[Nic; 2],
    held: &mut [Held; 2],
    xdp: XdpRequest,
    queues: u32,
) -> Result<(Vec<QueuePair>, XdpMode), OpenError> {
    let mut failures = String::new();
    for mode in xdp.candidates() {
        match start(ports, held, mode, queues) {
            Ok(pairs) => return Ok((pairs, mode)),
            Err(reason) => {
                tracing::info!(mode = mode.name(), reason, "this XDP mode does not work on these ports");
                failures += &format!("\n  {}: {reason}", mode.name());
            }
        }
    }
    Err(OpenError::NoMode(failures))
}

/// Attaches both shims, then binds all queues. The programs come first: some drivers reset their rings for them.
fn start(
    ports: &[Nic; 2],
    held: &mut [Held; 2],
    mode: XdpMode,
    queues: u32,
) -> Result<Vec<QueuePair>, String> {
    for (port, held) in ports.iter().zip(held) {
        let refused = |error: io::Error| format!("{}: {}", port.name(), attach_remedy(port, &error));
        held.shim.attach(port, mode.runner()).map_err(refused)?;
    }
    (0..queues).map(|queue| bind_pair(ports, queue, mode.bind())).collect()
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
                "its driver runs no XDP program at an MTU of {mtu}: lower the MTU of both ports ({error})"
            )
        }
        Some(Errno::PERM | Errno::ACCESS) => {
            format!("{error}: run as root, or with CAP_NET_ADMIN and CAP_BPF")
        }
        _ => format!("cannot attach the XDP program: {error}"),
    }
}

/// The sockets of one queue of both ports, over one memory.
fn bind_pair([outside, inside]: &[Nic; 2], queue: u32, mode: Bind) -> Result<QueuePair, String> {
    let said =
        |port: &Nic, error: &io::Error| format!("{} queue {queue}: {}", port.name(), bind_remedy(error));
    let mut umem = Umem::new(FRAMES).map_err(|error| said(outside, &error))?;
    let first = Unbound::first(&mut umem).and_then(|socket| socket.bind(outside.index(), queue, mode));
    let first = first.map_err(|error| said(outside, &error))?;
    let second =
        Unbound::further(&mut umem).and_then(|socket| socket.bind_shared(inside.index(), queue, &first));
    let second = second.map_err(|error| said(inside, &error))?;
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
    fn the_largest_frame_fits_into_a_buffer() {
        assert_eq!(MAX_MTU as usize + LONGEST_HEADER + crate::umem::HEADROOM, crate::umem::FRAME_SIZE);
    }
}
