//! Frames, made to order.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeader};

/// Locally administered addresses that no interface has.
const DESTINATION: [u8; 6] = [2, 0, 0, 0, 0, 0xd];
const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 0x5];

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;

/// IEEE 802.1Q and 802.1ad tags.
pub(crate) const VLAN: (u16, u16) = (0x8100, 42);
pub(crate) const SERVICE_VLAN: (u16, u16) = (0x88a8, 7);

/// Bytes that nobody can guess, other ones each time. Reproducible: a test that fails once fails again.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
    let mut state = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let next = || {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A frame of its own destination.
pub(crate) fn ethernet_to(destination: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&destination[..], &SOURCE, &ethertype.to_be_bytes(), payload].concat()
}

pub(crate) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    ethernet_to(DESTINATION, ethertype, payload)
}

/// The frame with VLAN tags (EtherType, VLAN id) put in, the outermost first.
pub(crate) fn tagged(tags: &[(u16, u16)], frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    let tags = tags.iter().flat_map(|(ethertype, id)| [ethertype.to_be_bytes(), id.to_be_bytes()].concat());
    addresses.iter().copied().chain(tags).chain(rest.iter().copied()).collect()
}

/// Between whom a packet goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
}

impl Flow {
    pub(crate) fn new(source: &str, destination: &str) -> Self {
        Self { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    /// The same the other way round.
    pub(crate) fn back(self) -> Self {
        Self { source: self.destination, destination: self.source }
    }

    /// An IP packet of this protocol, as it is behind an EtherType.
    fn packet(self, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let length = u16::try_from(payload.len()).unwrap();
                let header = Ipv4Header::new(length, 61, protocol, source.octets(), destination.octets());
                ipv4(header.unwrap(), payload)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = Ipv6Header {
                    payload_length: u16::try_from(payload.len()).unwrap(),
                    next_header: protocol,
                    hop_limit: 61,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                };
                [&header.to_bytes(), payload].concat()
            }
            _ => panic!("{self:?} is of two families"),
        }
    }

    fn ethertype(self) -> u16 {
        if self.source.is_ipv4() { IPV4 } else { IPV6 }
    }

    /// A frame with an IP packet of this protocol and payload.
    pub(crate) fn frame(self, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
        ethernet(self.ethertype(), &self.packet(protocol, payload))
    }

    pub(crate) fn udp(self, payload: &[u8]) -> Vec<u8> {
        let head =
            [30000_u16, 53, u16::try_from(payload.len() + 8).unwrap(), 0].map(u16::to_be_bytes).concat();
        self.frame(IpNumber::UDP, &[&head, payload].concat())
    }

    /// An echo request: numbered, so that no two are alike.
    pub(crate) fn ping(self) -> Vec<u8> {
        let (kind, protocol) =
            if self.source.is_ipv4() { (8, IpNumber::ICMP) } else { (128, IpNumber::IPV6_ICMP) };
        self.frame(protocol, &[&[kind, 0, 0, 0, 0, 1], &*noise(40)].concat())
    }

    pub(crate) fn tcp(self, segment: &Segment<'_>) -> Vec<u8> {
        self.frame(IpNumber::TCP, &self.segment(segment))
    }

    /// A segment with its checksum. The sequence number makes each another one.
    pub(crate) fn segment(self, segment: &Segment<'_>) -> Vec<u8> {
        let Segment { flags, window, options, payload } = *segment;
        let sequence = u32::from_be_bytes(*noise(4).first_chunk().unwrap());
        let mut header = TcpHeader::new(40000, 443, sequence, window);
        header.set_options_raw(options).unwrap();
        let flag = |flag: u8| flags & flag != 0;
        (header.fin, header.syn, header.rst) = (flag(FIN), flag(SYN), flag(RST));
        (header.psh, header.ack, header.urg) = (flag(PSH), flag(ACK), flag(URG));
        (header.ece, header.cwr) = (flag(ECE), flag(CWR));
        header.checksum = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                header.calc_checksum_ipv4_raw(source.octets(), destination.octets(), payload).unwrap()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                header.calc_checksum_ipv6_raw(source.octets(), destination.octets(), payload).unwrap()
            }
            _ => panic!("{self:?} is of two families"),
        };
        [&header.to_bytes(), payload].concat()
    }
}

/// An IPv4 packet with this header, whose lengths and checksum are put right.
pub(crate) fn ipv4(mut header: Ipv4Header, payload: &[u8]) -> Vec<u8> {
    header.set_payload_len(payload.len()).unwrap();
    header.header_checksum = header.calc_header_checksum();
    [&header.to_bytes(), payload].concat()
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;
pub(crate) const ECE: u8 = 64;
pub(crate) const CWR: u8 = 128;

/// A TCP segment. The options are padded to a multiple of 4 bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Segment<'a> {
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) options: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Segment<'static> {
    /// `1024:::`
    pub(crate) const MASSCAN: Self = Self::syn(1024, &[]);
    /// `65535:::`
    pub(crate) const ZMAP: Self = Self::syn(65535, &[]);
    /// `1024:2:1460:`
    pub(crate) const NMAP: Self = Self::syn(1024, &[2, 4, 5, 180]);
    /// `64240:2-4-8-1-3:1460:7`
    pub(crate) const LINUX: Self = Self::syn(64240, &LINUX_OPTIONS);
    /// Of a connection: data, and the window of masscan.
    pub(crate) const DATA: Self = Self { flags: ACK | PSH, window: 1024, options: &[], payload: b"data" };
}

/// MSS 1460, SACK permitted, timestamps, NOP, window scale 7.
pub(crate) const LINUX_OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];

impl<'a> Segment<'a> {
    pub(crate) const fn syn(window: u16, options: &'a [u8]) -> Self {
        Self { flags: SYN, window, options, payload: &[] }
    }

    pub(crate) const fn with_flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }
}

/// An ARP request.
pub(crate) fn arp() -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    ethernet_to([0xff; 6], 0x0806, &[&head[..], &noise(20), &[0; 18]].concat())
}

/// A neighbour solicitation (RFC 4861 section 4.3) to a solicited-node multicast address.
pub(crate) fn neighbour_solicitation() -> Vec<u8> {
    let flow = Flow::new("fe80::1", "ff02::1:ff00:2");
    let message = [&[135, 0, 0, 0, 0, 0, 0, 0], &*noise(16), &[1, 1], &SOURCE].concat();
    ethernet_to([0x33, 0x33, 0xff, 0, 0, 2], IPV6, &flow.packet(IpNumber::IPV6_ICMP, &message))
}
