//! TCP SYN fingerprints, read from a SYN as their reference programs read it, printed, and matched.
//!
//! A *fingerprint* is what a SYN shows: [`Fingerprint::of`] reads it, without allocating. A *signature* is
//! what a rule says of one: [`Signature`] is read from text, in MuonFP's notation, in JA4T's or in
//! p0f's, with wildcards. A [`SignatureTable`] finds what all signatures that match a SYN
//! say together, at a cost that does not depend on how many there are.
//!
//! ```
//! use synward_fingerprint::{Fingerprint, MuonFp, Signature, SignatureTable};
//! use synward_wire::{OptionBytes, SynFacts};
//!
//! // MSS 1460, NOP, window scale 8, two NOPs, SACK permitted: the SYN of zmap 4, and of Windows.
//! let options = [2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2];
//! let syn = SynFacts { window: 65535, options: OptionBytes::new(&options).unwrap(), ..SynFacts::default() };
//!
//! let seen = Fingerprint::of(&syn);
//! assert_eq!(seen.muonfp, MuonFp::of(65535, &options));
//! assert_eq!(seen.muonfp.to_string(), "65535:2-1-3-1-1-4:1460:8");
//!
//! let any_window: Signature = "*:2-1-3-1-1-4:1460:8".parse()?;
//! assert_eq!(any_window.to_string(), "%:2-1-3-1-1-4:1460:8");
//! assert!(any_window.matches(&seen));
//!
//! let table = SignatureTable::build([(any_window, 7), ("1024:::".parse()?, 8)]);
//! // The numbers are ranks: of all signatures that match, the least is found.
//! assert_eq!(table.find(&seen), Some(7));
//! assert_eq!(table.find_in(&syn), Some(7));
//!
//! let fault = "1024:2::".parse::<Signature>().unwrap_err();
//! assert_eq!(fault.span, 7..7);
//! assert_eq!(fault.to_string(), "the kinds list the MSS (kind 2), so its value is not empty");
//! assert_eq!(fault.help.as_deref(), Some("write the MSS, or `%` for any"));
//! # Ok::<(), synward_fingerprint::SignatureError>(())
//! ```
//!
//! # The notations
//!
//! p0f's is that of [`p0f`]. The other two:
//!
//! | | MuonFP | JA4T |
//! |---|---|---|
//! | written | `window:kinds:mss:scale` | `window_kinds_mss_scale` |
//! | reference | the `muonfp` sensor, draft specification 0.9 | FoxIO's Wireshark plugin |
//! | no options | nothing | `00` |
//! | no MSS, no scale | nothing; a zero is `0` | `00`, as zero is |
//! | EOL (kind 0) | once, the padding hidden | and once more for each zero byte of padding |
//! | malformed option | listed, if its kind byte is there | not listed, and nothing after it |
//!
//! On a well-formed SYN they tell the same, but for the padding. Neither looks at anything else: not at the other
//! TCP flags, and not at the IP header. For these a signature has [`Traits`] behind its notation:
//! `65535:2-1-3-1-1-4:1460:8;df=0;ttl=..64` is zmap, and not Windows, whose options are the same.
//!
//! # Features
//!
//! `ja4t` (on by default) is JA4T, which is subject to the FoxIO License 1.1.

pub mod bpf;
pub mod convert;
pub mod corpus;
mod field;
mod fingerprint;
#[cfg(feature = "ja4t")]
mod ja4t;
mod kinds;
mod layout;
pub mod lint;
mod malformed;
mod muonfp;
mod never;
mod options;
pub mod p0f;
mod reading;
mod signature;
mod table;

pub use field::Field;
pub use fingerprint::Fingerprint;
#[cfg(feature = "ja4t")]
pub use ja4t::Ja4t;
pub use kinds::{Kinds, MAX_OPTION_BYTES};
pub use layout::{Layout, LayoutItem};
pub use malformed::{Fault, Malformed};
pub use muonfp::MuonFp;
pub use p0f::{P0f, P0fDatabase, P0fSignature};
#[cfg(feature = "ja4t")]
pub use signature::Ja4tSignature;
pub use signature::{
    Direction, Interval, MuonFpSignature, Network, Notation, Ports, Signature, SignatureError, Traits,
    without_comment,
};
pub use table::{CompatSignature, Merge, SignatureTable};
