//! A signature of one notation in another, and what is lost on the way, in words.
//!
//! ```
//! use synward_fingerprint::convert::{Effect, Keep, To, convert};
//!
//! let linux = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0".parse()?;
//! let plain = convert(&linux, To::MuonFp, Keep::Plain)?;
//! assert_eq!(plain.signature.to_string(), "64240:2-4-8-1-3:1460:7");
//! let ttl = plain.losses.iter().find(|loss| loss.of == "initial TTL").unwrap();
//! assert_eq!((ttl.effect, ttl.message.as_str()), (Effect::Wider, "the initial TTL (64) is no longer asked for"));
//!
//! let precise = convert(&linux, To::MuonFp, Keep::Traits)?;
//! assert_eq!(
//!     precise.signature.to_string(),
//!     "64240:2-4-8-1-3:1460:7;ttl=29..64;df=1;ipid=1..;ecn=0;payload=0;ver=4"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//! Notations see malformed options each in its own way, so signatures are compared by the SYNs whose options are well formed
//! ([`options_well_formed`](synward_wire::options_well_formed)) and padded with zeros. Of these:
//!
//! * without a loss, both signatures match the same;
//! * with losses that are [`Effect::Wider`] only, the new one matches all that the old one does, and more;
//! * with losses that are [`Effect::Narrower`] only, it matches nothing that the old one does not, and less.
//!
//! # What is lost
//! | from | to | |
//! |---|---|---|
//! | MuonFP | JA4T | With EOL: MuonFP hides the padding and JA4T counts it. The least that fills a word is written, which is narrower; beside an option of unknown length, a gap for any, and nothing is lost |
//! | JA4T | MuonFP | With EOL: the padding, which is wider |
//! | p0f | both | The IP version, the initial TTL, DF and IP identification, ECN and the payload, unless they are [kept as traits](Keep::Traits). In any case the length of the IP options and the other quirks, of which p0f asks for exactly those it lists. All wider |
//! | p0f | both | `mss*N` and `mtu*N`: with an MSS it is a window, and p0f may take others for the same multiple (narrower); without, any window is matched (wider), as for `%N` |
//! | both | p0f | p0f asks for exact quirks. Those that no trait tells are supposed to be as most systems have them, `df,id+` and over IPv6 `flow`, which is narrower. The window stays a number, and a TTL that no trait tells may be any |
//!
//! Traits that were there stay, unless p0f's notation says the same.

mod from_p0f;
mod tcp;
mod to_p0f;
pub(crate) mod windows;

pub(crate) use from_p0f::told_by;
pub(crate) use tcp::known_bytes;

use tcp::Tcp;

use crate::never::never_matches;
use crate::{Notation, Signature};

/// The notation that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum To {
    /// MuonFP's.
    MuonFp,
    /// JA4T's.
    #[cfg(feature = "ja4t")]
    Ja4t,
    /// p0f's.
    P0f,
}

/// What becomes of that which p0f's notation says and others do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Keep {
    /// It is a loss.
    #[default]
    Plain,
    /// It becomes traits, as far as there are any for it.
    Traits,
}

/// A signature in another notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The signature.
    pub signature: Signature,
    /// What it does not say as the given one did.
    pub losses: Vec<Loss>,
}

/// Something that a signature in another notation does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What it does to the signature.
    pub effect: Effect,
    /// What is lost, the same for all signatures: such as `initial TTL`.
    pub of: &'static str,
    /// What is lost of this signature, in one line.
    pub message: String,
}

/// What a loss does to a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It matches SYNs that it did not match before.
    Wider,
    /// It no longer matches some SYNs that it matched before.
    Narrower,
}

impl Effect {
    /// The word for it, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Wider => "wider",
            Effect::Narrower => "narrower",
        }
    }
}

impl Loss {
    fn wider(of: &'static str, message: impl Into<String>) -> Loss {
        Loss { effect: Effect::Wider, of, message: message.into() }
    }

    fn narrower(of: &'static str, message: impl Into<String>) -> Loss {
        Loss { effect: Effect::Narrower, of, message: message.into() }
    }
}

/// Why a signature cannot be said in another notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// It matches nothing, and would match something in the other notation.
    #[error("this signature never matches: {0}")]
    NeverMatches(String),
    /// It is of malformed options, which each notation reads in its own way.
    #[error("this is a signature of malformed options, which each notation reads in its own way")]
    Malformed,
    /// p0f has no wildcard for options.
    #[error("p0f lists options without gaps: there is no `%` for them")]
    Gaps,
    /// p0f looks at so many options only.
    #[error("p0f looks at {max} options at most", max = crate::p0f::OptionLayout::MAX_OPTIONS)]
    TooManyOptions,
    /// p0f counts the padding, and nothing tells it.
    #[error(
        "p0f counts the bytes of padding behind EOL, which nobody can tell beside an option of unknown length"
    )]
    UnknownPadding,
    /// p0f ignores such a SYN.
    #[error("p0f does not look at {0}")]
    NotSeenByP0f(&'static str),
}

/// The signature in another notation. In its own it stays as it is.
///
/// # Errors
/// See [`ConvertError`].
pub fn convert(signature: &Signature, to: To, keep: Keep) -> Result<Conversion, ConvertError> {
    if is_in(&signature.notation, to) {
        return Ok(Conversion { signature: signature.clone(), losses: Vec::new() });
    }
    if let Some(why) = never_matches(signature) {
        return Err(ConvertError::NeverMatches(why));
    }
    let mut traits = signature.traits.clone();
    let mut losses = Vec::new();
    let tcp = match &signature.notation {
        Notation::MuonFp(muonfp) => Tcp::from_muonfp(muonfp)?,
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(ja4t) => Tcp::from_ja4t(ja4t, &mut losses),
        Notation::P0f(p0f) => from_p0f::read(p0f, &mut traits, keep, &mut losses)?,
    };
    let notation = match to {
        To::MuonFp => tcp.to_muonfp(&mut losses),
        #[cfg(feature = "ja4t")]
        To::Ja4t => tcp.to_ja4t(&mut losses),
        To::P0f => to_p0f::write(&tcp, &mut traits, &mut losses)?,
    };
    Ok(Conversion { signature: Signature { notation, traits }, losses })
}

fn is_in(notation: &Notation, to: To) -> bool {
    match notation {
        Notation::MuonFp(_) => to == To::MuonFp,
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(_) => to == To::Ja4t,
        Notation::P0f(_) => to == To::P0f,
    }
}
