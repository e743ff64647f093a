//! What the control thread can see of the ports while workers own their queues.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fd::OwnedFd;
use rustix::net::sockopt;
/// The kernel's counters of one socket (`struct xdp_statistics`, linux/if_xdp.h).
pub use rustix::net::xdp::XdpStatistics;

use crate::error::OpenError;
use crate::mode::XdpMode;
use crate::nic::Nic;
use crate::queue::{Bind, Queue};
use crate::shim::{self, Fallback, Line, Shim, ShimCounters};

/// What can be watched of one queue of one port while a worker owns it.
#[derive(Debug)]
pub struct QueueMonitor {
    /// Number of the queue.
    pub queue: u32,
    /// The mode that it really got.
    pub mode: XdpMode,
    fallback: Fallback,
    line: Line,
    /// Not held open: the socket must go with the worker that owns it, for the shim to know.
    socket: Mutex<Weak<OwnedFd>>,
}

impl QueueMonitor {
    /// The kernel's counters of the socket.
    ///
    /// # Errors
    /// When no worker has the queue.
    pub fn statistics(&self) -> io::Result<XdpStatistics> {
        Ok(sockopt::xdp_statistics(&*self.socket().ok_or(io::ErrorKind::NotConnected)?)?)
    }

    /// Whether a worker takes the frames, as the shim sees it: if not, it holds the wire itself.
    pub fn is_served(&self) -> bool {
        self.is_alive() && (!self.fallback.open || self.line.is_trusted())
    }

    /// Whether there is a worker, and its heart beats.
    pub fn is_alive(&self) -> bool {
        let silent = shim::now().saturating_sub(self.line.last_beat());
        self.socket().is_some() && silent <= self.fallback.stale_after
    }

    /// Lets the shim try whether frames arrive.
    pub(crate) fn probe_again(&self) {
        self.line.probe_again();
    }

    /// The socket, if a worker has it.
    pub(crate) fn socket(&self) -> Option<Arc<OwnedFd>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// Watches another socket from now on.
    pub(crate) fn replace(&self, socket: &Queue) {
        let socket = Arc::downgrade(&socket.socket());
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }
}

/// What can be watched of one port while workers own its queues.
#[derive(Debug)]
pub struct PortMonitor {
    /// The interface.
    pub nic: Nic,
    /// Its queues.
    pub queues: Vec<QueueMonitor>,
    /// What its shim counts.
    pub shim: ShimCounters,
}

impl PortMonitor {
    pub(crate) fn new<'a>(
        nic: &Nic,
        shim: &Shim,
        queues: impl Iterator<Item = (u32, &'a Queue)>,
        mode: XdpMode,
        fallback: Fallback,
    ) -> Result<Self, OpenError> {
        let queues = queues.map(|(queue, socket)| {
            let bound = socket.bound_as().unwrap_or(Bind::Copy);
            let (line, mode) = (shim.line(queue), mode.really(bound));
            let socket = Mutex::new(Arc::downgrade(&socket.socket()));
            QueueMonitor { queue, mode, fallback, line, socket }
        });
        let shim = shim.counters().map_err(OpenError::Load)?;
        Ok(Self { nic: nic.clone(), queues: queues.collect(), shim })
    }
}
