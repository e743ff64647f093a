//! Where the headers of an Ethernet frame are, and everything a TCP SYN tells.
//!
//! [`locate`] goes from the first byte of a frame through VLAN tags, PPPoE, MPLS and LLC/SNAP, IPv4 or IPv6 and its
//! extension headers to TCP. [`Tunnel::open`] goes on behind the header of a tunnel. It allocates nothing, never panics, and looks at each header once.
//!
//! ```
//! use synward_wire::{Located, SynFacts, locate};
//!
//! // A SYN from 192.0.2.1 to 198.51.100.2, port 80, as masscan sends it: window 1024, no options.
//! let frame = [
//!     0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00, // Ethernet
//!     0x45, 0, 0, 40, 0, 0, 0, 0, 255, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, // IPv4
//!     0x9c, 0x40, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02, 0x04, 0x00, 0, 0, 0, 0, // TCP
//! ];
//! let Located::Packet(packet) = locate(&frame) else { panic!("no IP") };
//! assert_eq!(packet.source.to_string(), "192.0.2.1");
//! assert_eq!(packet.ports, Some((40000, 80)));
//!
//! let facts = SynFacts::of(&packet).expect("a SYN");
//! assert_eq!((facts.window, facts.ttl), (1024, 255));
//! assert!(facts.options.as_slice().is_empty());
//! ```
//!
//! A bridge sees Ethernet only; captures come from other link layers too, and [`Link::locate`] reads those.
//!
//! # What is odd
//! Whatever can be read is read: a packet whose addresses are there is a [`Located::Packet`], however
//! damaged, so that a listed source is found. What is wrong with it is told beside: [`Packet::odd`] holds the
//! worst [`Oddity`] met. Whether an odd frame is dropped is not decided here.
//!
//! # Lengths
//! The IP header alone says where a packet ends. The frame may be longer, for Ethernet pads short ones, and
//! nobody but an attacker has anything to say in the padding: it is never read.

mod common;
mod ethernet;
mod ipv4;
mod ipv6;
mod link;
mod oddity;
mod packet;
mod syn;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;

pub use common::likely_addresses;
pub use link::Link;
pub use oddity::Oddity;
pub use packet::{Located, Packet};
pub use syn::{OptionBytes, SynFacts};
pub use tcp::{Segment, TcpFlags, option_lengths, options_well_formed};
pub use tunnel::Tunnel;

/// Finds the headers of an Ethernet frame (from the destination address on, without the frame check
/// sequence).
///
/// ```text
///  0                    6                    12          14
/// +--------------------+--------------------+-----------+----------------
/// | destination        | source             | EtherType | IP, or a tag…
/// +--------------------+--------------------+-----------+----------------
/// ```
///
/// Looks through up to four VLAN tags, then PPPoE, up to eight MPLS labels or LLC/SNAP, to one IP header. Tunnels
/// inside IP are not opened here, but by [`Tunnel::open`]. Never panics, reads each byte a bounded number of times, and allocates nothing.
///
/// A frame may be longer than the bytes given, which then are its [`Head`]: its headers must be among them.
#[inline]
pub fn locate<'a>(frame: impl Into<Head<'a>>) -> Located<'a> {
    let frame = frame.into();
    match common::Parts::of(frame.bytes) {
        Some(parts) => Located::Packet(parts.packet()),
        None => ethernet::locate(frame).within(frame.beyond),
    }
}

/// A frame, or the first part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Its bytes from the destination address on.
    pub bytes: &'a [u8],
    /// Number of those that follow elsewhere; 0 of a whole frame.
    pub beyond: usize,
}

impl<'a> From<&'a [u8]> for Head<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, beyond: 0 }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Head<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Self { bytes, beyond: 0 }
    }
}

impl<'a> From<&'a Vec<u8>> for Head<'a> {
    #[inline]
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self { bytes, beyond: 0 }
    }
}
