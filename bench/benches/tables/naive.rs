//! The structures that one thinks of first. `crates/prefix/DESIGN.md` tells why none of them was taken.

use std::io;

use synward_bench::prefixes::{Number, Prefix, Set, last};
use synward_prefix::Range;

use crate::LookUp;

/// All prefixes, asked one after another.
pub(crate) struct LinearScan(Vec<(Prefix<u32>, u32)>);

impl LookUp<u32> for LinearScan {
    const NAME: &str = "linear scan";

    fn build(set: &Set<u32>) -> io::Result<Self> {
        Ok(Self(set.iter().collect()))
    }

    fn get(&self, address: u32) -> Option<u32> {
        let covers = |prefix: &Prefix<u32>| prefix.0 <= address && address <= last(*prefix);
        let covering = self.0.iter().filter(|(prefix, _)| covers(prefix));
        covering.max_by_key(|((_, length), _)| *length).map(|(_, value)| *value)
    }
}

/// Disjoint ranges in order.
pub(crate) struct BinarySearch<A>(Vec<Range<A>>);

impl<A: Number> LookUp<A> for BinarySearch<A> {
    const NAME: &str = "binary search";

    fn build(set: &Set<A>) -> io::Result<Self> {
        Ok(Self(set.ranges()))
    }

    #[inline]
    fn get(&self, address: A) -> Option<u32> {
        let behind = self.0.partition_point(|range| range.start <= address);
        let range = self.0.get(behind.checked_sub(1)?)?;
        (address <= range.end).then_some(range.value)
    }
}

/// DIR-24-8: one slot for each block of 256 addresses, and for a block that is cut up a slot for each address.
pub(crate) struct Dir24 {
    blocks: Vec<u32>,
    addresses: Vec<u32>,
}

/// A slot of a block that leads to the slots of its addresses. Others: 0, or one more than a value.
const CUT_UP: u32 = 1 << 31;

impl LookUp<u32> for Dir24 {
    const NAME: &str = "DIR-24-8";

    fn build(set: &Set<u32>) -> io::Result<Self> {
        let mut dir = Self { blocks: vec![0; 1 << 24], addresses: Vec::new() };
        // Shorter prefixes first, so that longer ones overwrite them.
        let mut prefixes: Vec<_> = set.iter().collect();
        prefixes.sort_by_key(|((_, length), _)| *length);
        prefixes.into_iter().for_each(|(prefix, value)| dir.insert(prefix, value + 1));
        dir.addresses.shrink_to_fit();
        Ok(dir)
    }

    #[inline]
    fn get(&self, address: u32) -> Option<u32> {
        let block = *self.blocks.get((address >> 8) as usize)?;
        let slot = match block & CUT_UP {
            0 => block,
            _ => *self.addresses.get((block & !CUT_UP) as usize + (address & 0xff) as usize)?,
        };
        slot.checked_sub(1)
    }
}

impl Dir24 {
    fn insert(&mut self, prefix: Prefix<u32>, slot: u32) {
        let (first, last) = (prefix.0 as usize, last(prefix) as usize);
        if prefix.1 <= 24 {
            self.blocks.get_mut(first >> 8..=last >> 8).unwrap_or_default().fill(slot);
        } else {
            let place = self.cut_up(first >> 8);
            self.addresses
                .get_mut(place + (first & 0xff)..=place + (last & 0xff))
                .unwrap_or_default()
                .fill(slot);
        }
    }

    /// Where the slots of a block's addresses are. Cuts it up if it is not.
    fn cut_up(&mut self, block: usize) -> usize {
        let place = self.addresses.len();
        let Some(block) = self.blocks.get_mut(block) else { return place };
        if *block & CUT_UP == 0 {
            self.addresses.extend([*block; 256]);
            *block = CUT_UP | place as u32;
        }
        (*block & !CUT_UP) as usize
    }
}
