//! Windows that are a multiple of something.

use std::fmt;

/// Bytes of an IPv4 and a TCP header without options.
pub(crate) const IPV4_AND_TCP: u32 = 40;
/// Bytes of an IPv6 and a TCP header without options.
pub(crate) const IPV6_AND_TCP: u32 = 60;
/// Bytes that a timestamps option with its padding takes from each segment (RFC 7323 appendix A).
pub(crate) const TIMESTAMPS_SPACE: u32 = 12;
/// The MTU of Ethernet, which p0f tries whatever the MSS says.
pub(crate) const ETHERNET_MTU: u32 = 1500;
/// Below this MSS p0f looks for no multiple.
pub(crate) const LEAST_MSS: u16 = 100;

/// What p0f takes a window for a multiple of. Displayed `mss*44` or `mtu*2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Multiple {
    /// So many times the MSS, or what an MSS may have been.
    Mss(u16),
    /// So many times the MTU, or what an MTU may have been.
    Mtu(u16),
}

impl Multiple {
    /// The factor.
    pub const fn factor(self) -> u16 {
        match self {
            Multiple::Mss(factor) | Multiple::Mtu(factor) => factor,
        }
    }
}

impl fmt::Display for Multiple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Multiple::Mss(factor) => write!(f, "mss*{factor}"),
            Multiple::Mtu(factor) => write!(f, "mtu*{factor}"),
        }
    }
}

/// What the search for a multiple looks at.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) window: u16,
    pub(crate) mss: u16,
    pub(crate) ipv6: bool,
    /// Whether there is a timestamps option whose own value is not zero.
    pub(crate) timestamps: bool,
    /// Bytes of the IP and the TCP header with their options.
    pub(crate) headers: u32,
}

impl Scene {
    /// The first divisor, in p0f's order, of which the window is a multiple.
    pub(crate) fn multiple(&self) -> Option<Multiple> {
        if !is_searched(self.window, self.mss) {
            return None;
        }
        let mss = u32::from(self.mss);
        let ethernet4 = ETHERNET_MTU - IPV4_AND_TCP;
        let ethernet6 = ETHERNET_MTU - IPV6_AND_TCP;
        let as_mss: [(bool, u32); 6] = [
            (true, mss),
            (self.timestamps, mss - TIMESTAMPS_SPACE),
            (true, ethernet4),
            (true, ethernet4 - TIMESTAMPS_SPACE),
            (self.ipv6, ethernet6),
            (self.ipv6, ethernet6 - TIMESTAMPS_SPACE),
        ];
        let as_mtu = [
            (true, mss + IPV4_AND_TCP),
            (true, mss + self.headers),
            (self.ipv6, mss + IPV6_AND_TCP),
            (true, ETHERNET_MTU),
        ];
        let factor = |divisors: &[(bool, u32)]| {
            let mut tried = divisors.iter().filter(|(is_tried, _)| *is_tried);
            tried.find_map(|(_, divisor)| quotient(self.window, *divisor))
        };
        factor(&as_mss).map(Multiple::Mss).or_else(|| factor(&as_mtu).map(Multiple::Mtu))
    }
}

/// The multiple of the peer's MSS that the window of a SYN-ACK is, where nothing better was found.
pub(super) fn multiple_of_peer(window: u16, mss: u16, peer_mss: u16) -> Option<Multiple> {
    let peer_mss = u32::from(peer_mss);
    let factor = quotient(window, peer_mss)
        .or_else(|| quotient(window, peer_mss.checked_sub(TIMESTAMPS_SPACE)?))
        .filter(|_| is_searched(window, mss))?;
    // 3.09b keeps the factor in 16 bits with a sign.
    i16::try_from(factor).is_ok().then_some(Multiple::Mss(factor))
}

fn is_searched(window: u16, mss: u16) -> bool {
    window != 0 && mss >= LEAST_MSS
}

fn quotient(window: u16, divisor: u32) -> Option<u16> {
    let window = u32::from(window);
    if window.checked_rem(divisor)? != 0 {
        return None;
    }
    u16::try_from(window / divisor).ok()
}
