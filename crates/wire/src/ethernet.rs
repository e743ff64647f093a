//! Layer 2: from the first byte of the frame to the IP header.

use crate::{Located, Oddity, ipv4, ipv6};

/// EtherTypes (IEEE 802 registry) that lead to an IP header.
pub(crate) mod ethertype {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const IPV6: u16 = 0x86dd;
    /// IEEE 802.1Q customer tag, also as a priority tag (VLAN 0).
    pub(super) const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad service tag.
    pub(super) const SERVICE_VLAN: u16 = 0x88a8;
    /// QinQ before it was a standard.
    pub(super) const OLD_QINQ: u16 = 0x9100;
    /// MPLS, label assigned downstream or upstream (RFC 5332).
    pub(super) const MPLS: u16 = 0x8847;
    pub(super) const MPLS_UPSTREAM: u16 = 0x8848;
    /// PPPoE session stage (RFC 2516).
    pub(super) const PPPOE_SESSION: u16 = 0x8864;
}

/// PPP protocol numbers (IANA registry) of the two IP versions.
mod ppp {
    pub(super) const IPV4: u16 = 0x0021;
    pub(super) const IPV6: u16 = 0x0057;
}

/// VLAN tags looked through; a provider's QinQ inside another's makes four.
const MAX_TAGS: usize = 4;

/// MPLS labels looked through.
const MAX_LABELS: usize = 8;

/// Reads any frame, header by header: the way of those that are not of the [`common`](crate::common) kind. A call of its
/// own, so that it takes no room between the instructions of those that are.
#[inline(never)]
pub(crate) fn locate(frame: &[u8]) -> Located<'_> {
    let Some((&[.., high, low], rest)) = frame.split_first_chunk::<14>() else {
        return Located::Odd(Oddity::Runt);
    };
    behind_ethertype(u16::from_be_bytes([high, low]), rest)
}

/// What this EtherType announces.
pub(crate) fn behind_ethertype(ethertype: u16, rest: &[u8]) -> Located<'_> {
    match ethertype {
        ethertype::IPV4 => ipv4::locate(rest),
        ethertype::IPV6 => ipv6::locate(rest),
        ethertype::VLAN | ethertype::SERVICE_VLAN | ethertype::OLD_QINQ => behind_tags(rest),
        other => behind_label(other, rest),
    }
}

/// `rest` starts with the contents of a VLAN tag, whose EtherType was read.
///
/// ```text
///  0                   2           4
/// +-----------+-------+-----------+-------
/// | PCP, DEI, VLAN id | EtherType | …
/// +-----------+-------+-----------+-------
/// ```
fn behind_tags(mut rest: &[u8]) -> Located<'_> {
    for _ in 0..MAX_TAGS {
        let Some((&[_, _, high, low], inner)) = rest.split_first_chunk() else {
            return Located::Odd(Oddity::Runt);
        };
        rest = inner;
        match u16::from_be_bytes([high, low]) {
            ethertype::VLAN | ethertype::SERVICE_VLAN | ethertype::OLD_QINQ => {}
            ethertype::IPV4 => return ipv4::locate(rest),
            ethertype::IPV6 => return ipv6::locate(rest),
            other => return behind_label(other, rest),
        }
    }
    Located::Odd(Oddity::TooManyTags)
}

/// An EtherType below 0x600 is a length (IEEE 802.3): no IP, like any unknown one.
fn behind_label(ethertype: u16, rest: &[u8]) -> Located<'_> {
    match ethertype {
        ethertype::PPPOE_SESSION => behind_pppoe(rest),
        ethertype::MPLS | ethertype::MPLS_UPSTREAM => behind_mpls(rest),
        _ => Located::NotIp,
    }
}

/// PPPoE (RFC 2516 section 4), then the PPP protocol, which the length counts in.
///
/// ```text
///  0              1      2            4        6          8
/// +--------------+------+------------+--------+----------+-----
/// | version,type | code | session id | length | protocol | IP
/// +--------------+------+------------+--------+----------+-----
/// ```
fn behind_pppoe(rest: &[u8]) -> Located<'_> {
    let Some((&[_, _, _, _, length_high, length_low, high, low], rest)) = rest.split_first_chunk() else {
        return Located::Odd(Oddity::Runt);
    };
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    // A length that cannot be right must not hide the addresses: then the IP header alone says where the
    // packet ends.
    let packet = length.checked_sub(2).and_then(|length| rest.get(..length)).unwrap_or(rest);
    match u16::from_be_bytes([high, low]) {
        ppp::IPV4 => ipv4::locate(packet),
        ppp::IPV6 => ipv6::locate(packet),
        _ => Located::NotIp,
    }
}

/// A stack of MPLS labels (RFC 3032 section 2.1). S is set in the last one; nothing but the first nibble then
/// tells what follows.
///
/// ```text
///  0                 20   23 24     32 bits
/// +-----------------+----+--+-------+
/// | label           | TC |S | TTL   |
/// +-----------------+----+--+-------+
/// ```
fn behind_mpls(mut rest: &[u8]) -> Located<'_> {
    for _ in 0..MAX_LABELS {
        let Some((&[_, _, label_tc_s, _], inner)) = rest.split_first_chunk() else {
            return Located::Odd(Oddity::Runt);
        };
        rest = inner;
        if label_tc_s & 1 != 0 {
            return by_version(rest);
        }
    }
    Located::Odd(Oddity::TooManyTags)
}

/// Behind the labels may also be an Ethernet frame (a pseudowire without control word, RFC 4448 section 4.1), whose
/// destination address then lies where the version would: only a header that agrees with itself is believed.
fn by_version(packet: &[u8]) -> Located<'_> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) if ipv4::is_consistent(packet) => ipv4::locate(packet),
        Some(6) if ipv6::is_consistent(packet) => ipv6::locate(packet),
        _ => Located::NotIp,
    }
}
