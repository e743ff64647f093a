//! Word of changes to network interfaces.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

/// RTMGRP_LINK (linux/rtnetlink.h): the group that is told of interfaces that come, go and change.
const RTMGRP_LINK: u32 = 1;

/// A netlink socket that becomes readable when some interface of the namespace has changed: it is time to look at the ports again. What has
/// changed they tell themselves; and that words were lost for want of room is one, too. It does not block.
///
/// # Errors
/// What the kernel says against such a socket.
pub fn link_changes() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol is NETLINK_ROUTE (linux/netlink.h).
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, RTMGRP_LINK))?;
    Ok(socket)
}
