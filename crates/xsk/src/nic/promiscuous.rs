//! A port that takes every frame, whomever it is addressed to.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::{Nic, NicError, Operation, sys};

/// A promiscuous port. The kernel counts those who ask for it, so the end of this one, even by a crash, takes
/// nothing from the others. `ip -d link` shows the count, `ip link` does not.
#[derive(Debug)]
#[must_use = "dropped, the port takes only the frames addressed to it"]
pub struct Promiscuous {
    _membership: OwnedFd,
}

impl Promiscuous {
    /// Makes the port promiscuous until this is dropped.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission (CAP_NET_RAW), or the interface is gone.
    pub fn hold(nic: &Nic) -> Result<Self, NicError> {
        // No protocol: the socket never gets, and so never queues, a frame (packet(7)).
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
            .map_err(|errno| nic.refused(Operation::OpenPacketSocket, errno))?;
        let index = i32::try_from(nic.index()).map_err(|_| Errno::NODEV);
        index
            .and_then(|index| sys::join_promiscuous(&socket, index))
            .map_err(|errno| nic.refused(Operation::BecomePromiscuous, errno))?;
        Ok(Self { _membership: socket })
    }
}
