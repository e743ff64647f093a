//! Signatures in MuonFP's notation.

use super::assembler::Width;
use super::draft::{Draft, End};
use super::options::{MSS_BYTES, Values, WINDOW_SCALE_BYTES, WITHOUT_OPTION};
use super::{BpfError, Program, traits};
use crate::kinds::{EOL, MSS, WINDOW_SCALE, wire_size};
use crate::{Field, MuonFpSignature, Traits};

pub(super) fn compile(
    mut draft: Draft,
    signature: &MuonFpSignature,
    traits: &Traits,
) -> Result<Program, BpfError> {
    let kinds = signature.kinds.exact().ok_or(BpfError::Gaps)?;
    let kinds = kinds.as_slice();
    let (is_cut, whole) = whole_options(kinds);
    let mss = value(signature.mss, whole.contains(&MSS))?;
    let values = Values::new(whole, mss, value(signature.window_scale, whole.contains(&WINDOW_SCALE))?);
    let end = if kinds.last() == Some(&EOL) { End::Anywhere } else { End::Exact };
    if kinds.iter().rev().skip(1).any(|kind| *kind == EOL) {
        return Err(BpfError::NeverMatches("no SYN shows a kind behind EOL (0)"));
    }

    draft.enter_tcp(whole.iter().any(|kind| wire_size(*kind).is_none()), end)?;
    traits::ask_tcp(&mut draft, traits)?;
    if let Field::Is(window) = signature.window {
        draft.ask(draft.tcp_at(14), Width::Half, 0xffff, window.into())?;
    }
    for (index, kind) in whole.iter().enumerate() {
        ask_option(&mut draft, *kind, &values, index)?;
    }
    if let Some(kind) = kinds.last().filter(|_| is_cut) {
        let bytes = draft.option_bytes();
        draft.option(*kind, (bytes + 1).next_multiple_of(4) - bytes)?;
    }
    draft.end(traits.payload)?;
    draft.assemble()
}

/// The sensor does not look at the length byte of MSS and window scale.
fn ask_option(draft: &mut Draft, kind: u8, values: &Values, index: usize) -> Result<(), BpfError> {
    let option = match (kind, wire_size(kind)) {
        (MSS, _) => draft.option(kind, MSS_BYTES)?,
        (WINDOW_SCALE, _) => draft.option(kind, WINDOW_SCALE_BYTES)?,
        (_, Some(bytes)) => draft.whole_option(kind, bytes as u32)?,
        (_, None) => return draft.option_of_any_length(kind, 2..=u32::MAX),
    };
    values.ask(draft, index, option)
}

/// Whether the last option is cut short by the end of the header, and the options that are not. Headers end on a
/// multiple of four bytes, which leaves one way only: MSS and window scale are listed when cut, but have no value.
fn whole_options(kinds: &[u8]) -> (bool, &[u8]) {
    let Some((last, before)) = kinds.split_last() else { return (false, kinds) };
    let start: Option<usize> = before.iter().map(|kind| wire_size(*kind)).sum();
    let room = start.map_or(0, |start| (start + 1).next_multiple_of(4) - start);
    let is_cut = match *last {
        MSS => (1..4).contains(&room),
        WINDOW_SCALE => (1..3).contains(&room),
        _ => false,
    };
    (is_cut, if is_cut { before } else { kinds })
}

/// The value to ask for.
fn value<T>(value: Field<Option<T>>, is_listed: bool) -> Result<Option<T>, BpfError> {
    match (value, is_listed) {
        (Field::Is(None), true) => Err(BpfError::NeverMatches("it lists an option, and asks for no value")),
        (Field::Is(Some(_)), false) => Err(BpfError::NeverMatches(WITHOUT_OPTION)),
        (value, _) => Ok(value.exact().flatten()),
    }
}
