//! The signatures in one notation of four fields: MuonFP's, or JA4T's.

use std::hash::{Hash, Hasher};

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

/// A fingerprint, in either notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tuple {
    kinds: Kinds,
    /// Window, MSS and scale.
    values: [Symbol; 3],
}

impl Tuple {
    /// The same, blind to EOLs at the end.
    pub(super) fn without_eol(&self) -> Tuple {
        Tuple { kinds: self.kinds.without_eol(), ..*self }
    }
}

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Each is below 2^17.
        state.write_u64(self.values.iter().fold(0, |values, value| values << 17 | u64::from(*value)));
        state.write(self.kinds.as_slice());
    }
}

impl From<&MuonFp> for Tuple {
    #[inline]
    fn from(seen: &MuonFp) -> Tuple {
        Tuple {
            kinds: seen.kinds,
            values: [
                seen.window.into(),
                seen.mss.map_or(ABSENT, Symbol::from),
                seen.window_scale.map_or(ABSENT, Symbol::from),
            ],
        }
    }
}

#[cfg(feature = "ja4t")]
impl From<&Ja4t> for Tuple {
    #[inline]
    fn from(seen: &Ja4t) -> Tuple {
        Tuple { kinds: seen.kinds, values: [seen.window.into(), seen.mss.into(), seen.window_scale.into()] }
    }
}

/// What a signature asks of a [`Tuple`].
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

/// Signatures of one notation.
#[derive(Debug, Clone)]
pub(super) struct View<V> {
    exact: hashbrown::HashMap<Tuple, V>,
    /// The root of each layout without gaps.
    roots: hashbrown::HashMap<Kinds, RootId>,
    paths: Paths<3>,
    rules: Groups<Rule<V>>,
    gapped: Gapped<V>,
}

impl<V> Default for View<V> {
    fn default() -> Self {
        View {
            exact: hashbrown::HashMap::new(),
            roots: hashbrown::HashMap::new(),
            paths: Paths::default(),
            rules: Groups::default(),
            gapped: Gapped::default(),
        }
    }
}

impl<V> View<V> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.roots.is_empty() && self.gapped.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let listed = self.roots.allocation_size() + self.paths.heap_bytes() + self.rules.heap_bytes();
        self.exact.allocation_size() + listed + self.gapped.heap_bytes()
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
        if let Some(root) = self.roots.get(&seen.kinds) {
            self.paths.visit(*root, &seen.values, |group| found.add_rules(self.rules.get(group)));
        }
        self.gapped.find(seen.kinds.as_slice(), &seen.values, found);
    }
}

/// A [`View`] that is being built.
pub(super) struct Builder<V> {
    exact: hashbrown::HashMap<Tuple, V>,
    roots: hashbrown::HashMap<Kinds, RootId>,
    paths: paths::Builder<3>,
    rules: Rules<V>,
    gapped: gapped::Builder<V>,
}

impl<V> Default for Builder<V> {
    fn default() -> Self {
        Builder {
            exact: hashbrown::HashMap::new(),
            roots: hashbrown::HashMap::new(),
            paths: paths::Builder::default(),
            rules: Rules::default(),
            gapped: gapped::Builder::default(),
        }
    }
}

impl<V: Merge + Clone> Builder<V> {
    pub(super) fn add(&mut self, asked: Asked, condition: Condition, value: V) {
        match (asked.exact(), asked.layout.listed()) {
            (Some(tuple), _) if condition.is_none() => {
                self.exact.entry(tuple).and_modify(|known| known.merge(&value)).or_insert(value);
            }
            (_, Some(kinds)) => {
                let root = *self.roots.entry(kinds).or_insert_with(|| self.paths.root());
                let end = self.paths.end(root, &asked.values);
                self.rules.put(end, condition, &value);
            }
            (_, None) => self.gapped.add(asked.layout, asked.values, condition, value),
        }
    }

    pub(super) fn freeze(mut self) -> View<V> {
        self.exact.shrink_to_fit();
        self.roots.shrink_to_fit();
        View {
            exact: self.exact,
            roots: self.roots,
            paths: self.paths.freeze(),
            rules: self.rules.freeze(),
            gapped: self.gapped.freeze(),
        }
    }
}
