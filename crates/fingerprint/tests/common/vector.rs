//! The 135 vectors, each a SYN or a SYN-ACK and what the reference programs say of it.

use serde::Deserialize;

use crate::packet::in_ethernet;

/// Where a program says no fingerprint but a reason, the reason stands in its place.
#[derive(Deserialize)]
#[allow(dead_code, reason = "each test uses its share")]
pub(crate) struct Vector {
    pub(crate) id: String,
    /// The IP header and the TCP segment, in hexadecimal.
    ip: String,
    tcp: String,
    pub(crate) muonfp: String,
    #[cfg(feature = "ja4t")]
    pub(crate) ja4t: String,
    pub(crate) p0f: String,
    pub(crate) p0f_os: Option<String>,
    pub(crate) p0f_params: Option<String>,
}

pub(crate) fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../data/syn-vectors.json")).unwrap()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    hexadecimal.as_bytes().chunks(2).map(byte).collect()
}

impl Vector {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let (mut ip, mut tcp) = (bytes(&self.ip), self.tcp());
        if let [0x40..=0x4f, _, high, low, ..] = *ip {
            // Of some packets, nothing is told of the IP options or the payload but their lengths.
            ip.resize(usize::from(ip[0] & 0x0f) * 4, 1);
            tcp.resize(usize::from(u16::from_be_bytes([high, low])) - ip.len(), 0);
        }
        in_ethernet(&[ip, tcp].concat())
    }

    /// The TCP header, whole or not, and what is told of the data behind it.
    #[allow(dead_code, reason = "each test uses its share")]
    pub(crate) fn tcp(&self) -> Vec<u8> {
        bytes(&self.tcp)
    }

    #[allow(dead_code, reason = "each test uses its share")]
    pub(crate) fn is_ipv6(&self) -> bool {
        self.ip.starts_with('6')
    }
}
