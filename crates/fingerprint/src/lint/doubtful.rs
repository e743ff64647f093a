//! Entries that look like slips.

use std::ops::Range;

use super::{Entry, Kind, Odd};
use crate::p0f::MAX_SCALE;
use crate::{Field, Layout, Notation};

/// The greatest MSS of Ethernet: that of an MTU of 9001, as in the networks of cloud providers.
const GREATEST_MSS: u16 = 8961;

/// What the loopback interfaces of Linux have, today (MTU 65536) and of old.
const LOOPBACK_MSS: [u16; 5] = [65495, 65476, 16396, 16376, 3884];

/// The usual ones: Ethernet over IPv4 and IPv6, with PPPoE, jumbo frames, tunnels, the least.
const USUAL_MSS: [u16; 14] =
    [1460, 1440, 1452, 1432, 1412, 1420, 1400, 1380, 1360, 1350, 1220, 8960, 8961, 536];

pub(super) fn doubtful(entry: &Entry<'_>) -> Option<Odd> {
    let values = Values::of(&entry.signature.notation);
    doubtful_mss(entry, values.mss)
        .or_else(|| doubtful_scale(entry, values.window_scale))
        .or_else(|| mistaken_for_anything(entry))
}

/// The values of a signature, none where there is none or any.
struct Values {
    mss: Option<u16>,
    window_scale: Option<u8>,
}

impl Values {
    fn of(notation: &Notation) -> Values {
        match notation {
            Notation::MuonFp(muonfp) => Values {
                mss: muonfp.mss.exact().flatten(),
                window_scale: muonfp.window_scale.exact().flatten(),
            },
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(ja4t) => {
                Values { mss: or_none(ja4t.mss), window_scale: or_none(ja4t.window_scale) }
            }
            Notation::P0f(p0f) => Values { mss: or_none(p0f.mss), window_scale: or_none(p0f.window_scale) },
        }
    }
}

/// Zero is mostly none.
fn or_none<T: Default + PartialEq>(value: Field<T>) -> Option<T> {
    value.exact().filter(|value| *value != T::default())
}

fn doubtful_mss(entry: &Entry<'_>, mss: Option<u16>) -> Option<Odd> {
    let mss = mss?;
    let message = if mss == 0 {
        "no system asks for segments of 0 bytes".to_owned()
    } else if mss > GREATEST_MSS && !LOOPBACK_MSS.contains(&mss) {
        format!("an MSS of {mss} takes frames larger than those of any Ethernet")
    } else {
        return None;
    };
    let meant = without_one_digit(mss).map(|usual| format!("did you mean an MSS of {usual}?"));
    Some(Odd { kind: Kind::Typo, span: field(entry, Place::Mss), message, help: meant })
}

/// The usual MSS that is the same with one digit less.
fn without_one_digit(mss: u16) -> Option<u16> {
    let digits = mss.to_string();
    let shorter = |left_out: usize| {
        let kept = digits.chars().enumerate().filter(|(place, _)| *place != left_out);
        kept.map(|(_, digit)| digit).collect::<String>()
    };
    USUAL_MSS.into_iter().find(|usual| (0..digits.len()).any(|place| shorter(place) == usual.to_string()))
}

fn doubtful_scale(entry: &Entry<'_>, scale: Option<u8>) -> Option<Odd> {
    let scale = scale.filter(|scale| *scale > MAX_SCALE)?;
    let message =
        format!("a window scale of {scale} is above {MAX_SCALE}, the greatest that RFC 7323 allows");
    Some(Odd { kind: Kind::Typo, span: field(entry, Place::Scale), message, help: None })
}

/// A wildcard for the window and nothing else is read as "anything" by many.
fn mistaken_for_anything(entry: &Entry<'_>) -> Option<Odd> {
    let (window, kinds) = match &entry.signature.notation {
        Notation::MuonFp(muonfp) => (muonfp.window, muonfp.kinds),
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(ja4t) => (ja4t.window, ja4t.kinds),
        Notation::P0f(_) => return None,
    };
    let is_misread =
        window == Field::Any && kinds == Layout::NONE && entry.signature.traits.constraints() == 0;
    let message = "this is any window with no options at all, and not anything";
    let odd = Odd::whole(Kind::Typo, entry, message).with_help("anything is `%:%:%:%`");
    is_misread.then_some(odd)
}

/// A field of a signature.
#[derive(Clone, Copy)]
enum Place {
    Mss,
    Scale,
}

/// Where the field is in the text: its notation puts it there.
fn field(entry: &Entry<'_>, place: Place) -> Range<usize> {
    let notated = entry.text.split(';').next().unwrap_or_default();
    let (separators, number): (&[char], usize) = match (&entry.signature.notation, place) {
        (Notation::MuonFp(_), Place::Mss) => (&[':'], 2),
        (Notation::MuonFp(_), Place::Scale) => (&[':'], 3),
        #[cfg(feature = "ja4t")]
        (Notation::Ja4t(_), Place::Mss) => (&['_'], 2),
        #[cfg(feature = "ja4t")]
        (Notation::Ja4t(_), Place::Scale) => (&['_'], 3),
        (Notation::P0f(_), Place::Mss) => (&[':'], 3),
        (Notation::P0f(_), Place::Scale) => (&[':', ','], 5),
    };
    let mut start = 0;
    for (at, piece) in notated.split(separators).enumerate() {
        if at == number {
            return start..start + piece.len();
        }
        start += piece.len() + 1;
    }
    0..entry.text.len()
}
