//! What each profile does with odd frames that come from outside.

use serde::Deserialize;
use synward_wire::Oddity;

/// How suspicious the bridge is of frames that no honest host sends, or that it cannot look into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Never drops what it cannot look into.
    Transparent,
    /// Drops what cannot be legitimate: it opens no connection, and serves only to hide one from a filter.
    #[default]
    Balanced,
    /// Drops every odd frame, but for what is only counted: IPv4 options, which IGMP always has, and tunnels that are judged by
    /// their outer header because the configuration says so.
    Strict,
}

impl Profile {
    /// Whether an odd frame is dropped.
    ///
    /// Balanced drops headers that are cut or cannot be valid (RFC 791, RFC 9293 section 3.1), fragments that split
    /// the TCP header (RFC 1858, RFC 3128, RFC 7112), routing headers of type 0 (RFC 5095) and SYNs that also
    /// close or reset.
    pub fn drops(self, oddity: Oddity) -> bool {
        match self {
            Self::Transparent => false,
            Self::Balanced => matches!(
                oddity,
                Oddity::Runt
                    | Oddity::TruncatedIp
                    | Oddity::TinyFragment
                    | Oddity::FragmentOffsetOne
                    | Oddity::Ipv6IncompleteChain
                    | Oddity::RoutingType0
                    | Oddity::SynFin
                    | Oddity::SynRst
                    | Oddity::TcpHeader
            ),
            Self::Strict => !matches!(oddity, Oddity::IpOptions | Oddity::Tunnel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_drops_what_the_milder_one_drops() {
        for oddity in Oddity::ALL {
            assert!(!Profile::Transparent.drops(oddity));
            assert!(Profile::Strict.drops(oddity) || !Profile::Balanced.drops(oddity));
            assert_eq!(Profile::Strict.drops(oddity), oddity >= Oddity::TcpOptions);
        }
        assert!(!Profile::Balanced.drops(Oddity::SpoofedSource));
        assert!(Profile::Balanced.drops(Oddity::TinyFragment));
        assert!(!Profile::Balanced.drops(Oddity::Fragment));
        assert!(!Profile::Balanced.drops(Oddity::TcpOptions));
    }
}
