//! Signatures: what a rule says of a fingerprint.

mod error;
mod impossible;
#[cfg(feature = "ja4t")]
mod ja4t;
mod muonfp;
pub(crate) mod text;

use std::fmt;
use std::str::FromStr;

pub use error::SignatureError;
#[cfg(feature = "ja4t")]
pub use ja4t::Ja4tSignature;
pub use muonfp::MuonFpSignature;

use crate::Fingerprint;
use text::Piece;

/// What a rule says of a SYN, in one of the notations.
///
/// # Reading
///
/// The separators tell the notation: four fields between `:` are MuonFP, four between `_` JA4T. A field that is
/// `%` or `*` is any; among the kinds it stands for any number of them, none included. The text is read strictly: one that no SYN can match, or that is only nearly in a
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
/// | `*_00_00_00` | any window and no options at all |
///
/// Displayed, a signature is text that reads as the same signature. That holds for every signature that was
/// read; one built from its fields, or from the fingerprint of a malformed SYN, may say what would be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signature {
    /// In MuonFP's notation.
    MuonFp(MuonFpSignature),
    /// In JA4T's notation.
    #[cfg(feature = "ja4t")]
    Ja4t(Ja4tSignature),
}

impl Signature {
    /// Whether the fingerprint is as this signature asks: exactly, and no wider than written.
    pub fn matches(&self, seen: &Fingerprint) -> bool {
        match self {
            Signature::MuonFp(signature) => signature.matches(&seen.muonfp),
            #[cfg(feature = "ja4t")]
            Signature::Ja4t(signature) => signature.matches(&seen.ja4t),
        }
    }

    /// Number of fields with a wildcard, from 0 (exact) to 4: the fewer, the more specific the signature.
    pub fn wildcards(&self) -> usize {
        match self {
            Signature::MuonFp(signature) => signature.wildcards(),
            #[cfg(feature = "ja4t")]
            Signature::Ja4t(signature) => signature.wildcards(),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signature::MuonFp(signature) => signature.fmt(f),
            #[cfg(feature = "ja4t")]
            Signature::Ja4t(signature) => signature.fmt(f),
        }
    }
}

impl From<MuonFpSignature> for Signature {
    fn from(signature: MuonFpSignature) -> Signature {
        Signature::MuonFp(signature)
    }
}

#[cfg(feature = "ja4t")]
impl From<Ja4tSignature> for Signature {
    fn from(signature: Ja4tSignature) -> Signature {
        Signature::Ja4t(signature)
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Signature, SignatureError> {
        // The notation is decided before the first `;`.
        let (notated, traits) =
            text.split_once(';').map_or((text, None), |(before, after)| (before, Some(after)));
        let signature = read(notated).unwrap_or_else(|| Err(unknown_notation(notated)))?;
        match traits {
            None => Ok(signature),
            Some(_) => Err(unread_traits(notated, text)),
        }
    }
}

/// Reads a signature in the notation that its separators tell, or `None` if they tell none.
fn read(text: &str) -> Option<Result<Signature, SignatureError>> {
    let piece = Piece::whole(text);
    match (piece.fields(':'), piece.fields('_')) {
        (Some(fields), _) if !text.contains(['_', ',']) => {
            Some(MuonFpSignature::read(fields).map(Signature::from))
        }
        (_, Some(fields)) if !text.contains(':') => Some(read_ja4t(fields)),
        _ => None,
    }
}

#[cfg(feature = "ja4t")]
fn read_ja4t(fields: [Piece<'_>; 4]) -> Result<Signature, SignatureError> {
    Ja4tSignature::read(fields).map(Signature::from)
}

#[cfg(not(feature = "ja4t"))]
fn read_ja4t([window, .., scale]: [Piece<'_>; 4]) -> Result<Signature, SignatureError> {
    Err(SignatureError::new(
        window.span().start..scale.span().end,
        "this is JA4T, which this build does not read",
        "build with the feature `ja4t`, or write it in MuonFP as window:kinds:mss:scale",
    ))
}

fn unread_traits(notated: &str, text: &str) -> SignatureError {
    SignatureError::new(
        notated.len()..text.len(),
        "this version reads no traits after `;`",
        format!("`{notated}` alone is read; it matches whatever else the SYN says"),
    )
}

/// Why a text is in neither notation: it is p0f's, or it has a slip in its separators, or it is something else.
fn unknown_notation(text: &str) -> SignatureError {
    let colons = text.matches(':').count();
    if colons == 7 || (colons > 3 && text.contains(',')) {
        let help = "write it in MuonFP as window:kinds:mss:scale, such as `64240:2-4-8-1-3:1460:7`";
        return SignatureError::new(
            0..text.len(),
            "this looks like p0f, which this version does not read",
            help,
        );
    }
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
