//! From p0f's notation.

use super::tcp::{Padding, Tcp};
use super::windows::windows_of;
use super::{ConvertError, Keep, Loss};
use crate::kinds::{EOL, MSS, WINDOW_SCALE};
use crate::p0f::{InitialTtl, IpVersion, MAX_DISTANCE, OptionLayout, P0fSignature, Quirks, Window};
use crate::{Field, Interval, Kinds, Layout, Traits};

/// What the signature says of window and options. Into `traits` goes what can be kept there, if it is to be.
pub(super) fn read(
    signature: &P0fSignature,
    traits: &mut Traits,
    keep: Keep,
    losses: &mut Vec<Loss>,
) -> Result<Tcp, ConvertError> {
    if signature.quirks.contains(Quirks::BAD) {
        return Err(ConvertError::Malformed);
    }
    match keep {
        Keep::Plain => tell_traits(signature, losses),
        Keep::Traits => keep_traits(signature, traits, losses),
    }
    tell_the_rest(signature, losses);
    Ok(Tcp {
        window: window(signature, losses),
        kinds: layout(&signature.layout),
        padding: padding(signature, losses),
        mss: or_absent(signature.mss, &signature.layout, MSS),
        window_scale: or_absent(signature.window_scale, &signature.layout, WINDOW_SCALE),
    })
}

/// The traits with what else the notation says and a trait can say. All that matches the signature matches these.
pub(crate) fn told_by(signature: &P0fSignature, traits: &Traits) -> Traits {
    let mut told = traits.clone();
    told.ttl = both(told.ttl, ttl(signature.ttl));
    told.ecn = Some(signature.quirks.contains(Quirks::ECN));
    told.payload = told.payload.or(signature.payload.exact());
    told.ip_version = told.ip_version.or(signature.version.exact().map(number));
    if version(signature, traits) == Some(IpVersion::V4) {
        keep_ip_id(signature.quirks, &mut told);
    }
    told
}

fn keep_ip_id(quirks: Quirks, traits: &mut Traits) {
    traits.dont_fragment = Some(quirks.contains(Quirks::DF));
    let id = if ip_id_is_zero(quirks) {
        Interval { first: 0, last: 0 }
    } else {
        Interval { first: 1, last: u16::MAX }
    };
    traits.ip_id = both(traits.ip_id, Some(id));
}

/// With DF an identification that is not zero is a quirk, without it one that is.
fn ip_id_is_zero(quirks: Quirks) -> bool {
    if quirks.contains(Quirks::DF) {
        !quirks.contains(Quirks::ID_NONZERO)
    } else {
        quirks.contains(Quirks::ID_ZERO)
    }
}

fn keep_traits(signature: &P0fSignature, traits: &mut Traits, losses: &mut Vec<Loss>) {
    let version = version(signature, traits);
    *traits = told_by(signature, traits);
    if version.is_none() {
        keep_ip_id(signature.quirks, traits);
        let message = "`df` and `ipid` are of IPv4 only, so IPv6 no longer matches";
        losses.push(Loss::narrower("IP version", message));
    }
}

/// The version of IP that is asked for, by the notation or by a trait.
fn version(signature: &P0fSignature, traits: &Traits) -> Option<IpVersion> {
    signature.version.exact().or_else(|| traits.version())
}

fn tell_traits(signature: &P0fSignature, losses: &mut Vec<Loss>) {
    let mut lose = |of: &'static str, value: String| {
        losses.push(Loss::wider(of, format!("the {of} ({value}) is no longer asked for")));
    };
    if let Field::Is(version) = signature.version {
        lose("IP version", version.to_string());
    }
    if ttl(signature.ttl).is_some() {
        lose("initial TTL", signature.ttl.to_string());
    }
    if signature.version != Field::Is(IpVersion::V6) {
        let df = if signature.quirks.contains(Quirks::DF) { "set" } else { "clear" };
        lose("DF bit", df.to_owned());
        let id = if ip_id_is_zero(signature.quirks) { "zero" } else { "not zero" };
        lose("IP identification", id.to_owned());
    }
    lose("use of ECN", if signature.quirks.contains(Quirks::ECN) { "some" } else { "none" }.to_owned());
    if let Field::Is(payload) = signature.payload {
        lose("payload", if payload { "some" } else { "none" }.to_owned());
    }
}

/// Neither the length of the IP options nor the other quirks have a trait.
fn tell_the_rest(signature: &P0fSignature, losses: &mut Vec<Loss>) {
    const TOLD: Quirks =
        Quirks::DF.with(Quirks::ID_NONZERO).with(Quirks::ID_ZERO).with(Quirks::ECN).with(Quirks::BAD);
    let message = format!("the length of IP options ({}) is no longer asked for", signature.ip_options_len);
    losses.push(Loss::wider("length of IP options", message));
    let others: Vec<&str> = signature.quirks.without(TOLD).names().collect();
    let message = match others.as_slice() {
        [] => "other quirks (none, where p0f asks for exactly those it lists) are no longer asked for"
            .to_owned(),
        others => format!("other quirks (`{}`) are no longer asked for", others.join(",")),
    };
    losses.push(Loss::wider("other quirks", message));
}

/// The TTLs that arrive; none if they are all.
fn ttl(initial: InitialTtl) -> Option<Interval> {
    let (first, last) = match initial {
        InitialTtl::UpTo(last) => (0, last),
        InitialTtl::Is(last) => (last.saturating_sub(MAX_DISTANCE), last),
    };
    (last < u8::MAX || first > 0).then_some(Interval { first: first.into(), last: last.into() })
}

/// What is in both intervals, none of which is any number. The signature matches something, so that is not empty.
fn both(one: Option<Interval>, other: Option<Interval>) -> Option<Interval> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    Some(Interval { first: a.first.max(b.first), last: a.last.min(b.last) })
}

fn number(version: IpVersion) -> u8 {
    match version {
        IpVersion::V4 => 4,
        IpVersion::V6 => 6,
    }
}

fn window(signature: &P0fSignature, losses: &mut Vec<Loss>) -> Field<u16> {
    let written = signature.window;
    match (written, signature.mss) {
        (Window::Any, _) => Field::Any,
        (Window::Is(window), _) => Field::Is(window),
        (Window::Times(multiple), Field::Is(mss)) => {
            let windows = windows_of(signature, multiple, mss);
            tell_other_windows(written, windows.get(1..).unwrap_or_default(), losses);
            windows.first().map_or(Field::Any, |window| Field::Is(*window))
        }
        (Window::Times(_), Field::Any) => {
            let message = format!(
                "`{written}` is a relation between window and MSS, and the MSS is any: any window matches now"
            );
            losses.push(Loss::wider("window", message));
            Field::Any
        }
        (Window::MultipleOf(_), _) => {
            let message = format!("`{written}` stands for many windows: any window matches now");
            losses.push(Loss::wider("window", message));
            Field::Any
        }
    }
}

fn tell_other_windows(written: Window, others: &[u16], losses: &mut Vec<Loss>) {
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(u16::to_string).collect();
        let message = format!("`{written}` also stands for {}: no longer matched", others.join(", "));
        losses.push(Loss::narrower("window", message));
    }
}

fn layout(layout: &OptionLayout) -> Layout {
    Kinds::new(layout.kinds()).unwrap_or(Kinds::NONE).into()
}

fn padding(signature: &P0fSignature, losses: &mut Vec<Loss>) -> Padding {
    if signature.layout.kinds().last() != Some(&EOL) {
        return Padding::Any;
    }
    if signature.quirks.contains(Quirks::PADDING_NONZERO) {
        losses.push(Loss::wider("padding", "the padding behind EOL may be any"));
        return Padding::Any;
    }
    Padding::Zeros(signature.layout.eol_padding())
}

/// p0f's value, of which zero may be none: the options tell which.
fn or_absent<T: Default + PartialEq>(value: Field<T>, layout: &OptionLayout, kind: u8) -> Field<Option<T>> {
    match value {
        Field::Any => Field::Any,
        Field::Is(value) => Field::Is(layout.kinds().contains(&kind).then_some(value)),
    }
}
