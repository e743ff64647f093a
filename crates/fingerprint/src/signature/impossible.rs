//! What no SYN can show: signatures that could never match are refused, lest they give false comfort.
//! Where a layout has gaps, nothing is refused that some filling of the gaps makes possible.
//!
//! Options count with the sizes that the RFCs give them. A SYN that lies about the length of its SACK-permitted
//! or timestamps option can show a layout that is refused here: `%` in that field catches it.

use super::SignatureError;
use super::text::Piece;
use crate::Layout;
use crate::kinds::{MAX_OPTION_BYTES, MSS, WINDOW_SCALE, wire_size};

/// An option whose value has a field of its own.
pub(super) struct Valued {
    pub(super) kind: u8,
    name: &'static str,
}

pub(super) const MSS_OPTION: Valued = Valued { kind: MSS, name: "MSS" };
pub(super) const SCALE_OPTION: Valued = Valued { kind: WINDOW_SCALE, name: "window scale" };

/// Refuses a value in `piece` for an option that is not among the kinds. `none` is how the notation writes no value.
pub(super) fn value_has_its_option(
    layout: &Layout,
    Valued { kind, name }: &Valued,
    piece: Piece<'_>,
    none: &str,
) -> Result<(), SignatureError> {
    if layout.has_gap() || layout.kinds().as_slice().contains(kind) {
        return Ok(());
    }
    Err(SignatureError::new(
        piece.span(),
        format!("the kinds list no {name} (kind {kind}), so no SYN has this value"),
        format!("add {kind} to the kinds, or {none}"),
    ))
}

/// Refuses the lack of a value in `piece` for an option that is among the kinds, unless a SYN can cut the option short.
pub(super) fn option_has_its_value(
    layout: &Layout,
    Valued { kind, name }: &Valued,
    piece: Piece<'_>,
) -> Result<(), SignatureError> {
    if !layout.kinds().as_slice().contains(kind) || can_be_cut(layout, *kind) {
        return Ok(());
    }
    Err(SignatureError::new(
        piece.span(),
        format!("the kinds list the {name} (kind {kind}), so its value is not empty"),
        format!("write the {name}, or `%` for any"),
    ))
}

/// Whether the header can end inside the only option of this kind. It ends on a multiple of 4 bytes (RFC 9293
/// section 3.1), which the options before, where their sizes are known, put near enough or not.
fn can_be_cut(layout: &Layout, kind: u8) -> bool {
    let Some((last, before)) = layout.kinds().as_slice().split_last() else { return false };
    let bytes_before: Option<usize> = before.iter().map(|kind| wire_size(*kind)).sum();
    let bytes_before = bytes_before.filter(|_| !layout.has_inner_gap());
    let room = bytes_before.map(|bytes| bytes.next_multiple_of(4) - bytes);
    *last == kind
        && !before.contains(&kind)
        && room.is_none_or(|room| room > 0 && Some(room) < wire_size(kind))
}

/// Refuses anything after EOL (0), but further zeros where the notation lists padding.
pub(super) fn nothing_after_eol(piece: Piece<'_>, lists_padding: bool) -> Result<(), SignatureError> {
    let may_follow = |item: &Piece<'_>| item.is_wildcard() || lists_padding && item.text == "0";
    let mut after = piece.split('-').skip_while(|item| item.text != "0").skip(1);
    let Some(stray) = after.find(|item| !may_follow(item)) else { return Ok(()) };
    let help = if lists_padding {
        "JA4T lists only its zero padding after it"
    } else {
        "MuonFP lists it once, at the end"
    };
    let message = "0 (EOL) ends the options, so no SYN shows a kind after it";
    Err(SignatureError::new(stray.span().start..piece.span().end, message, help))
}

/// Refuses kinds that do not fit a TCP header. Unless `last_is_whole`, one byte of the last option is enough to list it.
pub(super) fn fits_the_header(
    layout: &Layout,
    piece: Piece<'_>,
    last_is_whole: bool,
) -> Result<(), SignatureError> {
    let least = |kind: &u8| wire_size(*kind).unwrap_or(2);
    let Some((last, before)) = layout.kinds().as_slice().split_last() else { return Ok(()) };
    let bytes = before.iter().map(least).sum::<usize>() + if last_is_whole { least(last) } else { 1 };
    if bytes <= MAX_OPTION_BYTES { Ok(()) } else { Err(over_forty_bytes(piece, bytes)) }
}

pub(super) fn over_forty_bytes(piece: Piece<'_>, bytes: usize) -> SignatureError {
    SignatureError::new(
        piece.span(),
        format!("these options take at least {bytes} bytes, more than a TCP header holds"),
        format!("a TCP header has room for {MAX_OPTION_BYTES} bytes of options"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kinds;

    fn cut(kinds: &[u8], kind: u8) -> bool {
        can_be_cut(&Kinds::new(kinds).unwrap().into(), kind)
    }

    #[test]
    fn only_the_last_option_can_be_cut() {
        assert!(cut(&[1, 2], MSS));
        assert!(!cut(&[2, 1], MSS));
        assert!(!cut(&[2, 1, 2], MSS), "the first of two has a value");
    }

    #[test]
    fn the_header_ends_on_a_word() {
        assert!(!cut(&[2], MSS), "4 bytes are there for it, or none");
        assert!(!cut(&[2, 1, 3], WINDOW_SCALE), "3 bytes are left: a whole one");
        assert!(cut(&[2, 1, 1, 3], WINDOW_SCALE));
        assert!(cut(&[254, 2], MSS), "who knows how long 254 is");
        let gap_at = |place| Layout::with_gaps(Kinds::new(&[2]).unwrap(), [place]);
        assert!(can_be_cut(&gap_at(0), MSS), "who knows how long the gap is");
        assert!(!can_be_cut(&gap_at(1), MSS), "what follows the MSS follows all of it");
    }
}
