//! The settings of a port: what a network interface is told before frames cross it, and told back at the end.
//!
//! Every change is a guard ([`Raised`], [`QueueCount`], [`Quieted`], [`Promiscuous`]): it undoes exactly what
//! it did when it is dropped. `restore` does the same and tells whether it worked.
//!
//! A [`Listener`] changes nothing but that: it reads what passes.

mod deferred;
mod error;
mod features;
mod link_changes;
mod listener;
mod muted;
mod promiscuous;
mod queues;
mod raised;
mod sys;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

pub(crate) use deferred::{Deferred, Interrupts};
pub use error::{NicError, Operation};
pub use features::{Feature, Features, Quieted};
pub use link_changes::link_changes;
pub use listener::{Captured, Listener};
pub use muted::Muted;
pub use promiscuous::Promiscuous;
pub use queues::{Channels, QueueCount};
pub use raised::Raised;

use sys::{Ethtool, GetFlags, GetLink, GetMtu, Request};

/// IFF_UP (linux/if.h): the administrator wants the interface up.
const IFF_UP: u16 = 1 << 0;
/// IFF_PROMISC (linux/if.h): the administrator wants every frame, whomever it is addressed to.
const IFF_PROMISC: u16 = 1 << 8;
/// IFF_RUNNING (linux/if.h): the interface is operational.
const IFF_RUNNING: u16 = 1 << 6;

/// A network interface, held by its index: a rename does not lead it to another interface. Clones are cheap
/// and mean the same one.
#[derive(Debug, Clone)]
pub struct Nic {
    name: Arc<str>,
    index: u32,
    control: Arc<OwnedFd>,
}

impl Nic {
    /// Finds the interface `name` (its own, or an alternative one of at most 15 bytes) in the network
    /// namespace of the calling thread.
    ///
    /// # Errors
    /// [`NicError::NoSuchPort`] when there is none, [`NicError::Refused`] when the kernel gives no socket.
    pub fn open(name: &str) -> Result<Self, NicError> {
        let refused = |operation, errno| NicError::Refused { port: name.to_owned(), operation, errno };
        let control = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
            .map_err(|errno| refused(Operation::OpenControlSocket, errno))?;
        let (index, kernel_name) = find(&control, name).map_err(|errno| match errno {
            Errno::NODEV => NicError::no_such_port(name),
            other => refused(Operation::Find, other),
        })?;
        Ok(Self { name: kernel_name.into(), index, control: Arc::new(control) })
    }

    /// The name the kernel had for the interface when it was opened.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that the kernel has for the interface now; none when it is gone.
    #[must_use]
    pub fn current_name(&self) -> Option<String> {
        netdevice::index_to_name(&self.control, self.index).ok()
    }

    /// The name of the driver of a card (in /sys/class/net); none of a virtual interface.
    #[must_use]
    pub fn driver(&self) -> Option<String> {
        let driver = std::fs::read_link(format!("/sys/class/net/{}/device/driver", self.name)).ok()?;
        Some(driver.file_name()?.to_string_lossy().into_owned())
    }

    /// The interface index, unique in its network namespace: two names of one interface share it.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The largest layer 3 packet in bytes; a frame is longer by its Ethernet header and tags.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one when the interface is gone.
    pub fn mtu(&self) -> Result<u32, NicError> {
        let mtu = self.request(Operation::ReadMtu, GetMtu::default())?.mtu;
        Ok(mtu.unsigned_abs())
    }

    /// Whether the interface is administratively up; says nothing of its link.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one when the interface is gone.
    pub fn is_up(&self) -> Result<bool, NicError> {
        Ok(self.flags()? & IFF_UP != 0)
    }

    /// Whether the link is there: the interface is up and a partner answers at the other end of the cable.
    ///
    /// # Errors
    /// [`NicError::Refused`], for one when the interface is gone.
    pub fn carrier(&self) -> Result<bool, NicError> {
        let mut link = GetLink::new();
        match self.ethtool(Operation::ReadCarrier, &mut link) {
            // The kernel's own notion may lag a second behind the driver's, hence only where the driver has
            // none.
            Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => Ok(self.flags()? & IFF_RUNNING != 0),
            answer => answer.map(|()| link.up != 0),
        }
    }

    fn flags(&self) -> Result<u16, NicError> {
        Ok(self.request(Operation::ReadFlags, GetFlags::default())?.flags)
    }

    fn ethtool<C: sys::Command>(&self, operation: Operation, command: &mut C) -> Result<(), NicError> {
        self.request(operation, Ethtool(command)).map(|_| ())
    }

    fn request<R: Request>(&self, operation: Operation, request: R) -> Result<R, NicError> {
        netdevice::index_to_name_inlined(&self.control, self.index)
            .and_then(|name| sys::ioctl(&self.control, name.as_str(), request))
            .map_err(|errno| self.refused(operation, errno))
    }

    fn refused(&self, operation: Operation, errno: Errno) -> NicError {
        NicError::Refused { port: self.name().to_owned(), operation, errno }
    }
}

/// The index of the interface and its name proper: `name` may be an alternative one.
fn find(control: &OwnedFd, name: &str) -> Result<(u32, String), Errno> {
    let index = netdevice::name_to_index(control, name)?;
    Ok((index, netdevice::index_to_name(control, index)?))
}

/// Nobody can be told of an error while a guard is dropped, but the log can.
fn log_failure(result: Result<(), NicError>) {
    if let Err(error) = result {
        tracing::warn!("not restored: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The loopback interface is in every network namespace and anybody may read its settings.
    fn loopback() -> Nic {
        Nic::open("lo").unwrap()
    }

    #[test]
    fn the_loopback_interface_opens_with_its_name_and_index() {
        assert_eq!(loopback().name(), "lo");
        assert_eq!(loopback().index(), 1, "the kernel makes it first in each namespace");
    }

    #[test]
    fn the_hardware_type_of_the_loopback_interface_is_read() {
        let hardware = loopback().request(Operation::ReadHardware, sys::GetHardware::default()).unwrap();
        assert_eq!(hardware.hardware, libc::ARPHRD_LOOPBACK);
    }

    #[test]
    fn the_mtu_of_the_loopback_interface_is_read() {
        let told = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap();
        assert_eq!(loopback().mtu().unwrap().to_string(), told.trim());
    }

    #[test]
    fn the_loopback_interface_has_a_carrier_when_it_is_up() {
        assert_eq!(loopback().carrier().unwrap(), loopback().is_up().unwrap());
    }

    #[test]
    fn an_interface_without_channels_has_one_queue() {
        assert_eq!(loopback().channels().unwrap(), None);
        assert_eq!(loopback().queues().unwrap(), 1);
    }

    #[test]
    fn the_features_of_the_loopback_interface_are_read() {
        let features = loopback().features().unwrap();
        let loopback = features.get("loopback").unwrap();
        assert!(loopback.on && !loopback.changeable);
        assert!(features.get("rx-gro").unwrap().changeable);
        assert_eq!(features.get("no-such-feature"), None);
    }

    #[test]
    fn a_missing_port_is_told_with_those_that_exist() {
        for name in ["no-such-port", "a-name-longer-than-the-kernel-takes", ""] {
            let Err(NicError::NoSuchPort { name: told, existing }) = Nic::open(name) else {
                panic!("{name:?} was found");
            };
            assert_eq!(told, name);
            assert!(existing.contains(&"lo".to_owned()), "{existing:?}");
        }
    }
}
