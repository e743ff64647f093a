//! To p0f's notation.

use synward_wire::TcpFlags;

use super::tcp::{Padding, Tcp};
use super::{ConvertError, Loss};
use crate::kinds::{EOL, MAX_OPTION_BYTES};
use crate::p0f::{
    InitialTtl, IpVersion, MAX_DISTANCE, MAX_SCALE, OptionLayout, P0fSignature, Quirks, SACK, Window,
};
use crate::signature::ECN_FLAGS;
use crate::{Field, Interval, Notation, Traits};

/// The window and the options in p0f's notation. What it says from now on is taken out of `traits`.
pub(super) fn write(
    tcp: &Tcp,
    traits: &mut Traits,
    losses: &mut Vec<Loss>,
) -> Result<Notation, ConvertError> {
    if traits.flags.is_some_and(|flags| flags.contains(TcpFlags::FIN)) {
        return Err(ConvertError::NotSeenByP0f("a SYN with FIN"));
    }
    let layout = layout(tcp, losses)?;
    let version = traits.version();
    let quirks = quirks(tcp, traits, version, losses);
    traits.ip_version = None;
    Ok(Notation::P0f(P0fSignature {
        version: version.map_or(Field::Any, Field::Is),
        ttl: take_ttl(traits),
        ip_options_len: 0,
        mss: or_zero(tcp.mss),
        window: tcp.window.exact().map_or(Window::Any, Window::Is),
        window_scale: or_zero(tcp.window_scale),
        layout,
        quirks,
        payload: traits.payload.take().map_or(Field::Any, Field::Is),
    }))
}

fn layout(tcp: &Tcp, losses: &mut Vec<Loss>) -> Result<OptionLayout, ConvertError> {
    let kinds = tcp.kinds.exact().ok_or(ConvertError::Gaps)?;
    let padding = if kinds.as_slice().last() == Some(&EOL) { padding(tcp, losses)? } else { 0 };
    let layout = OptionLayout::new(kinds, padding).ok_or(ConvertError::TooManyOptions)?;
    let fits = layout.least_bytes(false) <= MAX_OPTION_BYTES;
    if fits { Ok(layout) } else { Err(ConvertError::Malformed) }
}

fn padding(tcp: &Tcp, losses: &mut Vec<Loss>) -> Result<u8, ConvertError> {
    if let Padding::Zeros(zeros) = tcp.padding {
        return Ok(zeros);
    }
    let least = tcp.least_padding().filter(|bytes| *bytes <= MAX_OPTION_BYTES);
    let least = least.and_then(|bytes| u8::try_from(bytes).ok()).ok_or(ConvertError::UnknownPadding)?;
    let message = format!("p0f counts the padding behind EOL: only the shortest ({least}) is matched");
    losses.push(Loss::narrower("padding", message));
    Ok(least)
}

/// The interval in p0f's words, if there are any for it; else it stays a trait.
fn take_ttl(traits: &mut Traits) -> InitialTtl {
    let all = InitialTtl::UpTo(u8::MAX);
    let Some(Interval { first, last }) = traits.ttl else { return all };
    let Ok(last @ 1..) = u8::try_from(last) else { return all };
    let initial = if first == 0 {
        InitialTtl::UpTo(last)
    } else if first == u16::from(last.saturating_sub(MAX_DISTANCE)) {
        InitialTtl::Is(last)
    } else {
        return all;
    };
    traits.ttl = None;
    initial
}

/// The quirks that traits and options tell. Of the others, those that most systems show.
fn quirks(tcp: &Tcp, traits: &mut Traits, version: Option<IpVersion>, losses: &mut Vec<Loss>) -> Quirks {
    let mut quirks = ecn(traits) | flags(traits.flags);
    if let Field::Is(Some(MAX_SCALE..)) = tcp.window_scale {
        quirks = quirks | Quirks::EXCESSIVE_SCALE.when(tcp.window_scale != Field::Is(Some(MAX_SCALE)));
    }
    if version != Some(IpVersion::V6) {
        quirks = quirks | take_ip_id(traits);
    }
    if version != Some(IpVersion::V4) {
        quirks = quirks | Quirks::FLOW;
    }
    tell(quirks, tcp, losses);
    quirks
}

fn tell(quirks: Quirks, tcp: &Tcp, losses: &mut Vec<Loss>) {
    let asked = if quirks.is_empty() { "none".to_owned() } else { format!("`{quirks}`") };
    let message = format!(
        "p0f asks for exact quirks, and no IP options: SYNs with other quirks than these ({asked}) no longer match"
    );
    losses.push(Loss::narrower("quirks", message));
    if tcp.kinds.kinds().as_slice().contains(&SACK) {
        losses.push(Loss::narrower(
            "SACK",
            "p0f takes a SACK option (kind 5) of less than 10 bytes for malformed",
        ));
    }
}

fn ecn(traits: &mut Traits) -> Quirks {
    let by_flags = traits.flags.is_some_and(|flags| flags.intersects(ECN_FLAGS));
    Quirks::ECN.when(traits.ecn.take().unwrap_or(by_flags))
}

fn flags(flags: Option<TcpFlags>) -> Quirks {
    let has = |flag| flags.is_some_and(|flags| flags.contains(flag));
    Quirks::PSH.when(has(TcpFlags::PSH)) | Quirks::URG.when(has(TcpFlags::URG))
}

/// An identification that is told not to be a certain number, but whether it is zero, stays a trait.
fn take_ip_id(traits: &mut Traits) -> Quirks {
    const ZERO: Interval = Interval { first: 0, last: 0 };
    const NOT_ZERO: Interval = Interval { first: 1, last: u16::MAX };
    let df = traits.dont_fragment.take().unwrap_or(true);
    let zero = traits.ip_id == Some(ZERO);
    traits.ip_id = traits.ip_id.filter(|id| *id != ZERO && *id != NOT_ZERO);
    Quirks::DF.when(df) | Quirks::ID_NONZERO.when(df && !zero) | Quirks::ID_ZERO.when(!df && zero)
}

fn or_zero<T: Default>(value: Field<Option<T>>) -> Field<T> {
    match value {
        Field::Any => Field::Any,
        Field::Is(value) => Field::Is(value.unwrap_or_default()),
    }
}
