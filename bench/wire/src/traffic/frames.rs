//! The frames themselves.

use anyhow::{Context, Result};
use etherparse::PacketBuilder;

/// What every template is padded to in the program (`HEAD`).
pub(crate) const HEAD: usize = 128;

/// Hosts beyond the two ends of the wire.
const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 4]);

/// TEST-NET-2 (RFC 5737).
const SERVER: [u8; 4] = [198, 51, 100, 1];

/// Of the documentation's prefix (RFC 3849).
const SERVER6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 1];

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP: usize = 8;

/// Where TCP has its sequence number (RFC 9293 section 3.1), and where TCP and UDP have their checksums.
const SEQUENCE: usize = 4;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

/// By which rules frames of a template are blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// By none.
    No,
    /// By one of the first prefixes, which a small set has too.
    Few,
    /// By one of the other prefixes.
    Many,
    /// By its fingerprint.
    Syn,
}

impl Block {
    /// For messages.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::No => "blocked by nothing",
            Self::Few => "from a prefix that a small set has, too",
            Self::Many => "from a prefix that only the large set has",
            Self::Syn => "blocked for its fingerprint",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    Tcp,
    Udp,
}

/// A frame whose source is all zeros, and whose checksums fit to that.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) block: Block,
    frame: Vec<u8>,
    family: Family,
    carries: Carries,
    numbered: bool,
}

/// A segment of a connection, padded with zeros.
pub(crate) fn segment(family: Family, length: usize, block: Block) -> Result<Template> {
    let ethernet = PacketBuilder::ethernet2(MACS.0, MACS.1);
    let mut frame = Vec::new();
    match family {
        Family::V4 => {
            let data = vec![0; length.saturating_sub(ETHERNET + IPV4 + 20)];
            ethernet.ipv4([0; 4], SERVER, 64).tcp(40000, 443, 0, 501).ack(1).write(&mut frame, &data)?;
        }
        Family::V6 => {
            let data = vec![0; length.saturating_sub(ETHERNET + IPV6 + 20)];
            ethernet.ipv6([0; 16], SERVER6, 64).tcp(40000, 443, 0, 501).ack(1).write(&mut frame, &data)?;
        }
    }
    Ok(Template { block, frame, family, carries: Carries::Tcp, numbered: false })
}

/// A datagram.
pub(crate) fn datagram(family: Family, length: usize, block: Block) -> Result<Template> {
    let mut frame = Vec::new();
    let data = vec![0; length.saturating_sub(ETHERNET + IPV4 + UDP)];
    let ethernet = PacketBuilder::ethernet2(MACS.0, MACS.1);
    ethernet.ipv4([0; 4], SERVER, 64).udp(40000, 443).write(&mut frame, &data)?;
    Ok(Template { block, frame, family, carries: Carries::Udp, numbered: false })
}

/// A SYN with these options, as short as a frame can be.
pub(crate) fn syn(window: u16, options: &[u8], block: Block) -> Result<Template> {
    let mut frame = Vec::new();
    let tcp = PacketBuilder::ethernet2(MACS.0, MACS.1).ipv4([0; 4], SERVER, 64).tcp(40000, 443, 0, window);
    tcp.syn().options_raw(options)?.write(&mut frame, &[])?;
    frame.resize(frame.len().max(60), 0);
    Ok(Template { block, frame, family: Family::V4, carries: Carries::Tcp, numbered: false })
}

impl Template {
    /// The same, of which the program numbers each frame. The checksum is left out, as IPv4 allows it (RFC 768).
    pub(crate) fn numbered(mut self) -> Self {
        self.numbered = true;
        let at = self.checksum_at();
        self.frame.iter_mut().skip(at).take(2).for_each(|byte| *byte = 0);
        self
    }

    pub(crate) fn is_numbered(&self) -> bool {
        self.numbered
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.family == Family::V6
    }

    /// Bytes, without frame check sequence.
    pub(crate) fn len(&self) -> usize {
        self.frame.len()
    }

    fn segment_at(&self) -> usize {
        ETHERNET + if self.is_ipv6() { IPV6 } else { IPV4 }
    }

    fn checksum_at(&self) -> usize {
        self.segment_at() + if self.carries == Carries::Tcp { TCP_CHECKSUM } else { UDP_CHECKSUM }
    }

    fn tag_at(&self) -> usize {
        self.segment_at() + if self.carries == Carries::Tcp { SEQUENCE } else { UDP }
    }

    /// What the program has to know of the template (`struct template`), with a tag.
    pub(crate) fn record(&self, tag: u32) -> Result<Vec<u8>> {
        let number = if self.numbered { self.tag_at() + 4 } else { 0 };
        let words = [self.len(), usize::from(self.is_ipv6()), self.checksum_at(), number, 0, 0, 0, 0];
        let mut record = Vec::with_capacity(2 * words.len() + HEAD);
        for word in words {
            record.extend(u16::try_from(word)?.to_ne_bytes());
        }
        let mut head: Vec<u8> = self.frame.iter().copied().chain(std::iter::repeat(0)).take(HEAD).collect();
        let place = head.get_mut(self.tag_at()..self.tag_at() + 4).context("the tag lies beyond the head")?;
        place.copy_from_slice(&tag.to_be_bytes());
        record.extend(head);
        Ok(record)
    }

    /// The checksums of the IPv4 header and of the segment for a source and a tag, as they stand in the frame.
    pub(crate) fn checksums(&self, source: &[u8; 16], tag: u32) -> [[u8; 2]; 2] {
        let address = if self.is_ipv6() { &source[..] } else { source.get(..4).unwrap_or_default() };
        let header = self.word_at(ETHERNET + 10);
        let segment = if self.numbered {
            0
        } else {
            adjusted(adjusted(self.word_at(self.checksum_at()), address), &tag.to_be_bytes())
        };
        [adjusted(header, address).to_be_bytes(), segment.to_be_bytes()]
    }

    fn word_at(&self, place: usize) -> u16 {
        let bytes = self.frame.get(place..place + 2).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_be_bytes)
    }
}

/// A checksum, when words that were zero become others (RFC 1624).
fn adjusted(checksum: u16, bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes(word.try_into().unwrap_or_default())));
    let mut sum = u32::from(!checksum) + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{SlicedPacket, TransportSlice};

    /// The frame that the program makes of a template.
    fn made(template: &Template, source: [u8; 16], tag: u32) -> Vec<u8> {
        let record = template.record(tag).unwrap();
        let mut frame = template.frame.clone();
        let head = frame.len().min(HEAD);
        frame[..head].copy_from_slice(&record[16..16 + head]);
        let [header, segment] = template.checksums(&source, tag);
        let (at, length) = if template.is_ipv6() { (22, 16) } else { (26, 4) };
        frame[at..at + length].copy_from_slice(&source[..length]);
        if !template.is_ipv6() {
            frame[at - 2..at].copy_from_slice(&header);
        }
        let at = template.checksum_at();
        frame[at..at + 2].copy_from_slice(&segment);
        frame
    }

    #[test]
    fn checksums_fit_the_source_and_the_tag() {
        let templates = [
            segment(Family::V4, 60, Block::No).unwrap(),
            segment(Family::V6, 90, Block::No).unwrap(),
            syn(1024, &[2, 4, 5, 180], Block::No).unwrap(),
        ];
        let source = [203, 0, 113, 77, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        for template in templates {
            let frame = made(&template, source, 0xbeef_0003);
            let packet = SlicedPacket::from_ethernet(&frame).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("no TCP") };
            let (header, payload) = (tcp.to_header(), tcp.payload());
            assert_eq!(header.sequence_number, 0xbeef_0003);
            let expected = match &packet.net {
                Some(etherparse::NetSlice::Ipv4(ip)) => {
                    let ip = ip.header().to_header();
                    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                    header.calc_checksum_ipv4(&ip, payload)
                }
                Some(etherparse::NetSlice::Ipv6(ip)) => {
                    header.calc_checksum_ipv6(&ip.header().to_header(), payload)
                }
                _ => panic!("no IP"),
            };
            assert_eq!(Ok(header.checksum), expected);
        }
    }

    #[test]
    fn templates_have_the_length_that_was_asked_for() {
        for length in [60, 590, 1514] {
            assert_eq!(segment(Family::V4, length, Block::No).unwrap().len(), length);
            assert_eq!(datagram(Family::V4, length, Block::No).unwrap().len(), length);
        }
    }
}
