//! What workers count by set of lists, and what that comes to for each list.

use synward_policy::{ListSetId, MAX_LISTS, RuleSet};

use crate::counter::Counters;

/// How often each set of lists has covered a frame: the counters of one worker, for one rule set. A frame that ten lists cover costs
/// one addition; which lists these are is for the reader to find out.
#[derive(Debug, Default)]
pub struct Tally(Counters);

impl Tally {
    pub(crate) fn new(rules: &RuleSet) -> Self {
        Self(Counters::new(rules.list_sets().len()))
    }

    /// Counts a frame. Only its worker may.
    #[inline]
    pub(crate) fn count(&self, set: ListSetId) {
        self.0.add(set.index(), 1);
    }

    fn get(&self, set: ListSetId) -> u64 {
        self.0.get(set.index())
    }
}

/// Frames by list, both by [`synward_policy::ListId::index`].
#[derive(Debug, Clone)]
pub struct ListTotals {
    /// Frames that the addresses of a list cover.
    pub hits: Box<[u64]>,
    /// Frames that the addresses of a list decided about, or would have.
    pub decisions: Box<[u64]>,
}

impl Default for ListTotals {
    fn default() -> Self {
        let zeros = || vec![0; MAX_LISTS].into_boxed_slice();
        Self { hits: zeros(), decisions: zeros() }
    }
}

impl ListTotals {
    /// Adds what workers have counted for a rule set.
    pub(crate) fn add(&mut self, rules: &RuleSet, tallies: &[Tally]) {
        for set in rules.list_sets() {
            let count: u64 = tallies.iter().map(|tally| tally.get(set)).sum();
            if count > 0 {
                self.add_set(rules, set, count);
            }
        }
    }

    fn add_set(&mut self, rules: &RuleSet, set: ListSetId, count: u64) {
        for list in rules.lists_of(set) {
            add(&mut self.hits, list.index(), count);
        }
        for list in rules.deciders_of(set) {
            add(&mut self.decisions, list.index(), count);
        }
    }
}

fn add(totals: &mut [u64], index: usize, count: u64) {
    if let Some(total) = totals.get_mut(index) {
        *total += count;
    }
}
