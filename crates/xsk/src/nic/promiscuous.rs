//! A port that takes every frame, whomever it is addressed to.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::sys::{self, SetFlags};
use super::{IFF_PROMISC, Nic, NicError, Operation, log_failure};

/// A promiscuous port.
#[derive(Debug)]
#[must_use = "dropped, the port takes only the frames addressed to it"]
pub struct Promiscuous(By);

/// Who asks for it.
#[derive(Debug)]
enum By {
    /// A socket, as long as it is open.
    Socket { _membership: OwnedFd },
    /// The flag of the interface, until it is cleared.
    Flag(Nic),
    /// Nobody here: it was promiscuous already, or is to stay it.
    Others,
}

impl Promiscuous {
    /// Makes the port promiscuous until this is dropped, or the process ends. The kernel counts those who ask for it, so the end of this
    /// one takes nothing from the others. `ip -d link` shows the count, `ip link` does not.
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
        Ok(Self(By::Socket { _membership: socket }))
    }

    /// Makes the port promiscuous until this is dropped; the end of the process does not change it. `ip link` shows it.
    ///
    /// # Errors
    /// [`NicError::Refused`]: no permission (CAP_NET_ADMIN), or the interface is gone.
    pub fn set(nic: &Nic) -> Result<Self, NicError> {
        if nic.flags()? & IFF_PROMISC != 0 {
            return Ok(Self(By::Others));
        }
        set_flag(nic, true)?;
        Ok(Self(By::Flag(nic.clone())))
    }

    /// The port that somebody else made promiscuous by its flag.
    pub(crate) fn done_to(nic: &Nic) -> Self {
        Self(By::Flag(nic.clone()))
    }

    /// Leaves the flag as it is; whether it was changed.
    pub(crate) fn keep(mut self) -> bool {
        matches!(std::mem::replace(&mut self.0, By::Others), By::Flag(_))
    }
}

impl Drop for Promiscuous {
    fn drop(&mut self) {
        if let By::Flag(nic) = &self.0 {
            log_failure(set_flag(nic, false));
        }
    }
}

fn set_flag(nic: &Nic, on: bool) -> Result<(), NicError> {
    let others = nic.flags()? & !IFF_PROMISC;
    let flags = if on { others | IFF_PROMISC } else { others };
    nic.request(Operation::BecomePromiscuous, SetFlags { flags }).map(|_| ())
}
