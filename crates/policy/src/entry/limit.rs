//! How many entries lists may have: a list over it is refused whole, never cut short.

use crate::config::List;
use crate::diagnostic::{Diagnostic, Faults};

/// Refuses a list with more entries than it may have by itself.
pub(super) fn check(list: &List, count: usize) -> Result<(), Faults> {
    if count <= list.max_entries() {
        return Ok(());
    }
    let message = format!("list {} has {count} entries, and may have {}", list.name, list.max_entries());
    Err(Diagnostic::file(&list.file, message).with_help(raise(list, count)).into())
}

/// Refuses lists that have no `max_entries` and too many entries together. Given are the lists, each with its number of entries.
///
/// # Errors
/// Names the first list with which they are too many.
pub(crate) fn check_total<'a>(lists: impl Iterator<Item = (&'a List, usize)>) -> Result<(), Faults> {
    let mut total = 0;
    for (list, count) in lists.filter(|(list, _)| list.max_entries.is_none()) {
        total += count;
        if total > List::MAX_ENTRIES {
            return Err(too_many_together(list, count, total).into());
        }
    }
    Ok(())
}

fn too_many_together(list: &List, count: usize, total: usize) -> Diagnostic {
    let message = format!(
        "with the {count} entries of list {} there are {total}, and lists without `max_entries` may have {} together",
        list.name,
        List::MAX_ENTRIES
    );
    Diagnostic::file(&list.file, message).with_help(raise(list, count))
}

fn raise(list: &List, count: usize) -> String {
    format!("if so many are meant, write `max_entries = {count}` in list {}", list.name)
}
