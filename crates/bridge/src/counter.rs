//! Numbers that one thread writes and others read.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// A number that only its worker changes: a plain addition, that another thread may look at at any time.
///
/// The worker's addition is a load and a store, not a locked instruction. Two writers would lose counts, so a
/// [`crate::Stats`] belongs to one worker.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number. Only its worker may.
    #[inline]
    pub fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    /// Replaces the number. Only its worker may.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters that are padded together.
const LINE: usize = 16;

/// A table of numbers that only their worker changes. It shares no cache line with what another thread writes: two workers that count
/// in one line take it from each other with every frame.
#[derive(Debug, Default)]
pub struct Counters(Box<[CachePadded<[Counter; LINE]>]>);

impl Counters {
    /// At least so many, all of them 0.
    pub fn new(count: usize) -> Self {
        Self((0..count.div_ceil(LINE)).map(|_| CachePadded::default()).collect())
    }

    /// Adds to one of them. Only its worker may. One that there is not is left out.
    #[inline]
    pub fn add(&self, index: usize, count: u64) {
        if let Some(counter) = self.counter(index) {
            counter.add(count);
        }
    }

    /// One of them now; 0 where there is none.
    #[inline]
    pub fn get(&self, index: usize) -> u64 {
        self.counter(index).map_or(0, Counter::get)
    }

    #[inline]
    fn counter(&self, index: usize) -> Option<&Counter> {
        self.0.get(index / LINE)?.get(index % LINE)
    }
}
