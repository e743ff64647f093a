//! Sorted disjoint ranges, found by binary search.

use std::fmt;

/// The addresses from `start` to `end`, both included, and what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<A> {
    /// First address of the range.
    pub start: A,
    /// Last address of the range.
    pub end: A,
    /// What a look-up inside the range answers.
    pub value: u32,
}

/// Why a table could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A range ends before it starts.
    #[error("range {index} ends before it starts")]
    Reversed {
        /// Place of the range in the input, from 0.
        index: usize,
    },
    /// A range does not lie wholly behind the one before it.
    #[error("range {index} does not lie wholly behind the range before it")]
    Unsorted {
        /// Place of the range in the input, from 0.
        index: usize,
    },
}

/// Disjoint address ranges, each with a value. `A` is the address as a number: `u32` or `u128`.
///
/// The starts lie in an array of their own: a search touches nothing else until it has found its place.
#[derive(Clone)]
pub struct Table<A> {
    starts: Box<[A]>,
    tails: Box<[Tail<A>]>,
}

#[derive(Clone, Copy)]
struct Tail<A> {
    end: A,
    value: u32,
}

impl<A> Default for Table<A> {
    fn default() -> Self {
        Self { starts: Box::default(), tails: Box::default() }
    }
}

impl<A: Copy + Ord> Table<A> {
    /// Builds a table from ranges in ascending order.
    ///
    /// # Errors
    /// When a range ends before it starts, or does not lie wholly behind the one before it.
    pub fn build(ranges: impl IntoIterator<Item = Range<A>>) -> Result<Self, BuildError> {
        let (mut starts, mut tails) = (Vec::new(), Vec::<Tail<A>>::new());
        for (index, Range { start, end, value }) in ranges.into_iter().enumerate() {
            if end < start {
                return Err(BuildError::Reversed { index });
            }
            if tails.last().is_some_and(|before| start <= before.end) {
                return Err(BuildError::Unsorted { index });
            }
            starts.push(start);
            tails.push(Tail { end, value });
        }
        Ok(Self { starts: starts.into(), tails: tails.into() })
    }

    /// The value of the range that covers `address`.
    #[inline]
    pub fn get(&self, address: A) -> Option<u32> {
        let not_behind = self.starts.partition_point(|start| *start <= address);
        let tail = self.tails.get(not_behind.checked_sub(1)?)?;
        (address <= tail.end).then_some(tail.value)
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether the table covers no address.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Bytes of heap held by the table.
    pub fn memory_usage(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.tails)
    }
}

impl<A: Copy + Ord> fmt::Debug for Table<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("ranges", &self.len()).field("bytes", &self.memory_usage()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: u32, end: u32, value: u32) -> Range<u32> {
        Range { start, end, value }
    }

    #[test]
    fn an_empty_table_covers_nothing_and_costs_nothing() {
        let table = Table::<u32>::default();
        assert_eq!((table.get(0), table.get(u32::MAX)), (None, None));
        assert_eq!(table.memory_usage(), 0);
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it() {
        let table = Table::build([range(10, 20, 1), range(21, 21, 2), range(u32::MAX, u32::MAX, 3)]).unwrap();
        let seen = [9, 10, 20, 21, 22, u32::MAX].map(|address| table.get(address));
        assert_eq!(seen, [None, Some(1), Some(1), Some(2), None, Some(3)]);
    }

    #[test]
    fn the_whole_address_space_is_one_range() {
        let table = Table::build([Range { start: 0, end: u128::MAX, value: 9 }]).unwrap();
        assert_eq!((table.get(0), table.get(u128::MAX)), (Some(9), Some(9)));
    }

    #[test]
    fn bad_input_is_refused() {
        assert_eq!(Table::build([range(2, 1, 0)]).unwrap_err(), BuildError::Reversed { index: 0 });
        let overlap = [range(0, 5, 0), range(5, 6, 0)];
        assert_eq!(Table::build(overlap).unwrap_err(), BuildError::Unsorted { index: 1 });
    }

    proptest! {
        #[test]
        fn look_ups_equal_a_linear_scan(cuts in prop::collection::btree_set(any::<u32>(), 0..40), probes: Vec<u32>) {
            let cuts: Vec<u32> = cuts.into_iter().collect();
            let ranges: Vec<_> = cuts
                .chunks_exact(2)
                .zip(0..)
                .map(|(cut, value)| range(cut[0], cut[1] - 1, value))
                .collect();
            let table = Table::build(ranges.clone()).unwrap();
            for probe in probes.into_iter().chain(cuts) {
                let scan = ranges.iter().find(|r| r.start <= probe && probe <= r.end).map(|r| r.value);
                prop_assert_eq!(table.get(probe), scan);
            }
        }
    }
}
