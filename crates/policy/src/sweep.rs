//! Overlapping address blocks, resolved to disjoint ranges.

use synward_prefix::Range;

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

/// An address block and what it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<A, T> {
    pub(crate) start: A,
    pub(crate) end: A,
    pub(crate) owner: T,
}

/// Cuts overlapping blocks into disjoint ranges, in ascending order. `resolve` is given the owners of all blocks
/// that cover a range, in ascending order, and answers the value of the range.
pub(crate) fn sweep<A: Address, T: Copy + Ord>(
    blocks: &[Block<A, T>],
    mut resolve: impl FnMut(&[T]) -> u32,
) -> Vec<Range<A>> {
    let mut edges = edges(blocks);
    edges.sort_unstable_by_key(|edge| edge.at);
    let mut covering: Vec<T> = Vec::new();
    let mut ranges = Vec::new();
    let mut groups = edges.chunk_by(|a, b| a.at == b.at).peekable();
    while let Some(group) = groups.next() {
        group.iter().for_each(|edge| edge.apply(&mut covering));
        let Some(start) = group.first().map(|edge| edge.at) else { continue };
        let next = groups.peek().and_then(|group| group.first());
        let end = next.map_or(A::LAST, |edge| edge.at.before());
        if !covering.is_empty() {
            ranges.push(Range { start, end, value: resolve(&covering) });
        }
    }
    ranges
}

/// Where a block starts, or where the first address behind it is.
struct Edge<A, T> {
    at: A,
    opens: bool,
    owner: T,
}

fn edges<A: Address, T: Copy>(blocks: &[Block<A, T>]) -> Vec<Edge<A, T>> {
    let opening = |block: &Block<A, T>| Edge { at: block.start, opens: true, owner: block.owner };
    let closing =
        |block: &Block<A, T>| block.end.after().map(|at| Edge { at, opens: false, owner: block.owner });
    blocks.iter().map(opening).chain(blocks.iter().filter_map(closing)).collect()
}

impl<A, T: Copy + Ord> Edge<A, T> {
    /// Enters or removes the owner, which is in the sorted list at most once.
    fn apply(&self, covering: &mut Vec<T>) {
        match (covering.binary_search(&self.owner), self.opens) {
            (Err(place), true) => covering.insert(place, self.owner),
            (Ok(place), false) => {
                covering.remove(place);
            }
            (Ok(_), true) | (Err(_), false) => debug_assert!(false, "two blocks have the same owner"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(start: u32, end: u32, owner: u32) -> Block<u32, u32> {
        Block { start, end, owner }
    }

    /// Runs the sweep with the set of owners as a bit mask.
    fn masks(blocks: &[Block<u32, u32>]) -> Vec<(u32, u32, u32)> {
        let ranges = sweep(blocks, |owners| owners.iter().map(|owner| 1 << owner).sum());
        ranges.into_iter().map(|range| (range.start, range.end, range.value)).collect()
    }

    #[test]
    fn nested_and_adjacent_blocks_are_cut_where_the_cover_changes() {
        let blocks = [block(0, 255, 0), block(16, 31, 1), block(31, 31, 2), block(256, 300, 3)];
        let expected = [(0, 15, 1), (16, 30, 3), (31, 31, 7), (32, 255, 1), (256, 300, 8)];
        assert_eq!(masks(&blocks), expected);
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_special_case() {
        let blocks = [block(0, u32::MAX, 0), block(u32::MAX, u32::MAX, 1), block(0, 0, 2)];
        let expected = [(0, 0, 5), (1, u32::MAX - 1, 1), (u32::MAX, u32::MAX, 3)];
        assert_eq!(masks(&blocks), expected);
        assert!(masks(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn each_address_gets_exactly_the_blocks_that_cover_it(
            ends in prop::collection::vec((0u32..64, 0u32..64), 0..12),
        ) {
            let blocks: Vec<_> =
                (0..).zip(ends).map(|(owner, (a, b))| block(a.min(b), a.max(b), owner)).collect();
            let ranges = masks(&blocks);
            for address in 0..70 {
                let cover = blocks.iter().filter(|b| b.start <= address && address <= b.end);
                let expected: u32 = cover.map(|b| 1 << b.owner).sum();
                let found = ranges.iter().find(|(start, end, _)| *start <= address && address <= *end);
                prop_assert_eq!(found.map_or(0, |range| range.2), expected);
            }
        }
    }
}
