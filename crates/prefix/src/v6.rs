//! IPv6: a direct index of 2000::/3, sorted steps below, for the first 64 bits of an address and for the last.
//!
//! All addresses that are in use lie in 2000::/3 (RFC 4291, section 2.4; the registry of IANA), and nearly all that is known
//! of them is known by their first 64 bits. So the index and the first search look at those only. A /64 that is cut up
//! has a search of its own, in its last 64 bits.
//!
//! A search goes over a *flight* of steps. Each step says from which key on which slot holds, until the next step. The first
//! one is at the start of the block, so that each key has a step at or before it. `DESIGN.md` tells how it came to this.

use crate::slot::Slot;
use crate::table::sealed;
use crate::{BuildError, Range};

/// The first 64 bits of 2000::, the first global unicast address.
const GLOBAL: u64 = 0x2000 << 48;

/// The first 64 bits of the first address behind 2000::/3.
const GLOBAL_END: u64 = 0x4000 << 48;

/// The bits that 2000::/3 leaves free of the first 64.
const GLOBAL_BITS: u32 = 61;

/// The index has at least twice as many slots as there are changes: this many bits more.
const SPARE_BITS: u32 = 1;

/// The widest index: 2^24 slots of 4 bytes.
const MAX_WIDTH: u32 = 24;

/// The structure behind [`crate::Ipv6Table`].
#[derive(Debug, Default, Clone)]
pub struct Radix {
    /// Bits of the first 64 that the index does not look at.
    shift: u32,
    /// What is known of each block of 2000::/3.
    index: Box<[Slot]>,
    /// What is known of all else.
    elsewhere: Slot,
    steps: Box<[Step]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// The first key of the step: the first 64 bits of an address, or the last.
    from: u64,
    slot: Slot,
    /// In the first step of a flight: how many there are. In the others 0.
    count: u32,
}

impl sealed::Address for u128 {
    type Radix = Radix;
}

impl sealed::Radix<u128> for Radix {
    fn build(ranges: &[Range<u128>]) -> Result<Self, BuildError> {
        Builder::default().build(ranges)
    }

    #[inline]
    fn begin(&self, address: u128) -> Slot {
        let block = halves(address).0.wrapping_sub(GLOBAL) >> self.shift;
        let slot = usize::try_from(block).ok().and_then(|block| self.index.get(block));
        *slot.unwrap_or(&self.elsewhere)
    }

    #[inline]
    fn finish(&self, slot: Slot, address: u128) -> Option<u32> {
        let (high, low) = halves(address);
        let slot = self.settle(slot, high)?;
        self.settle(slot, low)?.get()
    }

    fn memory_usage(&self) -> usize {
        size_of_val(&*self.index) + size_of_val(&*self.steps)
    }
}

impl Radix {
    /// Follows a link, if the slot is one, to the slot that holds for `key`.
    #[inline]
    fn settle(&self, slot: Slot, key: u64) -> Option<Slot> {
        let Some(place) = slot.place() else { return Some(slot) };
        let steps = self.steps.get(place..)?;
        let flight = steps.get(..steps.first()?.count as usize)?;
        let behind = flight.partition_point(|step| step.from <= key);
        Some(flight.get(behind.checked_sub(1)?)?.slot)
    }
}

/// The first and the last 64 bits.
fn halves(address: u128) -> (u64, u64) {
    ((address >> 64) as u64, address as u64)
}

/// From an address on, given as its halves, a slot holds.
type Change = (u64, u64, Slot);

/// Where what is known of the addresses changes. Before the first change nothing is known.
fn changes(ranges: &[Range<u128>]) -> Vec<Change> {
    let mut changes = Vec::<Change>::with_capacity(2 * ranges.len());
    let mut push = |at, slot| {
        if changes.last().map_or(Slot::NONE, |(.., before)| *before) != slot {
            let (high, low) = halves(at);
            changes.push((high, low, slot));
        }
    };
    let mut behind = Some(0);
    for range in ranges {
        if let Some(gap) = behind.filter(|gap| *gap < range.start) {
            push(gap, Slot::NONE);
        }
        push(range.start, Slot::value(range.value));
        behind = range.end.checked_add(1);
    }
    if let Some(gap) = behind {
        push(gap, Slot::NONE);
    }
    changes
}

#[derive(Default)]
struct Builder {
    steps: Vec<Step>,
}

impl Builder {
    fn build(mut self, ranges: &[Range<u128>]) -> Result<Radix, BuildError> {
        if ranges.is_empty() {
            return Ok(Radix::default());
        }
        let changes = self.high_changes(&changes(ranges))?;
        let width = (changes.len().ilog2() + SPARE_BITS).min(MAX_WIDTH);
        let mut walk = Walk { rest: &changes, slot: Slot::NONE };
        let below = walk.take(0, Some(GLOBAL));
        let index = self.index(&mut walk, GLOBAL_BITS - width)?;
        let above = walk.take(GLOBAL_END, None);
        let elsewhere = self.flight(below.chain(above))?;
        Ok(Radix { shift: GLOBAL_BITS - width, index, elsewhere, steps: self.steps.into() })
    }

    /// The changes by the first 64 bits of the address. What changes inside of a /64 becomes a flight.
    fn high_changes(&mut self, changes: &[Change]) -> Result<Vec<(u64, Slot)>, BuildError> {
        let mut high_changes = Vec::<(u64, Slot)>::with_capacity(changes.len());
        let mut slot = Slot::NONE;
        for inside in changes.chunk_by(|(a, ..), (b, ..)| a == b) {
            let [(high, ..), ..] = inside else { continue };
            // What the /64 before has left holds up to here.
            high_changes.pop_if(|(last, _)| last == high);
            let lows = inside.iter().map(|(_, low, slot)| (*low, *slot));
            let flight = self.flight(std::iter::once((0, slot)).chain(lows))?;
            high_changes.push((*high, flight));
            slot = inside.last().map_or(slot, |(.., slot)| *slot);
            if flight != slot
                && let Some(next) = high.checked_add(1)
            {
                high_changes.push((next, slot));
            }
        }
        Ok(high_changes)
    }

    /// The slots of all blocks of 2000::/3 in which `shift` bits of the first 64 are free.
    fn index(&mut self, walk: &mut Walk<'_>, shift: u32) -> Result<Box<[Slot]>, BuildError> {
        let blocks = 1 << (GLOBAL_BITS - shift);
        let mut index = Vec::with_capacity(blocks);
        for block in 0..blocks as u64 {
            let start = GLOBAL + (block << shift);
            let end = start + (1 << shift);
            index.push(self.flight(walk.take(start, Some(end)))?);
        }
        Ok(index.into())
    }

    /// Adds a flight and links to it, unless it has one step only: then that step's slot says it all.
    fn flight(&mut self, changes: impl Iterator<Item = (u64, Slot)>) -> Result<Slot, BuildError> {
        let place = self.steps.len();
        for (from, slot) in changes {
            match self.steps.get_mut(place..).and_then(<[_]>::last_mut) {
                Some(last) if last.from == from => last.slot = slot,
                Some(last) if last.slot == slot => {}
                _ => self.steps.push(Step { from, slot, count: 0 }),
            }
        }
        match self.steps.get_mut(place..).unwrap_or_default() {
            [] => Ok(Slot::NONE),
            [only] => {
                let slot = only.slot;
                self.steps.truncate(place);
                Ok(slot)
            }
            [first, others @ ..] => {
                first.count = u32::try_from(others.len() + 1).map_err(|_| BuildError::TooMany)?;
                Slot::link(place)
            }
        }
    }
}

/// Takes the changes block by block.
struct Walk<'a> {
    rest: &'a [(u64, Slot)],
    /// What holds before the rest.
    slot: Slot,
}

impl<'a> Walk<'a> {
    /// What holds at `start`, and the changes behind it, up to before `end`.
    fn take(&mut self, start: u64, end: Option<u64>) -> impl Iterator<Item = (u64, Slot)> + use<'a> {
        let head = (start, self.slot);
        let inside = |high: u64| end.is_none_or(|end| high < end);
        let count = self.rest.iter().take_while(|(high, _)| inside(*high)).count();
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        self.slot = taken.last().map_or(self.slot, |(_, slot)| *slot);
        std::iter::once(head).chain(taken.iter().copied())
    }
}
