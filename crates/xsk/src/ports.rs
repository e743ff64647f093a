//! The two ports of the bridge, opened: from two names to sockets on every queue.

use std::io;
use std::sync::Arc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::nic::{Nic, NicError, Promiscuous, QueueCount, Quieted, Raised};
use crate::queue::{Bind, FRAMES, Queue, Unbound};
use crate::shim::{self, MAX_QUEUES, Occupant, Runner, Shim, ShimCounters};
use crate::umem::{MAX_FRAME, Umem};

/// Bytes before the packet in the longest frame: an Ethernet header and four VLAN tags.
const LONGEST_HEADER: usize = 14 + 4 * 4;

/// The largest MTU whose frames fit into one buffer.
pub const MAX_MTU: u32 = (MAX_FRAME - LONGEST_HEADER) as u32;

/// How frames are to get from the driver to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpRequest {
    /// The first that works.
    Auto,
    /// This mode or none.
    Only(XdpMode),
}

/// How frames get from the driver to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpMode {
    /// The driver runs the program and works on the worker's memory.
    ZeroCopy,
    /// The driver runs the program, the kernel copies the frames.
    Copy,
    /// The network stack runs the program and copies the frames.
    Skb,
}

impl XdpMode {
    /// The name in configuration, metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ZeroCopy => "zerocopy",
            Self::Copy => "copy",
            Self::Skb => "skb",
        }
    }

    fn runner(self) -> Runner {
        match self {
            Self::ZeroCopy | Self::Copy => Runner::Driver,
            Self::Skb => Runner::Stack,
        }
    }

    fn bind(self) -> Bind {
        match self {
            Self::ZeroCopy => Bind::ZeroCopy,
            Self::Copy | Self::Skb => Bind::Copy,
        }
    }

    /// The mode of a socket that the kernel bound as `bound`, behind a program run by this mode's runner.
    fn really(self, bound: Bind) -> Self {
        match (bound, self.runner()) {
            (Bind::ZeroCopy, _) => Self::ZeroCopy,
            (Bind::Copy, Runner::Driver) => Self::Copy,
            (Bind::Copy, Runner::Stack) => Self::Skb,
        }
    }
}

impl XdpRequest {
    fn candidates(self) -> Vec<XdpMode> {
        match self {
            Self::Auto => vec![XdpMode::ZeroCopy, XdpMode::Copy, XdpMode::Skb],
            Self::Only(mode) => vec![mode],
        }
    }
}

/// Why the ports could not be opened: each with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting of a port could not be read or changed.
    #[error(transparent)]
    Nic(#[from] NicError),
    /// Two names of one interface.
    #[error("outside and inside are the same port, {0}: a bridge needs two")]
    SamePort(String),
    /// Frames of the one port might not fit through the other.
    #[error(
        "the MTUs differ: {outside} has {outside_mtu}, {inside} has {inside_mtu}; set both to the same value with \
         `ip link set dev PORT mtu VALUE`"
    )]
    MtusDiffer {
        /// The outside port.
        outside: String,
        /// Its MTU.
        outside_mtu: u32,
        /// The inside port.
        inside: String,
        /// Its MTU.
        inside_mtu: u32,
    },
    /// Frames might not fit into a buffer.
    #[error("{port} has an MTU of {mtu}, and frames of at most {MAX_MTU} fit; lower the MTU of both ports")]
    MtuTooLarge {
        /// The port.
        port: String,
        /// Its MTU.
        mtu: u32,
    },
    /// Some queues would have no worker.
    #[error(
        "{outside} has {outside_queues} queues and {inside} has {inside_queues}: frames of the surplus queues would \
         be lost; give both the same number with `queues = N` in [bridge], or with `ethtool -L PORT combined N`"
    )]
    QueuesDiffer {
        /// The outside port.
        outside: String,
        /// Number of its queues.
        outside_queues: u32,
        /// The inside port.
        inside: String,
        /// Number of its queues.
        inside_queues: u32,
    },
    /// More queues than the maps of the shim have room for.
    #[error(
        "{port} has {queues} queues, and {MAX_QUEUES} can be served; write `queues = {MAX_QUEUES}` in [bridge]"
    )]
    TooManyQueues {
        /// The port.
        port: String,
        /// Number of its queues.
        queues: u32,
    },
    /// Another instance is at work.
    #[error("another synward runs on {0}: stop that one first (`synward status` tells whether it is yours)")]
    AlreadyRunning(String),
    /// Somebody else's XDP program is on the port.
    #[error(
        "{port} has an XDP program already: {name} (id {id}); take it off with `ip link set dev {port} xdp off`, or \
         end the program that put it there"
    )]
    ForeignProgram {
        /// The port.
        port: String,
        /// The name of the program.
        name: String,
        /// Its id, as `bpftool prog` shows it.
        id: u32,
    },
    /// The kernel does not load the shim.
    #[error("the kernel does not load the XDP program: {0}{remedy}", remedy = load_remedy(.0))]
    Load(libbpf_rs::Error),
    /// None of the modes that were tried works.
    #[error("no XDP mode works on these ports:{0}")]
    NoMode(String),
}

fn load_remedy(error: &libbpf_rs::Error) -> &'static str {
    match error.kind() {
        libbpf_rs::ErrorKind::PermissionDenied => {
            "; run as root, or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF"
        }
        _ => "; synward needs Linux 5.11 or newer with BPF and AF_XDP",
    }
}

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

/// What can be watched of one queue of one port while a worker owns it.
#[derive(Debug)]
pub struct QueueMonitor {
    /// Number of the queue.
    pub queue: u32,
    /// The mode that it really got.
    pub mode: XdpMode,
    socket: Arc<OwnedFd>,
}

/// The kernel's counters of one socket (`struct xdp_statistics`, linux/if_xdp.h).
pub use rustix::net::xdp::XdpStatistics;

impl QueueMonitor {
    /// The kernel's counters of the socket.
    ///
    /// # Errors
    /// None that a bound socket is known to give.
    pub fn statistics(&self) -> io::Result<XdpStatistics> {
        Ok(sockopt::xdp_statistics(&*self.socket)?)
    }
}

/// What can be watched of one port while workers own its queues.
#[derive(Debug)]
pub struct PortMonitor {
    /// The name of its interface.
    pub interface: String,
    /// Its queues.
    pub queues: Vec<QueueMonitor>,
    /// What its shim counts.
    pub shim: ShimCounters,
}

/// A port that is held: its fields undo, in their order, what was done to it.
#[derive(Debug)]
struct Held {
    shim: Shim,
    _promiscuous: Promiscuous,
    _quieted: Quieted,
    _queues: Option<QueueCount>,
    _raised: Raised,
}

/// The two ports, held until this is dropped: then the XDP programs leave, and all settings are as before.
#[derive(Debug)]
pub struct Ports {
    outside: Held,
    inside: Held,
    queues: u32,
}

/// Two opened ports and what to do with them.
#[derive(Debug)]
pub struct Opened {
    /// Holds the ports.
    pub ports: Ports,
    /// For the workers.
    pub pairs: Vec<QueuePair>,
    /// For the control thread: outside, inside.
    pub monitors: [PortMonitor; 2],
}

impl Ports {
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
        let ports = [Nic::open(outside)?, Nic::open(inside)?];
        check_mtus(&ports)?;
        ports.iter().try_for_each(check_free)?;
        let [outer, inner] = &ports;
        let raised = [Raised::raise(outer)?, Raised::raise(inner)?];
        let counts = queues
            .map(|count| Ok::<_, NicError>([QueueCount::set(outer, count)?, QueueCount::set(inner, count)?]));
        let counts = counts.transpose()?;
        let queues = common_queues(&ports)?;
        let mut shims = [Shim::load().map_err(OpenError::Load)?, Shim::load().map_err(OpenError::Load)?];
        let (pairs, mode) = first_that_works(&ports, &mut shims, xdp, queues)?;
        hold(&ports, shims, raised, counts, pairs, mode)
    }

    /// Lets the frames reach the sockets. To be called when the workers run.
    ///
    /// # Errors
    /// When the kernel refuses an entry of the map of sockets.
    pub fn arm(&self, monitors: &[PortMonitor; 2]) -> io::Result<()> {
        for (port, monitor) in [&self.outside, &self.inside].into_iter().zip(monitors) {
            for queue in &monitor.queues {
                port.shim.insert(queue.queue, queue.socket.as_fd()).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// Lets no more frames reach the sockets: what has arrived can be brought to its end.
    pub fn disarm(&self) {
        for (port, queue) in
            [&self.outside, &self.inside].into_iter().flat_map(|p| (0..self.queues).map(move |q| (p, q)))
        {
            if let Err(error) = port.shim.remove(queue) {
                tracing::warn!(queue, %error, "cannot take a queue out of the map of sockets");
            }
        }
    }
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

fn common_queues([outside, inside]: &[Nic; 2]) -> Result<u32, OpenError> {
    let (outside_queues, inside_queues) = (outside.queues()?, inside.queues()?);
    if outside_queues != inside_queues {
        let (outside, inside) = (outside.name().to_owned(), inside.name().to_owned());
        return Err(OpenError::QueuesDiffer { outside, outside_queues, inside, inside_queues });
    }
    if outside_queues > MAX_QUEUES {
        return Err(OpenError::TooManyQueues { port: outside.name().to_owned(), queues: outside_queues });
    }
    Ok(outside_queues)
}

/// Attaches and binds in the first mode that works on all queues of both ports: sharing their memory, they share the mode.
fn first_that_works(
    ports: &[Nic; 2],
    shims: &mut [Shim; 2],
    xdp: XdpRequest,
    queues: u32,
) -> Result<(Vec<QueuePair>, XdpMode), OpenError> {
    let mut failures = String::new();
    for mode in xdp.candidates() {
        match start(ports, shims, mode, queues) {
            Ok(pairs) => return Ok((pairs, mode)),
            Err(reason) => {
                tracing::info!(mode = mode.name(), reason, "this XDP mode does not work on these ports");
                failures += &format!("\n  {}: {reason}", mode.name());
            }
        }
    }
    shims.iter_mut().for_each(Shim::detach);
    Err(OpenError::NoMode(failures))
}

/// Attaches both shims, then binds all queues. The programs come first: some drivers reset their rings for them.
fn start(
    ports: &[Nic; 2],
    shims: &mut [Shim; 2],
    mode: XdpMode,
    queues: u32,
) -> Result<Vec<QueuePair>, String> {
    for (port, shim) in ports.iter().zip(shims) {
        let refused = |error: io::Error| format!("{}: {}", port.name(), attach_remedy(port, &error));
        shim.attach(port, mode.runner()).map_err(refused)?;
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

/// Does to both ports what remains, now that they work.
fn hold(
    ports: &[Nic; 2],
    shims: [Shim; 2],
    raised: [Raised; 2],
    counts: Option<[QueueCount; 2]>,
    pairs: Vec<QueuePair>,
    mode: XdpMode,
) -> Result<Opened, OpenError> {
    let [outer, inner] = ports;
    let [outer_shim, inner_shim] = shims;
    let peers = outer_shim.set_peer(inner).and_then(|()| inner_shim.set_peer(outer));
    peers.map_err(OpenError::Load)?;
    let monitors = [
        monitor(outer, &outer_shim, pairs.iter().map(|pair| (pair.queue, &pair.outside)), mode)?,
        monitor(inner, &inner_shim, pairs.iter().map(|pair| (pair.queue, &pair.inside)), mode)?,
    ];
    let [outer_raised, inner_raised] = raised;
    let (outer_queues, inner_queues) = counts.map(|[outer, inner]| (outer, inner)).unzip();
    let ports = Ports {
        outside: Held::new(outer, outer_shim, outer_raised, outer_queues)?,
        inside: Held::new(inner, inner_shim, inner_raised, inner_queues)?,
        queues: monitors.first().map_or(0, |monitor| monitor.queues.len() as u32),
    };
    Ok(Opened { ports, monitors, pairs })
}

fn monitor<'a>(
    port: &Nic,
    shim: &Shim,
    queues: impl Iterator<Item = (u32, &'a Queue)>,
    mode: XdpMode,
) -> Result<PortMonitor, OpenError> {
    let queues = queues.map(|(queue, socket)| {
        let bound = socket.bound_as().unwrap_or(Bind::Copy);
        QueueMonitor { queue, mode: mode.really(bound), socket: socket.socket() }
    });
    let shim = shim.counters().map_err(OpenError::Load)?;
    Ok(PortMonitor { interface: port.name().to_owned(), queues: queues.collect(), shim })
}

impl Held {
    fn new(port: &Nic, shim: Shim, raised: Raised, queues: Option<QueueCount>) -> Result<Self, NicError> {
        let quieted = Quieted::apply(port)?;
        if !quieted.changed().is_empty() {
            tracing::info!(
                port = port.name(),
                features = quieted.changed().join(", "),
                "turned off until the end"
            );
        }
        for feature in quieted.stuck() {
            tracing::warn!(
                port = port.name(),
                feature,
                "the driver does not turn this off: frames may be changed or lost"
            );
        }
        let promiscuous = Promiscuous::hold(port)?;
        Ok(Self { shim, _promiscuous: promiscuous, _quieted: quieted, _queues: queues, _raised: raised })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_tries_the_fastest_first() {
        let names: Vec<_> = XdpRequest::Auto.candidates().into_iter().map(XdpMode::name).collect();
        assert_eq!(names, ["zerocopy", "copy", "skb"]);
        assert_eq!(XdpRequest::Only(XdpMode::Skb).candidates(), [XdpMode::Skb]);
    }

    #[test]
    fn the_mode_is_what_the_kernel_says_not_what_was_asked() {
        assert_eq!(XdpMode::ZeroCopy.really(Bind::Copy), XdpMode::Copy);
        assert_eq!(XdpMode::Skb.really(Bind::Copy), XdpMode::Skb);
        assert_eq!(XdpMode::Copy.really(Bind::ZeroCopy), XdpMode::ZeroCopy);
    }

    #[test]
    fn the_largest_frame_fits_into_a_buffer() {
        assert_eq!(MAX_MTU as usize + LONGEST_HEADER + crate::umem::HEADROOM, crate::umem::FRAME_SIZE);
    }
}
