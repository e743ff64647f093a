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
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use nix::libc::{IFF_PROMISC, IFF_UP};
use serde::Serialize;

pub(crate) use command::{is_installed, run};
pub(crate) use namespace::{Namespace, enter, remove_orphans};

/// The interface of a host that the harness makes.
const END: &str = "end0";

/// Who receives in the kernel for the ports of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Receiver {
    /// A thread of the kernel on the contender's core.
    Thread,
    /// The core that sends, as a veth does by itself: as if the card interrupted another core.
    Sender,
}

/// A host at one end, and the interface that its frames leave or arrive by.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) namespace: Namespace,
    pub(crate) device: String,
    /// As what the interface goes back to the machine, if it is the machine's.
    borrowed: Option<Flags>,
}

/// What an interface of the machine was before.
#[derive(Debug, Clone, Copy)]
struct Flags {
    up: bool,
    promiscuous: bool,
}

impl Flags {
    /// Reads them, of an interface that loses no address by being taken away.
    fn of(device: &str) -> Result<Self> {
        let path = format!("/sys/class/net/{device}/flags");
        let text = fs::read_to_string(&path).with_context(|| format!("there is no interface {device}"))?;
        let flags = i32::from_str_radix(text.trim().trim_start_matches("0x"), 16).context(path)?;
        let addresses = run(&format!("ip -brief address show dev {device} scope global"))?;
        let addresses: Vec<_> = addresses.split_whitespace().skip(2).collect();
        ensure!(
            addresses.is_empty(),
            "{device} would lose its addresses: is it the right port? Then first: ip address flush dev {device}   # {}",
            addresses.join(" ")
        );
        Ok(Self { up: flags & IFF_UP != 0, promiscuous: flags & IFF_PROMISC != 0 })
    }

    /// Words for `ip link set`.
    fn words(self) -> String {
        let word = |is_on| if is_on { "on" } else { "off" };
        format!("{} promisc {}", if self.up { "up" } else { "down" }, word(self.promiscuous))
    }
}

impl Host {
    /// Number of the interface.
    pub(crate) fn index(&self) -> Result<u32> {
        self.namespace.index(&self.device)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Self { namespace, device, borrowed } = self;
        let Some(flags) = borrowed else { return };
        let back = namespace.ip(&format!("link set {device} netns {}", std::process::id()));
        let back = back.and_then(|_| run(&format!("ip link set {device} {}", flags.words())));
        if let Err(error) = back {
            eprintln!("bench-wire: cannot give {device} back: {error:#}");
        }
    }
}

/// Three namespaces, two cables, and a folder; or two ports of this machine, with a box in between.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) source: Host,
    /// Where the contender works. Empty where it is a box.
    pub(crate) wire: Namespace,
    pub(crate) sink: Host,
    outside: String,
    inside: String,
    receiver: Receiver,
    folder: PathBuf,
}

impl Bed {
    /// Makes a bed.
    pub(crate) fn new(receiver: Receiver) -> Result<Self> {
        let number = next();
        let (outside, inside) = (format!("o{number}"), format!("i{number}"));
        let wire = Namespace::new(&format!("{number}-wire"))?;
        let host = |port: &str, name: &str| {
            let namespace = Namespace::new(&format!("{number}-{name}"))?;
            cable(&wire, port, &namespace)?;
            Ok::<_, anyhow::Error>(Host { namespace, device: END.to_owned(), borrowed: None })
        };
        let (source, sink) = (host(&outside, "source")?, host(&inside, "sink")?);
        Ok(Self { source, wire, sink, outside, inside, receiver, folder: make_folder(number)? })
    }

    /// Makes a bed with one cable from the source to the sink, and nothing in between.
    pub(crate) fn bare() -> Result<Self> {
        let number = next();
        let namespace = |name: &str| Namespace::new(&format!("{number}-{name}"));
        let (source, wire, sink) = (namespace("source")?, namespace("wire")?, namespace("sink")?);
        cable(&source, END, &sink)?;
        let host = |namespace| Host { namespace, device: END.to_owned(), borrowed: None };
        Self::without_ports(number, host(source), wire, host(sink))
    }

    /// Takes two ports of this machine, each into a namespace of its own, which it leaves when the bed is dropped.
    pub(crate) fn between(source: &str, sink: &str) -> Result<Self> {
        let number = next();
        let host = |device: &str, name: &str| {
            let flags = Flags::of(device)?;
            let namespace = Namespace::new(&format!("{number}-{name}"))?;
            run(&format!("ip link set {device} netns {}", namespace.name()))?;
            let host = Host { namespace, device: device.to_owned(), borrowed: Some(flags) };
            host.namespace.ip(&format!("link set {device} up promisc on"))?;
            Ok::<_, anyhow::Error>(host)
        };
        let wire = Namespace::new(&format!("{number}-wire"))?;
        let (source, sink) = (host(source, "source")?, host(sink, "sink")?);
        Self::without_ports(number, source, wire, sink)
    }

    fn without_ports(number: u32, source: Host, wire: Namespace, sink: Host) -> Result<Self> {
        let (outside, inside, receiver) = (String::new(), String::new(), Receiver::Sender);
        Ok(Self { source, wire, sink, outside, inside, receiver, folder: make_folder(number)? })
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

/// The number of the next bed.
fn next() -> u32 {
    static BEDS: AtomicU32 = AtomicU32::new(0);
    BEDS.fetch_add(1, Ordering::Relaxed)
}

fn make_folder(number: u32) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("synward-wire-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
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
