//! A port that is held, and what is undone when it is let go.

use crate::error::OpenError;
use crate::nic::{Muted, Nic, Promiscuous, QueueCount, Quieted, Raised};
use crate::shim::Shim;

/// A port with everything that was done to it. The fields undo it, in their order.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) shim: Shim,
    _promiscuous: Promiscuous,
    quieted: Quieted,
    _queues: Option<QueueCount>,
    _raised: Raised,
    _muted: Muted,
    nic: Nic,
}

impl Held {
    /// Prepares a port of a bridge whose other one is `peer`: no word of the host's own, up, so many queues, no offload that
    /// changes frames, every frame received, and the shim loaded, which is not on the port yet.
    pub(crate) fn take(nic: &Nic, peer: &Nic, queues: Option<u32>) -> Result<Self, OpenError> {
        let muted = Muted::apply(nic);
        let raised = Raised::raise(nic)?;
        let queues = queues.map(|count| QueueCount::set(nic, count)).transpose()?;
        let quieted = Quieted::apply(nic)?;
        if !quieted.changed().is_empty() {
            tracing::info!(
                port = nic.name(),
                features = quieted.changed().join(", "),
                "turned off until the end"
            );
        }
        let promiscuous = Promiscuous::hold(nic)?;
        let shim = Shim::load().map_err(OpenError::Load)?;
        shim.set_peer(peer).map_err(OpenError::Load)?;
        Ok(Self {
            shim,
            _promiscuous: promiscuous,
            quieted,
            _queues: queues,
            _raised: raised,
            _muted: muted,
            nic: nic.clone(),
        })
    }

    /// Says which features the driver does not turn off.
    pub(crate) fn tell_stuck(&self) {
        for feature in self.quieted.stuck() {
            let port = self.nic.name();
            tracing::warn!(port, feature, "the driver does not turn this off: frames may be changed or lost");
        }
    }
}
