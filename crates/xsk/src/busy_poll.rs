//! Preferred busy polling: the worker does the kernel's work of receiving, on its own core (Documentation/networking/napi.rst).

use std::io;
use std::os::fd::AsRawFd;

use libc::c_int;
use rustix::fd::BorrowedFd;

/// Options of a socket (asm-generic/socket.h), of which libc knows not all.
const SO_INCOMING_NAPI_ID: c_int = 56;
const SO_BUSY_POLL: c_int = 46;
const SO_PREFER_BUSY_POLL: c_int = 69;
const SO_BUSY_POLL_BUDGET: c_int = 70;

/// How long a call that waits would poll, in µs. Ours never wait: each polls once, for which it must not be zero.
const MICROSECONDS: c_int = 20;

/// Frames that one look takes at most: a batch of the kernel's (`NAPI_POLL_WEIGHT`), and of the worker's.
const BUDGET: c_int = 64;

/// Has each call on an AF_XDP socket poll the driver's queue that feeds it.
///
/// # Errors
/// `ENOPROTOOPT` when the kernel is older than 5.11, `EPERM` without CAP_NET_ADMIN.
pub(crate) fn prefer(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, SO_PREFER_BUSY_POLL, 1)?;
    set(socket, SO_BUSY_POLL, MICROSECONDS)?;
    set(socket, SO_BUSY_POLL_BUDGET, BUDGET)
}

/// Whether the kernel knows which of the driver's queues feeds a bound socket: since Linux 6.14 the bind asks the driver, of which not all
/// tell (veth does not, in 6.18). Older kernels learn it from the first frame; there the answer is no.
///
/// # Errors
/// When the kernel is older than 4.12.
pub(crate) fn is_possible(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let (mut number, mut length): (c_int, _) = (0, size_of::<c_int>() as libc::socklen_t);
    let (value, fd) = ((&raw mut number).cast(), socket.as_raw_fd());
    // SAFETY: `value` points to `length` bytes that live through the call and hold an integer, of which all bit patterns are valid.
    let status =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, SO_INCOMING_NAPI_ID, value, &raw mut length) };
    if status == 0 { Ok(number != 0) } else { Err(io::Error::last_os_error()) }
}

fn set(socket: BorrowedFd<'_>, option: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    let value = (&raw const value).cast();
    // SAFETY: `value` points to `length` initialised bytes that live through the call; the kernel only reads them.
    let status = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
