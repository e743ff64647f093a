//! What MuonFP and JA4T look at, in a form between the notations.

use super::{ConvertError, Loss};
#[cfg(feature = "ja4t")]
use crate::kinds::EOL;
use crate::kinds::{MAX_OPTION_BYTES, MSS, WINDOW_SCALE, wire_size};
use crate::{Field, Kinds, Layout, MuonFpSignature, Notation};
#[cfg(feature = "ja4t")]
use crate::{Ja4tSignature, LayoutItem};

/// The window and the options of a signature.
pub(super) struct Tcp {
    pub(super) window: Field<u16>,
    /// With EOL once.
    pub(super) kinds: Layout,
    /// What follows EOL.
    pub(super) padding: Padding,
    /// `Is(None)`: there is no such option.
    pub(super) mss: Field<Option<u16>>,
    /// `Is(None)`: there is no such option.
    pub(super) window_scale: Field<Option<u8>>,
}

/// How many bytes of padding there are behind EOL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// Any number of them.
    Any,
    /// So many zeros.
    Zeros(u8),
}

impl Tcp {
    pub(super) fn from_muonfp(signature: &MuonFpSignature) -> Result<Tcp, ConvertError> {
        let MuonFpSignature { window, kinds, mss, window_scale } = *signature;
        let lacks_value = mss == Field::Is(None) && lists(&kinds, MSS)
            || window_scale == Field::Is(None) && lists(&kinds, WINDOW_SCALE);
        // MuonFP lists an option of which the header holds no more than the kind.
        if lacks_value || least_bytes(kinds.kinds()) > MAX_OPTION_BYTES {
            return Err(ConvertError::Malformed);
        }
        Ok(Tcp { window, kinds, padding: Padding::Any, mss, window_scale })
    }

    pub(super) fn to_muonfp(&self, losses: &mut Vec<Loss>) -> Notation {
        let &Tcp { window, kinds, mss, window_scale, .. } = self;
        if let Padding::Zeros(zeros) = self.padding {
            let message = format!(
                "the length of the padding behind EOL ({zeros}) is no longer asked for: MuonFP hides it"
            );
            losses.push(Loss::wider("padding", message));
        }
        Notation::MuonFp(MuonFpSignature { window, kinds, mss, window_scale })
    }

    /// The least padding that ends the header on a word (RFC 9293 section 3.1), if the lengths of all options are known.
    pub(super) fn least_padding(&self) -> Option<usize> {
        let bytes = known_bytes(self.kinds.kinds().as_slice())?;
        Some(bytes.next_multiple_of(4) - bytes)
    }
}

#[cfg(feature = "ja4t")]
impl Tcp {
    pub(super) fn from_ja4t(signature: &Ja4tSignature, losses: &mut Vec<Loss>) -> Tcp {
        let (kinds, padding) = without_padding(&signature.kinds, losses);
        Tcp {
            window: signature.window,
            kinds,
            padding,
            mss: or_absent(signature.mss, &kinds, MSS, losses),
            window_scale: or_absent(signature.window_scale, &kinds, WINDOW_SCALE, losses),
        }
    }

    pub(super) fn to_ja4t(&self, losses: &mut Vec<Loss>) -> Notation {
        Notation::Ja4t(Ja4tSignature {
            window: self.window,
            kinds: self.with_padding(losses),
            mss: or_zero(self.mss, &self.kinds, MSS, losses),
            window_scale: or_zero(self.window_scale, &self.kinds, WINDOW_SCALE, losses),
        })
    }

    fn with_padding(&self, losses: &mut Vec<Loss>) -> Layout {
        let items: Vec<LayoutItem> = self.kinds.items().collect();
        let before = match items.as_slice() {
            [before @ .., LayoutItem::Kind(EOL)] if !self.kinds.ignores_eol() => before,
            _ => return self.kinds,
        };
        let zeros = match (self.padding, self.least_padding().filter(|_| !self.kinds.has_gap())) {
            (Padding::Zeros(zeros), _) => Some(usize::from(zeros)),
            (Padding::Any, least) => least.inspect(|least| self.tell_least_padding(*least, losses)),
        };
        match zeros {
            Some(zeros) => layout(items.into_iter().chain(vec![LayoutItem::Kind(EOL); zeros])),
            // The gap before takes the further zeros.
            None if before.last() == Some(&LayoutItem::Gap) => self.kinds,
            None => layout(items.into_iter().chain([LayoutItem::Gap])),
        }
    }

    fn tell_least_padding(&self, least: usize, losses: &mut Vec<Loss>) {
        let has_room_for_more = least_bytes(self.kinds.kinds()) + least < MAX_OPTION_BYTES;
        if has_room_for_more {
            let message = format!(
                "JA4T counts the padding behind EOL, and MuonFP hides it: only the shortest ({least}) is matched"
            );
            losses.push(Loss::narrower("padding", message));
        }
    }
}

/// A layout of JA4T with EOL once, and what is behind it.
#[cfg(feature = "ja4t")]
fn without_padding(kinds: &Layout, losses: &mut Vec<Loss>) -> (Layout, Padding) {
    let mut items: Vec<LayoutItem> = kinds.items().collect();
    let eol = items.iter().position(|item| *item == LayoutItem::Kind(EOL));
    let Some(eol) = eol.filter(|_| !kinds.ignores_eol()) else { return (*kinds, Padding::Any) };
    let behind = items.split_off(eol + 1);
    let zeros = behind.iter().filter(|item| **item == LayoutItem::Kind(EOL)).count();
    let has_gap = behind.contains(&LayoutItem::Gap) || items.iter().rev().nth(1) == Some(&LayoutItem::Gap);
    if has_gap && zeros > 0 {
        let message = format!("the padding behind EOL, {zeros} bytes at least, may be any");
        losses.push(Loss::wider("padding", message));
    }
    // More zeros than a header holds stand in no layout.
    let padding = if has_gap { Padding::Any } else { Padding::Zeros(u8::try_from(zeros).unwrap_or(u8::MAX)) };
    (layout(items), padding)
}

#[cfg(feature = "ja4t")]
fn layout(items: impl IntoIterator<Item = LayoutItem>) -> Layout {
    let (mut kinds, mut gaps, mut place) = (Kinds::NONE, Vec::new(), 0);
    for item in items {
        match item {
            LayoutItem::Gap => gaps.push(place),
            LayoutItem::Kind(kind) => {
                kinds.push(kind);
                place += 1;
            }
        }
    }
    Layout::with_gaps(kinds, gaps)
}

/// JA4T's value, of which zero may be none: the kinds tell which, unless they have a gap.
#[cfg(feature = "ja4t")]
fn or_absent<T: Default + PartialEq>(
    value: Field<T>,
    kinds: &Layout,
    kind: u8,
    losses: &mut Vec<Loss>,
) -> Field<Option<T>> {
    match value {
        Field::Any => Field::Any,
        Field::Is(value) if value != T::default() || lists(kinds, kind) => Field::Is(Some(value)),
        Field::Is(_) => {
            if kinds.has_gap() {
                let message = format!("JA4T's `00` is also a {} of 0, and not only none", name(kind));
                losses.push(Loss::narrower(name(kind), message));
            }
            Field::Is(None)
        }
    }
}

#[cfg(feature = "ja4t")]
fn or_zero<T: Default + PartialEq>(
    value: Field<Option<T>>,
    kinds: &Layout,
    kind: u8,
    losses: &mut Vec<Loss>,
) -> Field<T> {
    let Field::Is(value) = value else { return Field::Any };
    let value = value.unwrap_or_default();
    if value == T::default() && kinds.has_gap() && !lists(kinds, kind) {
        let message = format!("JA4T writes no {0} and a {0} of 0 alike", name(kind));
        losses.push(Loss::wider(name(kind), message));
    }
    Field::Is(value)
}

#[cfg(feature = "ja4t")]
fn name(kind: u8) -> &'static str {
    if kind == MSS { "MSS" } else { "window scale" }
}

fn lists(kinds: &Layout, kind: u8) -> bool {
    kinds.kinds().as_slice().contains(&kind)
}

/// Bytes of these options on the wire, if the lengths of all are known.
pub(crate) fn known_bytes(kinds: &[u8]) -> Option<usize> {
    kinds.iter().map(|kind| wire_size(*kind)).sum()
}

/// The fewest bytes that these options can take.
fn least_bytes(kinds: &Kinds) -> usize {
    kinds.as_slice().iter().map(|kind| wire_size(*kind).unwrap_or(2)).sum()
}
