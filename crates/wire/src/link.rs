//! The link layers of captures.

use crate::ethernet::behind_ethertype;
use crate::{Located, Oddity, ipv4, ipv6, locate};

/// What a captured frame begins with. The names and the layouts are those of the registry of link types
/// (tcpdump.org, "Link-Layer Header Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Ethernet (`LINKTYPE_ETHERNET`): the destination address.
    Ethernet,
    /// Nothing (`LINKTYPE_RAW`, `LINKTYPE_IPV4`, `LINKTYPE_IPV6`): the IP header, whose version tells which.
    Ip,
    /// Linux "cooked", version 1 (`LINKTYPE_LINUX_SLL`): 16 bytes, the last two of which are the EtherType.
    Cooked,
    /// Linux "cooked", version 2 (`LINKTYPE_LINUX_SLL2`): 20 bytes, the first two of which are the EtherType.
    Cooked2,
    /// A loopback interface of BSD or macOS (`LINKTYPE_NULL`, `LINKTYPE_LOOP`): the address family, in 4 bytes.
    Loopback,
}

/// Values of AF_INET and AF_INET6. The first is the same everywhere.
mod family {
    pub(super) const INET: u32 = 2;
    pub(super) const INET6_LINUX: u32 = 10;
    /// NetBSD, OpenBSD.
    pub(super) const INET6_BSD: u32 = 24;
    pub(super) const INET6_FREEBSD: u32 = 28;
    pub(super) const INET6_DARWIN: u32 = 30;
}

impl Link {
    /// Finds the headers of a frame of this link layer, as [`locate`](crate::locate) does for Ethernet.
    ///
    /// ```
    /// use synward_wire::{Link, Located, locate};
    ///
    /// let packet = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2];
    /// let frame = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0], &packet[..]].concat();
    /// assert!(matches!(Link::Ip.locate(&packet), Located::Packet(_)));
    /// assert_eq!(Link::Ip.locate(&packet), Link::Ethernet.locate(&frame));
    /// ```
    pub fn locate(self, frame: &[u8]) -> Located<'_> {
        let located = match self {
            Self::Ethernet => Some(locate(frame)),
            Self::Ip => behind_nothing(frame),
            Self::Cooked => behind_cooked(frame),
            Self::Cooked2 => behind_cooked2(frame),
            Self::Loopback => behind_family(frame),
        };
        located.unwrap_or(Located::Odd(Oddity::Runt)).within(0)
    }
}

/// None for a frame without a byte.
fn behind_nothing(packet: &[u8]) -> Option<Located<'_>> {
    Some(match packet.first()? >> 4 {
        4 => ipv4::locate(packet),
        6 => ipv6::locate(packet),
        _ => Located::NotIp,
    })
}

/// None for a frame that is cut.
///
/// ```text
///  0             2               4                6         14          16
/// +-------------+---------------+----------------+---------+-----------+----
/// | packet type | hardware type | address length | address | EtherType | …
/// +-------------+---------------+----------------+---------+-----------+----
/// ```
fn behind_cooked(frame: &[u8]) -> Option<Located<'_>> {
    let (&[.., high, low], rest) = frame.split_first_chunk::<16>()?;
    Some(behind_ethertype(u16::from_be_bytes([high, low]), rest, 0))
}

/// None for a frame that is cut.
///
/// ```text
///  0           2          4           8               10            11               12        20
/// +-----------+----------+-----------+---------------+-------------+----------------+---------+----
/// | EtherType | reserved | interface | hardware type | packet type | address length | address | …
/// +-----------+----------+-----------+---------------+-------------+----------------+---------+----
/// ```
fn behind_cooked2(frame: &[u8]) -> Option<Located<'_>> {
    let (&[high, low, ..], rest) = frame.split_first_chunk::<20>()?;
    Some(behind_ethertype(u16::from_be_bytes([high, low]), rest, 0))
}

/// None for a frame that is cut. `LINKTYPE_LOOP` has the family in network byte order, `LINKTYPE_NULL` in that of the
/// machine that captured, which no file tells: small as families are, one order of the two makes sense.
fn behind_family(frame: &[u8]) -> Option<Located<'_>> {
    let (&family, rest) = frame.split_first_chunk()?;
    Some(match u32::from_be_bytes(family).min(u32::from_le_bytes(family)) {
        family::INET => ipv4::locate(rest),
        family::INET6_LINUX | family::INET6_BSD | family::INET6_FREEBSD | family::INET6_DARWIN => {
            ipv6::locate(rest)
        }
        _ => Located::NotIp,
    })
}
