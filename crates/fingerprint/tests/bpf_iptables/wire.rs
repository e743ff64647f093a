//! A receiver with iptables and a sender, each in a network namespace of its own, and a wire between them.

use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, bind, send, socket};

use crate::namespace::{Namespace, run};

/// The name of both interfaces.
const DEVICE: &str = "wire0";
/// Where the frames are sent to.
const ADDRESS: &str = "02:00:00:00:00:01";
/// Frames sent without a pause: fewer than the queue of a veth holds.
const BURST: usize = 64;

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
        let [receiver, far] = ["in", "out"].map(|role| Namespace::new(&format!("bpf-{name}-{role}")));
        let link = ["ip", "-n", receiver.name(), "link"];
        let peer = ["type", "veth", "peer", "name", DEVICE, "netns", far.name()];
        run(&[&link[..], &["add", DEVICE, "address", ADDRESS], &peer].concat(), "");
        run(&[&link[..], &["set", DEVICE, "up"]].concat(), "");
        run(&["ip", "-n", far.name(), "link", "set", DEVICE, "up"], "");
        let sender = far.enter(packet_socket);
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

/// A packet socket that sends through the interface, and receives nothing.
fn packet_socket() -> OwnedFd {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let mut interfaces = getifaddrs().unwrap().filter(|interface| interface.interface_name == DEVICE);
    let link = interfaces.find_map(|interface| interface.address?.as_link_addr().copied()).unwrap();
    bind(socket.as_raw_fd(), &link).unwrap();
    socket
}
