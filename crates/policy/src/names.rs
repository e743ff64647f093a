//! The names of lists, as small numbers that stay the same over reloads.

use std::collections::HashMap;

/// The most list names that one run of the program can see: counters are kept for each.
pub const MAX_LISTS: usize = 1024;

/// Names one list. The same name has the same id as long as the program runs, so that its counters go on over
/// a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(u16);

impl ListId {
    /// The place of the list in a table of [`MAX_LISTS`].
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn number(self) -> u16 {
        self.0
    }

    pub(crate) fn from_number(number: u16) -> Self {
        Self(number)
    }
}

/// Gives ids to names, and never takes one back.
#[derive(Debug, Clone, Default)]
pub struct ListNames {
    names: Vec<String>,
    ids: HashMap<String, ListId>,
}

impl ListNames {
    /// The id of a name; `None` when [`MAX_LISTS`] names have one already.
    pub fn id(&mut self, name: &str) -> Option<ListId> {
        if let Some(id) = self.ids.get(name) {
            return Some(*id);
        }
        let id =
            u16::try_from(self.names.len()).ok().filter(|id| usize::from(*id) < MAX_LISTS).map(ListId)?;
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        Some(id)
    }

    /// The name behind an id.
    pub fn name(&self, id: ListId) -> &str {
        self.names.get(id.index()).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id_and_ids_run_out_loudly() {
        let mut names = ListNames::default();
        let first = names.id("customers").unwrap();
        for n in 1..MAX_LISTS {
            assert!(names.id(&format!("list {n}")).is_some());
        }
        assert_eq!(names.id("one too many"), None);
        assert_eq!((names.id("customers"), names.name(first)), (Some(first), "customers"));
    }
}
