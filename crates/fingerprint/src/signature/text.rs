//! The pieces that both notations are made of: fields, wildcards, numbers, lists of kinds.

use std::ops::Range;

use super::SignatureError;
use super::impossible::over_forty_bytes;
use crate::{Field, Kinds, Layout};

/// A piece of a signature's text, and the byte at which it starts.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    start: usize,
}

impl<'a> Piece<'a> {
    pub(crate) fn whole(text: &'a str) -> Piece<'a> {
        Piece { text, start: 0 }
    }

    pub(crate) fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub(crate) fn split(self, separator: char) -> impl Iterator<Item = Piece<'a>> {
        self.split_where(move |c| c == separator)
    }

    /// What stands between the separators, each of which is one byte long. Every character is asked for once, in
    /// their order.
    pub(crate) fn split_where(
        self,
        is_separator: impl FnMut(char) -> bool,
    ) -> impl Iterator<Item = Piece<'a>> {
        let mut start = self.start;
        self.text.split(is_separator).map(move |text| {
            let piece = Piece { text, start };
            start = piece.span().end + 1;
            piece
        })
    }

    /// Without the blanks around it.
    pub(crate) fn trimmed(self) -> Piece<'a> {
        let text = self.text.trim_start();
        Piece { text: text.trim_end(), start: self.start + self.text.len() - text.len() }
    }

    /// What stands before and behind the first separator.
    pub(crate) fn split_once(self, separator: char) -> Option<(Piece<'a>, Piece<'a>)> {
        let (before, after) = self.text.split_once(separator)?;
        let start = self.start + before.len() + separator.len_utf8();
        Some((Piece { text: before, ..self }, Piece { text: after, start }))
    }

    /// What stands behind the prefix.
    pub(crate) fn strip_prefix(self, prefix: &str) -> Option<Piece<'a>> {
        let text = self.text.strip_prefix(prefix)?;
        Some(Piece { text, start: self.start + prefix.len() })
    }

    /// What stands before the suffix.
    pub(crate) fn strip_suffix(self, suffix: &str) -> Option<Piece<'a>> {
        Some(Piece { text: self.text.strip_suffix(suffix)?, ..self })
    }

    /// Whether it is a wildcard, in either spelling.
    pub(super) fn is_wildcard(self) -> bool {
        matches!(self.text, "%" | "*")
    }

    /// The window, kinds, MSS and scale of a signature; `None` unless there are exactly four fields.
    pub(super) fn fields(self, separator: char) -> Option<[Piece<'a>; 4]> {
        self.split(separator).collect::<Vec<_>>().try_into().ok()
    }

    /// Without the zero that JA4T puts before a single digit.
    #[cfg(feature = "ja4t")]
    pub(super) fn unpadded(self) -> Piece<'a> {
        match self.text.strip_prefix('0') {
            Some(digit) if digit.len() == 1 => Piece { text: digit, start: self.start + 1 },
            _ => self,
        }
    }
}

/// A number of the notations: its name, its greatest value, and what to do about a missing one.
pub(super) struct Quantity {
    pub(super) name: &'static str,
    pub(super) most: u16,
    pub(super) missing: &'static str,
}

pub(super) const WINDOW: Quantity =
    Quantity { name: "window", most: u16::MAX, missing: "every SYN has a window: write `%` for any" };
const KIND: Quantity = Quantity {
    name: "option kind",
    most: u8::MAX as u16,
    missing: "one `-` stands between two kinds, and nowhere else",
};
pub(super) const MSS_VALUE: Quantity =
    Quantity { name: "MSS", most: u16::MAX, missing: "JA4T writes `00` for no MSS" };
pub(super) const SCALE_VALUE: Quantity =
    Quantity { name: "window scale", most: u8::MAX as u16, missing: "JA4T writes `00` for no window scale" };

/// `%` or `*`, or else what `read` makes of the piece.
pub(super) fn field<'a, T>(
    piece: Piece<'a>,
    read: impl FnOnce(Piece<'a>) -> Result<T, SignatureError>,
) -> Result<Field<T>, SignatureError> {
    if piece.is_wildcard() { Ok(Field::Any) } else { read(piece).map(Field::Is) }
}

/// Kinds and gaps joined by `-`, at least one of either.
pub(super) fn layout(piece: Piece<'_>) -> Result<Layout, SignatureError> {
    let (mut list, mut gaps) = (Vec::new(), Vec::new());
    for item in piece.split('-') {
        if !item.is_wildcard() {
            list.push(number(item, &KIND)?);
        } else if gaps.last() == Some(&list.len()) {
            return Err(repeated_gap(item));
        } else {
            gaps.push(list.len());
        }
    }
    let kinds = Kinds::new(&list).ok_or_else(|| over_forty_bytes(piece, list.len()))?;
    Ok(Layout::with_gaps(kinds, gaps))
}

/// A second wildcard would say nothing: whoever writes it may take one for a single kind.
fn repeated_gap(item: Piece<'_>) -> SignatureError {
    SignatureError::new(
        item.span(),
        "two wildcards in a row say no more than one",
        "`%` stands for any number of kinds, none included: there is no wildcard for a single kind",
    )
}

/// A decimal number up to the greatest value of the quantity, which fits `T`.
pub(super) fn number<T: TryFrom<u16>>(piece: Piece<'_>, quantity: &Quantity) -> Result<T, SignatureError> {
    let Quantity { name, most, missing } = quantity;
    if piece.text.is_empty() {
        return Err(SignatureError::new(piece.span(), format!("the {name} is missing"), *missing));
    }
    if let Some((at, found)) = piece.text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        let start = piece.start + at;
        return Err(not_a_digit(start..start + found.len_utf8(), found, quantity));
    }
    if piece.text.len() > 1 && piece.text.starts_with('0') {
        return Err(leading_zero(piece, name));
    }
    let value = piece.text.parse().ok().filter(|value| value <= most);
    value.and_then(|value: u16| value.try_into().ok()).ok_or_else(|| {
        let message = format!("the {name} {} is out of range", piece.text);
        SignatureError::new(piece.span(), message, format!("the {name} is a number from 0 to {most}"))
    })
}

fn not_a_digit(span: Range<usize>, found: char, Quantity { name, most, .. }: &Quantity) -> SignatureError {
    match found {
        '%' | '*' => SignatureError::new(
            span,
            format!("`{found}` stands for a whole {name}, not for a part of one"),
            "write `%` alone in the field or, among the kinds, between `-`, as in `2-%-8`",
        ),
        _ => SignatureError::new(
            span,
            format!("unexpected `{}` in the {name}", found.escape_debug()),
            format!("the {name} is a number from 0 to {most}"),
        ),
    }
}

fn leading_zero(piece: Piece<'_>, name: &str) -> SignatureError {
    let digits = match piece.text.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let message = format!("the {name} has a leading zero");
    SignatureError::new(piece.span(), message, format!("write `{digits}`"))
}
