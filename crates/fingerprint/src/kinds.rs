//! TCP option kinds, and the order in which a SYN lists them.

use std::fmt;
use std::hash::{Hash, Hasher};

use synward_wire::OptionBytes;

/// Room for options in a TCP header, in bytes: a data offset of at most 15 words, less the fixed five
/// (RFC 9293 section 3.1).
pub const MAX_OPTION_BYTES: usize = OptionBytes::MAX;

/// End of option list (RFC 9293 section 3.2): one byte, and what follows it is padding.
pub(crate) const EOL: u8 = 0;
/// No operation (RFC 9293 section 3.2): one byte.
pub(crate) const NOP: u8 = 1;
/// Maximum segment size (RFC 9293 section 3.2).
pub(crate) const MSS: u8 = 2;
/// Window scale (RFC 7323 section 2).
pub(crate) const WINDOW_SCALE: u8 = 3;
/// SACK permitted (RFC 2018 section 2).
pub(crate) const SACK_PERMITTED: u8 = 4;
/// Timestamps (RFC 7323 section 3).
pub(crate) const TIMESTAMPS: u8 = 8;

/// Bytes on the wire of an option of this kind, where an RFC fixes them; `None` for a kind whose length is
/// its own to choose (2 bytes or more).
pub(crate) const fn wire_size(kind: u8) -> Option<usize> {
    match kind {
        EOL | NOP => Some(1),
        SACK_PERMITTED => Some(2),
        WINDOW_SCALE => Some(3),
        MSS => Some(4),
        TIMESTAMPS => Some(10),
        _ => None,
    }
}

/// TCP option kinds in the order of the wire: none to [`MAX_OPTION_BYTES`] of them, repeats and all.
///
/// Displayed as both notations join them, in decimal with `-` between; no kinds are displayed as nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    // Zero beyond `len`, so that equal lists are equal bytes.
    bytes: [u8; MAX_OPTION_BYTES],
    len: u8,
}

impl Kinds {
    /// No option at all.
    pub const NONE: Kinds = Kinds { bytes: [0; MAX_OPTION_BYTES], len: 0 };

    /// These kinds, or `None` when they are more than a TCP header can hold ([`MAX_OPTION_BYTES`]).
    pub fn new(kinds: &[u8]) -> Option<Kinds> {
        let mut bytes = [0; MAX_OPTION_BYTES];
        bytes.get_mut(..kinds.len())?.copy_from_slice(kinds);
        Some(Kinds { bytes, len: u8::try_from(kinds.len()).ok()? })
    }

    /// The kinds, first on the wire first.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The kinds up to the last that is no EOL.
    pub(crate) fn without_eol(&self) -> Kinds {
        let end = self.as_slice().iter().rposition(|kind| *kind != EOL).map_or(0, |last| last + 1);
        // What is left out is zeros, as the bytes beyond the end must be.
        Kinds { bytes: self.bytes, len: u8::try_from(end).unwrap_or(self.len) }
    }

    /// Appends a kind. The walks read at most [`MAX_OPTION_BYTES`] bytes, hence never more kinds than fit.
    pub(crate) fn push(&mut self, kind: u8) {
        if let Some(free) = self.bytes.get_mut(usize::from(self.len)) {
            *free = kind;
            self.len += 1;
        }
    }
}

impl Hash for Kinds {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kinds({self})")
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, kind) in self.as_slice().iter().enumerate() {
            if place > 0 {
                f.write_str("-")?;
            }
            write!(f, "{kind}")?;
        }
        Ok(())
    }
}

/// The part of `options` that can be on the wire: the walks look at no byte beyond.
pub(crate) fn within_header(options: &[u8]) -> &[u8] {
    options.get(..MAX_OPTION_BYTES).unwrap_or(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_up_to_forty_kinds() {
        assert_eq!(Kinds::new(&[1; 40]).unwrap().as_slice(), [1; 40]);
        assert_eq!(Kinds::new(&[1; 41]), None);
        assert_eq!(Kinds::new(&[]), Some(Kinds::NONE));
    }

    #[test]
    fn push_and_new_agree_and_a_full_list_stays_full() {
        let mut pushed = Kinds::NONE;
        for _ in 0..41 {
            pushed.push(253);
        }
        assert_eq!(Some(pushed), Kinds::new(&[253; 40]));
    }

    #[test]
    fn no_kind_is_not_kind_zero() {
        assert_ne!(Kinds::NONE, Kinds::new(&[0]).unwrap());
        assert_eq!(Kinds::NONE.to_string(), "");
        assert_eq!(Kinds::new(&[0]).unwrap().to_string(), "0");
    }
}
