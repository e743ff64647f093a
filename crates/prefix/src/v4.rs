//! IPv4: a direct index over the top bits, nodes of 256 children below.
//!
//! A slot of the index, or of a node, says what is known of a block of addresses: nothing, one value, or a link to a node
//! that cuts the block into 256 children. Neighbouring children mostly have the same slot, so a node holds a slot only for
//! each *run* of equal ones, and two levels of 16-bit maps to find it. All words of a node lie side by side:
//!
//! ```text
//! word 0         bit g: a run begins among the children 16 g to 16 g + 15 (group g). Bit 0 is always set
//! words 1..=m    for each group with a bit, in order: in the low half bit c, a run begins at the child c of the group;
//!                in the high half the word of the last run that began in a group before
//! then           the slots of the runs, in order
//! ```
//!
//! So a look-up costs one read of the index, and mostly one cache line for each node. `DESIGN.md` tells how it came to this.

use crate::slot::Slot;
use crate::table::sealed;
use crate::{BuildError, Range};

/// Addresses that a node tells apart: this many bits.
const NODE_BITS: u32 = 8;

/// Children in a group of a node: this many bits.
const GROUP_BITS: u32 = 4;

/// The most ranges for each width of the index, in bits. A wider index spares look-ups a node and costs memory, whatever is in
/// it: 1 KiB, 256 KiB, 64 MiB. `DESIGN.md` has the figures behind the thresholds.
const WIDTHS: [(usize, u32); 3] = [(256, 8), (16_384, 16), (usize::MAX, 24)];

/// The structure behind [`crate::Ipv4Table`].
#[derive(Debug, Default, Clone)]
pub struct Radix {
    /// Bits of an address that the index does not look at.
    shift: u32,
    index: Box<[Slot]>,
    nodes: Box<[u32]>,
}

impl sealed::Address for u32 {
    type Radix = Radix;
}

impl sealed::Radix<u32> for Radix {
    fn build(ranges: &[Range<u32>]) -> Result<Self, BuildError> {
        if ranges.is_empty() {
            return Ok(Self::default());
        }
        let width = WIDTHS.iter().find(|(most, _)| ranges.len() <= *most).map_or(24, |(_, width)| *width);
        Builder { rest: ranges, runs: Vec::new(), nodes: Vec::new() }.build(width)
    }

    #[inline]
    fn begin(&self, address: u32) -> Slot {
        self.index.get((address >> self.shift) as usize).copied().unwrap_or_default()
    }

    #[inline]
    fn finish(&self, mut slot: Slot, address: u32) -> Option<u32> {
        let mut shift = self.shift;
        while let Some(place) = slot.place() {
            shift = shift.wrapping_sub(NODE_BITS);
            slot = self.child(place, address.wrapping_shr(shift) & 0xff)?;
        }
        slot.get()
    }

    fn memory_usage(&self) -> usize {
        size_of_val(&*self.index) + size_of_val(&*self.nodes)
    }
}

impl Radix {
    /// The slot of a child of the node at `place`.
    #[inline]
    fn child(&self, place: usize, child: u32) -> Option<Slot> {
        let node = self.nodes.get(place..)?;
        let (group, child) = (child >> GROUP_BITS, child & 0xf);
        let groups = *node.first()? & (0xffff >> (15 - group));
        let entry = *node.get(groups.count_ones() as usize)?;
        // Where no run begins in the group itself, the last run of the group before goes on.
        let begins_here = groups >> group != 0;
        let upto = if begins_here { 0xffff >> (15 - child) } else { 0xffff };
        let slot = (entry >> 16) + (entry & upto).count_ones();
        node.get(slot as usize).copied().map(Slot::from_bits)
    }
}

/// Walks ranges and address space side by side.
struct Builder<'a> {
    /// The ranges that do not end before the place the walk has come to.
    rest: &'a [Range<u32>],
    /// The runs of the nodes being built, from the outermost inwards: first child and slot of each.
    runs: Vec<(u8, Slot)>,
    nodes: Vec<u32>,
}

impl Builder<'_> {
    fn build(mut self, width: u32) -> Result<Radix, BuildError> {
        let shift = u32::BITS - width;
        let mut index = Vec::with_capacity(1 << width);
        let mut at = 0;
        while at <= u64::from(u32::MAX) {
            let (slot, until) = self.run(at, shift, 1 << u32::BITS)?;
            let blocks = (until - at) >> shift;
            index.extend(std::iter::repeat_n(slot, blocks as usize));
            at = until;
        }
        Ok(Radix { shift, index: index.into(), nodes: self.nodes.into() })
    }

    /// What the blocks of `bits` bits from `at` have in common, and where that ends: at the latest at `end`.
    fn run(&mut self, at: u64, bits: u32, end: u64) -> Result<(Slot, u64), BuildError> {
        while let [range, rest @ ..] = self.rest
            && u64::from(range.end) < at
        {
            self.rest = rest;
        }
        let (slot, until) = match self.rest.first() {
            Some(range) if u64::from(range.start) <= at => {
                (Slot::value(range.value), u64::from(range.end) + 1)
            }
            Some(range) => (Slot::NONE, range.start.into()),
            None => (Slot::NONE, end),
        };
        let until = until.min(end) >> bits << bits;
        if until > at { Ok((slot, until)) } else { Ok((self.block(at, bits)?, at + (1 << bits))) }
    }

    /// The slot of a block of `bits` bits at `at` whose addresses differ.
    fn block(&mut self, at: u64, bits: u32) -> Result<Slot, BuildError> {
        let (end, bits) = (at + (1 << bits), bits - NODE_BITS);
        let first = self.runs.len();
        let mut from = at;
        while from < end {
            let (slot, until) = self.run(from, bits, end)?;
            self.push(first, ((from - at) >> bits) as u8, slot);
            from = until;
        }
        let slot = match self.runs.get(first..).unwrap_or_default() {
            // Adjacent ranges of the same value.
            [(_, slot)] => *slot,
            runs => {
                let place = self.nodes.len();
                encode(runs, &mut self.nodes);
                Slot::link(place)?
            }
        };
        self.runs.truncate(first);
        Ok(slot)
    }

    /// Adds a run to the node whose runs begin at `first`, unless it goes on with the slot of the run before.
    fn push(&mut self, first: usize, child: u8, slot: Slot) {
        let goes_on = self.runs.get(first..).and_then(<[_]>::last).is_some_and(|(_, before)| *before == slot);
        if !goes_on {
            self.runs.push((child, slot));
        }
    }
}

/// Appends the words of a node.
fn encode(runs: &[(u8, Slot)], nodes: &mut Vec<u32>) {
    let groups = || runs.chunk_by(|(a, _), (b, _)| a >> GROUP_BITS == b >> GROUP_BITS);
    nodes.push(runs.iter().fold(0, |map, (child, _)| map | 1 << (child >> GROUP_BITS)));
    let mut before = groups().count();
    for group in groups() {
        let begins = group.iter().fold(0, |map, (child, _)| map | 1 << (child & 0xf));
        nodes.push((before as u32) << 16 | begins);
        before += group.len();
    }
    nodes.extend(runs.iter().map(|(_, slot)| slot.to_bits()));
}
