//! The ports as the kernel shows them: links that come and go, names, MTUs and queues that change.

use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use synward_policy::LinkLoss as Setting;
use synward_xsk::nic::{Nic, NicError, link_changes};
use synward_xsk::{MAX_WHOLE_MTU, PortMonitor};
use tokio::net::UnixDatagram;

use super::link_loss::{Deed, LinkLoss, Seen};
use super::view::{PORTS, View};

/// What is known of the ports from one look to the next.
pub(super) struct PortWatch {
    /// A netlink socket: its words are received as those of any other.
    changes: UnixDatagram,
    began: Instant,
    /// None where a loss is not passed on.
    link_loss: Option<LinkLoss>,
    known: [Known; 2],
    /// The largest MTU whose frames the ports were set up for.
    served_mtu: u32,
}

/// What should not change of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    name: String,
    mtu: u32,
    queues: u32,
}

impl Known {
    fn of(nic: &Nic) -> Result<Self, NicError> {
        let name = nic.current_name().unwrap_or_else(|| nic.name().to_owned());
        Ok(Self { name, mtu: nic.mtu()?, queues: nic.queues()? })
    }
}

impl PortWatch {
    pub(super) fn new(view: &View, setting: Setting) -> Result<Self> {
        let [outside, inside] = &view.ports;
        let known = [Known::of(&outside.nic)?, Known::of(&inside.nic)?];
        for (port, known) in known.iter().enumerate() {
            view.set_mtu(port, known.mtu);
        }
        let changes = link_changes().context("cannot listen to changes of the ports")?;
        let changes = UnixDatagram::from_std(changes.into())?;
        let served_mtu = known.iter().map(|known| known.mtu).fold(MAX_WHOLE_MTU, u32::max);
        let mut watch = Self { changes, began: Instant::now(), link_loss: None, known, served_mtu };
        watch.set(view, setting);
        Ok(watch)
    }

    /// Waits until some interface has changed since the last look.
    pub(super) async fn changed(&self) {
        // Whatever the answer: a look tells.
        let _ = self.changes.readable().await;
    }

    /// Passes losses on from now on, or no more.
    pub(super) fn set(&mut self, view: &View, setting: Setting) {
        match setting {
            Setting::Ignore => self.let_go(view),
            Setting::Propagate if self.link_loss.is_none() => {
                self.link_loss = Some(LinkLoss::new(self.began.elapsed()));
            }
            Setting::Propagate => {}
        }
    }

    /// Brings the port up again that is held down, and holds none any more.
    pub(super) fn let_go(&mut self, view: &View) {
        if let Some(port) = self.link_loss.take().and_then(|link_loss| link_loss.held()) {
            act(view, Deed::BringUp(port));
            view.hold_down(port, false);
        }
    }

    /// Looks at both ports, says what has changed, and passes the loss of a link on.
    ///
    /// # Errors
    /// When a port has disappeared, or has queues that no worker serves: only a new start helps.
    pub(super) fn look(&mut self, view: &View) -> Result<()> {
        let looked = self.look_at_all(view);
        // A driver that resets its card may have no answer for a moment.
        match looked {
            Err(error)
                if error.is::<NicError>()
                    && view.ports.iter().all(|port| port.nic.current_name().is_some()) =>
            {
                tracing::debug!(%error, "a port does not answer");
                Ok(())
            }
            looked => looked,
        }
    }

    fn look_at_all(&mut self, view: &View) -> Result<()> {
        // Before the ports are looked at: what changes from here on is another word.
        while self.changes.try_recv(&mut [0]).is_ok() {}
        for (port, monitor) in view.ports.iter().enumerate() {
            self.look_at(view, port, monitor)?;
        }
        let [outside, inside] = &view.ports;
        let seen = [see(&outside.nic)?, see(&inside.nic)?];
        view.note_links(seen.map(|seen| seen.carrier));
        if let Some(deed) = self.link_loss.as_mut().and_then(|it| it.look(self.began.elapsed(), seen)) {
            act(view, deed);
        }
        let held = self.link_loss.as_ref().and_then(LinkLoss::held);
        (0..PORTS.len()).for_each(|port| view.hold_down(port, held == Some(port)));
        Ok(())
    }

    fn look_at(&mut self, view: &View, port: usize, monitor: &PortMonitor) -> Result<()> {
        let label = PORTS.get(port).copied().unwrap_or_default();
        let now = Known::of(&monitor.nic).with_context(|| gone(label, &monitor.nic))?;
        let Some(known) = self.known.get_mut(port).filter(|known| **known != now) else { return Ok(()) };
        let before = std::mem::replace(known, now.clone());
        if now.name != before.name {
            tracing::warn!(
                port = label,
                was = before.name,
                is = now.name,
                "the port was renamed: write its new name into the configuration"
            );
        }
        let (name, workers) = (&now.name, monitor.queues.len());
        if now.queues as usize != workers {
            bail!(
                "the {label} port {name} has {} queues now, and {workers} are served: start again",
                now.queues
            );
        }
        if now.mtu != before.mtu {
            view.set_mtu(port, now.mtu);
            self.tell_mtus();
        }
        Ok(())
    }

    /// Says whether frames can still cross, now that a port has another MTU.
    fn tell_mtus(&self) {
        let [outside, inside] = &self.known;
        let served = self.served_mtu;
        let (outside_mtu, inside_mtu) = (outside.mtu, inside.mtu);
        if outside_mtu != inside_mtu {
            tracing::warn!(
                outside_mtu,
                inside_mtu,
                "the MTUs differ: longer frames are lost; set both to the same value"
            );
        } else if outside_mtu > served {
            tracing::warn!(
                outside_mtu,
                served,
                "the MTU has grown: longer frames are lost until the next start"
            );
        } else {
            tracing::info!(outside_mtu, inside_mtu, "the MTUs have changed");
        }
    }
}

fn gone(port: &str, nic: &Nic) -> String {
    format!("the {port} port {} is gone", nic.name())
}

fn see(nic: &Nic) -> Result<Seen, NicError> {
    Ok(Seen { up: nic.is_up()?, carrier: nic.carrier()? })
}

/// Takes a port down because the other has no link, or brings it up again.
fn act(view: &View, deed: Deed) {
    let (port, up) = match deed {
        Deed::TakeDown(port) => (port, false),
        Deed::BringUp(port) => (port, true),
    };
    let (Some(label), Some(monitor)) = (PORTS.get(port), view.ports.get(port)) else { return };
    let other = PORTS.get(1 - port).copied().unwrap_or_default();
    if let Err(error) = monitor.nic.set_up(up) {
        tracing::warn!(port = label, %error, "the loss of a link cannot be passed on");
        return;
    }
    if up {
        tracing::warn!(port = label, "brought up again");
    } else {
        tracing::warn!(port = label, "taken down, because the {other} port has no link");
    }
}

impl View {
    fn hold_down(&self, port: usize, held: bool) {
        if let Some(link) = self.links.get(port) {
            let before = link.held_down.swap(held, Ordering::Relaxed);
            link.propagations.fetch_add(u64::from(held && !before), Ordering::Relaxed);
        }
    }

    fn set_mtu(&self, port: usize, mtu: u32) {
        if let Some(link) = self.links.get(port) {
            link.mtu.store(mtu, Ordering::Relaxed);
        }
    }
}
