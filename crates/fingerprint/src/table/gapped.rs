//! Signatures in a notation of four fields whose layouts have gaps.

use std::collections::HashMap;

use super::automaton::{Automata, StateId};
use super::condition::Condition;
use super::groups::{GroupId, Groups};
use super::paths::{self, Paths, Symbol};
use super::rules::{Rule, Rules};
use super::view::Path;
use super::{Found, Merge};
use crate::Layout;

/// The only root of the paths.
const ROOT: paths::RootId = 0;

/// Signatures whose layouts have gaps. The other fields are asked first: few layouts are left then, and the automaton
/// over them is small enough to stay in the cache.
#[derive(Debug, Clone)]
pub(super) struct Gapped<V> {
    paths: Paths<3>,
    /// Where the automata of each path start.
    starts: Groups<StateId>,
    automata: Automata,
    rules: Groups<Rule<V>>,
}

impl<V> Default for Gapped<V> {
    fn default() -> Self {
        Gapped {
            paths: Paths::default(),
            starts: Groups::default(),
            automata: Automata::default(),
            rules: Groups::default(),
        }
    }
}

impl<V> Gapped<V> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let paths = self.paths.heap_bytes() + self.starts.heap_bytes();
        paths + self.automata.heap_bytes() + self.rules.heap_bytes()
    }
}

impl<V: Merge + Clone> Gapped<V> {
    #[inline]
    pub(super) fn find(&self, kinds: &[u8], values: &[Symbol; 3], found: &mut Found<'_, V>) {
        self.paths.visit(ROOT, values, |path| {
            for group in self.starts.get(path).iter().filter_map(|start| self.automata.group(*start, kinds)) {
                found.add_rules(self.rules.get(group));
            }
        });
    }
}

/// What is said of a layout, and on which condition.
type Said<V> = Vec<(Condition, V)>;

/// A [`Gapped`] that is being built.
pub(super) struct Builder<V> {
    by_path: HashMap<Path, HashMap<Layout, Said<V>>>,
}

impl<V> Default for Builder<V> {
    fn default() -> Self {
        Builder { by_path: HashMap::new() }
    }
}

impl<V: Merge + Clone> Builder<V> {
    pub(super) fn add(&mut self, layout: Layout, path: Path, condition: Condition, value: V) {
        let layouts = self.by_path.entry(path).or_default();
        layouts.entry(layout).or_default().push((condition, value));
    }

    pub(super) fn freeze(self) -> Gapped<V> {
        if self.by_path.is_empty() {
            return Gapped::default();
        }
        let layouts = self.by_path.values().flat_map(HashMap::keys);
        let mut parts = Parts { automata: Automata::for_layouts(layouts), ..Parts::default() };
        self.by_path.into_iter().for_each(|(path, layouts)| parts.add(&path, layouts.into_iter().collect()));
        Gapped {
            paths: parts.paths.freeze(),
            starts: Groups::of(parts.starts),
            automata: parts.automata,
            rules: parts.rules.freeze(),
        }
    }
}

/// The parts of a [`Gapped`] that is being built.
struct Parts<V> {
    paths: paths::Builder<3>,
    starts: Vec<(GroupId, StateId)>,
    automata: Automata,
    rules: Rules<V>,
    /// Groups of rules so far.
    groups: GroupId,
}

impl<V> Default for Parts<V> {
    fn default() -> Self {
        let mut paths = paths::Builder::default();
        // The only one: `ROOT`.
        paths.root();
        Parts { paths, starts: Vec::new(), automata: Automata::default(), rules: Rules::default(), groups: 0 }
    }
}

impl<V: Merge + Clone> Parts<V> {
    fn add(&mut self, path: &Path, mut layouts: Vec<(Layout, Said<V>)>) {
        // Layouts that start alike share states.
        layouts.sort_by_cached_key(|(layout, _)| layout.to_string());
        let weighed: Vec<_> = layouts.iter().map(|(layout, said)| (*layout, said.len())).collect();
        let group = |accepted: &[usize]| {
            let group = self.groups;
            self.groups += 1;
            let said = accepted.iter().filter_map(|place| layouts.get(*place)).flat_map(|(_, said)| said);
            said.for_each(|(condition, value)| self.rules.put(group, condition.clone(), value));
            group
        };
        let starts = self.automata.add(&weighed, group);
        let end = self.paths.end(ROOT, path);
        self.starts.extend(starts.into_iter().map(|start| (end, start)));
    }
}
