//! The BPF link that holds a program on a port, and the few calls of libbpf about links that its Rust bindings lack.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libbpf_rs::libbpf_sys;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::Runner;

/// The program is on the port while this is open, or pinned.
#[derive(Debug)]
pub(super) struct Link {
    fd: OwnedFd,
    pub(super) runner: Runner,
}

impl Link {
    /// Puts a program on a port. Unlike a program attached without a link, it ends with its owner, and it can be pinned and replaced
    /// in place.
    pub(super) fn create(program: BorrowedFd<'_>, interface: u32, runner: Runner) -> io::Result<Self> {
        let flags = match runner {
            Runner::Driver => libbpf_sys::XDP_FLAGS_DRV_MODE,
            Runner::Stack => libbpf_sys::XDP_FLAGS_SKB_MODE,
        };
        let size = size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t;
        let options = libbpf_sys::bpf_link_create_opts { sz: size, flags, ..Default::default() };
        let interface = i32::try_from(interface).map_err(io::Error::other)?;
        let (program, kind) = (program.as_raw_fd(), libbpf_sys::BPF_XDP);
        // SAFETY: the program is a valid descriptor, and `options` a valid structure of the size that it says.
        let link = unsafe { libbpf_sys::bpf_link_create(program, interface, kind, &raw const options) };
        Ok(Self { fd: owned(link)?, runner })
    }

    /// The link that is pinned at `path`, which has its program run by `runner`.
    pub(super) fn adopt(path: &Path, runner: Runner) -> io::Result<Self> {
        let path = c_string(path)?;
        // SAFETY: `path` is a string that ends with NUL, and lives through the call.
        let link = unsafe { libbpf_sys::bpf_obj_get(path.as_ptr()) };
        Ok(Self { fd: owned(link)?, runner })
    }

    /// Keeps the program on the port when the process is gone.
    pub(super) fn pin(&self, path: &Path) -> io::Result<()> {
        let path = c_string(path)?;
        // SAFETY: the link is a valid descriptor, and `path` a string that ends with NUL and lives through the call.
        succeeded(unsafe { libbpf_sys::bpf_obj_pin(self.fd.as_raw_fd(), path.as_ptr()) })
    }

    /// Replaces the program: the next frame meets the new one, and none meets neither.
    pub(super) fn update(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        let (link, program) = (self.fd.as_raw_fd(), program.as_raw_fd());
        // SAFETY: both are valid descriptors; without options the kernel replaces whatever program is there.
        succeeded(unsafe { libbpf_sys::bpf_link_update(link, program, std::ptr::null()) })
    }

    /// Takes the program off its port, whoever else has the link.
    pub(super) fn detach(&self) -> io::Result<()> {
        // SAFETY: the link is a valid descriptor.
        succeeded(unsafe { libbpf_sys::bpf_link_detach(self.fd.as_raw_fd()) })
    }

    /// The interface that the link is on: 0 when that is gone.
    pub(super) fn interface(&self) -> io::Result<u32> {
        let mut info = libbpf_sys::bpf_link_info::default();
        let mut size = size_of::<libbpf_sys::bpf_link_info>() as u32;
        let fd = self.fd.as_fd().as_raw_fd();
        // SAFETY: `info` is as long as `size` says, and both live through the call.
        succeeded(unsafe { libbpf_sys::bpf_link_get_info_by_fd(fd, &raw mut info, &raw mut size) })?;
        // SAFETY: the kernel has filled in the part of an XDP link, and every bit pattern of it is valid.
        Ok(unsafe { info.__bindgen_anon_1.xdp.ifindex })
    }
}

/// The descriptor that libbpf answered with; below 0, it is the error.
fn owned(answer: i32) -> io::Result<OwnedFd> {
    succeeded(answer)?;
    // SAFETY: the kernel has just made the descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

fn succeeded(answer: i32) -> io::Result<()> {
    if answer < 0 { Err(io::Error::from_raw_os_error(-answer)) } else { Ok(()) }
}

fn c_string(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}
