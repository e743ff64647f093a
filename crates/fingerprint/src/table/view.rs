//! The signatures in one notation of four fields: MuonFP's, or JA4T's.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::condition::Condition;
use super::gapped::{self, Gapped};
use super::groups::Groups;
use super::paths::{self, Paths, RootId, Symbol};
use super::rules::{Rule, Rules};
use super::{Found, Merge};
use crate::{Field, Kinds, Layout, MuonFp, MuonFpSignature};
#[cfg(feature = "ja4t")]
use crate::{Ja4t, Ja4tSignature};

/// An MSS or a scale that is not there: no value on the wire is as great.
const ABSENT: Symbol = 1 << 16;

/// Window, MSS and scale.
type Values = [Symbol; 3];

/// A fingerprint in either notation, whose kinds stay where they were read: they are not copied to be looked up.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    kinds: &'a Kinds,
    values: Values,
}

impl<'a> Seen<'a> {
    #[inline]
    pub(super) fn muonfp(kinds: &'a Kinds, window: u16, mss: Option<u16>, window_scale: Option<u8>) -> Self {
        let mss = mss.map_or(ABSENT, Symbol::from);
        let window_scale = window_scale.map_or(ABSENT, Symbol::from);
        Seen { kinds, values: [window.into(), mss, window_scale] }
    }
}

impl<'a> From<&'a MuonFp> for Seen<'a> {
    #[inline]
    fn from(seen: &'a MuonFp) -> Self {
        Seen::muonfp(&seen.kinds, seen.window, seen.mss, seen.window_scale)
    }
}

#[cfg(feature = "ja4t")]
impl<'a> From<&'a Ja4t> for Seen<'a> {
    #[inline]
    fn from(seen: &'a Ja4t) -> Self {
        let Ja4t { kinds, window, mss, window_scale } = seen;
        Seen { kinds, values: [(*window).into(), (*mss).into(), (*window_scale).into()] }
    }
}

/// The fingerprint that a signature without wildcards asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tuple {
    kinds: Kinds,
    values: Values,
}

impl Tuple {
    #[inline]
    fn is(&self, seen: &Seen<'_>) -> bool {
        self.values == seen.values && self.kinds == *seen.kinds
    }
}

/// What kinds add to the hash of a tuple: alone they are that of their root.
#[inline]
fn hash_of_kinds(hasher: &DefaultHashBuilder, kinds: &Kinds) -> u64 {
    hasher.hash_one(kinds)
}

/// What the values add to it.
#[inline]
fn hash_of_values(hasher: &DefaultHashBuilder, values: &Values) -> u64 {
    // Each is below 2^17.
    hasher.hash_one(values.iter().fold(0, |values, value| values << 17 | u64::from(*value)))
}

fn hash_of_tuple(hasher: &DefaultHashBuilder, Tuple { kinds, values }: &Tuple) -> u64 {
    hash_of_kinds(hasher, kinds).wrapping_add(hash_of_values(hasher, values))
}

/// What a signature asks of a fingerprint.
pub(super) struct Asked {
    layout: Layout,
    values: Path,
}

impl Asked {
    /// The only tuple that will do, if there is only one. Where a view ignores EOLs, its tuples have none at the end.
    fn exact(&self) -> Option<Tuple> {
        let [window, mss, window_scale] = self.values;
        Some(Tuple { kinds: self.layout.listed()?, values: [window?, mss?, window_scale?] })
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
            values: [
                symbol(signature.window, Symbol::from),
                symbol(signature.mss, |mss| mss.map_or(ABSENT, Symbol::from)),
                symbol(signature.window_scale, |scale| scale.map_or(ABSENT, Symbol::from)),
            ],
        }
    }
}

#[cfg(feature = "ja4t")]
impl From<&Ja4tSignature> for Asked {
    fn from(signature: &Ja4tSignature) -> Asked {
        Asked {
            layout: signature.kinds,
            values: [
                symbol(signature.window, Symbol::from),
                symbol(signature.mss, Symbol::from),
                symbol(signature.window_scale, Symbol::from),
            ],
        }
    }
}

/// What is asked of window, MSS and scale; `None` where nothing is.
pub(super) type Path = [Option<Symbol>; 3];

/// Signatures of one notation that are all looked up by the same kinds.
#[derive(Debug, Clone)]
struct View<V> {
    exact: HashTable<(Tuple, V)>,
    /// The root of each layout without gaps.
    roots: HashTable<(Kinds, RootId)>,
    /// Keyed at random, and the same for both: the kinds of a SYN are hashed once.
    hasher: DefaultHashBuilder,
    paths: Paths<3>,
    rules: Groups<Rule<V>>,
    gapped: Gapped<V>,
}

impl<V> Default for View<V> {
    fn default() -> Self {
        View {
            exact: HashTable::new(),
            roots: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            paths: Paths::default(),
            rules: Groups::default(),
            gapped: Gapped::default(),
        }
    }
}

impl<V> View<V> {
    #[inline]
    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.roots.is_empty() && self.gapped.is_empty()
    }

    fn heap_bytes(&self) -> usize {
        let listed = self.roots.allocation_size() + self.paths.heap_bytes() + self.rules.heap_bytes();
        self.exact.allocation_size() + listed + self.gapped.heap_bytes()
    }
}

impl<V: Merge + Clone> View<V> {
    #[inline]
    fn find(&self, seen: &Seen<'_>, found: &mut Found<'_, V>) {
        let kinds = hash_of_kinds(&self.hasher, seen.kinds);
        let tuple = kinds.wrapping_add(hash_of_values(&self.hasher, &seen.values));
        if found.is_syn
            && let Some((_, value)) = self.exact.find(tuple, |(tuple, _)| tuple.is(seen))
        {
            found.add(value);
        }
        if let Some((_, root)) = self.roots.find(kinds, |(kinds, _)| kinds == seen.kinds) {
            self.paths.visit(*root, &seen.values, |group| found.add_rules(self.rules.get(group)));
        }
        self.gapped.find(seen.kinds.as_slice(), &seen.values, found);
    }
}

/// Signatures of one notation, apart from those that ignore EOLs at the end.
#[derive(Debug, Clone)]
pub(super) struct Views<V> {
    whole: View<V>,
    without_eol: View<V>,
}

impl<V> Default for Views<V> {
    fn default() -> Self {
        Views { whole: View::default(), without_eol: View::default() }
    }
}

impl<V> Views<V> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.without_eol.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.whole.heap_bytes() + self.without_eol.heap_bytes()
    }
}

impl<V: Merge + Clone> Views<V> {
    #[inline]
    pub(super) fn find(&self, seen: &Seen<'_>, found: &mut Found<'_, V>) {
        if !self.whole.is_empty() {
            self.whole.find(seen, found);
        }
        if !self.without_eol.is_empty() {
            let kinds = seen.kinds.without_eol();
            self.without_eol.find(&Seen { kinds: &kinds, ..*seen }, found);
        }
    }
}

/// [`Views`] that are being built.
pub(super) struct ViewsBuilder<V> {
    whole: Builder<V>,
    without_eol: Builder<V>,
}

impl<V> Default for ViewsBuilder<V> {
    fn default() -> Self {
        ViewsBuilder { whole: Builder::default(), without_eol: Builder::default() }
    }
}

impl<V: Merge + Clone> ViewsBuilder<V> {
    pub(super) fn add(&mut self, asked: Asked, condition: Condition, value: V) {
        let view = if asked.layout.ignores_eol() { &mut self.without_eol } else { &mut self.whole };
        view.add(asked, condition, value);
    }

    pub(super) fn freeze(self) -> Views<V> {
        Views { whole: self.whole.freeze(), without_eol: self.without_eol.freeze() }
    }
}

/// A [`View`] that is being built.
struct Builder<V> {
    exact: HashTable<(Tuple, V)>,
    roots: HashTable<(Kinds, RootId)>,
    hasher: DefaultHashBuilder,
    paths: paths::Builder<3>,
    rules: Rules<V>,
    gapped: gapped::Builder<V>,
}

impl<V> Default for Builder<V> {
    fn default() -> Self {
        Builder {
            exact: HashTable::new(),
            roots: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            paths: paths::Builder::default(),
            rules: Rules::default(),
            gapped: gapped::Builder::default(),
        }
    }
}

impl<V: Merge + Clone> Builder<V> {
    fn add(&mut self, asked: Asked, condition: Condition, value: V) {
        match (asked.exact(), asked.layout.listed()) {
            (Some(tuple), _) if condition.is_none() => self.add_exact(tuple, value),
            (_, Some(kinds)) => {
                let root = self.root(kinds);
                let end = self.paths.end(root, &asked.values);
                self.rules.put(end, condition, &value);
            }
            (_, None) => self.gapped.add(asked.layout, asked.values, condition, value),
        }
    }

    fn add_exact(&mut self, tuple: Tuple, value: V) {
        let Self { exact, hasher, .. } = self;
        let (same, rehash) =
            (|(known, _): &_| *known == tuple, |(tuple, _): &_| hash_of_tuple(hasher, tuple));
        let entry = exact.entry(hash_of_tuple(hasher, &tuple), same, rehash);
        entry.and_modify(|(_, known)| known.merge(&value)).or_insert((tuple, value));
    }

    /// The root of a layout, a new one where it has none.
    fn root(&mut self, kinds: Kinds) -> RootId {
        let Self { roots, hasher, paths, .. } = self;
        let (same, rehash) =
            (|(known, _): &_| *known == kinds, |(kinds, _): &_| hash_of_kinds(hasher, kinds));
        let entry = roots.entry(hash_of_kinds(hasher, &kinds), same, rehash);
        entry.or_insert_with(|| (kinds, paths.root())).get().1
    }

    fn freeze(mut self) -> View<V> {
        let Self { exact, roots, hasher, .. } = &mut self;
        exact.shrink_to_fit(|(tuple, _)| hash_of_tuple(hasher, tuple));
        roots.shrink_to_fit(|(kinds, _)| hash_of_kinds(hasher, kinds));
        View {
            exact: self.exact,
            roots: self.roots,
            hasher: self.hasher,
            paths: self.paths.freeze(),
            rules: self.rules.freeze(),
            gapped: self.gapped.freeze(),
        }
    }
}
