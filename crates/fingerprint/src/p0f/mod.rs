//! p0f 3.09b: what it reads from a SYN or a SYN-ACK, its signatures, and its database.
//!
//! [`P0f`] is what p0f observes, displayed as the raw signature that it logs. [`P0fSignature`] is a line of its
//! database, and [`P0fDatabase`] the whole: `p0f.fp`.
//!
//! ```
//! use synward_fingerprint::p0f::{P0f, P0fSignature, Strictness};
//! use synward_wire::{OptionBytes, SynFacts, TcpFlags};
//!
//! let linux: P0fSignature = "4:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+:0".parse()?;
//!
//! let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
//! let syn = SynFacts {
//!     ip_version: 4,
//!     ttl: 57,
//!     dont_fragment: true,
//!     ip_id: Some(0x1234),
//!     window: 64240,
//!     flags: TcpFlags::SYN,
//!     options: OptionBytes::new(&options).expect("20 bytes"),
//!     ..SynFacts::default()
//! };
//! let seen = P0f::of(&syn).expect("a SYN that p0f looks at");
//! assert_eq!(seen.to_string(), "4:57+7:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0");
//! assert!(linux.matches(&seen, Strictness::Strict));
//! # Ok::<(), synward_fingerprint::SignatureError>(())
//! ```
//!
//! # What 3.09b does and its README does not say
//! All of this was seen in the program, and holds here:
//!
//! * `ack+` looks at one bit of the acknowledgment number ([`Quirks::ACK_NONZERO`]).
//! * `opt+` overlooks the last byte of the padding ([`Quirks::PADDING_NONZERO`]).
//! * `4:` and `6:` are never compared with the packet, and a TTL out of reach makes a match fuzzy, not void.
//!   Both hold for [`Strictness::Compat`] alone.
//! * Behind a random TTL it eats a digit: it reads `64-:12:` as 2 bytes of IP options. Here they are 12.
//!
//! What p0f does not look at has no [`P0f`]: a fragment, a VLAN tag, an IPv6 extension header, SYN with FIN or RST.
//! Of these [`SynFacts`] shows the last two only.

mod database;
mod grammar;
mod layout;
mod observe;
mod quirks;
mod signature;
pub(crate) mod window;

use std::fmt;

pub use database::{Entry, Found, Label, P0fDatabase};
pub use layout::OptionLayout;
pub(crate) use layout::SACK;
pub(crate) use observe::{MAX_SCALE, Observation};
pub use quirks::Quirks;
pub use signature::{Closeness, InitialTtl, P0fSignature, Strictness, Window};
pub use window::Multiple;

use synward_wire::SynFacts;

use crate::reading::Reading;

/// The farthest that a sender may be, in hops, for its initial TTL to be told from the one that arrives.
pub const MAX_DISTANCE: u8 = 35;

/// The MSS of p0f's own probes. A SYN-ACK that echoes it says nothing by it.
const PROBE_MSS: u16 = 1331;

/// A version of IP, displayed as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl fmt::Display for IpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IpVersion::V4 => "4",
            IpVersion::V6 => "6",
        })
    }
}

/// A SYN or a SYN-ACK as p0f sees it, displayed as p0f's raw signature:
/// `version:ttl+distance:olen:mss:window,scale:olayout:quirks:pclass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct P0f {
    /// Whether this is a SYN-ACK.
    pub syn_ack: bool,
    /// The version of IP.
    pub version: IpVersion,
    /// The time to live or hop limit, as it arrived.
    pub ttl: u8,
    /// Bytes of IPv4 options; 0 for IPv6.
    pub ip_options_len: u8,
    /// The maximum segment size in bytes; 0 also stands for none, and the last one counts.
    pub mss: u16,
    /// The TCP window, as on the wire (not scaled).
    pub window: u16,
    /// What the window is a multiple of.
    pub multiple: Option<Multiple>,
    /// The window scale (a shift, any byte value); 0 also stands for none, and the last one counts.
    pub window_scale: u8,
    /// The options in wire order.
    pub layout: OptionLayout,
    /// What is odd.
    pub quirks: Quirks,
    /// Whether data follows the TCP header.
    pub payload: bool,
}

impl P0f {
    /// What p0f observes; `None` where it ignores the packet, as far as `syn` shows that.
    ///
    /// A multiple of the peer's MSS is not found here: see [`answering`](Self::answering).
    pub fn of(syn: &SynFacts) -> Option<P0f> {
        Reading::of(syn).p0f().map(|seen| seen.whole())
    }

    /// For a SYN-ACK: what p0f observes of it that has seen the SYN before it. Where the window is no other
    /// multiple, it may be one of the MSS in that SYN.
    #[must_use]
    pub fn answering(self, syn: &P0f) -> P0f {
        let of_peer = || window::multiple_of_peer(self.window, self.mss, syn.mss);
        P0f { multiple: self.multiple.or_else(of_peer), ..self }
    }

    /// How many hops p0f guesses the sender to be away, supposing that it starts from a TTL of 32, 64, 128 or
    /// 255.
    pub const fn distance(&self) -> u8 {
        let initial = match self.ttl {
            0..=32 => 32,
            33..=64 => 64,
            65..=128 => 128,
            129..=255 => 255,
        };
        initial - self.ttl
    }
}

impl fmt::Display for P0f {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let P0f { version, ttl, ip_options_len, window_scale, layout, quirks, .. } = self;
        match self.distance() {
            near @ ..=MAX_DISTANCE => write!(f, "{version}:{ttl}+{near}:{ip_options_len}:")?,
            _ => write!(f, "{version}:{ttl}+?:{ip_options_len}:")?,
        }
        match self.mss {
            PROBE_MSS if self.syn_ack => f.write_str("*:")?,
            mss => write!(f, "{mss}:")?,
        }
        match self.multiple {
            Some(multiple) => multiple.fmt(f)?,
            None => self.window.fmt(f)?,
        }
        let payload = if self.payload { "+" } else { "0" };
        write!(f, ",{window_scale}:{layout}:{quirks}:{payload}")
    }
}
