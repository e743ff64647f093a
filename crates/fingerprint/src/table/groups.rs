//! Items in groups, all in one array.

/// The number of a group.
pub(super) type GroupId = u32;

/// Items by group. A group is read in one piece, and those that were filled one after the other lie so in memory.
#[derive(Debug, Clone)]
pub(super) struct Groups<T> {
    /// Where each group ends among the items; it starts where the one before it ends.
    ends: Box<[u32]>,
    items: Box<[T]>,
}

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Groups { ends: Box::default(), items: Box::default() }
    }
}

impl<T> Groups<T> {
    /// The groups of these items, each item with its group. Within a group they stay in the order in which they come.
    pub(super) fn of(items: impl IntoIterator<Item = (GroupId, T)>) -> Groups<T> {
        let mut items: Vec<(GroupId, T)> = items.into_iter().collect();
        items.sort_by_key(|(group, _)| *group);
        let mut ends = Vec::new();
        for (end, (group, _)) in (1..).zip(&items) {
            let last = ends.last().copied().unwrap_or_default();
            ends.resize(*group as usize, last);
            ends.truncate(*group as usize);
            ends.push(end);
        }
        Groups { ends: ends.into(), items: items.into_iter().map(|(_, item)| item).collect() }
    }

    /// The items of a group: none if it is unknown.
    #[inline]
    pub(super) fn get(&self, group: GroupId) -> &[T] {
        let group = group as usize;
        let end = self.ends.get(group).copied().unwrap_or_default();
        let start =
            group.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.items.get(start as usize..end as usize).unwrap_or_default()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.ends) + size_of_val(&*self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_its_items_in_order() {
        let groups = Groups::of([(3, 'a'), (0, 'z'), (3, 'b'), (1, 'y'), (0, 'x')]);
        let found: Vec<String> = (0..5).map(|group| groups.get(group).iter().collect()).collect();
        assert_eq!(found, ["zx", "y", "", "ab", ""]);
        assert!(Groups::<char>::default().get(0).is_empty());
    }
}
