//! Signatures in MuonFP's notation.

use std::fmt;

use super::SignatureError;
use super::impossible::{
    MSS_OPTION, SCALE_OPTION, Valued, fits_the_header, nothing_after_eol, option_has_its_value,
    value_has_its_option,
};
use super::text::{MSS_VALUE, Piece, SCALE_VALUE, WINDOW, field, layout, number};
use crate::{Field, Layout, MuonFp};

/// A signature `window:kinds:mss:scale`, each field of it a value, nothing (not on the wire) or a wildcard.
///
/// It is displayed with `%` for a wildcard, as MuonFP's draft specification 0.9 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MuonFpSignature {
    /// The TCP window, as on the wire.
    pub window: Field<u16>,
    /// The option kinds; [`Layout::NONE`]: no options at all.
    pub kinds: Layout,
    /// The maximum segment size in bytes; `Is(None)`: none was sent.
    pub mss: Field<Option<u16>>,
    /// The window scale (a shift); `Is(None)`: none was sent.
    pub window_scale: Field<Option<u8>>,
}

impl MuonFpSignature {
    /// Whether every field of the fingerprint is as asked.
    pub fn matches(&self, seen: &MuonFp) -> bool {
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
    pub fn exact(self) -> Option<MuonFp> {
        Some(MuonFp {
            window: self.window.exact()?,
            kinds: self.kinds.exact()?,
            mss: self.mss.exact()?,
            window_scale: self.window_scale.exact()?,
        })
    }

    pub(super) fn read(fields: [Piece<'_>; 4]) -> Result<MuonFpSignature, SignatureError> {
        let [window, kinds, mss, scale] = fields;
        let signature = MuonFpSignature {
            window: field(window, |piece| number(piece, &WINDOW))?,
            kinds: if kinds.text.is_empty() { Layout::NONE } else { layout(kinds)? },
            mss: field(mss, |piece| unless_empty(piece, |piece| number(piece, &MSS_VALUE)))?,
            window_scale: field(scale, |piece| unless_empty(piece, |piece| number(piece, &SCALE_VALUE)))?,
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
        nothing_after_eol(kinds, false)?;
        agrees(&self.mss, &self.kinds, &MSS_OPTION, mss)?;
        agrees(&self.window_scale, &self.kinds, &SCALE_OPTION, scale)?;
        let last_is_whole = last_has_value(&self.mss, &self.kinds, &MSS_OPTION)
            || last_has_value(&self.window_scale, &self.kinds, &SCALE_OPTION);
        fits_the_header(&self.kinds, kinds, last_is_whole)
    }
}

fn unless_empty<'a, T>(
    piece: Piece<'a>,
    read: impl FnOnce(Piece<'a>) -> Result<T, SignatureError>,
) -> Result<Option<T>, SignatureError> {
    if piece.text.is_empty() { Ok(None) } else { read(piece).map(Some) }
}

fn agrees<T>(
    value: &Field<Option<T>>,
    layout: &Layout,
    option: &Valued,
    piece: Piece<'_>,
) -> Result<(), SignatureError> {
    match value {
        Field::Any => Ok(()),
        Field::Is(Some(_)) => value_has_its_option(layout, option, piece, "leave the field empty"),
        Field::Is(None) => option_has_its_value(layout, option, piece),
    }
}

/// Whether the value asked for can only come from the last option, which is then not cut short.
fn last_has_value<T>(value: &Field<Option<T>>, layout: &Layout, option: &Valued) -> bool {
    let Some((last, before)) = layout.kinds().as_slice().split_last() else { return false };
    matches!(value, Field::Is(Some(_))) && !layout.has_gap() && *last == option.kind && !before.contains(last)
}

impl From<MuonFp> for MuonFpSignature {
    fn from(seen: MuonFp) -> MuonFpSignature {
        MuonFpSignature {
            window: Field::Is(seen.window),
            kinds: seen.kinds.into(),
            mss: Field::Is(seen.mss),
            window_scale: Field::Is(seen.window_scale),
        }
    }
}

impl fmt::Display for MuonFpSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.window, self.kinds)?;
        write_unless_absent(f, &self.mss)?;
        f.write_str(":")?;
        write_unless_absent(f, &self.window_scale)
    }
}

fn write_unless_absent<T: fmt::Display>(f: &mut fmt::Formatter<'_>, value: &Field<Option<T>>) -> fmt::Result {
    match value {
        Field::Any => f.write_str("%"),
        Field::Is(None) => Ok(()),
        Field::Is(Some(value)) => write!(f, "{value}"),
    }
}
