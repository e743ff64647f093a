//! Network namespaces and what is in them.

use std::fs::{self, File};
use std::thread;

use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use super::command::{attempt, run};

/// A network namespace; it goes when this is dropped, with all interfaces in it.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace that has a loopback interface, and no IPv6 unless it is asked for: no frame in it is
    /// the kernel's own idea.
    pub(crate) fn new(name: String, ipv6: bool) -> Self {
        run(&format!("ip netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set dev lo up");
        if !ipv6 {
            namespace.enter(|| {
                for scope in ["all", "default"] {
                    fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1").unwrap();
                }
            });
        }
        namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these arguments.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        run(&format!("ip -n {} {arguments}", self.name))
    }

    /// Runs a command line that must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        run(&self.inside(line))
    }

    /// The command line that runs another one in here.
    pub(crate) fn inside(&self, line: &str) -> String {
        format!("ip netns exec {} {line}", self.name)
    }

    /// Does something on a thread that lives in here.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let here = move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(here).join().unwrap())
    }

    /// What `ip -details -json link show` says of an interface.
    pub(crate) fn link(&self, device: &str) -> Value {
        let text = run(&format!("ip -n {} -details -json link show dev {device}", self.name));
        let links: Value = serde_json::from_str(&text).unwrap();
        links[0].clone()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        attempt(&format!("ip netns del {}", self.name));
    }
}
