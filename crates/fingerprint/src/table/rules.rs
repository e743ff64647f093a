//! What signatures say, merged where they ask the same.

use std::collections::HashMap;

use super::condition::Condition;
use super::groups::{GroupId, Groups};
use super::{Found, Merge};

/// What matching signatures say if a condition holds.
pub(super) type Rule<V> = (Condition, V);

impl<V: Merge + Clone> Found<'_, V> {
    /// Adds the values of the rules whose condition holds.
    #[inline]
    pub(super) fn add_rules(&mut self, rules: &[Rule<V>]) {
        for (condition, value) in rules {
            if condition.holds(self.syn, self.is_syn) {
                self.add(value);
            }
        }
    }
}

/// Rules that are being collected, by group.
pub(super) struct Rules<V> {
    said: HashMap<(GroupId, Condition), V>,
}

impl<V> Default for Rules<V> {
    fn default() -> Self {
        Rules { said: HashMap::new() }
    }
}

impl<V: Merge + Clone> Rules<V> {
    pub(super) fn put(&mut self, group: GroupId, condition: Condition, value: &V) {
        let said = self.said.entry((group, condition));
        said.and_modify(|known| known.merge(value)).or_insert_with(|| value.clone());
    }

    pub(super) fn freeze(self) -> Groups<Rule<V>> {
        Groups::of(self.said.into_iter().map(|((group, condition), value)| (group, (condition, value))))
    }
}
