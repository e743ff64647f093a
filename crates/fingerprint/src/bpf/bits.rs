//! Bits of a packet that must be as they are given, and the fewest instructions that test them.

use std::collections::BTreeMap;

use super::BpfError;
use super::assembler::{Condition, Place, Test, Width, and};

/// What bits must be, by the offset of their byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    bytes: BTreeMap<u32, Byte>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Byte {
    mask: u8,
    value: u8,
}

impl Bits {
    /// Asks for these bits of the number at `offset`.
    ///
    /// # Errors
    /// If another value of one of them is asked for already.
    pub(super) fn require(
        &mut self,
        offset: u32,
        width: Width,
        mask: u32,
        value: u32,
    ) -> Result<(), BpfError> {
        let unused = (Width::Word.bytes() - width.bytes()) as usize;
        let bytes = mask.to_be_bytes().into_iter().zip(value.to_be_bytes()).skip(unused);
        for (offset, (mask, value)) in (offset..).zip(bytes) {
            let byte = self.bytes.entry(offset).or_default();
            if (byte.value ^ value) & byte.mask & mask != 0 {
                return Err(BpfError::NeverMatches("it asks for two values of one bit"));
            }
            *byte = Byte { mask: byte.mask | mask, value: byte.value | value & mask };
        }
        Ok(())
    }

    /// The tests, first byte first. Never is a byte read behind the last one that counts, where the packet may end;
    /// some before the first one are there to load as well.
    pub(super) fn tests(&self, indexed: bool) -> Vec<Test> {
        let (Some((first, _)), Some((last, _))) = (self.bytes.first_key_value(), self.bytes.last_key_value())
        else {
            return Vec::new();
        };
        let mut offset = first.saturating_sub(Width::Word.bytes() - 1);
        let bytes: Vec<Byte> =
            (offset..=*last).map(|offset| self.bytes.get(&offset).copied().unwrap_or_default()).collect();
        let mut rest = bytes.as_slice();
        let mut tests = Vec::new();
        for step in cheapest(&bytes) {
            let bytes = step.map_or(1, Width::bytes);
            let Some((here, behind)) = rest.split_at_checked(bytes as usize) else { break };
            tests.extend(step.map(|width| test(Place { offset, indexed }, width, here)));
            (offset, rest) = (offset + bytes, behind);
        }
        tests
    }
}

/// From the first byte on, the widths to load and compare; `None` skips a byte. The fewest instructions from each
/// place on are found from the last place backwards.
fn cheapest(bytes: &[Byte]) -> Vec<Option<Width>> {
    // By the number of bytes that are left.
    let mut best: Vec<(u32, Option<Width>)> = vec![(0, None)];
    for start in (0..bytes.len()).rev() {
        let rest = bytes.get(start..).unwrap_or_default();
        let left = rest.len();
        let behind = |width: u32| best.get(left.checked_sub(width as usize)?).map(|(price, _)| *price);
        let skipping = rest.first().filter(|byte| byte.mask == 0).and_then(|_| behind(1));
        let loading = Width::ALL.into_iter().filter_map(|width| {
            let here = rest.get(..width.bytes() as usize)?;
            Some((price(here) + behind(width.bytes())?, Some(width)))
        });
        let choices = skipping.map(|price| (price, None)).into_iter().chain(loading);
        let choice = choices.min_by_key(|(price, _)| *price).unwrap_or_default();
        best.push(choice);
    }
    let mut steps = Vec::new();
    let mut left = bytes.len();
    while let Some((_, step)) = best.get(left).filter(|_| left > 0) {
        steps.push(*step);
        left = left.saturating_sub(step.map_or(1, |width| width.bytes() as usize));
    }
    steps
}

/// Instructions to test all these bytes at once.
fn price(bytes: &[Byte]) -> u32 {
    let whole = bytes.iter().all(|byte| byte.mask == u8::MAX);
    let zero = bytes.iter().all(|byte| byte.value == 0);
    if whole || zero { 2 } else { 3 }
}

fn test(place: Place, width: Width, bytes: &[Byte]) -> Test {
    let number = |part: fn(&Byte) -> u8| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(part(byte)));
    let (mask, value) = (number(|byte| byte.mask), number(|byte| byte.value));
    let whole = bytes.iter().all(|byte| byte.mask == u8::MAX);
    let load = place.load(width);
    match value {
        _ if whole => Test { value: vec![load], is: Condition::Equal(value) },
        0 => Test { value: vec![load], is: Condition::NoBitOf(mask) },
        _ => Test { value: vec![load, and(mask)], is: Condition::Equal(value) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(required: &[(u32, Width, u32, u32)]) -> Bits {
        let mut bits = Bits::default();
        for (offset, width, mask, value) in required {
            bits.require(*offset, *width, *mask, *value).unwrap();
        }
        bits
    }

    fn instructions(bits: &Bits) -> usize {
        bits.tests(false).iter().map(|test| test.value.len() + 1).sum()
    }

    #[test]
    fn neighbours_are_tested_at_once() {
        let word =
            bits(&[(6, Width::Half, 0xffff, 0x4000), (8, Width::Byte, 0xff, 64), (9, Width::Byte, 0xff, 6)]);
        assert_eq!(instructions(&word), 2);
        let three = [(9, Width::Byte, 0xff, 4), (10, Width::Half, 0xffff, 0x0200)];
        assert_eq!(instructions(&bits(&three)), 3, "with the one before them");
        let three_first = three.map(|(offset, width, mask, value)| (offset - 9, width, mask, value));
        assert_eq!(instructions(&bits(&three_first)), 4, "there is nothing before them, and maybe behind");
        let gap = bits(&[(0, Width::Byte, 0xff, 1), (3, Width::Byte, 0xff, 2)]);
        assert_eq!(instructions(&gap), 3, "one load and a mask");
        assert_eq!(instructions(&bits(&[(0, Width::Word, 0x0000_1fff, 0)])), 2, "zero needs no mask");
        assert_eq!(instructions(&Bits::default()), 0);
    }

    #[test]
    fn a_bit_has_one_value() {
        let mut bits = bits(&[(6, Width::Half, 0x4000, 0x4000)]);
        assert!(bits.require(6, Width::Half, 0x1fff, 0).is_ok());
        assert!(bits.require(6, Width::Byte, 0x40, 0).is_err());
    }
}
