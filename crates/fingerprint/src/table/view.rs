//! The signatures in one notation of four fields: MuonFP's, or JA4T's.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::automaton::{Automaton, Draft};
use super::condition::Condition;
use super::trie::{self, NodeId, Symbol, Trie};
use super::{Found, Merge};
use crate::{Field, Kinds, Layout, MuonFp, MuonFpSignature};
#[cfg(feature = "ja4t")]
use crate::{Ja4t, Ja4tSignature};

/// An MSS or a scale that is not there: no value on the wire is as great.
const ABSENT: Symbol = 1 << 16;

/// A fingerprint, in either notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tuple {
    kinds: Kinds,
    window: Symbol,
    mss: Symbol,
    window_scale: Symbol,
}

impl Tuple {
    /// The same, blind to EOLs at the end.
    pub(super) fn without_eol(&self) -> Tuple {
        Tuple { kinds: self.kinds.without_eol(), ..*self }
    }
}

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let fields =
            [self.mss, self.window_scale].into_iter().fold(u64::from(self.window), |fields, field| {
                // Each is below 2^17.
                fields << 17 | u64::from(field)
            });
        state.write_u64(fields);
        state.write(self.kinds.as_slice());
    }
}

impl From<&MuonFp> for Tuple {
    #[inline]
    fn from(seen: &MuonFp) -> Tuple {
        Tuple {
            kinds: seen.kinds,
            window: seen.window.into(),
            mss: seen.mss.map_or(ABSENT, Symbol::from),
            window_scale: seen.window_scale.map_or(ABSENT, Symbol::from),
        }
    }
}

#[cfg(feature = "ja4t")]
impl From<&Ja4t> for Tuple {
    #[inline]
    fn from(seen: &Ja4t) -> Tuple {
        Tuple {
            kinds: seen.kinds,
            window: seen.window.into(),
            mss: seen.mss.into(),
            window_scale: seen.window_scale.into(),
        }
    }
}

/// What a signature asks of a [`Tuple`]; `None` where it asks nothing.
pub(super) struct Asked {
    layout: Layout,
    window: Option<Symbol>,
    mss: Option<Symbol>,
    window_scale: Option<Symbol>,
}

impl Asked {
    /// The only tuple that will do, if there is only one. Where a view ignores EOLs, its tuples have none at the end.
    fn exact(&self) -> Option<Tuple> {
        Some(Tuple {
            kinds: self.layout.listed()?,
            window: self.window?,
            mss: self.mss?,
            window_scale: self.window_scale?,
        })
    }

    fn path(&self) -> [Option<Symbol>; 3] {
        [self.window, self.mss, self.window_scale]
    }
}

/// The number of a field's value.
fn symbol<T: Copy>(field: Field<T>, number: impl FnOnce(T) -> Symbol) -> Option<Symbol> {
    match field {
        Field::Any => None,
        Field::Is(value) => Some(number(value)),
    }
}

impl From<&MuonFpSignature> for Asked {
    fn from(signature: &MuonFpSignature) -> Asked {
        Asked {
            layout: signature.kinds,
            window: symbol(signature.window, Symbol::from),
            mss: symbol(signature.mss, |mss| mss.map_or(ABSENT, Symbol::from)),
            window_scale: symbol(signature.window_scale, |scale| scale.map_or(ABSENT, Symbol::from)),
        }
    }
}

#[cfg(feature = "ja4t")]
impl From<&Ja4tSignature> for Asked {
    fn from(signature: &Ja4tSignature) -> Asked {
        Asked {
            layout: signature.kinds,
            window: symbol(signature.window, Symbol::from),
            mss: symbol(signature.mss, Symbol::from),
            window_scale: symbol(signature.window_scale, Symbol::from),
        }
    }
}

/// What matching signatures say: always, or if a condition holds.
pub(super) type Rule<V> = (Option<Box<Condition>>, V);

impl<V: Merge + Clone> Found<'_, V> {
    /// Adds the values of the rules whose condition holds.
    #[inline]
    pub(super) fn add_rules(&mut self, rules: &[Rule<V>]) {
        for (condition, value) in rules {
            let holds = match condition {
                None => self.is_syn,
                Some(condition) => condition.holds(self.syn, self.is_syn),
            };
            if holds {
                self.add(value);
            }
        }
    }
}

/// Signatures of one notation.
#[derive(Debug, Clone)]
pub(super) struct View<V> {
    exact: hashbrown::HashMap<Tuple, V>,
    /// The root of each layout without gaps.
    roots: hashbrown::HashMap<Kinds, NodeId>,
    automata: Box<[Automaton]>,
    trie: Trie<Rule<V>>,
}

impl<V> Default for View<V> {
    fn default() -> Self {
        View {
            exact: hashbrown::HashMap::new(),
            roots: hashbrown::HashMap::new(),
            automata: Box::default(),
            trie: Trie::default(),
        }
    }
}

impl<V> View<V> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.roots.is_empty() && self.automata.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let automata = self.automata.iter().map(Automaton::heap_bytes).sum::<usize>();
        let roots = self.roots.allocation_size() + size_of_val(&*self.automata) + automata;
        self.exact.allocation_size() + roots + self.trie.heap_bytes()
    }
}

impl<V: Merge + Clone> View<V> {
    #[inline]
    pub(super) fn find(&self, seen: &Tuple, found: &mut Found<'_, V>) {
        if found.is_syn
            && let Some(value) = self.exact.get(seen)
        {
            found.add(value);
        }
        let kinds = seen.kinds.as_slice();
        let listed = self.roots.get(&seen.kinds).copied();
        let with_gaps = self.automata.iter().filter_map(|automaton| automaton.root(kinds));
        for root in listed.into_iter().chain(with_gaps) {
            let path: [&[Symbol]; 3] = [&[seen.window], &[seen.mss], &[seen.window_scale]];
            self.trie.visit(root, &path, &mut |rules| found.add_rules(rules));
        }
    }
}

/// A [`View`] that is being built.
#[derive(Debug)]
pub(super) struct Builder<V> {
    exact: hashbrown::HashMap<Tuple, V>,
    /// By layout, what else is asked and said.
    others: HashMap<Layout, Vec<(Path, V)>>,
}

/// The steps behind the layout, and what is asked at their end.
type Path = ([Option<Symbol>; 3], Condition);

impl<V> Default for Builder<V> {
    fn default() -> Self {
        Builder { exact: hashbrown::HashMap::new(), others: HashMap::new() }
    }
}

impl<V: Merge + Clone> Builder<V> {
    pub(super) fn add(&mut self, asked: Asked, condition: Condition, value: V) {
        match asked.exact() {
            Some(tuple) if condition.is_none() => {
                self.exact.entry(tuple).and_modify(|known| known.merge(&value)).or_insert(value);
            }
            _ => {
                let path = (asked.path(), condition);
                self.others.entry(asked.layout).or_default().push((path, value));
            }
        }
    }

    pub(super) fn freeze(mut self) -> View<V> {
        self.exact.shrink_to_fit();
        let mut rules = Rules::default();
        let mut roots = hashbrown::HashMap::new();
        let mut gapped = Vec::new();
        for (layout, signatures) in self.others {
            match layout.listed() {
                Some(kinds) => {
                    let root = rules.trie.root();
                    rules.add(root, &signatures);
                    roots.insert(kinds, root);
                }
                None => gapped.push((layout, signatures)),
            }
        }
        let automata = rules.add_gapped(gapped);
        roots.shrink_to_fit();
        View { exact: self.exact, roots, automata, trie: rules.freeze() }
    }
}

/// What is said at the ends of the paths of a trie, merged where the same is asked.
pub(super) struct Rules<V> {
    pub(super) trie: trie::Builder<Rule<V>>,
    said: HashMap<(NodeId, Condition), V>,
}

impl<V> Default for Rules<V> {
    fn default() -> Self {
        Rules { trie: trie::Builder::default(), said: HashMap::new() }
    }
}

impl<V: Merge + Clone> Rules<V> {
    fn add(&mut self, root: NodeId, signatures: &[(Path, V)]) {
        for ((path, condition), value) in signatures {
            self.put(root, path, condition.clone(), value);
        }
    }

    pub(super) fn put(&mut self, root: NodeId, path: &[Option<Symbol>], condition: Condition, value: &V) {
        let end = self.trie.end(root, path);
        let said = self.said.entry((end, condition));
        said.and_modify(|known| known.merge(value)).or_insert_with(|| value.clone());
    }

    fn add_gapped(&mut self, mut gapped: Vec<(Layout, Vec<(Path, V)>)>) -> Box<[Automaton]> {
        // Layouts that start alike share states.
        gapped.sort_by_cached_key(|(layout, _)| layout.to_string());
        let weighed: Vec<_> = gapped.iter().map(|(layout, signatures)| (*layout, signatures.len())).collect();
        let freeze = |draft: Draft| {
            draft.freeze(|layouts| {
                let root = self.trie.root();
                let signatures = layouts.iter().filter_map(|place| gapped.get(*place));
                signatures.for_each(|(_, signatures)| self.add(root, signatures));
                root
            })
        };
        Draft::of(&weighed).into_iter().map(freeze).collect()
    }

    pub(super) fn freeze(mut self) -> Trie<Rule<V>> {
        for ((end, condition), value) in self.said {
            let condition = (!condition.is_none()).then(|| Box::new(condition));
            self.trie.put(end, (condition, value));
        }
        self.trie.freeze()
    }
}
