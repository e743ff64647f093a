//! Frames as they pass an interface.

use std::os::fd::OwnedFd;
use std::time::Duration;

use libc::{ARPHRD_ETHER, ARPHRD_LOOPBACK, ARPHRD_NONE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socket_with, sockopt};
use synward_wire::Link;

use super::sys::GetHardware;
use super::{Nic, NicError, Operation, Promiscuous, sys};

/// Room for a frame. A longer one, which offloads may make, is cut: its headers fit.
const ROOM: usize = 1 << 16;

/// Bytes that frames may wait in, instead of the 200 KiB that sockets have by default.
const QUEUE: usize = 8 << 20;

/// Copies of all frames that pass an interface, in both directions, and on the loopback interface once. The frames
/// themselves go their way.
///
/// What the kernel took off before is missing: the outermost VLAN tag, on most drivers.
#[derive(Debug)]
pub struct Listener {
    nic: Nic,
    socket: OwnedFd,
    link: Link,
    buffer: Box<[u8]>,
    _promiscuous: Promiscuous,
}

/// A frame, as far as there was room for it.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'a> {
    /// Its first bytes.
    pub bytes: &'a [u8],
    /// How many bytes it has.
    pub original_len: usize,
}

impl Listener {
    /// Listens from now on, and makes the interface promiscuous meanwhile.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission (CAP_NET_RAW), or the interface is gone.
    /// [`NicError::UnknownHardware`]: neither Ethernet nor raw IP.
    pub fn open(nic: &Nic) -> Result<Self, NicError> {
        let hardware = nic.request(Operation::ReadHardware, GetHardware::default())?.hardware;
        let link = link(hardware)
            .ok_or_else(|| NicError::UnknownHardware { port: nic.name().to_owned(), hardware })?;
        let socket = listen(nic, hardware == ARPHRD_LOOPBACK)?;
        let buffer = vec![0; ROOM].into_boxed_slice();
        Ok(Self { nic: nic.clone(), socket, link, buffer, _promiscuous: Promiscuous::hold(nic)? })
    }

    /// What the frames begin with.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// Waits for a frame, so long at the most; a signal ends it early.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one where a descriptor cannot be waited for.
    pub fn wait(&self, longest: Duration) -> Result<(), NicError> {
        let longest = Timespec::try_from(longest).unwrap_or_default();
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&longest)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(self.nic.refused(Operation::Receive, errno)),
        }
    }

    /// The next frame; none when all were received. Does not wait.
    ///
    /// # Errors
    /// [`NicError::Refused`]: the interface is down, or gone.
    pub fn receive(&mut self) -> Result<Option<Captured<'_>>, NicError> {
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        match recv(&self.socket, &mut *self.buffer, flags) {
            Ok((len, original_len)) => {
                let bytes = self.buffer.get(..len).unwrap_or_default();
                Ok(Some(Captured { bytes, original_len }))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(self.nic.refused(Operation::Receive, errno)),
        }
    }

    /// How many frames were lost since this was asked last: they came faster than they were received.
    ///
    /// # Errors
    /// None that an open socket is known to give.
    pub fn lost(&self) -> Result<u32, NicError> {
        sys::lost_frames(&self.socket).map_err(|errno| self.nic.refused(Operation::CountLost, errno))
    }
}

/// A loopback interface has Ethernet headers without addresses; an interface without hardware (tun, WireGuard)
/// has IP packets.
fn link(hardware: u16) -> Option<Link> {
    match hardware {
        ARPHRD_ETHER | ARPHRD_LOOPBACK => Some(Link::Ethernet),
        ARPHRD_NONE => Some(Link::Ip),
        _ => None,
    }
}

/// A packet socket for the frames of the interface. On the loopback interface what is sent is received, and so would
/// come twice.
fn listen(nic: &Nic, loopback: bool) -> Result<OwnedFd, NicError> {
    // No protocol: until it is bound to the interface, the socket gets no frame of any other (packet(7)).
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .map_err(|errno| nic.refused(Operation::OpenPacketSocket, errno))?;
    // Without CAP_NET_ADMIN the queue is shorter, and frames that do not fit are counted.
    let _ = sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE);
    let index = i32::try_from(nic.index()).map_err(|_| Errno::NODEV);
    let ignored = if loopback { sys::ignore_outgoing(&socket) } else { Ok(()) };
    ignored
        .and(index)
        .and_then(|index| sys::bind_packet(&socket, index))
        .map_err(|errno| nic.refused(Operation::Listen, errno))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_types_have_their_link_layer() {
        // linux/if_arp.h: Ethernet, loopback, none, InfiniBand, IEEE 802.11 with radiotap.
        let links = [1, 772, 65534, 32, 803].map(link);
        assert_eq!(links, [Some(Link::Ethernet), Some(Link::Ethernet), Some(Link::Ip), None, None]);
    }
}
