//! One end of the wire: a host with one interface.

use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};

use super::capture::Capture;
use super::{Namespace, Side};

/// The name of a host's interface.
pub(crate) const DEVICE: &str = "end0";

/// Frames sent without a pause. A veth queue holds 256.
const BURST: usize = 16;

pub(crate) struct End {
    // Before the namespace: the capture works in it.
    capture: Option<Capture>,
    socket: OwnedFd,
    pub(crate) namespace: Namespace,
}

impl End {
    /// The end in a namespace that has the interface already. With `addresses`, the host has some and is left to
    /// talk, and what arrives is its own business; without, it is captured.
    pub(crate) fn new(namespace: Namespace, side: Side, addresses: bool) -> Self {
        // What a host leaves for its interface to add, nobody adds on the way into an AF_XDP socket.
        namespace.run(&format!("ethtool -K {DEVICE} tx off txvlan off"));
        namespace.ip(&format!("link set dev {DEVICE} up"));
        if addresses {
            namespace.ip(&format!("address add {}/24 dev {DEVICE}", side.ipv4()));
            namespace.ip(&format!("address add {}/64 dev {DEVICE} nodad", side.ipv6()));
        }
        let socket = namespace.enter(packet_socket);
        let capture = (!addresses).then(|| Capture::start(&namespace, DEVICE));
        Self { capture, socket, namespace }
    }

    /// What arrives.
    pub(crate) fn arrived(&self) -> &Capture {
        self.capture.as_ref().unwrap()
    }

    /// Sends one frame.
    pub(crate) fn send(&self, frame: &[u8]) {
        let sent = send(self.socket.as_raw_fd(), frame, MsgFlags::empty());
        assert_eq!(sent, Ok(frame.len()), "cannot send a frame of {} bytes", frame.len());
    }

    /// Sends frames, no faster than the queues on their way can take them.
    pub(crate) fn send_all<'a>(&self, frames: impl IntoIterator<Item = &'a Vec<u8>>) {
        for (number, frame) in (1..).zip(frames) {
            self.send(frame);
            if number % BURST == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// A packet socket that sends through the interface, and receives nothing.
pub(crate) fn packet_socket() -> OwnedFd {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let interface = getifaddrs().unwrap().filter(|interface| interface.interface_name == DEVICE);
    let address = interface.filter_map(|interface| interface.address);
    let link = address.filter_map(|address| address.as_link_addr().copied()).next();
    let link: LinkAddr = link.unwrap_or_else(|| panic!("there is no interface {DEVICE}"));
    bind(socket.as_raw_fd(), &link).unwrap();
    socket
}
