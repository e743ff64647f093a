//! Signatures: what a rule says of a fingerprint.

mod error;
mod impossible;
#[cfg(feature = "ja4t")]
mod ja4t;
mod muonfp;
pub(crate) mod text;
mod traits;

use std::fmt;
use std::str::FromStr;

pub use error::SignatureError;
#[cfg(feature = "ja4t")]
pub use ja4t::Ja4tSignature;
pub use muonfp::MuonFpSignature;
pub(crate) use traits::ECN_FLAGS;
pub use traits::{Direction, Interval, Network, Ports, Traits, without_comment};

use crate::p0f::{Strictness, Window};
use crate::{Fingerprint, P0fSignature};
use text::Piece;

/// What a rule says of a SYN: a fingerprint in one of the notations, and [`Traits`].
///
/// # Reading
///
/// The separators tell the notation: four fields between `:` are MuonFP, four between `_` JA4T, eight between `:` p0f. A field that is
/// `%` or `*` is any; among the kinds it stands for any number of them, none included. Behind the first `;`
/// stand traits. The text is read strictly: one that no SYN can match, or that is only nearly in a
/// notation, is refused with a [`SignatureError`] that says where and why.
///
/// | text | what it matches |
/// |---|---|
/// | `1024:::` | window 1024 and no options at all |
/// | `%:::` | any window and no options at all |
/// | `64240:2-4-8-1-3:1460:%` | these five options in this order, MSS 1460, any window scale |
/// | `64240:2-%-8-%:1460:%` | MSS first, timestamps (kind 8) anywhere behind it, and whatever else |
/// | `64240:2-1-3:1460:0` | a window scale of zero: an absent one is not zero |
/// | `1024_2_1460_00` | window 1024, the MSS 1460 and no other option |
/// | `65535:2-1-3-1-1-4:1460:8;df=0;ttl=..64` | zmap 4, which only DF and TTL tell from Windows |
/// | `*_00_00_00` | any window and no options at all |
/// | `4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0` | Linux, as p0f describes it |
///
/// Displayed, a signature is text that reads as the same signature. That holds for every signature that was
/// read; one built from its fields, or from the fingerprint of a malformed SYN, may say what would be refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// What it says of the fingerprint.
    pub notation: Notation,
    /// What it says of the rest of the SYN.
    pub traits: Traits,
}

/// What a signature says of a fingerprint, in the notation in which it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notation {
    /// In MuonFP's notation.
    MuonFp(MuonFpSignature),
    /// In JA4T's notation.
    #[cfg(feature = "ja4t")]
    Ja4t(Ja4tSignature),
    /// In p0f's notation, matched strictly: the version and the distance count, and nothing is fuzzy.
    P0f(P0fSignature),
}

impl Signature {
    /// Whether the SYN is as this signature asks: exactly, and no wider than written.
    pub fn matches(&self, seen: &Fingerprint) -> bool {
        self.notation.matches(seen) && self.traits.matches(&seen.syn)
    }

    /// Number of fields of the notation with a wildcard, from 0 (exact) to 4: the fewer, the more specific the
    /// signature. Of two with as many, the one with more [constraints](Traits::constraints) is.
    pub fn wildcards(&self) -> usize {
        self.notation.wildcards()
    }

    /// The same, but blind to how many EOLs (kind 0) stand at the end of the options, none included. Programs that
    /// make lists differ in how many they list. That is no part of the text: it is displayed without them.
    pub fn ignoring_eol(self) -> Signature {
        Signature { notation: self.notation.ignoring_eol(), ..self }
    }
}

impl Notation {
    /// Whether the fingerprint is as asked.
    pub fn matches(&self, seen: &Fingerprint) -> bool {
        match self {
            Notation::MuonFp(signature) => signature.matches(&seen.muonfp),
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => signature.matches(&seen.ja4t),
            Notation::P0f(signature) => {
                seen.p0f.is_some_and(|p0f| signature.matches(&p0f, Strictness::Strict))
            }
        }
    }

    /// The only window that will do, if it is said to be one.
    pub(crate) fn window(&self) -> Option<u16> {
        match self {
            Notation::MuonFp(signature) => signature.window.exact(),
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => signature.window.exact(),
            Notation::P0f(signature) => match signature.window {
                Window::Is(window) => Some(window),
                _ => None,
            },
        }
    }

    fn wildcards(&self) -> usize {
        match self {
            Notation::MuonFp(signature) => signature.wildcards(),
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => signature.wildcards(),
            Notation::P0f(signature) => signature.wildcards(),
        }
    }

    fn ignoring_eol(mut self) -> Notation {
        let kinds = match &mut self {
            Notation::MuonFp(signature) => &mut signature.kinds,
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => &mut signature.kinds,
            // p0f counts the padding exactly, in every program that writes it.
            Notation::P0f(_) => return self,
        };
        *kinds = kinds.ignoring_eol();
        self
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.notation, self.traits)
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notation::MuonFp(signature) => signature.fmt(f),
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => signature.fmt(f),
            Notation::P0f(signature) => signature.fmt(f),
        }
    }
}

impl From<Notation> for Signature {
    /// A signature without traits.
    fn from(notation: Notation) -> Signature {
        Signature { notation, traits: Traits::default() }
    }
}

impl From<MuonFpSignature> for Signature {
    /// A signature without traits.
    fn from(signature: MuonFpSignature) -> Signature {
        Notation::MuonFp(signature).into()
    }
}

#[cfg(feature = "ja4t")]
impl From<Ja4tSignature> for Signature {
    /// A signature without traits.
    fn from(signature: Ja4tSignature) -> Signature {
        Notation::Ja4t(signature).into()
    }
}

impl From<P0fSignature> for Signature {
    /// A signature without traits.
    fn from(signature: P0fSignature) -> Signature {
        Notation::P0f(signature).into()
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Signature, SignatureError> {
        let whole = Piece::whole(text);
        // The notation is decided before the first `;`.
        let (notated, traits) =
            whole.split_once(';').map_or((whole, None), |(before, after)| (before, Some(after)));
        let notation = read(notated.text).unwrap_or_else(|| Err(unknown_notation(notated.text)))?;
        Ok(Signature { notation, traits: traits.map(traits::read).transpose()?.unwrap_or_default() })
    }
}

/// Reads a signature in the notation that its separators tell, or `None` if they tell none.
fn read(text: &str) -> Option<Result<Notation, SignatureError>> {
    let piece = Piece::whole(text);
    match (piece.fields(':'), piece.fields('_')) {
        (Some(fields), _) if !text.contains(['_', ',']) => {
            Some(MuonFpSignature::read(fields).map(Notation::MuonFp))
        }
        (_, Some(fields)) if !text.contains(':') => Some(read_ja4t(fields)),
        _ if is_p0f(text) => Some(text.parse().map(Notation::P0f)),
        _ => None,
    }
}

#[cfg(feature = "ja4t")]
fn read_ja4t(fields: [Piece<'_>; 4]) -> Result<Notation, SignatureError> {
    Ja4tSignature::read(fields).map(Notation::Ja4t)
}

#[cfg(not(feature = "ja4t"))]
fn read_ja4t([window, .., scale]: [Piece<'_>; 4]) -> Result<Notation, SignatureError> {
    Err(SignatureError::new(
        window.span().start..scale.span().end,
        "this is JA4T, which this build does not read",
        "build with the feature `ja4t`, or write it in MuonFP as window:kinds:mss:scale",
    ))
}

/// Whether the separators are p0f's: eight fields between `:`, or more than MuonFP's with a comma among them.
fn is_p0f(text: &str) -> bool {
    let colons = text.matches(':').count();
    colons == 7 || (colons > 3 && text.contains(','))
}

/// Why a text is in no notation: it has a slip in its separators, or it is something else.
fn unknown_notation(text: &str) -> SignatureError {
    let help = probably_meant(text).map_or_else(
        || "MuonFP is window:kinds:mss:scale, JA4T is window_kinds_mss_scale".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    SignatureError::new(0..text.len(), "this is neither a MuonFP nor a JA4T signature", help)
}

/// A signature that one kind of slip in the separators turns into `text`: the other notation's among its own
/// (`*:_00_00_00`), some of the other notation's in place of its own, or commas between kinds.
fn probably_meant(text: &str) -> Option<String> {
    [(":", ""), ("_", ""), (":", "_"), ("_", ":"), (",", "-")]
        .into_iter()
        .map(|(slip, meant)| text.replace(slip, meant))
        .find(|meant| matches!(read(meant), Some(Ok(_))))
}
