//! What the control thread can see of the ports while workers own their queues.

use std::io;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::net::sockopt;
/// The kernel's counters of one socket (`struct xdp_statistics`, linux/if_xdp.h).
pub use rustix::net::xdp::XdpStatistics;

use crate::error::OpenError;
use crate::mode::XdpMode;
use crate::nic::Nic;
use crate::queue::{Bind, Queue};
use crate::shim::{Shim, ShimCounters};

/// What can be watched of one queue of one port while a worker owns it.
#[derive(Debug)]
pub struct QueueMonitor {
    /// Number of the queue.
    pub queue: u32,
    /// The mode that it really got.
    pub mode: XdpMode,
    pub(crate) socket: Arc<OwnedFd>,
}

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
    ) -> Result<Self, OpenError> {
        let queues = queues.map(|(queue, socket)| {
            let bound = socket.bound_as().unwrap_or(Bind::Copy);
            QueueMonitor { queue, mode: mode.really(bound), socket: socket.socket() }
        });
        let shim = shim.counters().map_err(OpenError::Load)?;
        Ok(Self { nic: nic.clone(), queues: queues.collect(), shim })
    }
}
