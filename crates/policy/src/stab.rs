//! Which spans of a list cover an address.

use crate::entry::Span;
use crate::sweep::Address;

/// Children of a node, and spans of a leaf.
const FAN_OUT: usize = 16;

/// Finds the spans that cover an address, among many that may overlap in any way: a tree over sorted spans of which each node knows
/// the last address that any of its spans covers. It is asked for frames that are told of, never in the frame path.
#[derive(Debug, Default)]
pub(crate) struct StabIndex<A> {
    /// The greatest end of each [`FAN_OUT`] spans; then of each [`FAN_OUT`] of these, and so on up to one node.
    levels: Vec<Vec<A>>,
}

impl<A: Address> StabIndex<A> {
    /// The index of spans that are sorted by start.
    pub(crate) fn new(spans: &[Span<A>]) -> Self {
        let mut levels: Vec<Vec<A>> = Vec::new();
        if spans.is_empty() {
            return Self { levels };
        }
        let greatest = |spans: &[Span<A>]| spans.iter().map(|span| span.end).max();
        let mut level: Vec<A> = spans.chunks(FAN_OUT).filter_map(greatest).collect();
        while level.len() > 1 {
            let above = level.chunks(FAN_OUT).filter_map(|ends| ends.iter().copied().max()).collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels }
    }

    /// The spans that cover an address, in their order. `spans` are those that the index was made of.
    pub(crate) fn covering<'a>(&self, spans: &'a [Span<A>], address: A) -> Vec<&'a Span<A>> {
        let until = spans.partition_point(|span| span.start <= address);
        let spans = spans.get(..until).unwrap_or_default();
        let mut search = Search { index: self, spans, address, found: Vec::new() };
        search.descend(self.levels.len(), 0);
        search.found
    }

    /// Bytes of heap.
    pub(crate) fn memory_usage(&self) -> usize {
        self.levels.iter().map(|level| size_of_val(level.as_slice())).sum()
    }
}

struct Search<'i, 'a, A> {
    index: &'i StabIndex<A>,
    /// Those that do not start behind the address.
    spans: &'a [Span<A>],
    address: A,
    found: Vec<&'a Span<A>>,
}

impl<A: Address> Search<'_, '_, A> {
    /// Looks below node `node` of the level that lies `height` levels above the spans.
    fn descend(&mut self, height: usize, node: usize) {
        let Some(below) = height.checked_sub(1) else { return self.look_at(node) };
        let width = FAN_OUT.pow(height as u32);
        let Some(ends) = self.index.levels.get(below) else { return };
        for (child, end) in ends.iter().enumerate().skip(node * FAN_OUT).take(FAN_OUT) {
            if *end >= self.address && child * width < self.spans.len() {
                self.descend(below, child);
            }
        }
    }

    fn look_at(&mut self, leaf: usize) {
        let spans = self.spans.get(leaf * FAN_OUT..).unwrap_or_default().iter().take(FAN_OUT);
        self.found.extend(spans.filter(|span| span.end >= self.address));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(spans: impl IntoIterator<Item = (u32, u32)>) -> Vec<Span<u32>> {
        let span = |(line, (a, b)): (u32, (u32, u32))| Span { start: a.min(b), end: a.max(b), line };
        let mut spans: Vec<_> = (1..).zip(spans).map(span).collect();
        spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        spans
    }

    #[test]
    fn the_ends_of_the_address_space_and_an_empty_list_are_no_special_case() {
        let lines = |spans: &[Span<u32>], address| {
            let found = StabIndex::new(spans).covering(spans, address);
            found.iter().map(|span| span.line).collect::<Vec<_>>()
        };
        let spans = sorted([(0, u32::MAX), (u32::MAX, u32::MAX), (0, 0)]);
        assert_eq!((lines(&spans, 0), lines(&spans, 7)), (vec![1, 3], vec![1]));
        assert_eq!((lines(&spans, u32::MAX), lines(&[], 0)), (vec![1, 2], vec![]));
    }

    proptest! {
        #[test]
        fn every_span_is_found_that_a_linear_scan_finds(
            spans in prop::collection::vec((0_u32..2000, prop_oneof![0_u32..4, 0_u32..2000]), 0..700),
            probes in prop::collection::vec(0_u32..4100, 20),
        ) {
            let spans = sorted(spans.into_iter().map(|(start, length)| (start, start + length)));
            let index = StabIndex::new(&spans);
            for address in probes {
                let covers = |span: &&Span<u32>| span.start <= address && address <= span.end;
                let expected: Vec<_> = spans.iter().filter(covers).collect();
                prop_assert_eq!(index.covering(&spans, address), expected);
            }
        }
    }
}
