//! The option kinds that a signature asks for.

use std::{fmt, iter};

use crate::Kinds;
use crate::kinds::EOL;

/// What a signature asks of the option kinds: these in this order, with gaps where any number of kinds may stand.
///
/// Displayed with `%` for a gap: `2-4-8` is these three and no other, `2-%` starts with 2, `%-8` ends with 8,
/// `%-2-%-8-%` has a 2 and somewhere behind it an 8, and `%` alone is anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    kinds: Kinds,
    /// Bit `n` is set where any number of kinds, none included, may stand before the kind at place `n`; the bit
    /// behind that of the last kind, where they may stand behind it.
    gaps: u64,
    ignores_eol: bool,
}

/// One step of a [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayoutItem {
    /// This kind.
    Kind(u8),
    /// Any number of kinds, none included.
    Gap,
}

impl Layout {
    /// Any kinds, or none.
    pub const ANY: Layout = Layout { kinds: Kinds::NONE, gaps: 1, ignores_eol: false };

    /// No option at all.
    pub const NONE: Layout = Layout { kinds: Kinds::NONE, gaps: 0, ignores_eol: false };

    /// These kinds with a gap before the kind at each of these places. Any place from the number of kinds on
    /// is a gap behind the last.
    pub fn with_gaps(kinds: Kinds, places: impl IntoIterator<Item = usize>) -> Layout {
        let last = kinds.as_slice().len();
        let gaps = places.into_iter().fold(0, |gaps, place| gaps | 1 << place.min(last));
        Layout { kinds, gaps, ignores_eol: false }
    }

    /// The same, but blind to EOL (kind 0) at the end, here and in a SYN. Programs differ in how many they list.
    ///
    /// That is no part of the notation: the layout is displayed without the EOLs that it had.
    pub fn ignoring_eol(mut self) -> Layout {
        while let [before @ .., EOL] = self.kinds.as_slice() {
            // What a gap behind an EOL can stand for is padding.
            self.gaps &= (2 << before.len()) - 1;
            self.kinds = Kinds::new(before).unwrap_or(Kinds::NONE);
        }
        self.ignores_eol = true;
        self
    }

    /// Whether a SYN with these kinds is as asked. Nothing is tried twice: a part between two gaps is best found
    /// as early as it can be.
    pub fn matches(&self, seen: &Kinds) -> bool {
        let seen = if self.ignores_eol { seen.without_eol() } else { *seen };
        let seen = seen.as_slice();
        if self.gaps == 0 { self.kinds.as_slice() == seen } else { self.matches_with_gaps(seen).is_some() }
    }

    fn matches_with_gaps(&self, seen: &[u8]) -> Option<()> {
        let kinds = self.kinds.as_slice();
        let mut places = self.gap_places();
        let mut start = places.next()?;
        let mut rest = seen.strip_prefix(kinds.get(..start)?)?;
        for end in places {
            rest = behind(rest, kinds.get(start..end)?)?;
            start = end;
        }
        rest.ends_with(kinds.get(start..)?).then_some(())
    }

    /// The places of the gaps, in ascending order.
    fn gap_places(&self) -> impl Iterator<Item = usize> + use<> {
        let mut left = self.gaps;
        iter::from_fn(move || {
            let place = (left != 0).then(|| left.trailing_zeros() as usize);
            left &= left.wrapping_sub(1);
            place
        })
    }

    /// The kinds and gaps, from the first on.
    pub fn items(&self) -> impl Iterator<Item = LayoutItem> {
        let kinds = self.kinds.as_slice();
        (0..=kinds.len()).flat_map(move |place| {
            let gap = (self.gaps >> place & 1 == 1).then_some(LayoutItem::Gap);
            gap.into_iter().chain(kinds.get(place).copied().map(LayoutItem::Kind))
        })
    }

    /// The kinds without the gaps: a SYN that matches has at least these, in this order.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Whether there is a gap.
    pub fn has_gap(&self) -> bool {
        self.gaps != 0
    }

    /// Whether there is a gap before the last kind.
    pub(crate) fn has_inner_gap(&self) -> bool {
        self.gap_places().any(|place| place < self.kinds.as_slice().len())
    }

    /// The only kinds that match, if they are only one list.
    pub fn exact(&self) -> Option<Kinds> {
        (self.gaps == 0 && !self.ignores_eol).then_some(self.kinds)
    }

    /// The only kinds that match, if they are only one list once EOLs at its end are off where they are ignored.
    pub(crate) fn listed(&self) -> Option<Kinds> {
        (self.gaps == 0).then_some(self.kinds)
    }

    /// Whether EOLs at the end count for nothing: see [`Layout::ignoring_eol`].
    pub fn ignores_eol(&self) -> bool {
        self.ignores_eol
    }
}

/// What follows the first place where `part`, which is not empty, is in `kinds`.
fn behind<'a>(kinds: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    let place = kinds.windows(part.len().max(1)).position(|window| window == part)?;
    kinds.get(place + part.len()..)
}

impl From<Kinds> for Layout {
    /// These kinds and no other.
    fn from(kinds: Kinds) -> Layout {
        Layout { kinds, gaps: 0, ignores_eol: false }
    }
}

impl fmt::Display for LayoutItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutItem::Kind(kind) => write!(f, "{kind}"),
            LayoutItem::Gap => f.write_str("%"),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.items().enumerate() {
            if place > 0 {
                f.write_str("-")?;
            }
            write!(f, "{item}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(list: &[u8]) -> Kinds {
        Kinds::new(list).unwrap()
    }

    fn gaps(list: &[u8], places: &[usize]) -> Layout {
        Layout::with_gaps(kinds(list), places.iter().copied())
    }

    #[test]
    fn gaps_stand_where_they_were_put() {
        assert_eq!(gaps(&[2, 4, 8], &[1]).to_string(), "2-%-4-8");
        assert_eq!(gaps(&[2, 4, 8], &[0, 99]).to_string(), "%-2-4-8-%");
        assert_eq!(gaps(&[], &[0]), Layout::ANY);
        assert_eq!((Layout::ANY.to_string(), Layout::NONE.to_string()), ("%".to_owned(), String::new()));
        assert_eq!(gaps(&[1; 40], &[40]).to_string().matches('%').count(), 1);
    }

    #[test]
    fn the_first_place_of_a_part_leaves_the_most_room() {
        let twice = gaps(&[1, 1, 2, 1, 2], &[0, 3]);
        assert!(twice.matches(&kinds(&[1, 1, 1, 2, 3, 1, 2])));
        assert!(!twice.matches(&kinds(&[1, 1, 1, 2])));
        assert!(!gaps(&[2, 2], &[1]).matches(&kinds(&[2])), "one kind cannot be first and last");
    }

    #[test]
    fn eols_at_the_end_can_be_ignored_on_both_sides() {
        let exact = Layout::from(kinds(&[2, 4, 0, 0])).ignoring_eol();
        for seen in [&[2, 4][..], &[2, 4, 0], &[2, 4, 0, 0, 0]] {
            assert!(exact.matches(&kinds(seen)), "{seen:?}");
        }
        assert!(!exact.matches(&kinds(&[2, 0, 4])) && !exact.matches(&kinds(&[2])));
        assert_eq!(exact.exact(), None);
        assert_eq!(gaps(&[2, 0], &[2]).ignoring_eol().to_string(), "2");
        assert_eq!(gaps(&[2, 0], &[1]).ignoring_eol().to_string(), "2-%");
        assert!(Layout::NONE.ignoring_eol().matches(&kinds(&[0, 0, 0, 0])));
    }
}
