//! The test bed of one contender: two hosts, and between them a third that has the two ports.
//!
//! ```text
//!  source            wire                            sink
//!  end0 ═══ veth ═══ oN   the contender   iN ═══ veth ═══ end0
//! ```
//!
//! Every contender has a bed of its own, and all stand side by side; only one gets frames at a time.

mod command;
pub(crate) mod cores;
mod namespace;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

pub(crate) use command::{is_installed, run};
pub(crate) use namespace::{Namespace, enter, remove_orphans};

/// The interface of a host.
pub(crate) const END: &str = "end0";

/// Who receives in the kernel for the ports of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Receiver {
    /// A thread of the kernel on the contender's core.
    Thread,
    /// The core that sends, as a veth does by itself: as if the card interrupted another core.
    Sender,
}

/// Three namespaces, two cables, and a folder.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) source: Namespace,
    pub(crate) wire: Namespace,
    pub(crate) sink: Namespace,
    pub(crate) outside: String,
    pub(crate) inside: String,
    receiver: Receiver,
    folder: PathBuf,
}

impl Bed {
    /// Makes the bed of this number.
    pub(crate) fn new(number: usize, receiver: Receiver) -> Result<Self> {
        let (wire, source) =
            (Namespace::new(&format!("{number}-wire"))?, Namespace::new(&format!("{number}-source"))?);
        let sink = Namespace::new(&format!("{number}-sink"))?;
        let (outside, inside) = (format!("o{number}"), format!("i{number}"));
        cable(&wire, &outside, &source)?;
        cable(&wire, &inside, &sink)?;
        let folder = std::env::temp_dir().join(format!("synward-wire-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { source, wire, sink, outside, inside, receiver, folder })
    }

    /// A folder for what the contender needs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The two ports.
    pub(crate) fn ports(&self) -> [&str; 2] {
        [&self.outside, &self.inside]
    }

    /// Has the kernel receive on the ports without a program of its own there: for contenders that are the kernel's.
    pub(crate) fn receive_in_batches(&self) -> Result<()> {
        self.ports().iter().try_for_each(|port| self.wire.run(&format!("ethtool -K {port} gro on")).map(drop))
    }

    /// Puts those who receive on their core. To be called when the contender is at work: what it attaches may make them anew.
    pub(crate) fn place_receivers(&self) -> Result<()> {
        if self.receiver != Receiver::Thread {
            return Ok(());
        }
        for port in self.ports() {
            self.wire.shell(&format!("echo 1 >/sys/class/net/{port}/threaded"))?;
            let receivers = cores::receivers(port)?;
            anyhow::ensure!(!receivers.is_empty(), "nobody receives for {port}");
            receivers.into_iter().try_for_each(|thread| cores::pin(thread, cores::WORKER))?;
        }
        Ok(())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A veth pair of one queue from a port of the wire to a host. No offload leaves anything for later: nobody would do it.
fn cable(wire: &Namespace, port: &str, host: &Namespace) -> Result<()> {
    wire.ip(&format!("link add {port} type veth peer name {END} netns {}", host.name()))?;
    wire.run(&format!("ethtool -K {port} tx off tso off gso off txvlan off rxvlan off"))?;
    host.run(&format!("ethtool -K {END} tx off tso off gso off txvlan off rxvlan off"))?;
    wire.ip(&format!("link set {port} up"))?;
    host.ip(&format!("link set {END} up"))?;
    Ok(())
}
