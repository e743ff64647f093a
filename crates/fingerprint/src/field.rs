//! One field of a signature.

use std::fmt;

/// What a signature asks of one field of a fingerprint. Displayed as its value, or as `%` for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field<T> {
    /// Whatever it is, absent included: written `%` (MuonFP) or `*`.
    Any,
    /// This value and no other.
    Is(T),
}

impl<T> Field<T> {
    /// Whether a fingerprint with this value in the field will do.
    pub fn matches(&self, value: &T) -> bool
    where
        T: PartialEq,
    {
        match self {
            Field::Any => true,
            Field::Is(wanted) => wanted == value,
        }
    }

    /// Whether the field may be anything.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Field::Any)
    }

    /// The one value that will do, if it is only one.
    pub fn exact(self) -> Option<T> {
        match self {
            Field::Any => None,
            Field::Is(value) => Some(value),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Any => f.write_str("%"),
            Field::Is(value) => value.fmt(f),
        }
    }
}
