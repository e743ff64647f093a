//! Signatures that no SYN matches, though each part of them could be so.
//!
//! What can be told from the text alone is refused when it is read. Here is what needs more: most of it is of p0f's
//! notation, whose fields and quirks speak of the same things, and so do traits behind it.

use synward_wire::TcpFlags;

use crate::convert::known_bytes;
use crate::convert::windows::{has_multiples, windows_of};
use crate::kinds::{EOL, MSS, TIMESTAMPS, WINDOW_SCALE};
use crate::p0f::{InitialTtl, IpVersion, MAX_DISTANCE, MAX_SCALE, P0fSignature, Quirks, Window};
use crate::signature::ECN_FLAGS;
use crate::{Direction, Field, Interval, Notation, Signature, Traits};

/// Why no packet matches the signature; `None` if one may.
pub(crate) fn never_matches(signature: &Signature) -> Option<String> {
    let Notation::P0f(p0f) = &signature.notation else { return None };
    let traits = &signature.traits;
    let checks = [
        option_bytes(p0f),
        option_values(p0f),
        multiple(p0f),
        option_quirks(p0f),
        ip_options(p0f),
        tcp_quirks(p0f, traits.direction),
        versions(p0f, traits),
        ip_traits(p0f, traits),
        tcp_traits(p0f, traits),
    ];
    checks.into_iter().flatten().next()
}

fn lists(p0f: &P0fSignature, kind: u8) -> bool {
    p0f.layout.kinds().contains(&kind)
}

/// The header ends on a word (RFC 9293 section 3.1), and p0f sees all of the options and their padding.
fn option_bytes(p0f: &P0fSignature) -> Option<String> {
    let padding = usize::from(p0f.layout.eol_padding());
    let bytes = known_bytes(p0f.layout.kinds()).filter(|_| !bad(p0f))? + padding;
    let is_word = bytes.is_multiple_of(4);
    (!is_word).then(|| format!("its options take {bytes} bytes, and a TCP header holds a multiple of 4"))
}

fn option_values(p0f: &P0fSignature) -> Option<String> {
    let of_nothing = |kind, has_value, name| (has_value && !lists(p0f, kind)).then_some(name);
    let name = of_nothing(MSS, matches!(p0f.mss, Field::Is(1..)), "MSS").or(of_nothing(
        WINDOW_SCALE,
        matches!(p0f.window_scale, Field::Is(1..)),
        "window scale",
    ))?;
    Some(format!("it gives a value for the {name}, and the options list none"))
}

fn multiple(p0f: &P0fSignature) -> Option<String> {
    let Window::Times(multiple) = p0f.window else { return None };
    if !has_multiples(p0f) {
        return Some(format!("p0f looks for `{multiple}` only where there is an MSS of at least 100"));
    }
    let none = |mss| windows_of(p0f, multiple, mss).is_empty();
    let mss = p0f.mss.exact().filter(|mss| !bad(p0f) && none(*mss))?;
    Some(format!("no window is `{multiple}` with the MSS {mss}"))
}

fn bad(p0f: &P0fSignature) -> bool {
    p0f.quirks.contains(Quirks::BAD)
}

fn option_quirks(p0f: &P0fSignature) -> Option<String> {
    let has = |quirk| p0f.quirks.contains(quirk);
    let stamps = [Quirks::OWN_TIMESTAMP_ZERO, Quirks::PEER_TIMESTAMP];
    if let Some(quirk) = stamps.into_iter().find(|quirk| has(*quirk) && !lists(p0f, TIMESTAMPS)) {
        return Some(format!("it has the quirk `{quirk}` without a `ts` option"));
    }
    if has(Quirks::PADDING_NONZERO) && (!lists(p0f, EOL) || p0f.layout.eol_padding() < 2) {
        return Some("p0f sees `opt+` only in two bytes of padding or more".to_owned());
    }
    scale_quirk(p0f, has(Quirks::EXCESSIVE_SCALE))
}

fn scale_quirk(p0f: &P0fSignature, excessive: bool) -> Option<String> {
    let scales = p0f.layout.kinds().iter().filter(|kind| **kind == WINDOW_SCALE).count();
    match p0f.window_scale {
        Field::Is(scale) if scale > MAX_SCALE && !excessive => {
            Some(format!("a window scale of {scale} has the quirk `exws`"))
        }
        Field::Is(scale) if scale <= MAX_SCALE && excessive && scales == 1 => {
            Some(format!("a window scale of {scale} does not have the quirk `exws`"))
        }
        _ if excessive && scales == 0 => Some("it has the quirk `exws` without a `ws` option".to_owned()),
        _ => None,
    }
}

fn ip_options(p0f: &P0fSignature) -> Option<String> {
    let length = p0f.ip_options_len;
    if p0f.version == Field::Is(IpVersion::V6) && length > 0 {
        return Some("p0f sees no options in IPv6".to_owned());
    }
    let possible = length <= 40 && length.is_multiple_of(4);
    (!possible).then(|| format!("IP options take a multiple of 4 bytes, 40 at most, and not {length}"))
}

fn tcp_quirks(p0f: &P0fSignature, direction: Direction) -> Option<String> {
    let has = |quirk| p0f.quirks.contains(quirk);
    if has(Quirks::URGENT_POINTER) && has(Quirks::URG) {
        return Some("`uptr+` and `urgf+` exclude each other".to_owned());
    }
    let (foreign, of) = match direction {
        Direction::Syn => ([Quirks::ACK_ZERO, Quirks::ACK_ZERO], "SYN-ACKs only"),
        Direction::SynAck => ([Quirks::ACK_NONZERO, Quirks::PEER_TIMESTAMP], "SYNs only"),
    };
    let quirk = foreign.into_iter().find(|quirk| has(*quirk))?;
    Some(format!("`{quirk}` is a quirk of {of}"))
}

fn versions(p0f: &P0fSignature, traits: &Traits) -> Option<String> {
    let of_traits = traits.version();
    if let (Field::Is(written), Some(told)) = (p0f.version, of_traits)
        && written != told
    {
        return Some(format!("it is of IPv{written}, and its traits are of IPv{told}"));
    }
    let is_v4 = p0f.version.exact().or(of_traits) == Some(IpVersion::V4) || p0f.ip_options_len > 0;
    let df = p0f.quirks.contains(Quirks::DF);
    let wrong = if df { Quirks::ID_ZERO } else { Quirks::ID_NONZERO };
    (is_v4 && p0f.quirks.contains(wrong)).then(|| {
        let with = if df { "with" } else { "without" };
        format!("no packet {with} the quirk `df` has the quirk `{wrong}`")
    })
}

fn ip_traits(p0f: &P0fSignature, traits: &Traits) -> Option<String> {
    let (first, last) = match p0f.ttl {
        InitialTtl::UpTo(last) => (0, last),
        InitialTtl::Is(last) => (last.saturating_sub(MAX_DISTANCE), last),
    };
    let out_of_reach = |ttl: &Interval| ttl.last < u16::from(first) || ttl.first > u16::from(last);
    if traits.ttl.is_some_and(|ttl| out_of_reach(&ttl)) {
        return Some(format!("its trait `ttl` has nothing of the TTLs that it asks for ({first} to {last})"));
    }
    let df = p0f.quirks.contains(Quirks::DF);
    if traits.dont_fragment.is_some_and(|asked| asked != df) {
        return Some("its quirks and its trait `df` contradict each other".to_owned());
    }
    let zero = df && !p0f.quirks.contains(Quirks::ID_NONZERO) || p0f.quirks.contains(Quirks::ID_ZERO);
    let fits = |id: Interval| if zero { id.first == 0 } else { id.last > 0 };
    let belied = traits.ip_id.is_some_and(|id| !fits(id));
    belied.then(|| "its quirks and its trait `ipid` contradict each other".to_owned())
}

fn tcp_traits(p0f: &P0fSignature, traits: &Traits) -> Option<String> {
    let has = |quirk| p0f.quirks.contains(quirk);
    if traits.ecn.is_some_and(|ecn| ecn != has(Quirks::ECN)) {
        return Some("its quirks and its trait `ecn` contradict each other".to_owned());
    }
    if traits.payload.is_some_and(|payload| !p0f.payload.matches(&payload)) {
        return Some("its field for the payload and its trait `payload` contradict each other".to_owned());
    }
    let flags = traits.flags?;
    let belied = |flag, quirk| flags.contains(flag) != has(quirk);
    if flags.contains(TcpFlags::FIN) {
        return Some("p0f does not look at a SYN with FIN".to_owned());
    }
    let contradict = belied(TcpFlags::PSH, Quirks::PSH)
        || belied(TcpFlags::URG, Quirks::URG)
        || flags.intersects(ECN_FLAGS) && !has(Quirks::ECN);
    contradict.then(|| "its quirks and its trait `flags` contradict each other".to_owned())
}
