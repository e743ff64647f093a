//! What the tables of both IP versions have in common: input, checks, and the outside of a look-up.

use std::fmt;

use crate::slot::{MAX_VALUE, Slot};

/// How many look-ups [`Table::get_all`] has under way: a worker's batch of frames.
const BATCH: usize = 64;

/// The addresses from `start` to `end`, both included, and what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<A> {
    /// First address of the range.
    pub start: A,
    /// Last address of the range.
    pub end: A,
    /// What a look-up inside the range answers, at most [`MAX_VALUE`].
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
    /// A value is greater than [`MAX_VALUE`].
    #[error("range {index} has a value greater than {MAX_VALUE}")]
    Value {
        /// Place of the range in the input, from 0.
        index: usize,
    },
    /// The table would need links of more than 31 bits. That takes more than a hundred million ranges.
    #[error("there are more ranges than one table can hold")]
    TooMany,
}

/// An address as a number: `u32` for IPv4, `u128` for IPv6. Each has a structure of its own.
pub trait Address: sealed::Address {}

impl Address for u32 {}
impl Address for u128 {}

pub(crate) mod sealed {
    use std::fmt::Debug;

    use super::{BuildError, Range};
    use crate::slot::Slot;

    pub trait Address: Copy + Ord {
        type Radix: Radix<Self>;
    }

    /// The structure behind a table.
    pub trait Radix<A>: Debug + Default + Clone + Send + Sync {
        /// Builds it from ranges that are disjoint and ascending, with values that fit.
        fn build(ranges: &[Range<A>]) -> Result<Self, BuildError>;

        /// What the index knows of the address: the first read of a look-up.
        fn begin(&self, address: A) -> Slot;

        /// Follows the links from there to the value of the address.
        fn finish(&self, slot: Slot, address: A) -> Option<u32>;

        /// Bytes of heap.
        fn memory_usage(&self) -> usize;
    }
}

use sealed::Radix;

/// Disjoint address ranges, each with a value. `A` is the address as a number: `u32` or `u128`.
#[derive(Clone)]
pub struct Table<A: Address> {
    ranges: usize,
    radix: A::Radix,
}

impl<A: Address> Default for Table<A> {
    fn default() -> Self {
        Self { ranges: 0, radix: A::Radix::default() }
    }
}

impl<A: Address> Table<A> {
    /// Builds a table from ranges in ascending order.
    ///
    /// # Errors
    /// When a range ends before it starts, does not lie wholly behind the one before it, or has a value greater than
    /// [`MAX_VALUE`]; and when there are too many ranges for links of 31 bits.
    pub fn build(ranges: impl IntoIterator<Item = Range<A>>) -> Result<Self, BuildError> {
        // A Vec is taken as it is, without a copy.
        let ranges: Vec<_> = ranges.into_iter().collect();
        check(&ranges)?;
        Ok(Self { ranges: ranges.len(), radix: A::Radix::build(&ranges)? })
    }

    /// The value of the range that covers `address`.
    #[inline]
    pub fn get(&self, address: A) -> Option<u32> {
        self.radix.finish(self.radix.begin(address), address)
    }

    /// What [`Table::get`] says of each address, in their order. What is left over on either side is not touched.
    ///
    /// A look-up mostly waits for memory. Here the waits for the index come all at once, not each behind what the look-up
    /// before has to do, and the processor overlaps them.
    pub fn get_all(&self, addresses: &[A], found: &mut [Option<u32>]) {
        for (addresses, found) in addresses.chunks(BATCH).zip(found.chunks_mut(BATCH)) {
            let mut slots = [Slot::NONE; BATCH];
            for (slot, address) in slots.iter_mut().zip(addresses) {
                *slot = self.radix.begin(*address);
            }
            for ((found, slot), address) in found.iter_mut().zip(slots).zip(addresses) {
                *found = self.radix.finish(slot, *address);
            }
        }
    }

    /// Number of ranges.
    pub fn len(&self) -> usize {
        self.ranges
    }

    /// Whether the table covers no address.
    pub fn is_empty(&self) -> bool {
        self.ranges == 0
    }

    /// Bytes of heap held by the table.
    pub fn memory_usage(&self) -> usize {
        self.radix.memory_usage()
    }
}

fn check<A: Copy + Ord>(ranges: &[Range<A>]) -> Result<(), BuildError> {
    let mut before = None;
    for (index, &Range { start, end, value }) in ranges.iter().enumerate() {
        if end < start {
            return Err(BuildError::Reversed { index });
        }
        if before.is_some_and(|before| start <= before) {
            return Err(BuildError::Unsorted { index });
        }
        if value > MAX_VALUE {
            return Err(BuildError::Value { index });
        }
        before = Some(end);
    }
    Ok(())
}

impl<A: Address> fmt::Debug for Table<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("ranges", &self.len()).field("bytes", &self.memory_usage()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(ranges: &[(u32, u32, u32)]) -> BuildError {
        let ranges = ranges.iter().map(|&(start, end, value)| Range { start, end, value });
        Table::build(ranges).unwrap_err()
    }

    #[test]
    fn bad_input_is_refused() {
        assert_eq!(error(&[(2, 1, 0)]), BuildError::Reversed { index: 0 });
        assert_eq!(error(&[(0, 5, 0), (5, 6, 0)]), BuildError::Unsorted { index: 1 });
        assert_eq!(error(&[(7, 7, 0), (2, 3, 0)]), BuildError::Unsorted { index: 1 });
        assert_eq!(error(&[(1, 1, MAX_VALUE), (2, 3, MAX_VALUE + 1)]), BuildError::Value { index: 1 });
    }

    #[test]
    fn an_empty_table_covers_nothing_and_costs_nothing() {
        let (v4, v6) = (Table::<u32>::default(), Table::<u128>::default());
        assert_eq!((v4.get(0), v4.get(u32::MAX), v6.get(0), v6.get(u128::MAX)), (None, None, None, None));
        assert_eq!((v4.memory_usage(), v6.memory_usage()), (0, 0));
        let (v4, v6) = (Table::<u32>::build([]).unwrap(), Table::<u128>::build([]).unwrap());
        assert_eq!((v4.get(0), v4.get(u32::MAX), v6.get(0), v6.get(u128::MAX)), (None, None, None, None));
        assert_eq!((v4.memory_usage(), v6.memory_usage()), (0, 0));
    }
}
