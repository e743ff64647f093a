//! Signatures as programs of the classic BPF machine, for `iptables -m bpf` and for whatever else takes one.
//!
//! ```
//! use synward_fingerprint::bpf::{self, BpfError, Link};
//! use synward_fingerprint::p0f::{IpVersion, P0fSignature};
//! use synward_fingerprint::{Signature, Traits};
//!
//! let zmap: Signature = "65535:2-1-3-1-1-4:1460:8;df=0;ttl=..64".parse()?;
//! let program = bpf::compile(&zmap, Link::RawIp, Some(IpVersion::V4))?;
//! // iptables -A INPUT -p tcp -m bpf --bytecode "…" -j DROP
//! assert!(program.to_bytecode().starts_with(&format!("{},", program.instructions().len())));
//!
//! let linux: P0fSignature = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0".parse()?;
//! let program = bpf::compile_p0f(&linux, &Traits::default(), Link::RawIp, None)?;
//! assert!(program.instructions().len() <= 40);
//!
//! let gaps: Signature = "64240:2-%-8:1460:;ver=4".parse()?;
//! assert_eq!(bpf::compile(&gaps, Link::RawIp, None), Err(BpfError::Gaps));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a program matches
//! A SYN (SYN set, ACK and RST clear) that the signature matches, and nothing else: a program is never wider than its
//! signature. p0f's signatures are taken strictly ([`Strictness::Strict`](crate::p0f::Strictness::Strict)). There are
//! no loops in classic BPF, and 64 instructions are the most that `xt_bpf` takes, so a program is narrower than its
//! signature for these:
//!
//! * A SYN whose options are malformed ([`options_well_formed`](synward_wire::options_well_formed)), even where the
//!   notation lists it as any other. In MuonFP, however, the length bytes of MSS and window scale do not count, nor
//!   does it that the header ends in one of the two: of these, a program matches what the signature does.
//! * IPv6 with extension headers.
//! * On Ethernet, frames with VLAN tags, PPPoE or MPLS.
//!
//! What a packet is followed by in its frame is not looked at. A frame that is cut short is taken for what its IP
//! header says.
//!
//! # What cannot be compiled
//! Layouts with gaps or blind to EOL; `dir=SA`; p0f's quirk `bad`; p0f's quirks of options (`ts1-`, `ts2+`, `exws`)
//! where such options repeat; p0f's `mtu*N` beside an option of unknown length; and what takes more than 64
//! instructions, such as `mtu*N` with any MSS. All of these are [`BpfError`]s that say so.

mod assembler;
mod bits;
mod draft;
#[cfg(feature = "ja4t")]
mod ja4t;
mod multiple;
mod muonfp;
mod options;
mod p0f;
mod program;
mod traits;

pub use program::{Instruction, Program};

use crate::p0f::{IpVersion, P0fSignature};
use crate::{Notation, Signature, Traits};
use draft::Draft;

/// What a packet starts with where the program gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// With the Ethernet header: a packet socket, or `tcpdump` on Ethernet.
    Ethernet,
    /// With the IP header: `xt_bpf`, or `tcpdump` on a link without a header.
    RawIp,
}

impl Link {
    /// Bytes before the IP header.
    const fn header_len(self) -> u32 {
        match self {
            Link::Ethernet => 14,
            Link::RawIp => 0,
        }
    }
}

/// Why there is no program for a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BpfError {
    /// The program is longer than [`Program::MAX_INSTRUCTIONS`].
    #[error("this takes {instructions} instructions, and a program for iptables has at most {max}", max = Program::MAX_INSTRUCTIONS)]
    TooLong {
        /// How many it would have.
        instructions: usize,
    },
    /// The signature is of any version of IP, and none was chosen.
    #[error(
        "this signature is of IPv4 and IPv6 alike, but iptables sees IPv4 only and ip6tables IPv6: choose one, and compile it again for the other"
    )]
    VersionNeeded,
    /// The signature is of one version of IP, and the other was chosen.
    #[error("this signature is of IPv{of}, and can never match IPv{asked}")]
    OtherVersion {
        /// That of the signature.
        of: IpVersion,
        /// That for which a program was asked.
        asked: IpVersion,
    },
    /// The option kinds leave a gap, or ignore EOL at the end.
    #[error(
        "a layout with gaps cannot be compiled: classic BPF has no loops to walk over the options in a gap"
    )]
    Gaps,
    /// No well-formed SYN is as the signature asks.
    #[error("no well-formed SYN is as this signature asks: {0}")]
    NeverMatches(&'static str),
    /// The signature asks for something that is not compiled.
    #[error("this cannot be compiled: {0}")]
    Unsupported(&'static str),
}

/// Compiles a signature for packets of one version of IP. `version` may be left out if the signature tells it.
///
/// # Errors
/// See [`BpfError`].
pub fn compile(signature: &Signature, link: Link, version: Option<IpVersion>) -> Result<Program, BpfError> {
    let Signature { notation, traits } = signature;
    let draft = || draft(traits, link, one_version(traits.versions(), version)?, None);
    match notation {
        Notation::MuonFp(signature) => muonfp::compile(draft()?, signature, traits),
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(signature) => ja4t::compile(draft()?, signature, traits),
        Notation::P0f(signature) => compile_p0f(signature, traits, link, version),
    }
}

/// Compiles a signature in p0f's notation, taken strictly, and its traits for packets of one version of IP.
/// `version` may be left out if the signature tells it.
///
/// # Errors
/// See [`BpfError`].
pub fn compile_p0f(
    signature: &P0fSignature,
    traits: &Traits,
    link: Link,
    version: Option<IpVersion>,
) -> Result<Program, BpfError> {
    let said = traits.versions().into_iter().chain([signature.version.exact()]);
    let version = one_version(said, version)?;
    let ip_options = p0f::ip_options(signature, version)?;
    p0f::compile(draft(traits, link, version, Some(ip_options))?, signature, traits)
}

/// What is asked of the link and of the IP header. `ip_options`: bytes of IPv4 options, `None` for any.
fn draft(
    traits: &Traits,
    link: Link,
    version: IpVersion,
    ip_options: Option<u32>,
) -> Result<Draft, BpfError> {
    let mut draft = Draft::new(link, version, ip_options)?;
    traits::ask_ip(&mut draft, traits)?;
    Ok(draft)
}

/// The version that all of these say, and that is `asked` for.
fn one_version(
    said: impl IntoIterator<Item = Option<IpVersion>>,
    asked: Option<IpVersion>,
) -> Result<IpVersion, BpfError> {
    let mut said = said.into_iter().flatten();
    let Some(of) = said.next() else { return asked.ok_or(BpfError::VersionNeeded) };
    match said.chain(asked).find(|other| *other != of) {
        Some(asked) => Err(BpfError::OtherVersion { of, asked }),
        None => Ok(of),
    }
}
