//! One walk over the option bytes for all notations.

use synward_wire::option_lengths;

use crate::Kinds;
use crate::kinds::{EOL, MSS, NOP, TIMESTAMPS, WINDOW_SCALE, within_header};

/// The slot of every kind that has none of its own.
const OTHERS: u8 = 15;

/// An option list that all three programs read alike, as nearly every list on the wire is: every length is one that its kind may have.
/// Each of them has its own way with others.
#[derive(Clone, Copy)]
pub(crate) struct WellFormed<'a> {
    bytes: &'a [u8],
    /// The kinds, EOL at most once.
    pub(crate) kinds: Kinds,
    /// Where the last option of each slot starts, if there is one.
    places: [u8; OTHERS as usize + 1],
    /// A bit for each slot that an option is in, and for each that several are in.
    seen: u16,
    repeated: u16,
    /// Where the padding starts.
    end: usize,
}

impl<'a> WellFormed<'a> {
    /// The list in these bytes, if it is such a one.
    #[inline]
    pub(crate) fn read(options: &'a [u8]) -> Option<WellFormed<'a>> {
        let bytes = within_header(options);
        let (kinds, places) = (Kinds::NONE, [0; OTHERS as usize + 1]);
        let mut list = WellFormed { bytes, kinds, places, seen: 0, repeated: 0, end: 0 };
        while let Some(kind) = bytes.get(list.end) {
            list.note(*kind);
            if *kind == EOL {
                list.end += 1;
                return Some(list);
            }
            let length = match kind {
                &NOP => 1,
                _ => bytes.get(list.end + 1).copied().unwrap_or_default(),
            };
            let (least, most) = option_lengths(*kind);
            if length < least || length > most {
                return None;
            }
            list.end += usize::from(length);
        }
        (list.end == bytes.len()).then_some(list)
    }

    #[inline]
    fn note(&mut self, kind: u8) {
        self.kinds.push(kind);
        let bit = 1 << slot(kind);
        self.repeated |= self.seen & bit;
        self.seen |= bit;
        if let Some(place) = self.places.get_mut(slot(kind)) {
            *place = self.end as u8;
        }
    }

    /// The bytes of the last option of a kind that has a slot, from its kind byte to the end of the list.
    #[inline]
    fn last(&self, kind: u8) -> Option<&'a [u8]> {
        let place = self.places.get(slot(kind)).copied().filter(|_| self.seen >> kind & 1 == 1)?;
        self.bytes.get(usize::from(place)..)
    }

    /// The value of the last MSS option.
    #[inline]
    pub(crate) fn mss(&self) -> Option<u16> {
        match self.last(MSS) {
            Some([_, _, high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// The value of the last window scale.
    #[inline]
    pub(crate) fn window_scale(&self) -> Option<u8> {
        self.last(WINDOW_SCALE).and_then(|option| option.get(2).copied())
    }

    /// The two values of the last timestamps option.
    #[inline]
    pub(crate) fn timestamps(&self) -> Option<[[u8; 4]; 2]> {
        let [_, _, own @ .., p0, p1, p2, p3] = self.last(TIMESTAMPS)?.first_chunk::<10>()?;
        Some([*own, [*p0, *p1, *p2, *p3]])
    }

    /// Whether there are several options of a kind that has a slot.
    #[inline]
    pub(crate) fn repeats(&self, kind: u8) -> bool {
        self.repeated >> kind & 1 == 1
    }

    /// The bytes behind EOL; `None` without one.
    #[inline]
    pub(crate) fn padding(&self) -> Option<&'a [u8]> {
        (self.seen >> EOL & 1 == 1).then(|| self.bytes.get(self.end..).unwrap_or_default())
    }
}

#[inline]
fn slot(kind: u8) -> usize {
    usize::from(kind.min(OTHERS))
}
