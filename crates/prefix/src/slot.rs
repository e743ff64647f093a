//! One word that says what is known of a block of addresses.

use crate::BuildError;

/// The greatest value a table can hold.
pub const MAX_VALUE: u32 = LINK - 2;

/// Set in a link; the other bits are the place that it leads to.
const LINK: u32 = 1 << 31;

/// Nothing (0), a value for the whole block (one more than the value), or a link to where the block is cut up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot(u32);

impl Slot {
    pub(crate) const NONE: Self = Self(0);

    /// A value that is at most [`MAX_VALUE`].
    pub(crate) fn value(value: u32) -> Self {
        Self(value + 1)
    }

    pub(crate) fn link(place: usize) -> Result<Self, BuildError> {
        let place = u32::try_from(place).ok().filter(|place| *place < LINK).ok_or(BuildError::TooMany)?;
        Ok(Self(place | LINK))
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) fn to_bits(self) -> u32 {
        self.0
    }

    /// Where the block is cut up.
    #[inline]
    pub(crate) fn place(self) -> Option<usize> {
        (self.0 & LINK != 0).then_some((self.0 & !LINK) as usize)
    }

    /// What the block stands for, unless it is a link.
    #[inline]
    pub(crate) fn get(self) -> Option<u32> {
        self.0.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_values_and_links_are_told_apart() {
        let links = [0, MAX_VALUE as usize + 1].map(|place| Slot::link(place).unwrap());
        assert_eq!(links.map(Slot::place), [Some(0), Some(MAX_VALUE as usize + 1)]);
        let values = [0, MAX_VALUE].map(Slot::value);
        assert_eq!(values.map(|slot| (slot.place(), slot.get())), [(None, Some(0)), (None, Some(MAX_VALUE))]);
        assert_eq!((Slot::NONE.place(), Slot::NONE.get()), (None, None));
        assert_eq!(Slot::link(1 << 31), Err(BuildError::TooMany));
    }
}
