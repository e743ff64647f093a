//! Whether one signature matches all that another matches.

#[cfg(feature = "ja4t")]
use crate::Ja4tSignature;
use crate::convert::{Effect, Keep, To, convert, told_by};
use crate::kinds::{MSS, WINDOW_SCALE};
use crate::p0f::{InitialTtl, IpVersion, MAX_DISTANCE, P0fSignature, Quirks, Window};
use crate::signature::ECN_FLAGS;
use crate::{
    Field, Interval, Layout, LayoutItem, MuonFpSignature, Network, Notation, Ports, Signature, Traits,
};

/// Whether `wide` is known to match everything that `narrow` matches. In different notations, see
/// [`convert`](mod@crate::convert) for the SYNs of which this holds.
pub(super) fn covers(wide: &Signature, narrow: &Signature) -> bool {
    let told = match &narrow.notation {
        Notation::P0f(p0f) => told_by(p0f, &narrow.traits),
        _ => narrow.traits.clone(),
    };
    traits(&wide.traits, &told) && notation(&wide.notation, narrow)
}

fn notation(wide: &Notation, narrow: &Signature) -> bool {
    match (wide, &narrow.notation) {
        (Notation::MuonFp(wide), Notation::MuonFp(narrow)) => muonfp(wide, narrow),
        #[cfg(feature = "ja4t")]
        (Notation::Ja4t(wide), Notation::Ja4t(narrow)) => ja4t(wide, narrow),
        (Notation::P0f(wide), Notation::P0f(p0f_narrow)) => p0f(wide, p0f_narrow, narrow.traits.version()),
        (Notation::MuonFp(_), _) => in_notation(wide, narrow, To::MuonFp),
        #[cfg(feature = "ja4t")]
        (Notation::Ja4t(_), _) => in_notation(wide, narrow, To::Ja4t),
        // p0f asks for exact quirks, and the others tell no quirks.
        (Notation::P0f(_), _) => false,
    }
}

/// In the notation of the wide one the narrow one is as it is, or wider.
fn in_notation(wide: &Notation, narrow: &Signature, to: To) -> bool {
    let narrow = with_any_window_of(wide, narrow);
    let Ok(converted) = convert(&narrow, to, Keep::Plain) else { return false };
    let is_narrower = converted.losses.iter().any(|loss| loss.effect == Effect::Narrower);
    !is_narrower && notation(wide, &converted.signature)
}

/// Where the wide one takes any window, that of the narrow one does not matter: no relation of it to the MSS does.
fn with_any_window_of(wide: &Notation, narrow: &Signature) -> Signature {
    let mut narrow = narrow.clone();
    let any_window = match wide {
        Notation::MuonFp(muonfp) => muonfp.window == Field::Any,
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(ja4t) => ja4t.window == Field::Any,
        Notation::P0f(p0f) => p0f.window == Window::Any,
    };
    if let Notation::P0f(p0f) = &mut narrow.notation
        && any_window
    {
        p0f.window = Window::Any;
    }
    narrow
}

fn muonfp(wide: &MuonFpSignature, narrow: &MuonFpSignature) -> bool {
    let absent = |kind| never_lists(&narrow.kinds, kind);
    let mss = if absent(MSS) { Field::Is(None) } else { narrow.mss };
    let scale = if absent(WINDOW_SCALE) { Field::Is(None) } else { narrow.window_scale };
    field(&wide.window, &narrow.window)
        && field(&wide.mss, &mss)
        && field(&wide.window_scale, &scale)
        && layout(&wide.kinds, &narrow.kinds)
}

#[cfg(feature = "ja4t")]
fn ja4t(wide: &Ja4tSignature, narrow: &Ja4tSignature) -> bool {
    let absent = |kind| never_lists(&narrow.kinds, kind);
    let mss = if absent(MSS) { Field::Is(0) } else { narrow.mss };
    let scale = if absent(WINDOW_SCALE) { Field::Is(0) } else { narrow.window_scale };
    field(&wide.window, &narrow.window)
        && field(&wide.mss, &mss)
        && field(&wide.window_scale, &scale)
        && layout(&wide.kinds, &narrow.kinds)
}

fn never_lists(kinds: &Layout, kind: u8) -> bool {
    !kinds.has_gap() && !kinds.kinds().as_slice().contains(&kind)
}

fn field<T: PartialEq>(wide: &Field<T>, narrow: &Field<T>) -> bool {
    *wide == Field::Any || wide == narrow
}

fn layout(wide: &Layout, narrow: &Layout) -> bool {
    let blind = wide.ignores_eol();
    let narrow_layout = if blind { narrow.ignoring_eol() } else { *narrow };
    let mut items: Vec<LayoutItem> = narrow_layout.items().collect();
    if narrow.ignores_eol() && !blind {
        // EOLs may follow, of which the wide one is not blind.
        items.push(LayoutItem::Gap);
    }
    let wide: Vec<LayoutItem> = wide.items().collect();
    matches_items(&wide, &items)
}

/// Whether the wide items match the narrow ones, of which a gap can stand in a gap only. `ends` says for each number of narrow items
/// whether the wide ones so far can match so many.
fn matches_items(wide: &[LayoutItem], narrow: &[LayoutItem]) -> bool {
    let mut ends = vec![false; narrow.len() + 1];
    if let Some(none) = ends.first_mut() {
        *none = true;
    }
    for item in wide {
        ends = match item {
            LayoutItem::Gap => {
                let first = ends.iter().position(|end| *end).unwrap_or(ends.len());
                (0..ends.len()).map(|count| count >= first).collect()
            }
            kind => {
                let next = ends.iter().zip(narrow).map(|(end, found)| *end && found == kind);
                std::iter::once(false).chain(next).collect()
            }
        };
    }
    ends.last().is_some_and(|end| *end)
}

/// `version`: that of which the traits of the narrow one are.
fn p0f(wide: &P0fSignature, narrow: &P0fSignature, version: Option<IpVersion>) -> bool {
    let versions = [IpVersion::V4, IpVersion::V6].into_iter();
    let mut versions =
        versions.filter(|v| narrow.version.matches(v) && version.is_none_or(|told| told == *v));
    wide.ip_options_len == narrow.ip_options_len
        && wide.layout == narrow.layout
        && field(&wide.mss, &narrow.mss)
        && field(&wide.window_scale, &narrow.window_scale)
        && field(&wide.payload, &narrow.payload)
        && windows(wide.window, narrow.window)
        && within(ttls(narrow.ttl), ttls(wide.ttl))
        && versions.all(|v| wide.version.matches(&v) && quirks(wide, v) == quirks(narrow, v))
}

/// The quirks that the signature asks for in this version.
fn quirks(signature: &P0fSignature, version: IpVersion) -> Quirks {
    match signature.version {
        Field::Any => signature.quirks.without(Quirks::foreign_to(version)),
        Field::Is(_) => signature.quirks,
    }
}

fn windows(wide: Window, narrow: Window) -> bool {
    match (wide, narrow) {
        (Window::Any, _) => true,
        (Window::MultipleOf(divisor), Window::Is(number) | Window::MultipleOf(number)) => {
            number.is_multiple_of(divisor)
        }
        (wide, narrow) => wide == narrow,
    }
}

fn ttls(ttl: InitialTtl) -> Interval {
    match ttl {
        InitialTtl::UpTo(last) => Interval { first: 0, last: last.into() },
        InitialTtl::Is(last) => {
            Interval { first: last.saturating_sub(MAX_DISTANCE).into(), last: last.into() }
        }
    }
}

fn within(narrow: Interval, wide: Interval) -> bool {
    wide.first <= narrow.first && narrow.last <= wide.last
}

/// Whether all that has the traits `narrow` has the traits `wide`.
fn traits(wide: &Traits, narrow: &Traits) -> bool {
    let version = narrow.version();
    wide.direction == narrow.direction
        && asked(wide.ttl, narrow.ttl, within)
        && asked(wide.dont_fragment, narrow.dont_fragment, |narrow, wide| narrow == wide)
        && asked(wide.ip_id, narrow.ip_id, within)
        && asked(wide.flags, narrow.flags, |narrow, wide| narrow == wide)
        && asked(wide.ecn, ecn(narrow), |narrow, wide| narrow == wide)
        && asked(wide.payload, narrow.payload, |narrow, wide| narrow == wide)
        && asked(wide.destination, narrow.destination, inside)
        && asked(wide.destination_ports.as_ref(), narrow.destination_ports.as_ref(), among)
        && (wide.ip_version.is_none() || wide.version() == version)
}

/// Whether what is asked for is told, and right.
fn asked<T>(wide: Option<T>, narrow: Option<T>, implies: impl Fn(T, T) -> bool) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => implies(narrow, wide),
        (Some(_), None) => false,
    }
}

/// Without a flag of ECN, the IP header may still speak of it.
fn ecn(traits: &Traits) -> Option<bool> {
    let by_flags = traits.flags.is_some_and(|flags| flags.intersects(ECN_FLAGS));
    traits.ecn.or(by_flags.then_some(true))
}

fn inside(narrow: Network, wide: Network) -> bool {
    narrow.length() >= wide.length() && wide.contains(narrow.first())
}

fn among(narrow: &Ports, wide: &Ports) -> bool {
    let joined = |ports: &Interval| wide.intervals().iter().any(|all| within(*ports, *all));
    narrow.intervals().iter().all(joined)
}
