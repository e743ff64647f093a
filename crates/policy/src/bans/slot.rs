//! One place for a ban, and how it is read while it is written.
//!
//! A slot is a state and an address. The state is one word: when the ban ends (0: the slot is free), how often the slot was taken, and a
//! tag of the address. The address is two words, which cannot be written at once; so it is written only while the state says that
//! the slot is free, and counts from the moment at which the state says otherwise.
//!
//! A reader reads the state, the address, and the state again. If both states are equal, the slot was not taken in between: taking it
//! raises its number. So the address is whole, and is that of the state. If they differ, the writer has completed a change in between,
//! and the reader looks again. It never looks again for a change that is not completed: such a slot is free.
//!
//! The number has twelve bits. A reader would be wrong if, between its two looks, the slot were taken 4096 times by other addresses,
//! the last of which had the same tag and the same end to the millisecond.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::Moment;

/// Slots of a bucket: their states fill a cache line.
pub(super) const SLOTS: usize = 8;

const TAG_BITS: u32 = 12;
const NUMBER_BITS: u32 = 12;

/// Eight slots: the states, and then the addresses, in as many cache lines as they need.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Bucket {
    states: [AtomicU64; SLOTS],
    addresses: [Address; SLOTS],
}

/// The upper and the lower half of an address.
#[derive(Default)]
struct Address([AtomicU64; 2]);

/// A slot of a bucket.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    state: &'a AtomicU64,
    address: &'a Address,
}

/// What a slot holds.
pub(super) struct Held {
    pub(super) tag: u64,
    pub(super) bits: u128,
    pub(super) until: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    fn new(until: Moment, number: u64, tag: u64) -> Self {
        let number = number & ((1 << NUMBER_BITS) - 1);
        Self(until.0 << (TAG_BITS + NUMBER_BITS) | number << TAG_BITS | tag)
    }

    /// When the ban ends, if there is one.
    fn until(self) -> Option<Moment> {
        Some(Moment(self.0 >> (TAG_BITS + NUMBER_BITS))).filter(|until| *until > Moment::START)
    }

    fn number(self) -> u64 {
        self.0 >> TAG_BITS & ((1 << NUMBER_BITS) - 1)
    }

    fn tag(self) -> u64 {
        self.0 & ((1 << TAG_BITS) - 1)
    }
}

impl Bucket {
    #[inline]
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        self.states.iter().zip(&self.addresses).map(|(state, address)| Slot { state, address })
    }

    /// Whether a slot has this tag now.
    #[inline]
    pub(super) fn has(&self, tag: u64) -> bool {
        let has = |state: &AtomicU64| State(state.load(Ordering::Relaxed)).tag() == tag;
        self.states.iter().fold(false, |found, state| found | has(state))
    }

    /// The slots that are free. For the writer.
    pub(super) fn free_slots(&self) -> impl Iterator<Item = Slot<'_>> {
        self.slots().filter(|slot| slot.state().until().is_none())
    }
}

/// For readers.
impl Slot<'_> {
    /// When the ban of an address ends, if it lies here.
    #[inline]
    pub(super) fn until(self, tag: u64, bits: u128) -> Option<Moment> {
        loop {
            let state = State(self.state.load(Ordering::Acquire));
            if state.tag() != tag {
                return None;
            }
            let until = state.until()?;
            interleave();
            let found = self.address.load();
            // No load of the address may come after the second one of the state. Whoever sees a word that was written after this state sees the
            // end of this state, too, which the writer's fence lies behind.
            fence(Ordering::Acquire);
            if self.state.load(Ordering::Relaxed) == state.0 {
                return (found == bits).then_some(until);
            }
        }
    }
}

/// For the one writer: nobody else changes what it reads.
impl Slot<'_> {
    pub(super) fn held(self) -> Option<Held> {
        let state = self.state();
        Some(Held { tag: state.tag(), bits: self.address.load(), until: state.until()? })
    }

    /// Takes a free slot for an address.
    pub(super) fn take(self, tag: u64, bits: u128, until: Moment) {
        let number = self.state().number().wrapping_add(1);
        // Behind the store that freed the slot, for the readers that still look at what it held.
        fence(Ordering::Release);
        self.address.store(bits);
        self.state.store(State::new(until, number, tag).0, Ordering::Release);
    }

    /// Gives the ban of an address another end, if it lies here.
    pub(super) fn renew(self, tag: u64, bits: u128, until: Moment) -> bool {
        let is_here = self.until(tag, bits).is_some();
        if is_here {
            self.state.store(State::new(until, self.state().number(), tag).0, Ordering::Release);
        }
        is_here
    }

    /// Frees the slot. What it held is left, and means nothing.
    pub(super) fn free(self) {
        self.state.store(State::new(Moment::START, self.state().number(), 0).0, Ordering::Release);
    }

    fn state(self) -> State {
        State(self.state.load(Ordering::Relaxed))
    }
}

impl Address {
    #[inline]
    fn load(&self) -> u128 {
        let [high, low] = &self.0;
        let high = high.load(Ordering::Relaxed);
        interleave();
        let low = low.load(Ordering::Relaxed);
        u128::from(high) << 64 | u128::from(low)
    }

    fn store(&self, bits: u128) {
        let [high, low] = &self.0;
        interleave();
        high.store((bits >> 64) as u64, Ordering::Relaxed);
        interleave();
        low.store(bits as u64, Ordering::Relaxed);
        interleave();
    }
}

/// A point where another thread's work may come in between. Tests pass some time there, so that it does.
#[cfg(test)]
use super::tests::interleave;

#[cfg(not(test))]
#[inline]
fn interleave() {}
