//! Overlapping spans of many lists, resolved to disjoint ranges.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use synward_prefix::Range;

use crate::entry::Span;
use crate::sets::Members;

/// An address as a number.
pub(crate) trait Address: Copy + Ord {
    /// The last address there is.
    const LAST: Self;

    /// The address behind this one, if there is one.
    fn after(self) -> Option<Self>;

    /// The address before this one. Not to be asked of the first.
    fn before(self) -> Self;
}

impl Address for u32 {
    const LAST: Self = Self::MAX;

    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Self {
        self.saturating_sub(1)
    }
}

impl Address for u128 {
    const LAST: Self = Self::MAX;

    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Self {
        self.saturating_sub(1)
    }
}

/// Cuts the spans of lists into disjoint ranges, in ascending order: a new one wherever other lists cover. Each list is given with
/// its place in the configuration, and its spans sorted by start; `value` answers what the lists at these places come to.
///
/// What a list says twice, it says once: its own overlaps are joined on the way. So a list is at any address either there or not, and
/// has one next edge where that changes; the nearest edge of all is the next cut.
pub(crate) fn sweep<'a, A: Address + 'a>(
    lists: impl IntoIterator<Item = (usize, &'a [Span<A>])>,
    mut value: impl FnMut(&Members) -> u32,
) -> Vec<Range<A>> {
    let mut walks: Vec<Walk<'a, A>> =
        lists.into_iter().map(|(place, spans)| Walk::new(place, spans)).collect();
    let first_edges = walks.iter().enumerate().filter_map(|(n, walk)| Some(Reverse((walk.start()?, n))));
    let mut edges: BinaryHeap<_> = first_edges.collect();
    let (mut covering, mut ranges) = (Members::default(), Vec::new());
    while let Some(Reverse((start, _))) = edges.peek().copied() {
        while let Some(edge) = edges.peek_mut().filter(|edge| edge.0.0 == start) {
            cross(edge, &mut walks, &mut covering);
        }
        let end = edges.peek().map_or(A::LAST, |next| next.0.0.before());
        if !covering.is_empty() {
            ranges.push(Range { start, end, value: value(&covering) });
        }
    }
    ranges
}

/// Takes a list into the covering ones, or out of them, and puts its next edge in the place of this one.
fn cross<A: Address>(
    mut edge: PeekMut<'_, Reverse<(A, usize)>>,
    walks: &mut [Walk<'_, A>],
    covering: &mut Members,
) {
    let walk = walks.get_mut(edge.0.1);
    if let Some(next) = walk.and_then(|walk| walk.cross(covering)) {
        edge.0.0 = next;
    } else {
        PeekMut::pop(edge);
    }
}

/// A walk over the spans of one list.
struct Walk<'a, A> {
    place: usize,
    inside: bool,
    /// The spans that start behind where the walk has come to.
    rest: &'a [Span<A>],
}

impl<'a, A: Address> Walk<'a, A> {
    fn new(place: usize, spans: &'a [Span<A>]) -> Self {
        Self { place, inside: false, rest: spans }
    }

    /// Where the list next covers again.
    fn start(&self) -> Option<A> {
        self.rest.first().map(|span| span.start)
    }

    /// Goes over an edge, and answers where the next is.
    fn cross(&mut self, covering: &mut Members) -> Option<A> {
        covering.toggle(self.place);
        self.inside = !self.inside;
        if self.inside { self.take_block().and_then(A::after) } else { self.start() }
    }

    /// The end of the block of overlapping or adjacent spans that starts here.
    fn take_block(&mut self) -> Option<A> {
        let mut end = None;
        while let [span, rest @ ..] = self.rest
            && end.is_none_or(|end: A| end.after().is_none_or(|after| span.start <= after))
        {
            end = end.max(Some(span.end));
            self.rest = rest;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: u32, end: u32) -> Span<u32> {
        Span { start, end, line: 1 }
    }

    /// Runs the sweep with the set of lists as a bit mask.
    fn masks(lists: &[Vec<Span<u32>>]) -> Vec<(u32, u32, u32)> {
        let lists = lists.iter().map(Vec::as_slice).enumerate();
        let ranges = sweep(lists, |members| members.places().map(|place| 1 << place).sum());
        ranges.into_iter().map(|range| (range.start, range.end, range.value)).collect()
    }

    #[test]
    fn nested_and_adjacent_spans_are_cut_where_the_cover_changes() {
        let lists = [vec![span(0, 255)], vec![span(16, 31)], vec![span(31, 31)], vec![span(256, 300)]];
        let expected = [(0, 15, 1), (16, 30, 3), (31, 31, 7), (32, 255, 1), (256, 300, 8)];
        assert_eq!(masks(&lists), expected);
    }

    #[test]
    fn what_a_list_says_twice_makes_no_cut() {
        let overlapping = vec![span(0, 9), span(3, 4), span(5, 12), span(13, 20), span(22, 22)];
        assert_eq!(masks(&[overlapping]), [(0, 20, 1), (22, 22, 1)]);
        assert_eq!(masks(&[vec![span(0, 9)], vec![span(0, 9)]]), [(0, 9, 3)]);
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_special_case() {
        let lists =
            [vec![span(0, u32::MAX), span(5, u32::MAX)], vec![span(u32::MAX, u32::MAX)], vec![span(0, 0)]];
        let expected = [(0, 0, 5), (1, u32::MAX - 1, 1), (u32::MAX, u32::MAX, 3)];
        assert_eq!(masks(&lists), expected);
        assert!(masks(&[]).is_empty());
        assert!(masks(&[Vec::new()]).is_empty());
    }

    /// Checks each address up to 70 by asking every span.
    fn each_address_gets_its_lists<A: Address + From<u8> + std::fmt::Debug>(
        lists: &[Vec<(u8, u8)>],
    ) -> Result<(), TestCaseError> {
        let span = |&(a, b): &(u8, u8)| Span { start: A::from(a.min(b)), end: A::from(a.max(b)), line: 1 };
        let sorted = |list: &Vec<(u8, u8)>| {
            let mut spans: Vec<_> = list.iter().map(span).collect();
            spans.sort_by_key(|span| (span.start, Reverse(span.end)));
            spans
        };
        let lists: Vec<_> = lists.iter().map(sorted).collect();
        let mask = |members: &Members| members.places().map(|place| 1 << place).sum();
        let ranges = sweep(lists.iter().map(Vec::as_slice).enumerate(), mask);
        for address in (0..70).map(A::from) {
            let covers = |spans: &&Vec<Span<A>>| spans.iter().any(|s| s.start <= address && address <= s.end);
            let expected: u32 = (0..).zip(&lists).filter(|(_, list)| covers(list)).map(|(n, _)| 1 << n).sum();
            let found = ranges.iter().find(|range| range.start <= address && address <= range.end);
            prop_assert_eq!(found.map_or(0, |range| range.value), expected, "{:?}", address);
        }
        // No cut without a change.
        for pair in ranges.windows(2) {
            prop_assert!(pair[0].end < pair[1].start);
            prop_assert!(pair[0].end.after() != Some(pair[1].start) || pair[0].value != pair[1].value);
        }
        Ok(())
    }

    fn lists() -> impl Strategy<Value = Vec<Vec<(u8, u8)>>> {
        prop::collection::vec(prop::collection::vec((0u8..64, 0u8..64), 0..8), 0..6)
    }

    proptest! {
        #[test]
        fn each_ipv4_address_gets_exactly_the_lists_that_cover_it(lists in lists()) {
            each_address_gets_its_lists::<u32>(&lists)?;
        }

        #[test]
        fn each_ipv6_address_gets_exactly_the_lists_that_cover_it(lists in lists()) {
            each_address_gets_its_lists::<u128>(&lists)?;
        }
    }
}
