//! Signatures in p0f's notation, taken strictly.

use super::assembler::{Condition, Place, Test, Width, modulo};
use super::draft::{Draft, End};
use super::multiple::{OfAnyMss, Relation};
use super::options::Values;
use super::{BpfError, Instruction, Program, traits};
use crate::kinds::{EOL, MSS, TIMESTAMPS, WINDOW_SCALE, wire_size};
use crate::p0f::{
    InitialTtl, IpVersion, MAX_DISTANCE, MAX_SCALE, Multiple, OptionLayout, P0fSignature, Quirks, SACK,
    Window,
};
use crate::{Field, Traits};

/// Flags, as bits of byte 13 of the TCP header.
mod flag {
    pub(super) const FIN: u32 = 1;
    pub(super) const PSH: u32 = 1 << 3;
    pub(super) const URG: u32 = 1 << 5;
}

pub(super) fn compile(
    mut draft: Draft,
    signature: &P0fSignature,
    traits: &Traits,
) -> Result<Program, BpfError> {
    let quirks = quirks_asked(signature, draft.version)?;
    let kinds = signature.layout.kinds();
    ask_ttl(&mut draft, signature.ttl)?;
    ask_ip_quirks(&mut draft, quirks)?;
    draft.enter_tcp(kinds.iter().any(|kind| size(*kind).is_none()), End::Exact)?;
    ask_tcp_quirks(&mut draft, quirks)?;
    traits::ask_tcp(&mut draft, traits)?;

    let values = Values::zero_if_absent(kinds, signature.mss, signature.window_scale)?;
    let window = draft.tcp_at(14);
    let relation = ask_window(&mut draft, signature, quirks, &values)?;
    let mss = ask_options(&mut draft, &signature.layout, quirks, &values, relation.is_some())?;
    draft.end(payload(signature, traits)?)?;
    if let (Some(relation), Some(mss)) = (relation, mss) {
        draft.check_window(OfAnyMss::new(relation, window, mss)?);
    }
    draft.assemble()
}

/// Bytes of IP options that are asked for.
pub(super) fn ip_options(signature: &P0fSignature, version: IpVersion) -> Result<u32, BpfError> {
    let most = if version == IpVersion::V4 { 40 } else { 0 };
    let bytes = u32::from(signature.ip_options_len);
    if bytes <= most && bytes.is_multiple_of(4) {
        Ok(bytes)
    } else {
        Err(BpfError::NeverMatches("no IP header of this version has so many bytes of options"))
    }
}

/// Whether there is a payload, if that is asked for.
fn payload(signature: &P0fSignature, traits: &Traits) -> Result<Option<bool>, BpfError> {
    match (signature.payload.exact(), traits.payload) {
        (Some(one), Some(other)) if one != other => {
            Err(BpfError::NeverMatches("its payload class belies its trait `payload`"))
        }
        (class, asked) => Ok(class.or(asked)),
    }
}

/// The quirks that a SYN of this version must have; it must not have any other.
fn quirks_asked(signature: &P0fSignature, version: IpVersion) -> Result<Quirks, BpfError> {
    let quirks = match signature.version {
        Field::Any => signature.quirks.without(Quirks::foreign_to(version)),
        Field::Is(_) => signature.quirks,
    };
    let has = |quirk| quirks.contains(quirk);
    let belied = (has(Quirks::ID_NONZERO) && !has(Quirks::DF))
        || (has(Quirks::ID_ZERO) && has(Quirks::DF))
        || (has(Quirks::URGENT_POINTER) && has(Quirks::URG))
        || has(Quirks::ACK_ZERO)
        || !quirks.without(Quirks::impossible_in(version)).contains(quirks);
    if belied {
        return Err(BpfError::NeverMatches("no SYN has all of its quirks"));
    }
    if has(Quirks::BAD) {
        return Err(BpfError::Unsupported("the quirk `bad`: options can be malformed in too many ways"));
    }
    Ok(quirks)
}

fn ask_ttl(draft: &mut Draft, ttl: InitialTtl) -> Result<(), BpfError> {
    let (least, most) = match ttl {
        InitialTtl::Is(initial) => (initial.saturating_sub(MAX_DISTANCE), initial),
        InitialTtl::UpTo(most) => (0, most),
    };
    draft.ask_ttl(least.into()..=most.into())
}

fn ask_ip_quirks(draft: &mut Draft, quirks: Quirks) -> Result<(), BpfError> {
    let has = |quirk| quirks.contains(quirk);
    match draft.version {
        IpVersion::V4 => {
            let flags = u32::from(has(Quirks::RESERVED_BIT)) << 15 | u32::from(has(Quirks::DF)) << 14;
            draft.ask_ip(6, Width::Half, 0xc000, flags)?;
            let id_is_zero = has(Quirks::ID_ZERO) || has(Quirks::DF) && !has(Quirks::ID_NONZERO);
            ask_zero(draft, draft.ip_at(4), Width::Half, u16::MAX.into(), id_is_zero)
        }
        IpVersion::V6 => ask_zero(draft, draft.ip_at(0), Width::Word, 0xf_ffff, !has(Quirks::FLOW)),
    }
}

/// Asks for no bit of `mask`, or for any.
fn ask_zero(draft: &mut Draft, place: Place, width: Width, mask: u32, is_zero: bool) -> Result<(), BpfError> {
    if is_zero {
        return draft.ask(place, width, mask, 0);
    }
    draft.check(Test { value: vec![place.load(width)], is: Condition::AnyBitOf(mask) });
    Ok(())
}

fn ask_tcp_quirks(draft: &mut Draft, quirks: Quirks) -> Result<(), BpfError> {
    let has = |quirk| quirks.contains(quirk);
    let bit = |quirk, bit| if has(quirk) { bit } else { 0 };
    let flags = bit(Quirks::PSH, flag::PSH) | bit(Quirks::URG, flag::URG);
    // p0f does not look at a SYN with FIN.
    draft.ask(draft.tcp_at(13), Width::Byte, flag::FIN | flag::PSH | flag::URG, flags)?;
    draft.ask_ecn(has(Quirks::ECN))?;
    let all = u32::MAX;
    ask_zero(draft, draft.tcp_at(4), Width::Word, all, has(Quirks::SEQUENCE_ZERO))?;
    draft.ask(draft.tcp_at(8), Width::Byte, 1, bit(Quirks::ACK_NONZERO, 1))?;
    if !has(Quirks::URG) {
        ask_zero(draft, draft.tcp_at(18), Width::Half, all, !has(Quirks::URGENT_POINTER))?;
    }
    Ok(())
}

/// Returns the relation to be tested at the end, if the packet alone tells of what the window is a multiple.
fn ask_window(
    draft: &mut Draft,
    signature: &P0fSignature,
    quirks: Quirks,
    values: &Values,
) -> Result<Option<Relation>, BpfError> {
    let window = draft.tcp_at(14);
    let value = vec![window.load(Width::Half)];
    match signature.window {
        Window::Any => {}
        Window::Is(number) => draft.ask(window, Width::Half, u32::MAX, number.into())?,
        Window::MultipleOf(0) => draft.ask(window, Width::Half, u32::MAX, 0)?,
        Window::MultipleOf(divisor) => draft
            .check(Test { value: [value, vec![modulo(divisor.into())]].concat(), is: Condition::Equal(0) }),
        Window::Times(multiple) => {
            let relation = relation(draft, signature, quirks, multiple)?;
            let has_mss = signature.layout.kinds().contains(&MSS);
            if has_mss && values.mss.is_none() {
                return Ok(Some(relation));
            }
            let windows: Vec<_> = relation.windows(values.mss.unwrap_or(0)).map(|w| w..=w).collect();
            if windows.is_empty() {
                return Err(BpfError::NeverMatches("no window is such a multiple"));
            }
            draft.check(Test { value, is: Condition::Within(windows) });
        }
    }
    Ok(None)
}

fn relation(
    draft: &Draft,
    signature: &P0fSignature,
    quirks: Quirks,
    multiple: Multiple,
) -> Result<Relation, BpfError> {
    let kinds = signature.layout.kinds();
    let sizes: Option<u32> = kinds.iter().map(|kind| size(*kind)).sum();
    if sizes.is_none() && matches!(multiple, Multiple::Mtu(_)) {
        return Err(BpfError::Unsupported("`mtu*` beside an option of unknown length, on which it depends"));
    }
    let options = sizes.unwrap_or(0) + u32::from(signature.layout.eol_padding());
    Ok(Relation {
        multiple,
        version: draft.version,
        timestamps: kinds.contains(&TIMESTAMPS) && !quirks.contains(Quirks::OWN_TIMESTAMP_ZERO),
        headers: draft.headers_without_options() + options,
    })
}

/// Bytes of an option of this kind, if p0f knows.
fn size(kind: u8) -> Option<u32> {
    wire_size(kind).map(|bytes| bytes as u32)
}

/// Returns what brings the MSS to A at the end, if `needs_mss` and there is one.
fn ask_options(
    draft: &mut Draft,
    layout: &OptionLayout,
    quirks: Quirks,
    values: &Values,
    needs_mss: bool,
) -> Result<Option<Instruction>, BpfError> {
    one_shows_each_quirk(layout, quirks)?;
    let mut mss = None;
    for (index, kind) in layout.kinds().iter().enumerate() {
        match (*kind, size(*kind)) {
            (SACK, _) => draft.option_of_any_length(SACK, 10..=34)?,
            // The header has no room for more than the 40 bytes that p0f allows.
            (kind, None) => draft.option_of_any_length(kind, 2..=u32::MAX)?,
            (kind, Some(bytes)) => {
                let option = draft.whole_option(kind, bytes)?;
                values.ask(draft, index, option)?;
                if needs_mss && values.is_of_mss(index) {
                    mss = Some(draft.keep(option.plus(2), Width::Half));
                }
                match kind {
                    TIMESTAMPS => ask_timestamp_quirks(draft, option, quirks)?,
                    WINDOW_SCALE => ask_excess(draft, option, quirks, values.scale_of(index))?,
                    _ => {}
                }
            }
        }
    }
    if layout.kinds().last() == Some(&EOL) {
        ask_padding(draft, layout.eol_padding().into(), quirks.contains(Quirks::PADDING_NONZERO))?;
    }
    Ok(mss)
}

/// p0f notes a quirk if any option shows it. Of options that are repeated, any could.
fn one_shows_each_quirk(layout: &OptionLayout, quirks: Quirks) -> Result<(), BpfError> {
    let shown_by = [
        (Quirks::OWN_TIMESTAMP_ZERO, TIMESTAMPS),
        (Quirks::PEER_TIMESTAMP, TIMESTAMPS),
        (Quirks::EXCESSIVE_SCALE, WINDOW_SCALE),
        (Quirks::PADDING_NONZERO, EOL),
    ];
    let asked = shown_by.into_iter().filter(|(quirk, _)| quirks.contains(*quirk));
    asked.map(|(_, shown_by)| shown_by).try_for_each(|shown_by| {
        match layout.kinds().iter().filter(|kind| **kind == shown_by).count() {
            0 => Err(BpfError::NeverMatches("it asks for a quirk of an option that it does not list")),
            1 => Ok(()),
            _ => Err(BpfError::Unsupported("a quirk that any of the options that repeat can show")),
        }
    })
}

fn ask_timestamp_quirks(draft: &mut Draft, option: Place, quirks: Quirks) -> Result<(), BpfError> {
    let (own, peer) = (option.plus(2), option.plus(6));
    ask_zero(draft, own, Width::Word, u32::MAX, quirks.contains(Quirks::OWN_TIMESTAMP_ZERO))?;
    ask_zero(draft, peer, Width::Word, u32::MAX, !quirks.contains(Quirks::PEER_TIMESTAMP))
}

/// `scale`: what is asked of this very option.
fn ask_excess(draft: &mut Draft, option: Place, quirks: Quirks, scale: Option<u8>) -> Result<(), BpfError> {
    let is_excessive = quirks.contains(Quirks::EXCESSIVE_SCALE);
    let range = if is_excessive { MAX_SCALE + 1..=u8::MAX } else { 0..=MAX_SCALE };
    match scale {
        None => {
            draft.ask_within(option.plus(2), Width::Byte, (*range.start()).into()..=(*range.end()).into())
        }
        Some(scale) if range.contains(&scale) => Ok(()),
        Some(_) => Err(BpfError::NeverMatches("its window scale belies the quirk `exws`, or the lack of it")),
    }
}

/// The last byte of the padding may be anything: 3.09b overlooks it.
fn ask_padding(draft: &mut Draft, bytes: u32, is_nonzero: bool) -> Result<(), BpfError> {
    let mut place = draft.skip(bytes);
    let mut left = bytes.saturating_sub(1);
    let mut tests = Vec::new();
    while let Some(width) = Width::ALL.into_iter().find(|width| width.bytes() <= left) {
        if is_nonzero {
            tests.push(Test { value: vec![place.load(width)], is: Condition::NotEqual(0) });
        } else {
            draft.ask(place, width, u32::MAX, 0)?;
        }
        (place, left) = (place.plus(width.bytes()), left - width.bytes());
    }
    match (is_nonzero, tests.is_empty()) {
        (false, _) => Ok(()),
        (true, false) => {
            draft.check_any(tests);
            Ok(())
        }
        (true, true) => {
            Err(BpfError::NeverMatches("p0f overlooks the last byte of the padding, and there is no other"))
        }
    }
}
