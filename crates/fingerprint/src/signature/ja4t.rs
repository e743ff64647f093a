//! Signatures in JA4T's notation.

use std::fmt;

use super::SignatureError;
use super::impossible::{MSS_OPTION, SCALE_OPTION, fits_the_header, nothing_after_eol, value_has_its_option};
use super::text::{MSS_VALUE, Piece, SCALE_VALUE, WINDOW, field, layout, number};
use crate::{Field, Ja4t, Layout};

/// How JA4T writes no options, no MSS and no scale.
const NONE: &str = "00";

/// A signature `window_kinds_mss_scale`, each field of it a value or a wildcard.
///
/// JA4T has no wildcard of its own; `%` and `*` are read, and `%` is displayed. MSS and scale are read with
/// and without their padding (`09` and `9`), as programs differ in it, and displayed as FoxIO's Wireshark
/// plugin does. This type exists with the feature `ja4t` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ja4tSignature {
    /// The TCP window, as on the wire.
    pub window: Field<u16>,
    /// The option kinds, padding included; [`Layout::NONE`]: no options at all.
    pub kinds: Layout,
    /// The maximum segment size in bytes; 0: zero, or none was sent.
    pub mss: Field<u16>,
    /// The window scale (a shift); 0: zero, or none was sent.
    pub window_scale: Field<u8>,
}

impl Ja4tSignature {
    /// Whether every field of the fingerprint is as asked.
    pub fn matches(&self, seen: &Ja4t) -> bool {
        self.window.matches(&seen.window)
            && self.mss.matches(&seen.mss)
            && self.window_scale.matches(&seen.window_scale)
            && self.kinds.matches(&seen.kinds)
    }

    pub(super) fn wildcards(&self) -> usize {
        let Self { window, kinds, mss, window_scale } = self;
        [window.is_any(), kinds.has_gap(), mss.is_any(), window_scale.is_any()]
            .into_iter()
            .filter(|any| *any)
            .count()
    }

    /// The only fingerprint that matches, if no field is a wildcard.
    pub fn exact(self) -> Option<Ja4t> {
        Some(Ja4t {
            window: self.window.exact()?,
            kinds: self.kinds.exact()?,
            mss: self.mss.exact()?,
            window_scale: self.window_scale.exact()?,
        })
    }

    pub(super) fn read(fields: [Piece<'_>; 4]) -> Result<Ja4tSignature, SignatureError> {
        let [window, kinds, mss, scale] = fields;
        let signature = Ja4tSignature {
            window: field(window, |piece| number(piece, &WINDOW))?,
            kinds: layout_or_none(kinds)?,
            mss: field(mss, |piece| number(piece.unpadded(), &MSS_VALUE))?,
            window_scale: field(scale, |piece| number(piece.unpadded(), &SCALE_VALUE))?,
        };
        signature.refuse_impossible(kinds, mss, scale)?;
        Ok(signature)
    }

    fn refuse_impossible(
        &self,
        kinds: Piece<'_>,
        mss: Piece<'_>,
        scale: Piece<'_>,
    ) -> Result<(), SignatureError> {
        nothing_after_eol(kinds, true)?;
        if matches!(self.mss, Field::Is(1..)) {
            value_has_its_option(&self.kinds, &MSS_OPTION, mss, "write `00`")?;
        }
        if matches!(self.window_scale, Field::Is(1..)) {
            value_has_its_option(&self.kinds, &SCALE_OPTION, scale, "write `00`")?;
        }
        // JA4T does not list an option that is cut short.
        fits_the_header(&self.kinds, kinds, true)
    }
}

fn layout_or_none(piece: Piece<'_>) -> Result<Layout, SignatureError> {
    match piece.text {
        NONE => Ok(Layout::NONE),
        "" => {
            Err(SignatureError::new(piece.span(), "the kinds are missing", "JA4T writes `00` for no options"))
        }
        _ => layout(piece),
    }
}

impl From<Ja4t> for Ja4tSignature {
    fn from(seen: Ja4t) -> Ja4tSignature {
        Ja4tSignature {
            window: Field::Is(seen.window),
            kinds: seen.kinds.into(),
            mss: Field::Is(seen.mss),
            window_scale: Field::Is(seen.window_scale),
        }
    }
}

impl fmt::Display for Ja4tSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_", self.window)?;
        match self.kinds.items().next() {
            None => f.write_str(NONE)?,
            Some(_) => write!(f, "{}", self.kinds)?,
        }
        // Two digits of MSS at least, but a scale of one digit stays one: so prints the plugin.
        write!(f, "_{:02}_", self.mss)?;
        match self.window_scale {
            Field::Is(0) => f.write_str(NONE),
            scale => write!(f, "{scale}"),
        }
    }
}
