//! Packets by chance, the same in each run.

use synward_fingerprint::Field;
use synward_fingerprint::p0f::{InitialTtl, IpVersion, Multiple, P0fSignature, Quirks, Window};

use crate::packet::Packet;

/// MSS values with something to them: none, too small to count, Ethernet's, loopback's, p0f's own.
const MSS_VALUES: [u16; 16] =
    [0, 1, 99, 100, 112, 536, 640, 1220, 1331, 1360, 1400, 1440, 1448, 1460, 8961, 65495];

/// A SplitMix64.
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Generator {
        Generator(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn mss(&mut self) -> u16 {
        if self.one_in(4) { self.next() as u16 } else { self.pick(&MSS_VALUES) }
    }

    /// A packet of this signature, or one that misses it by a little.
    pub(crate) fn packet_of(&mut self, signature: &P0fSignature) -> Packet {
        let quirks = signature.quirks;
        let has = |quirk| quirks.contains(quirk);
        let mss = match signature.mss {
            Field::Any => self.mss(),
            Field::Is(mss) => mss,
        };
        let v6 = match signature.version {
            Field::Any => self.one_in(3),
            Field::Is(version) => (version == IpVersion::V6) != self.one_in(8),
        };
        let flag = |quirk, bit| if has(quirk) { bit } else { 0 };
        let mut packet = Packet {
            v6,
            traffic_class: u8::from(has(Quirks::ECN)),
            reserved_bit: has(Quirks::RESERVED_BIT),
            df: has(Quirks::DF),
            id: u16::from(!has(Quirks::ID_ZERO) && (!has(Quirks::DF) || has(Quirks::ID_NONZERO))),
            ip_options: usize::from(signature.ip_options_len),
            flow: u32::from(has(Quirks::FLOW)),
            ttl: self.ttl_of(signature.ttl),
            sequence: u32::from(!has(Quirks::SEQUENCE_ZERO)),
            acknowledgment: if has(Quirks::ACK_NONZERO) { 0x0100_0000 } else { 2 },
            flags: 2 | flag(Quirks::URG, 0x20) | flag(Quirks::PSH, 8),
            window: self.window_of(signature.window, mss),
            urgent: u16::from(has(Quirks::URGENT_POINTER)),
            options: self.options_of(signature, mss),
            payload: usize::from(signature.payload == Field::Is(true)),
            ..Packet::default()
        };
        if has(Quirks::ACK_ZERO) {
            packet.acknowledgment = 0;
        }
        while self.one_in(3) {
            self.alter(&mut packet);
        }
        packet
    }

    fn ttl_of(&mut self, ttl: InitialTtl) -> u8 {
        let (InitialTtl::Is(initial) | InitialTtl::UpTo(initial)) = ttl;
        let hops = if self.one_in(4) { self.below(45) } else { self.below(20) } as u8;
        if self.one_in(16) { initial.saturating_add(hops) } else { initial.saturating_sub(hops) }
    }

    fn window_of(&mut self, window: Window, mss: u16) -> u16 {
        match window {
            Window::Any => self.window(mss),
            Window::Is(window) => window,
            Window::Times(Multiple::Mss(factor)) => {
                let divisor = self.pick(&[mss, mss, mss, mss.wrapping_sub(12), 1460, 1448, 1440]);
                factor.wrapping_mul(divisor)
            }
            Window::Times(Multiple::Mtu(factor)) => {
                let divisor = self.pick(&[mss.wrapping_add(40), mss.wrapping_add(40), 1500]);
                factor.wrapping_mul(divisor)
            }
            Window::MultipleOf(divisor) => divisor.wrapping_mul(self.below(20) as u16),
        }
    }

    /// Mostly a multiple of something that p0f may take it for.
    fn window(&mut self, mss: u16) -> u16 {
        let offset = self.pick(&[0, 0, 0, 20, 40, 60, 52, 80, -12]);
        let divisor = match self.below(3) {
            0 => self.pick(&[1428, 1440, 1448, 1460, 1500]),
            1 => mss.wrapping_add_signed(offset),
            _ => return self.next() as u16,
        };
        divisor.wrapping_mul(1 + self.below(50) as u16)
    }

    fn options_of(&mut self, signature: &P0fSignature, mss: u16) -> Vec<u8> {
        let has = |quirk| signature.quirks.contains(quirk);
        let mut options = Vec::new();
        for kind in signature.layout.kinds() {
            match kind {
                0 => {
                    options.push(0);
                    options.resize(options.len() + usize::from(signature.layout.eol_padding()), 0);
                    if has(Quirks::PADDING_NONZERO) {
                        let behind = options.len() - usize::from(signature.layout.eol_padding());
                        options[behind] = 7;
                    }
                }
                1 => options.push(1),
                2 => options.extend([[2, 4], mss.to_be_bytes()].concat()),
                3 => options.extend([3, 3, signature.window_scale.exact().unwrap_or(self.below(16) as u8)]),
                4 => options.extend([4, 2]),
                5 => options.extend([5, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
                8 => {
                    let (own, peer) = (!has(Quirks::OWN_TIMESTAMP_ZERO), has(Quirks::PEER_TIMESTAMP));
                    options.extend([8, 10, 0, 0, 0, u8::from(own), 0, 0, 0, u8::from(peer)]);
                }
                kind => options.extend([*kind, 2]),
            }
        }
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 1);
        options
    }

    /// Changes one thing.
    fn alter(&mut self, packet: &mut Packet) {
        match self.below(20) {
            0 => packet.df ^= true,
            1 => packet.id = u16::from(self.one_in(2)),
            2 => packet.traffic_class = self.byte(),
            3 => packet.reserved_bit ^= true,
            4 => packet.flow = self.below(2) as u32,
            5 => packet.sequence = 0,
            6 => packet.acknowledgment = self.next() as u32,
            7 => packet.acknowledgment = self.pick(&[0, 1, 0x0100_0000, 0x0200_0000]),
            8 => packet.urgent = self.below(2) as u16,
            9 => packet.flags ^= self.pick(&[0x20, 0x08, 0x40, 0x80, 0x100, 0x200, 0x800]),
            10 => packet.payload = self.below(3) as usize,
            11 => packet.ip_options = self.below(11) as usize * 4,
            12 => packet.ttl = self.byte(),
            13 => packet.v6 ^= true,
            14 => packet.window = self.next() as u16,
            15 => self.damage(&mut packet.options),
            16 => packet.ethernet_padding = self.below(9) as usize,
            17 => packet.extension = self.one_in(2),
            18 => packet.flags ^= u16::from(self.one_in(2)),
            _ => packet.flags ^= 4 * u16::from(self.one_in(3)),
        }
    }

    fn damage(&mut self, options: &mut [u8]) {
        if !options.is_empty() {
            let at = self.below(options.len() as u64) as usize;
            options[at] = if self.one_in(2) { self.below(12) as u8 } else { self.byte() };
        }
    }

    /// A SYN with whatever options.
    pub(crate) fn any_syn(&mut self) -> Packet {
        let mss = self.mss();
        let mut packet = Packet {
            v6: self.one_in(3),
            ttl: self.byte(),
            window: self.window(mss),
            options: self.any_options(mss),
            ..Packet::default()
        };
        while self.one_in(2) {
            self.alter(&mut packet);
        }
        packet
    }

    fn any_options(&mut self, mss: u16) -> Vec<u8> {
        let mut options = Vec::new();
        for _ in 0..self.pick(&[0, 1, 2, 3, 4, 5, 6, 8, 12, 40]) {
            let option = self.any_option(mss);
            options.extend(option);
        }
        options.truncate(40);
        let end = options.len().next_multiple_of(4) + self.below(3) as usize * 4;
        let pad = self.pick(&[0, 1, 1]);
        options.resize(end.min(40), pad);
        while self.one_in(4) {
            self.damage(&mut options);
        }
        options
    }

    fn any_option(&mut self, mss: u16) -> Vec<u8> {
        match self.below(9) {
            0 => vec![2, 4, (mss >> 8) as u8, mss as u8],
            1 => vec![3, 3, self.pick(&[0, 1, 7, 8, 14, 15, 255])],
            2 => vec![4, 2],
            3 => {
                let (own, peer) = (self.below(3) as u8, self.below(3) as u8 / 2);
                vec![8, 10, 0, 0, 0, own, peer, 0, 0, 0]
            }
            4 => vec![5, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            5 if self.one_in(3) => vec![0, self.below(2) as u8],
            6 => {
                let length = self.pick(&[0, 1, 2, 3, 4, 6, 10, 41]);
                let mut option = vec![self.byte(), length];
                option.resize(usize::from(length.max(2)), 0);
                option
            }
            _ => vec![1],
        }
    }
}
