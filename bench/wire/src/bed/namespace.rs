//! Network namespaces and what is in them.

use std::fs::{self, File};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};

use super::command::{run, run_words};

/// What the names of all namespaces of the harness begin with; the process that made one follows.
const PREFIX: &str = "synward-wire-";

/// A network namespace; it goes when this is dropped, with all interfaces in it.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace in which no frame is the kernel's own idea.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let namespace = Self { name: format!("{PREFIX}{}-{name}", std::process::id()) };
        run(&format!("ip netns add {}", namespace.name))?;
        namespace.ip("link set dev lo up")?;
        for scope in ["all", "default"] {
            namespace.write(&format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1")?;
        }
        Ok(namespace)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these arguments.
    pub(crate) fn ip(&self, arguments: &str) -> Result<String> {
        run(&format!("ip -n {} {arguments}", self.name))
    }

    /// Runs a command line that must succeed.
    pub(crate) fn run(&self, line: &str) -> Result<String> {
        run(&format!("ip netns exec {} {line}", self.name))
    }

    /// Runs a script that must succeed. `/sys` shows the interfaces of the namespace then.
    pub(crate) fn shell(&self, script: &str) -> Result<String> {
        run_words(&["ip", "netns", "exec", &self.name, "sh", "-e", "-c", script])
    }

    /// Sets a sysctl of the network.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        self.enter(|| fs::write(path, text).with_context(|| format!("cannot write {path}")))
    }

    /// Number of an interface.
    pub(crate) fn index(&self, device: &str) -> Result<u32> {
        self.enter(|| if_nametoindex(device).with_context(|| format!("{device} of {}", self.name)))
    }

    /// Does something on a thread that lives in here.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        enter(&self.name, work)
    }
}

/// Does something on a thread that lives in the namespace of a name.
pub(crate) fn enter<T: Send>(name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = format!("/run/netns/{name}");
    let file = File::open(&path).with_context(|| format!("cannot open {path}"))?;
    let here = move || {
        setns(file, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")?;
        work()
    };
    let joined = thread::scope(|scope| scope.spawn(here).join());
    joined.map_err(|_| anyhow!("a thread in {name} panicked"))?
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Ends what still runs in a namespace, and removes it. Nobody else knows these namespaces.
fn remove(name: &str) {
    let pids = run(&format!("ip netns pids {name}")).unwrap_or_default();
    pids.lines().for_each(|pid| drop(run(&format!("kill -KILL {pid}"))));
    if let Err(error) = run(&format!("ip netns delete {name}")) {
        eprintln!("bench-wire: {error:#}");
    }
}

/// Removes what processes that were killed have left behind.
pub(crate) fn remove_orphans() -> Result<()> {
    let list = run("ip netns list")?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let is_orphan = |name: &&str| {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        pid.is_some_and(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(true))
    };
    names.filter(is_orphan).for_each(remove);
    Ok(())
}
