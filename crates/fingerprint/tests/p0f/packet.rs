//! SYNs and SYN-ACKs to the byte, the malformed ones too.

/// What a packet says. The default is a SYN that p0f finds nothing odd about.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) v6: bool,
    /// DSCP and ECN.
    pub(crate) traffic_class: u8,
    /// Of IPv4: the reserved bit, DF, the identification, and bytes of options, a multiple of 4.
    pub(crate) reserved_bit: bool,
    pub(crate) df: bool,
    pub(crate) id: u16,
    pub(crate) ip_options: usize,
    /// Of IPv6: the flow label, 20 bits, and whether there is an extension header.
    pub(crate) flow: u32,
    pub(crate) extension: bool,
    pub(crate) ttl: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
    /// Twelve bits.
    pub(crate) flags: u16,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    /// Up to 40 bytes, a multiple of 4.
    pub(crate) options: Vec<u8>,
    pub(crate) payload: usize,
    /// Bytes of padding after the packet.
    pub(crate) ethernet_padding: usize,
}

pub(crate) const SYN: u16 = 0x02;
pub(crate) const ACK: u16 = 0x10;

impl Default for Packet {
    fn default() -> Packet {
        Packet {
            v6: false,
            traffic_class: 0,
            reserved_bit: false,
            df: false,
            id: 1,
            ip_options: 0,
            flow: 0,
            extension: false,
            ttl: 64,
            sequence: 1,
            acknowledgment: 0,
            flags: SYN,
            window: 4321,
            urgent: 0,
            options: Vec::new(),
            payload: 0,
            ethernet_padding: 0,
        }
    }
}

impl Packet {
    pub(crate) fn into_syn_ack(self) -> Packet {
        Packet { flags: self.flags | ACK, ..self }
    }

    /// The frame from the client with this port, which has an address of its own.
    pub(crate) fn frame_from_client(&self, port: u16) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        self.frame([1, high, low], [2, 0, 0], port, 80)
    }

    /// The frame to the client with this port.
    pub(crate) fn frame_to_client(&self, port: u16) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        self.frame([2, 0, 0], [1, high, low], 80, port)
    }

    fn frame(
        &self,
        source: [u8; 3],
        destination: [u8; 3],
        source_port: u16,
        destination_port: u16,
    ) -> Vec<u8> {
        let tcp = self.tcp(source_port, destination_port);
        let packet =
            if self.v6 { self.ipv6(source, destination, &tcp) } else { self.ipv4(source, destination, &tcp) };
        let mut frame = in_ethernet(&packet);
        frame.resize(frame.len() + self.ethernet_padding, 0xee);
        frame
    }

    fn tcp(&self, source_port: u16, destination_port: u16) -> Vec<u8> {
        let words = 5 + self.options.len() as u16 / 4;
        [
            &source_port.to_be_bytes()[..],
            &destination_port.to_be_bytes(),
            &self.sequence.to_be_bytes(),
            &self.acknowledgment.to_be_bytes(),
            &(words << 12 | self.flags).to_be_bytes(),
            &self.window.to_be_bytes(),
            &[0, 0],
            &self.urgent.to_be_bytes(),
            &self.options,
            &vec![b'x'; self.payload],
        ]
        .concat()
    }

    fn ipv4(&self, source: [u8; 3], destination: [u8; 3], tcp: &[u8]) -> Vec<u8> {
        let header = 20 + self.ip_options;
        let flags = u16::from(self.reserved_bit) << 15 | u16::from(self.df) << 14;
        [
            &[0x40 | (header / 4) as u8, self.traffic_class][..],
            &((header + tcp.len()) as u16).to_be_bytes(),
            &self.id.to_be_bytes(),
            &flags.to_be_bytes(),
            &[self.ttl, 6, 0, 0, 10],
            &source,
            &[10],
            &destination,
            &vec![1; self.ip_options],
            tcp,
        ]
        .concat()
    }

    fn ipv6(&self, source: [u8; 3], destination: [u8; 3], tcp: &[u8]) -> Vec<u8> {
        let (next, extension): (u8, &[u8]) =
            if self.extension { (60, &[6, 0, 1, 4, 0, 0, 0, 0]) } else { (6, &[]) };
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow;
        let prefix = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        [
            &first.to_be_bytes()[..],
            &((extension.len() + tcp.len()) as u16).to_be_bytes(),
            &[next, self.ttl],
            &prefix,
            &source,
            &prefix,
            &destination,
            extension,
            tcp,
        ]
        .concat()
    }
}

/// The frame around an IP packet.
pub(crate) fn in_ethernet(packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &ether_type[..], packet].concat()
}
