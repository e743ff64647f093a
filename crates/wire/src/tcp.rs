//! TCP (RFC 9293).

use std::ops::BitOr;

use crate::Oddity;

/// A TCP segment whose whole header lies within the IP packet.
///
/// ```text
///  0                 8                 16                                31
/// +-----------------+-----------------+-----------------------------------+
/// | source port                       | destination port                  |
/// +-----------------------------------+-----------------------------------+
/// | sequence number                                                       |
/// +-----------------------------------------------------------------------+
/// | acknowledgment number                                                 |
/// +--------+--------------------------+-----------------------------------+
/// | offset | 4 reserved, CWR … FIN    | window                            |
/// +--------+--------------------------+-----------------------------------+
/// | checksum                          | urgent pointer                    |
/// +-----------------------------------+-----------------------------------+
/// | options, (offset - 5) * 4 bytes                                       |
/// +-----------------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The flags, with the reserved bits.
    pub flags: TcpFlags,
    fixed: &'a [u8; 20],
    options: &'a [u8],
    payload_len: usize,
}

impl<'a> Segment<'a> {
    /// Reads the segment in an IP payload.
    ///
    /// # Errors
    /// `cut` if the header does not end within `payload`; [`Oddity::TcpHeader`] if the data offset is below
    /// 5.
    pub(crate) fn read(payload: &'a [u8], cut: Oddity) -> Result<Self, Oddity> {
        let fixed = payload.first_chunk::<20>().ok_or(cut)?;
        let (header, data) = payload.split_at_checked(usize::from(fixed[12] >> 4) * 4).ok_or(cut)?;
        let options = header.get(20..).ok_or(Oddity::TcpHeader)?;
        let flags = TcpFlags::new(u16::from_be_bytes([fixed[12], fixed[13]]));
        Ok(Self { flags, fixed, options, payload_len: data.len() })
    }

    /// Whether this opens a connection: SYN set, ACK and RST clear. No other flag counts: an attacker would
    /// add PSH or URG to dodge a test for SYN alone, and ECN sets ECE and CWR.
    pub const fn is_syn(&self) -> bool {
        self.flags.bits() & OPENING == TcpFlags::SYN.bits()
    }

    /// Whether this answers a SYN: SYN and ACK set, RST clear.
    pub const fn is_syn_ack(&self) -> bool {
        self.flags.bits() & OPENING == TcpFlags::SYN.bits() | TcpFlags::ACK.bits()
    }

    /// The source port.
    pub const fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.fixed[0], self.fixed[1]])
    }

    /// The destination port.
    pub const fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// The sequence number.
    pub const fn sequence(&self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    /// The acknowledgment number, whether ACK is set or not.
    pub const fn acknowledgment(&self) -> u32 {
        u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]])
    }

    /// The window as on the wire, not scaled.
    pub const fn window(&self) -> u16 {
        u16::from_be_bytes([self.fixed[14], self.fixed[15]])
    }

    /// The urgent pointer, whether URG is set or not.
    pub const fn urgent_pointer(&self) -> u16 {
        u16::from_be_bytes([self.fixed[18], self.fixed[19]])
    }

    /// The option bytes with their padding, up to the data offset: 0 to 40 bytes.
    pub const fn options(&self) -> &'a [u8] {
        self.options
    }

    /// Bytes of data behind the header, in this packet.
    pub const fn payload_len(&self) -> usize {
        self.payload_len
    }

    /// What is odd about the flags and, in a SYN, about the options.
    #[inline]
    pub(crate) fn oddity(&self) -> Option<Oddity> {
        // Nearly every segment of a connection leaves here.
        if self.flags.bits() & (SYN | ACK) == ACK {
            return None;
        }
        match self.flags.bits() & CLASSIC {
            0 => Some(Oddity::NullScan),
            XMAS => Some(Oddity::Xmas),
            flags if flags & SYN == 0 => None,
            flags if flags & FIN != 0 => Some(Oddity::SynFin),
            flags if flags & RST != 0 => Some(Oddity::SynRst),
            _ => (self.is_syn() && !options_well_formed(self.options)).then_some(Oddity::TcpOptions),
        }
    }
}

const FIN: u16 = TcpFlags::FIN.bits();
const SYN: u16 = TcpFlags::SYN.bits();
const RST: u16 = TcpFlags::RST.bits();
const ACK: u16 = TcpFlags::ACK.bits();
const XMAS: u16 = FIN | TcpFlags::PSH.bits() | TcpFlags::URG.bits();
/// The flags of RFC 793. The later ones must not hide a scan, so they are left out.
const CLASSIC: u16 = XMAS | SYN | RST | ACK;
/// The flags that tell a SYN and a SYN-ACK from all else.
const OPENING: u16 = SYN | ACK | RST;

/// The twelve bits beside the data offset: four reserved ones, then CWR, ECE, URG, ACK, PSH, RST, SYN, FIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(1);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(1 << 1);
    /// Reset the connection.
    pub const RST: Self = Self(1 << 2);
    /// Push.
    pub const PSH: Self = Self(1 << 3);
    /// The acknowledgment number counts.
    pub const ACK: Self = Self(1 << 4);
    /// The urgent pointer counts.
    pub const URG: Self = Self(1 << 5);
    /// Echo of congestion experienced (RFC 3168).
    pub const ECE: Self = Self(1 << 6);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(1 << 7);
    /// Accurate ECN (RFC 9768), once the nonce sum of RFC 3540.
    pub const AE: Self = Self(1 << 8);
    /// The three bits that are still reserved.
    pub const RESERVED: Self = Self(0b111 << 9);

    /// The flags in the lower twelve bits of bytes 12 and 13 of the TCP header; the upper four, the data
    /// offset, are ignored.
    pub const fn new(bits: u16) -> Self {
        Self(bits & 0x0fff)
    }

    /// The twelve bits as a number, FIN lowest.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether any of `flags` is set.
    pub const fn intersects(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }
}

impl BitOr for TcpFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Option kinds (IANA registry "TCP Option Kind Numbers").
mod option {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MAXIMUM_SEGMENT_SIZE: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
}

/// Whether a SYN's option list is well formed: every option up to the end of the list has a length of at
/// least 2 and fits, and maximum segment size, window scale, SACK permitted, SACK and timestamps have a
/// length that their RFC gives them (9293, 7323, 2018). What follows the end-of-list option is padding and may be
/// anything.
///
/// ```
/// assert!(synward_wire::options_well_formed(&[2, 4, 5, 180, 1, 3, 3, 7]));
/// assert!(!synward_wire::options_well_formed(&[2, 4, 5]));
/// ```
pub fn options_well_formed(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&kind) = bytes.get(at) {
        if kind == option::END {
            return true;
        }
        let len = match kind {
            option::NOP => 1,
            _ => bytes.get(at + 1).copied().unwrap_or_default(),
        };
        let (least, most) = option_lengths(kind);
        if len < least || len > most {
            return false;
        }
        at += usize::from(len);
    }
    at == bytes.len()
}

/// The least and the greatest length of an option of this kind, the kind and the length byte included: for EOL, which has no
/// length byte, it says nothing.
#[inline]
pub const fn option_lengths(kind: u8) -> (u8, u8) {
    match kind {
        option::NOP => (1, 1),
        option::MAXIMUM_SEGMENT_SIZE => (4, 4),
        option::WINDOW_SCALE => (3, 3),
        option::SACK_PERMITTED => (2, 2),
        option::SACK => (10, 34),
        option::TIMESTAMPS => (10, 10),
        _ => (2, u8::MAX),
    }
}
