//! What crosses a busy wire: prefixes, signatures and frames by chance, the same in each run.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use etherparse::{PacketBuilder, VlanId};
use fastrand::Rng;
use synward_policy::Snapshot;
use synward_wire::SynFacts;

use crate::signatures::{any_syn, exact, signatures};
use crate::snapshot_of;

/// Bytes that a frame has to itself: seven cache lines, so that frames do not crowd into some sets of a cache.
const SLOT: usize = 448;

const CACHE_LINE: usize = 64;

/// The router's address on the wire, and the LAN's.
const MACS: ([u8; 6], [u8; 6]) = ([2; 6], [4; 6]);

const SERVER: [u8; 4] = [198, 51, 100, 1];

/// Rules, and what they were made of.
#[derive(Debug)]
pub struct Rules {
    /// Enforced.
    pub snapshot: Snapshot,
    /// The blocked prefixes: of a hundred 80 of length 32, 15 of 24, 5 of 16 to 27.
    pub prefixes: Vec<(Ipv4Addr, u8)>,
    /// The blocked signatures, all of them exact ones in MuonFP's notation.
    pub signatures: Vec<String>,
    /// A SYN of each.
    pub syns: Vec<SynFacts>,
}

impl Rules {
    /// So many prefixes and signatures.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn new(prefixes: usize, count: u32) -> io::Result<Self> {
        let mut rng = Rng::with_seed(11);
        let prefixes: Vec<_> = (0..prefixes).map(|place| prefix(&mut rng, place)).collect();
        let (_, syns) = signatures(&mut rng, count, 0);
        let signatures: Vec<_> = syns.iter().map(|syn| exact(syn).to_string()).collect();
        let mut addresses = String::new();
        for (address, length) in &prefixes {
            writeln!(addresses, "{address}/{length}").map_err(io::Error::other)?;
        }
        let snapshot = snapshot_of(&addresses, &signatures.join("\n"))?;
        Ok(Self { snapshot, prefixes, signatures, syns })
    }

    /// One address in ten lies in a blocked prefix; the others are any.
    fn source(&self, rng: &mut Rng) -> [u8; 4] {
        let listed = rng.choice(&self.prefixes).filter(|_| rng.u8(0..10) == 0);
        let address = listed.map_or(rng.u32(..), |(first, length)| {
            first.to_bits() | u32::MAX.checked_shr((*length).into()).unwrap_or(0) & rng.u32(..)
        });
        address.to_be_bytes()
    }

    /// Every second SYN has a blocked signature.
    fn syn(&self, rng: &mut Rng) -> SynFacts {
        let listed = rng.choice(&self.syns).filter(|_| rng.bool());
        listed.copied().unwrap_or_else(|| any_syn(rng))
    }
}

fn prefix(rng: &mut Rng, place: usize) -> (Ipv4Addr, u8) {
    let length = match place % 20 {
        0 => rng.u8(16..=27),
        1..4 => 24,
        _ => 32,
    };
    let open = u32::MAX.checked_shr(length.into()).unwrap_or(0);
    (Ipv4Addr::from_bits(rng.u32(..) & !open), length)
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A segment of a connection over IPv4.
    Segment,
    /// A SYN over IPv4.
    Syn,
    /// UDP over IPv4.
    Datagram,
    /// A segment of a connection over IPv6.
    Segment6,
    /// A segment of a connection over IPv4, in a tagged frame.
    Tagged,
    /// No IP.
    Arp,
}

impl Kind {
    /// What crosses a wire towards servers: of 20 frames 10 segments, 3 SYNs, 3 datagrams, 2 segments over IPv6, a tagged
    /// one and an ARP.
    pub const MIX: [Self; 20] = {
        use Kind::*;
        [
            Segment, Segment, Segment, Segment, Segment, Segment, Segment, Segment, Segment, Segment, Syn,
            Syn, Syn, Datagram, Datagram, Datagram, Segment6, Segment6, Tagged, Arp,
        ]
    };

    /// A frame of this kind.
    ///
    /// # Errors
    /// None with these arguments.
    pub fn frame(self, rules: &Rules, rng: &mut Rng) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        let (source, data) = (rules.source(rng), vec![0; rng.usize(0..300)]);
        let ethernet = PacketBuilder::ethernet2(MACS.0, MACS.1);
        let segment6 = (Ipv6Addr::from_bits(0x2 << 124 | rng.u128(..) >> 4), Ipv6Addr::from_bits(1));
        let written = match self {
            Self::Segment => {
                ethernet.ipv4(source, SERVER, 64).tcp(40000, 443, 1, 501).ack(1).write(&mut frame, &data)
            }
            Self::Syn => {
                let syn = rules.syn(rng);
                let builder = ethernet.ipv4(source, SERVER, syn.ttl).tcp(40000, 443, 1, syn.window).syn();
                let builder = builder.options_raw(syn.options.as_slice()).map_err(io::Error::other)?;
                builder.write(&mut frame, &[])
            }
            Self::Datagram => ethernet.ipv4(source, SERVER, 64).udp(40000, 443).write(&mut frame, &data),
            Self::Segment6 => {
                let ip = ethernet.ipv6(segment6.0.octets(), segment6.1.octets(), 64);
                ip.tcp(40000, 443, 1, 501).ack(1).write(&mut frame, &data)
            }
            Self::Tagged => {
                let tagged = ethernet.single_vlan(VlanId::try_new(7).map_err(io::Error::other)?);
                tagged.ipv4(source, SERVER, 64).tcp(40000, 443, 1, 501).ack(1).write(&mut frame, &data)
            }
            Self::Arp => {
                frame = [&[4; 6], &[2; 6], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1][..], &[0; 20]].concat();
                Ok(())
            }
        };
        written.map_err(io::Error::other)?;
        frame.resize(frame.len().max(60), 0);
        Ok(frame)
    }
}

/// Frames one behind the other in memory, each in a slot of its own: as they lie in the buffers of a port.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where the first slot begins: with a cache line, like the buffers of a port.
    first: usize,
    lengths: Vec<usize>,
}

impl Frames {
    /// Lays frames of these kinds out in this order.
    ///
    /// # Errors
    /// None with these arguments.
    pub fn new(rules: &Rules, kinds: impl IntoIterator<Item = Kind>) -> io::Result<Self> {
        let mut rng = Rng::with_seed(12);
        let frames: Vec<_> =
            kinds.into_iter().map(|kind| kind.frame(rules, &mut rng)).collect::<io::Result<_>>()?;
        let mut bytes = Vec::<u8>::with_capacity((frames.len() + 1) * SLOT);
        let first = bytes.as_ptr().align_offset(CACHE_LINE);
        for (place, frame) in frames.iter().enumerate() {
            bytes.resize(first + place * SLOT, 0);
            bytes.extend(frame);
        }
        bytes.resize(first + frames.len() * SLOT, 0);
        Ok(Self { bytes, first, lengths: frames.iter().map(Vec::len).collect() })
    }

    /// The frames, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.part(0..self.lengths.len())
    }

    /// Some of them.
    pub fn part(&self, part: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let bytes = self.bytes.get(self.first..).unwrap_or_default();
        let slots = bytes.chunks_exact(SLOT).skip(part.start).take(part.len());
        slots.zip(self.lengths.iter().skip(part.start)).filter_map(|(slot, length)| slot.get(..*length))
    }
}
