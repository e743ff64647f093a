//! The order of options, as p0f lists it.

use std::fmt;

use crate::Kinds;
use crate::kinds::{EOL, MSS, NOP, SACK_PERMITTED, TIMESTAMPS, WINDOW_SCALE, wire_size};

/// SACK (RFC 2018 section 3), which has no place in a SYN.
pub(crate) const SACK: u8 = 5;

/// Option kinds in the order of the wire, and the padding behind EOL. Displayed as p0f's `olayout`:
/// `mss,nop,ws,eol+1`, an option without a name as `?34`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OptionLayout {
    kinds: Kinds,
    eol_padding: u8,
}

impl OptionLayout {
    /// No option at all.
    pub const NONE: OptionLayout = OptionLayout { kinds: Kinds::NONE, eol_padding: 0 };

    /// Options that p0f looks at: 3.09b stops after so many.
    pub const MAX_OPTIONS: usize = 24;

    /// Every kind that has a name, and the name.
    const NAMED: [(u8, &str); 6] = [
        (NOP, "nop"),
        (MSS, "mss"),
        (WINDOW_SCALE, "ws"),
        (SACK_PERMITTED, "sok"),
        (SACK, "sack"),
        (TIMESTAMPS, "ts"),
    ];

    /// These kinds, with so many bytes behind EOL. `None` if p0f cannot see them so: more than
    /// [`MAX_OPTIONS`](Self::MAX_OPTIONS), an EOL that is not the last, or padding without EOL.
    pub fn new(kinds: Kinds, eol_padding: u8) -> Option<OptionLayout> {
        let eol = kinds.as_slice().iter().position(|kind| *kind == EOL);
        let last = kinds.as_slice().len().checked_sub(1);
        let sane = match eol {
            None => eol_padding == 0,
            place => place == last,
        };
        (sane && kinds.as_slice().len() <= Self::MAX_OPTIONS).then_some(OptionLayout { kinds, eol_padding })
    }

    /// The kinds, first on the wire first; EOL (0) at most as the last.
    pub fn kinds(&self) -> &[u8] {
        self.kinds.as_slice()
    }

    /// The same, with their number.
    pub(crate) fn all_kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Bytes behind EOL, 0 without one.
    pub fn eol_padding(&self) -> u8 {
        self.eol_padding
    }

    /// The kind of this name.
    pub(super) fn kind_named(name: &str) -> Option<u8> {
        Self::NAMED.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Notes the next kind, while there is room: `None` after [`MAX_OPTIONS`](Self::MAX_OPTIONS).
    pub(super) fn push(&mut self, kind: u8) -> Option<()> {
        (self.kinds().len() < Self::MAX_OPTIONS).then(|| self.kinds.push(kind))
    }

    /// Notes the padding behind the EOL that was just pushed.
    pub(super) fn pad(&mut self, bytes: u8) {
        self.eol_padding = bytes;
    }

    /// By what layouts are sorted; equal where they are.
    pub(super) fn rank(&self) -> (&[u8], u8) {
        (self.kinds(), self.eol_padding)
    }

    /// The fewest bytes that this layout takes on the wire. One byte of the last option will do where it may be
    /// cut short.
    pub(crate) fn least_bytes(&self, last_may_be_cut: bool) -> usize {
        let Some((last, before)) = self.kinds().split_last() else { return 0 };
        let last = if last_may_be_cut { 1 } else { least_size(*last) };
        before.iter().map(|kind| least_size(*kind)).sum::<usize>() + last + usize::from(self.eol_padding)
    }
}

/// The fewest bytes that p0f takes an option of this kind for.
fn least_size(kind: u8) -> usize {
    if kind == SACK { 10 } else { wire_size(kind).unwrap_or(2) }
}

impl fmt::Display for OptionLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, kind) in self.kinds().iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            match Self::NAMED.iter().find(|(known, _)| known == kind) {
                Some((_, name)) => f.write_str(name)?,
                None if *kind == EOL => write!(f, "eol+{}", self.eol_padding)?,
                None => write!(f, "?{kind}")?,
            }
        }
        Ok(())
    }
}
