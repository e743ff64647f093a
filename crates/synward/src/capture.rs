//! The frames of a capture, pcap or pcapng, one after the other: a capture of any size takes the same memory.

use std::fmt;
use std::io::Read;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{
    Block, InterfaceDescriptionBlock, LegacyPcapBlock, Linktype, PcapBlockOwned, PcapError, PcapHeader,
};
use synward_wire::Link;

/// Bytes read at once: a block of a capture must fit.
const BUFFER: usize = 1 << 20;

const NANOSECONDS: u128 = 1_000_000_000;

/// A frame, as far as it was captured.
pub(crate) struct Frame<'a> {
    /// Its place in the capture, the first being 1; all frames count.
    pub(crate) number: u64,
    /// When it was captured, if the capture says so.
    pub(crate) time: Option<Time>,
    /// What it begins with, or the number of a link type that is not read.
    pub(crate) link: Result<Link, Linktype>,
    /// Its first bytes, all of them in most captures.
    pub(crate) bytes: &'a [u8],
    /// How many bytes it had on the wire.
    pub(crate) original_len: usize,
}

/// A time of day, displayed in RFC 3339 with as many digits as its clock has.
pub(crate) struct Time {
    at: Timestamp,
    digits: usize,
}

impl Time {
    /// Now, to the microsecond.
    pub(crate) fn now() -> Self {
        Self { at: Timestamp::now(), digits: 6 }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", self.digits, self.at)
    }
}

/// Calls `see` with each frame of a capture, in its order.
///
/// # Errors
/// Those of `see`, and what is wrong with the capture, which may show after many frames. Both say where.
pub(crate) fn for_each_frame(
    input: impl Read + Send,
    mut see: impl FnMut(&Frame<'_>) -> Result<()>,
) -> Result<()> {
    let mut reader = pcap_parser::create_reader(BUFFER, input).map_err(|error| unreadable(&error))?;
    let mut section = Section::default();
    loop {
        let (size, block) = match reader.next() {
            Ok(read) => read,
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => {
                reader.refill().map_err(|error| section.fault(&error))?;
                continue;
            }
            Err(error) => return Err(section.fault(&error)),
        };
        if let Some(frame) = section.read(&block)? {
            see(&frame).with_context(|| format!("frame {}", frame.number))?;
        }
        reader.consume(size);
    }
}

fn unreadable(error: &PcapError<&[u8]>) -> anyhow::Error {
    match error {
        PcapError::Eof => anyhow!("the capture is empty"),
        PcapError::ReadError => anyhow!("the capture cannot be read"),
        _ => anyhow!("this is no pcap or pcapng file"),
    }
}

/// What is to be known of a section of a pcapng file, or of a pcap file, to understand its frames.
#[derive(Default)]
struct Section {
    interfaces: Vec<Interface>,
    /// Frames read, in the sections before as well.
    frames: u64,
}

/// What frames were captured on.
struct Interface {
    link: Result<Link, Linktype>,
    /// The most bytes of a frame that are captured: a simple packet block does not say how many were.
    snap_len: usize,
    clock: Clock,
}

impl Section {
    /// Says where the capture is damaged. The parser's own text would show a megabyte of it.
    fn fault(&self, error: &PcapError<&[u8]>) -> anyhow::Error {
        let fault = match error {
            PcapError::UnexpectedEof => "the capture ends in the middle of a frame",
            PcapError::ReadError => "the capture cannot be read",
            PcapError::BufferTooSmall => "the capture is damaged, or has a block of more than 1 MiB",
            _ => "the capture is damaged",
        };
        anyhow!("behind frame {}: {fault}", self.frames)
    }

    /// The frame in a block, if it holds one; other blocks are taken note of.
    fn read<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<Frame<'a>>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => self.interfaces = vec![Interface::of_file(header)],
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(described)) => {
                self.interfaces.push(Interface::described(described));
            }
            PcapBlockOwned::Legacy(block) => return self.legacy_frame(block).map(Some),
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                let ticks = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
                return self.frame(block.if_id, Some(ticks), block.packet_data(), block.origlen).map(Some);
            }
            PcapBlockOwned::NG(Block::SimplePacket(block)) => {
                let snap_len = self.interfaces.first().map_or(usize::MAX, |interface| interface.snap_len);
                let data = block.packet_data();
                return self.frame(0, None, data.get(..snap_len).unwrap_or(data), block.origlen).map(Some);
            }
            PcapBlockOwned::NG(_) => {}
        }
        Ok(None)
    }

    fn legacy_frame<'a>(&mut self, block: &LegacyPcapBlock<'a>) -> Result<Frame<'a>> {
        let per_second = self.interfaces.first().map_or(0, |interface| interface.clock.per_second);
        let seconds = u128::from(block.ts_sec) * per_second;
        let ticks = u64::try_from(seconds).unwrap_or(u64::MAX).saturating_add(u64::from(block.ts_usec));
        self.frame(0, Some(ticks), block.data, block.origlen)
    }

    /// The next frame.
    fn frame<'a>(
        &mut self,
        interface: u32,
        ticks: Option<u64>,
        data: &'a [u8],
        original: u32,
    ) -> Result<Frame<'a>> {
        let Some(interface) = self.interfaces.get(interface as usize) else {
            bail!("behind frame {}: a frame of an interface that the capture does not describe", self.frames);
        };
        self.frames += 1;
        Ok(Frame {
            number: self.frames,
            time: ticks.and_then(|ticks| interface.clock.time(ticks)),
            link: interface.link,
            bytes: data,
            original_len: original as usize,
        })
    }
}

impl Interface {
    fn of_file(header: &PcapHeader) -> Self {
        let digits = if header.is_nanosecond_precision() { 9 } else { 6 };
        Self { link: link(header.network), snap_len: usize::MAX, clock: Clock::decimal(digits, 0) }
    }

    fn described(described: &InterfaceDescriptionBlock<'_>) -> Self {
        let snap_len = if described.snaplen == 0 { usize::MAX } else { described.snaplen as usize };
        Self { link: link(described.linktype), snap_len, clock: Clock::described(described) }
    }
}

/// By the registry of link types (tcpdump.org). The upper half of the field has other uses in pcap files.
fn link(number: Linktype) -> Result<Link, Linktype> {
    /// DLT_RAW, which is LINKTYPE_RAW in all files but those that were written without libpcap.
    const DLT_RAW: Linktype = Linktype(12);
    match Linktype(number.0 & 0xffff) {
        Linktype::ETHERNET => Ok(Link::Ethernet),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | DLT_RAW => Ok(Link::Ip),
        Linktype::LINUX_SLL => Ok(Link::Cooked),
        Linktype::LINUX_SLL2 => Ok(Link::Cooked2),
        Linktype::NULL | Linktype::LOOP => Ok(Link::Loopback),
        other => Err(other),
    }
}

/// What the numbers mean that stand for times.
struct Clock {
    /// How many ticks a second has. No clock that ticks more than once a nanosecond tells more than one that does.
    per_second: u128,
    /// Seconds from the epoch to tick 0.
    offset: i64,
    digits: usize,
}

impl Clock {
    fn decimal(digits: u8, offset: i64) -> Self {
        let per_second = 10_u128.checked_pow(digits.into()).unwrap_or(u128::MAX);
        Self { per_second, offset, digits: digits.min(9).into() }
    }

    fn binary(digits: u8, offset: i64) -> Self {
        Self { per_second: 1 << (digits & 0x7f), offset, digits: 9 }
    }

    /// `if_tsresol` and `if_tsoffset` (draft-ietf-opsawg-pcapng, "Interface Description Block Options").
    fn described(described: &InterfaceDescriptionBlock<'_>) -> Self {
        /// The block type, as it is read from a section in the byte order that the library reads the offset in.
        const LITTLE_ENDIAN: u32 = 1;
        let offset = match described.block_type {
            LITTLE_ENDIAN => described.if_tsoffset,
            _ => described.if_tsoffset.swap_bytes(),
        };
        match described.if_tsresol {
            digits @ ..0x80 => Self::decimal(digits, offset),
            binary => Self::binary(binary, offset),
        }
    }

    /// None for a time out of all reason.
    fn time(&self, ticks: u64) -> Option<Time> {
        let since = i128::try_from(u128::from(ticks) * NANOSECONDS / self.per_second).ok()?;
        let at = Timestamp::from_nanosecond(since + i128::from(self.offset) * NANOSECONDS as i128).ok()?;
        Some(Time { at, digits: self.digits })
    }
}
