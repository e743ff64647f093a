//! A receiver with iptables and a sender, each in a network namespace of its own, and a wire between them.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, bind, send, socket};

/// The name of both interfaces.
const DEVICE: &str = "wire0";
/// Where the frames are sent to.
const ADDRESS: &str = "02:00:00:00:00:01";
/// Frames sent without a pause: fewer than the queue of a veth holds.
const BURST: usize = 64;

/// A network namespace, which goes when this is dropped.
struct Namespace(String);

impl Namespace {
    fn new(role: &str) -> Namespace {
        let name = format!("bpf-{role}-{}", process::id());
        run(&["ip", "netns", "add", &name], "");
        Namespace(name)
    }

    /// Runs a program in here that must succeed; returns what it prints.
    fn run(&self, arguments: &[&str], input: &str) -> String {
        run(&[&["ip", "netns", "exec", &self.0], arguments].concat(), input)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // That it is gone already is no fault.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn run(arguments: &[&str], input: &str) -> String {
    let (program, arguments) = arguments.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|fault| panic!("{program}: {fault}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) struct Wire {
    receiver: Namespace,
    sender: OwnedFd,
    /// Kept, for the wire goes with it.
    _far: Namespace,
}

/// Packets that a rule has dropped, and those that got past it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) dropped: usize,
    pub(crate) passed: usize,
}

impl Wire {
    /// `name`: that of no other wire in this process.
    pub(crate) fn new(name: &str) -> Wire {
        let [receiver, far] = ["in", "out"].map(|role| Namespace::new(&format!("{name}-{role}")));
        let link = ["ip", "-n", &receiver.0, "link"];
        let peer = ["type", "veth", "peer", "name", DEVICE, "netns", &far.0];
        run(&[&link[..], &["add", DEVICE, "address", ADDRESS], &peer].concat(), "");
        run(&[&link[..], &["set", DEVICE, "up"]].concat(), "");
        run(&["ip", "-n", &far.0, "link", "set", DEVICE, "up"], "");
        let sender = enter(&far, packet_socket);
        Wire { receiver, sender, _far: far }
    }

    /// Puts these lines of the table `raw` in place of all that is there. `tool`: `iptables` or `ip6tables`.
    pub(crate) fn restore(&self, tool: &str, rules: &str) {
        self.receiver.run(&[&format!("{tool}-restore")], &format!("*raw\n{rules}COMMIT\n"));
    }

    /// Lets one rule drop what its program takes, and sends all frames.
    pub(crate) fn count(&self, tool: &str, bytecode: &str, frames: &[Vec<u8>]) -> Counted {
        self.receiver.run(&[tool, "-t", "raw", "-F"], "");
        let append = [tool, "-t", "raw", "-A", "PREROUTING", "-p", "tcp"];
        self.receiver.run(&[&append[..], &["-m", "bpf", "--bytecode", bytecode, "-j", "DROP"]].concat(), "");
        self.receiver.run(&append, "");
        for burst in frames.chunks(BURST) {
            for frame in burst {
                assert_eq!(send(self.sender.as_raw_fd(), frame, MsgFlags::empty()), Ok(frame.len()));
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.counted(tool, frames.len())
    }

    /// Waits for all frames to be counted, or for as long as that can take.
    fn counted(&self, tool: &str, frames: usize) -> Counted {
        for _ in 0..100 {
            let counted = self.counters(tool);
            if counted.dropped + counted.passed >= frames {
                return counted;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.counters(tool)
    }

    /// The first column of `iptables -nvxL` counts packets, from its third line on.
    fn counters(&self, tool: &str) -> Counted {
        let listed = self.receiver.run(&[tool, "-t", "raw", "-nvxL", "PREROUTING"], "");
        let mut packets =
            listed.lines().skip(2).map(|line| line.split_whitespace().next().unwrap().parse().unwrap());
        Counted { dropped: packets.next().unwrap(), passed: packets.next().unwrap() }
    }
}

/// Does something on a thread that lives in the namespace.
fn enter<T: Send>(Namespace(name): &Namespace, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{name}")).unwrap();
    let there = move || {
        setns(file, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(there).join().unwrap())
}

/// A packet socket that sends through the interface, and receives nothing.
fn packet_socket() -> OwnedFd {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let mut interfaces = getifaddrs().unwrap().filter(|interface| interface.interface_name == DEVICE);
    let link = interfaces.find_map(|interface| interface.address?.as_link_addr().copied()).unwrap();
    bind(socket.as_raw_fd(), &link).unwrap();
    socket
}
