//! How the file of a list ends: one that is cut off must not pass for a list with fewer entries.

use synward_fingerprint::P0fDatabase;

use super::Entries;
use crate::config::{Kind, List};

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
    pub(super) fn of(list: &List, text: &[u8]) -> Self {
        let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        // A line of a database means nothing by itself.
        let can_be_read = || is_database(list, text) || Entries::of_lines(list, last).is_ok();
        match last {
            [] => Self::Ended,
            _ if can_be_read() => Self::Open,
            _ => Self::Cut,
        }
    }
}

fn is_database(list: &List, text: &[u8]) -> bool {
    list.kind == Kind::Fingerprint && str::from_utf8(text).is_ok_and(P0fDatabase::recognizes)
}
