//! Signatures in JA4T's notation.

use super::assembler::Width;
use super::draft::{Draft, End};
use super::options::Values;
use super::{BpfError, Program, traits};
use crate::kinds::{EOL, wire_size};
use crate::{Field, Ja4tSignature, Traits};

pub(super) fn compile(
    mut draft: Draft,
    signature: &Ja4tSignature,
    traits: &Traits,
) -> Result<Program, BpfError> {
    let kinds = signature.kinds.exact().ok_or(BpfError::Gaps)?;
    let kinds = kinds.as_slice();
    let values = Values::zero_if_absent(kinds, signature.mss, signature.window_scale)?;
    let end = if kinds.last() == Some(&EOL) { End::BehindZeros } else { End::Exact };
    if kinds.iter().skip_while(|kind| **kind != EOL).any(|kind| *kind != EOL) {
        return Err(BpfError::NeverMatches("no SYN shows a kind behind EOL (0)"));
    }

    draft.enter_tcp(kinds.iter().any(|kind| wire_size(*kind).is_none()), end)?;
    traits::ask_tcp(&mut draft, traits)?;
    if let Field::Is(window) = signature.window {
        draft.ask(draft.tcp_at(14), Width::Half, 0xffff, window.into())?;
    }
    for (index, kind) in kinds.iter().enumerate() {
        match wire_size(*kind) {
            Some(bytes) => {
                let option = draft.whole_option(*kind, bytes as u32)?;
                values.ask(&mut draft, index, option)?;
            }
            None => draft.option_of_any_length(*kind, 2..=u32::MAX)?,
        }
    }
    draft.end(traits.payload)?;
    draft.assemble()
}
