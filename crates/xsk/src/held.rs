//! A port that is held, and what is undone when it is let go.

use std::path::Path;

use crate::changes::Changes;
use crate::error::OpenError;
use crate::nic::{Deferred, Muted, Nic, Promiscuous, QueueCount, Quieted, Raised};
use crate::pins::Pins;
use crate::shim::{self, Build, Fallback, Runner, Shim};

/// The MTU of Ethernet (IEEE 802.3 clause 3.2.7): every driver takes any program at it. Above, most want one that knows of frames in
/// pieces.
const ETHERNET_MTU: u32 = 1500;

/// A port with everything that was done to it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) shim: Shim,
    pub(crate) nic: Nic,
    changes: Changes,
    /// Features that change frames, and that the driver does not turn off.
    stuck: Vec<String>,
    /// While the process lives: the flag of the port does not show it.
    _promiscuous: Option<Promiscuous>,
    pins: Option<Pins>,
    /// Who runs the program that was pinned on the port before, if one was.
    runner: Option<Runner>,
}

impl Held {
    /// Prepares a port: no word of the host's own, up, so many queues, no offload that changes frames, every frame received.
    /// The shim is loaded; it is not on the port yet, unless one was pinned there.
    pub(crate) fn take(
        nic: &Nic,
        pins: Option<Pins>,
        queues: Option<u32>,
        fallback: Fallback,
    ) -> Result<Self, OpenError> {
        // Before anything is touched: what the processes before this one have noted.
        let (runner, mut first) = pins.as_ref().map_or((None, None), |pins| found(pins, nic));
        let muted = Muted::apply(nic);
        let raised = Raised::raise(nic)?;
        let queues = queues.map(|count| QueueCount::set(nic, count)).transpose()?;
        let quieted = Quieted::apply(nic)?;
        let lasting = pins.is_some().then(|| Promiscuous::set(nic)).transpose()?;
        let held = pins.is_none().then(|| Promiscuous::hold(nic)).transpose()?;
        give_back_interrupts(nic, first.as_mut());
        let build = Build { fallback, queues: nic.queues()?, pieces: nic.mtu()? > ETHERNET_MTU };
        let shim = load(build, pins.as_ref())?;
        let stuck = quieted.stuck().to_vec();
        // From here on one drop undoes all of it: that of what is returned.
        let ours = Changes {
            interface: nic.index(),
            muted: muted.keep(),
            raised: raised.keep(),
            channels: queues.and_then(QueueCount::keep),
            quieted: quieted.keep(),
            promiscuous: lasting.is_some_and(Promiscuous::keep),
            deferred: None,
        };
        tell_quieted(nic, &ours);
        let changes = ours.behind(first);
        let held = Self { shim, nic: nic.clone(), changes, stuck, _promiscuous: held, pins, runner };
        if held.pins.is_some() {
            held.shim.note_changes(&held.changes).map_err(OpenError::Load)?;
        }
        Ok(held)
    }

    /// Has the interrupts of the port wait while the workers poll. Where that cannot be, they poll all the same, beside the kernel.
    pub(crate) fn defer_interrupts(&mut self) {
        match Deferred::apply(&self.nic) {
            Ok(deferred) => self.changes.deferred = deferred.keep(),
            Err(error) => {
                let port = self.nic.name();
                tracing::warn!(port, %error, "cannot have interrupts wait while the workers poll (see wait in [bridge])");
            }
        }
        if self.pins.is_some()
            && let Err(error) = self.shim.note_changes(&self.changes)
        {
            tracing::warn!(port = self.nic.name(), %error, "cannot note what was done to the port");
        }
    }

    /// Puts the shim on the port, or in the place of the one that is pinned there.
    pub(crate) fn attach(&mut self, runner: Runner) -> std::io::Result<()> {
        self.shim.attach(&self.nic, runner, self.pins.as_ref())
    }

    /// Pins the shim: from now on it stays on the port, whatever becomes of the process. Nothing of that where there is no bpffs.
    pub(crate) fn pin(&self) -> std::io::Result<()> {
        self.pins.as_ref().map_or(Ok(()), |pins| self.shim.pin(pins))
    }

    /// Who runs the program that another process has left on the port.
    pub(crate) fn runner(&self) -> Option<Runner> {
        self.runner
    }

    /// Whether the shim stays on the port when this is dropped, or the process ends, and with it all that was done.
    pub(crate) fn stays(&self) -> bool {
        self.pins.as_ref().is_some_and(Pins::has_link)
    }

    /// Says which features the driver does not turn off.
    pub(crate) fn tell_stuck(&self) {
        for feature in &self.stuck {
            let port = self.nic.name();
            tracing::warn!(port, feature, "the driver does not turn this off: frames may be changed or lost");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.stays() {
            return;
        }
        if let Some(pins) = &self.pins {
            pins.clear();
        }
        // First of all: many drivers change nothing while a program is on the port.
        self.shim.detach();
        self.changes.undo(&self.nic);
    }
}

/// What is pinned for this very interface: who runs its program, and what is noted as done to it. A link that is on no interface any more
/// is taken away.
fn found(pins: &Pins, nic: &Nic) -> (Option<Runner>, Option<Changes>) {
    let runner = shim::pinned_runner(nic, pins);
    if runner.is_none() {
        pins.remove_link();
    }
    (runner, shim::pinned_changes(pins).filter(|changes| changes.interface == nic.index()))
}

/// Loads the shim. Pinned maps of another layout, as another version leaves them, are replaced.
fn load(build: Build, pins: Option<&Pins>) -> Result<Shim, OpenError> {
    let loaded = Shim::load(build, pins);
    match (loaded, pins) {
        (Err(error), Some(pins)) => {
            tracing::warn!(%error, "cannot go on with the maps that may be pinned: their counts are lost");
            pins.remove_maps();
            Shim::load(build, Some(pins)).map_err(OpenError::Load)
        }
        (loaded, _) => loaded.map_err(OpenError::Load),
    }
}

/// Undoes what a process before has done that polled: whether this one does is not known yet.
fn give_back_interrupts(nic: &Nic, first: Option<&mut Changes>) {
    let before = first.and_then(|first| first.deferred.take());
    drop(before.map(|before| Deferred::done_to(nic, before)));
}

fn tell_quieted(nic: &Nic, changes: &Changes) {
    if !changes.quieted.is_empty() {
        tracing::info!(port = nic.name(), features = changes.quieted.join(", "), "turned off until the end");
    }
}

/// Takes off a port whatever a process has left there. Answers whether there was anything.
pub(crate) fn release(bpffs: &Path, port: &str) -> Result<bool, OpenError> {
    let Some(pins) = Pins::existing(bpffs, port)? else { return Ok(false) };
    // The interface may be gone: then nothing is left to give back.
    let nic = Nic::open(port).ok();
    let changes = nic.as_ref().and_then(|nic| found(&pins, nic).1);
    // First of all: many drivers change nothing while a program is on the port.
    shim::detach_pinned(&pins);
    if let (Some(nic), Some(changes)) = (&nic, &changes) {
        changes.undo(nic);
    }
    pins.clear();
    Ok(changes.is_some())
}
