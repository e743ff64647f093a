//! Network namespaces.
#![allow(dead_code, reason = "each test uses its share")]

use std::fs::File;
use std::io::Write;
use std::process::{self, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// A network namespace, which goes when this is dropped, with all interfaces in it.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// `role`: that of no other namespace of this process.
    pub(crate) fn new(role: &str) -> Namespace {
        let name = format!("{role}-{}", process::id());
        run(&["ip", "netns", "add", &name], "");
        Namespace { name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a program in here that must succeed; returns what it prints.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> String {
        run(&[&["ip", "netns", "exec", &self.name], arguments].concat(), input)
    }

    /// Does something on a thread that lives in here.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let there = move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(there).join().unwrap())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // That it is gone already is no fault.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Runs a program that must succeed; returns what it prints.
pub(crate) fn run(arguments: &[&str], input: &str) -> String {
    let (program, arguments) = arguments.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|fault| panic!("{program}: {fault}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
