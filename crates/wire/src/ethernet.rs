//! Layer 2: from the first byte of the frame to the IP header.

use crate::{Head, Located, Oddity, ipv4, ipv6};

/// EtherTypes (IEEE 802 registry) that lead to an IP header.
pub(crate) mod ethertype {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const IPV6: u16 = 0x86dd;
    /// IEEE 802.1Q customer tag, also as a priority tag (VLAN 0).
    pub(super) const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad service tag.
    pub(super) const SERVICE_VLAN: u16 = 0x88a8;
    /// QinQ before it was a standard, as vendors numbered the tags.
    pub(super) const OLD_QINQ: u16 = 0x9100;
    pub(super) const OLD_QINQ_2: u16 = 0x9200;
    pub(super) const OLD_QINQ_3: u16 = 0x9300;
    /// MPLS, label assigned downstream or upstream (RFC 5332).
    pub(super) const MPLS: u16 = 0x8847;
    pub(super) const MPLS_UPSTREAM: u16 = 0x8848;
    const ARP: u16 = 0x0806;
    /// PPPoE session stage (RFC 2516).
    pub(super) const PPPOE_SESSION: u16 = 0x8864;

    /// Whether an EtherType announces a VLAN tag.
    pub(super) const fn is_tag(ethertype: u16) -> bool {
        matches!(ethertype, VLAN | SERVICE_VLAN | OLD_QINQ | OLD_QINQ_2 | OLD_QINQ_3)
    }

    /// Whether an EtherType is one of those that nearly every frame has.
    pub(crate) const fn is_common(ethertype: u16) -> bool {
        is_tag(ethertype) || matches!(ethertype, IPV4 | IPV6 | ARP)
    }
}

/// PPP protocol numbers (IANA registry) of the two IP versions.
mod ppp {
    pub(super) const IPV4: u16 = 0x0021;
    pub(super) const IPV6: u16 = 0x0057;
}

/// VLAN tags looked through; a provider's QinQ inside another's makes four.
const MAX_TAGS: usize = 4;

/// The least EtherType; what is below is the length of an IEEE 802.3 frame (clause 3.2.6 of that standard).
const MIN_ETHERTYPE: u16 = 0x0600;

/// MPLS labels looked through.
const MAX_LABELS: usize = 8;

/// Reads any frame, header by header: the way of those that are not of the [`common`](crate::common) kind. A call of its
/// own, so that it takes no room between the instructions of those that are.
#[inline(never)]
pub(crate) fn locate(frame: Head<'_>) -> Located<'_> {
    let Some((&[.., high, low], rest)) = frame.bytes.split_first_chunk::<14>() else {
        return Located::Odd(Oddity::Runt);
    };
    behind_ethertype(u16::from_be_bytes([high, low]), rest, frame.beyond)
}

/// What this EtherType announces. The frame has `beyond` bytes behind `rest`.
pub(crate) fn behind_ethertype(ethertype: u16, rest: &[u8], beyond: usize) -> Located<'_> {
    match ethertype {
        ethertype::IPV4 => ipv4::locate(rest),
        ethertype::IPV6 => ipv6::locate(rest),
        tag if ethertype::is_tag(tag) => behind_tags(rest, beyond),
        other => behind_label(other, rest, beyond),
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
fn behind_tags(mut rest: &[u8], beyond: usize) -> Located<'_> {
    for _ in 0..MAX_TAGS {
        let Some((&[_, _, high, low], inner)) = rest.split_first_chunk() else {
            return Located::Odd(Oddity::Runt);
        };
        rest = inner;
        match u16::from_be_bytes([high, low]) {
            ethertype::IPV4 => return ipv4::locate(rest),
            ethertype::IPV6 => return ipv6::locate(rest),
            tag if ethertype::is_tag(tag) => {}
            other => return behind_label(other, rest, beyond),
        }
    }
    Located::Odd(Oddity::TooManyTags)
}

/// What else leads to IP. Any unknown EtherType does not.
fn behind_label(ethertype: u16, rest: &[u8], beyond: usize) -> Located<'_> {
    match ethertype {
        length if length < MIN_ETHERTYPE => behind_length(usize::from(length), rest),
        ethertype::PPPOE_SESSION => behind_pppoe(rest),
        ethertype::MPLS | ethertype::MPLS_UPSTREAM => behind_mpls(rest, beyond),
        _ => Located::NotIp,
    }
}

/// IP behind an IEEE 802.2 header, with SNAP (RFC 1042) or by a number of its own. Anything else there is no IP.
///
/// ```text
///  0      1      2         3     6           8
/// +------+------+---------+-----+-----------+-----
/// | DSAP | SSAP | control | OUI | EtherType | IP        (SNAP: AA AA 03, OUI 0)
/// +------+------+---------+-----+-----------+-----
/// | DSAP | SSAP | control | IP                          (IP: 06 06 03)
/// +------+------+---------+------------------
/// ```
#[cold]
fn behind_length(length: usize, rest: &[u8]) -> Located<'_> {
    // As with PPPoE: a length that cannot be right must not hide the addresses.
    let located = match rest.get(..length).unwrap_or(rest) {
        [0xaa, 0xaa, 3, 0, 0, 0, 8, 0, packet @ ..] => ipv4::locate(packet),
        [0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd, packet @ ..] => ipv6::locate(packet),
        [6, 6, 3, packet @ ..] => ipv4::locate(packet),
        _ => Located::NotIp,
    };
    located.noting(Oddity::LlcSnap)
}

/// PPPoE (RFC 2516 section 4), then the PPP protocol, which the length counts in. The protocol is an odd number, with an even
/// upper byte, and one of 0 may be left out (RFC 1661 section 6.5): hosts take that whether it was agreed on or not.
///
/// ```text
///  0              1      2            4        6          8
/// +--------------+------+------------+--------+----------+-----
/// | version,type | code | session id | length | protocol | IP
/// +--------------+------+------------+--------+----------+-----
/// ```
fn behind_pppoe(rest: &[u8]) -> Located<'_> {
    let Some((&[_, _, _, _, length_high, length_low, high, low], _)) = rest.split_first_chunk() else {
        return Located::Odd(Oddity::Runt);
    };
    let is_compressed = high & 1 != 0;
    let (protocol, start) =
        if is_compressed { (u16::from(high), 7) } else { (u16::from_be_bytes([high, low]), 8) };
    let end = 6 + usize::from(u16::from_be_bytes([length_high, length_low]));
    // A length that cannot be right must not hide the addresses: then the IP header alone says where the
    // packet ends.
    let packet = rest.get(start..end).or(rest.get(start..)).unwrap_or_default();
    match protocol {
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
fn behind_mpls(mut rest: &[u8], beyond: usize) -> Located<'_> {
    for _ in 0..MAX_LABELS {
        let Some((&[_, _, label_tc_s, _], inner)) = rest.split_first_chunk() else {
            return Located::Odd(Oddity::Runt);
        };
        rest = inner;
        if label_tc_s & 1 != 0 {
            return by_version(rest, beyond);
        }
    }
    Located::Odd(Oddity::TooManyTags)
}

/// Behind the labels may also be an Ethernet frame (a pseudowire without control word, RFC 4448 section 4.1), whose
/// destination address then lies where the version would: only a header that agrees with itself is believed.
fn by_version(packet: &[u8], beyond: usize) -> Located<'_> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) if ipv4::is_consistent(packet, beyond) => ipv4::locate(packet),
        Some(6) if ipv6::is_consistent(packet, beyond) => ipv6::locate(packet),
        _ => Located::NotIp,
    }
}
