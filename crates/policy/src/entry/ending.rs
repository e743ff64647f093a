//! How the file of a list ends: one that is cut off must not pass for a list with fewer entries.

use synward_fingerprint::P0fDatabase;

use super::Entries;
use crate::config::List;

/// How the file of a list ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// With the end of a line, or it is empty.
    #[default]
    Ended,
    /// In a line that is not ended, and is an entry or a comment: as some editors write it, or cut in it.
    Open,
    /// In a line that is not ended and cannot be understood: as if cut in it.
    Cut,
}

impl Ending {
    pub(super) fn of(list: &List, text: &str) -> Self {
        let last = text.rsplit('\n').next().unwrap_or_default();
        // A line of a database means nothing by itself.
        let can_be_read = || P0fDatabase::recognizes(text) || Entries::parse(list, last).is_ok();
        match last {
            "" => Self::Ended,
            _ if can_be_read() => Self::Open,
            _ => Self::Cut,
        }
    }
}
