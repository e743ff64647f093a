//! Packets and frames.

use serde::Deserialize;

/// One SYN of the fingerprint library's vectors. Where a program says no fingerprint but a reason, the reason stands
/// in its place.
#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    ip: String,
    tcp: String,
    pub(crate) muonfp: String,
    #[cfg(feature = "ja4t")]
    pub(crate) ja4t: String,
    pub(crate) p0f: String,
}

impl Vector {
    pub(crate) fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../../fingerprint/tests/data/syn-vectors.json")).unwrap()
    }

    pub(crate) fn named(id: &str) -> Self {
        Self::all().into_iter().find(|vector| vector.id == id).unwrap()
    }

    /// From the IP header on. IP options that the vector leaves out are NOPs (1).
    pub(crate) fn packet(&self) -> Vec<u8> {
        let (mut ip, tcp) = (bytes(&self.ip), bytes(&self.tcp));
        if ip[0] >> 4 == 4 {
            ip.resize(usize::from(ip[0] & 0x0f) * 4, 1);
        }
        [ip, tcp].concat()
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        ethernet(&self.packet())
    }

    /// Bytes of the packet that the vector leaves out at the end.
    pub(crate) fn cut(&self) -> usize {
        let packet = self.packet();
        let stated = match packet[0] >> 4 {
            4 => usize::from(u16::from_be_bytes([packet[2], packet[3]])),
            _ => 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])),
        };
        stated.saturating_sub(packet.len())
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// The EtherType of a packet.
pub(crate) fn ethertype(packet: &[u8]) -> [u8; 2] {
    if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] }
}

pub(crate) fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], &ethertype(packet)[..], packet].concat()
}

/// A SYN of Linux, with MSS 1460 and window scale 7.
pub(crate) fn linux() -> Vec<u8> {
    Vector::named("C000").packet()
}

/// A SYN of Linux over IPv6.
pub(crate) fn linux6() -> Vec<u8> {
    Vector::named("C113").packet()
}

/// The answer to a SYN.
pub(crate) fn syn_ack() -> Vec<u8> {
    Vector::named("C089").packet()
}

/// No IP.
pub(crate) fn arp() -> Vec<u8> {
    [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 8, 6], &[0; 28]].concat()
}
