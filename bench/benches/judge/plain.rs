//! The plain composition: etherparse reads the frame, prefix-trie knows the prefixes, a hash map the texts of fingerprints.

use std::collections::{HashMap, HashSet};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;
use synward_bench::traffic::Rules;
use synward_fingerprint::MuonFp;

/// What judges as the rule set does: it drops blocked sources and, from others, SYNs of blocked fingerprints.
pub(crate) struct Plain {
    prefixes: PrefixMap<Ipv4Net, u32>,
    fingerprints: HashMap<String, u32>,
}

impl Plain {
    pub(crate) fn new(rules: &Rules) -> Self {
        let prefix = |(address, length): &(_, u8)| Ipv4Net::new(*address, *length).ok();
        let distinct: HashSet<_> = rules.prefixes.iter().filter_map(prefix).collect();
        Self {
            prefixes: distinct.into_iter().zip(0..).collect(),
            fingerprints: rules.signatures.iter().cloned().zip(0..).collect(),
        }
    }

    /// For frames that are no SYNs.
    pub(crate) fn drops_source(&self, frame: &[u8]) -> bool {
        SlicedPacket::from_ethernet(frame).is_ok_and(|packet| self.blocks(&packet))
    }

    pub(crate) fn drops(&self, frame: &[u8]) -> bool {
        SlicedPacket::from_ethernet(frame).is_ok_and(|packet| self.blocks(&packet) || self.knows(&packet))
    }

    fn blocks(&self, packet: &SlicedPacket<'_>) -> bool {
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { return false };
        self.prefixes.get_lpm(&ip.header().source_addr().into()).is_some()
    }

    fn knows(&self, packet: &SlicedPacket<'_>) -> bool {
        let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return false };
        let is_syn = tcp.syn() && !tcp.ack() && !tcp.rst();
        let text = || MuonFp::of(tcp.window_size(), tcp.options()).to_string();
        is_syn && self.fingerprints.contains_key(&text())
    }
}
