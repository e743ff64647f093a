//! The signatures in p0f's notation, taken strictly.

use std::hash::{Hash, Hasher};

use super::condition::Condition;
use super::groups::Groups;
use super::paths::{self, Paths, RootId, Symbol};
use super::rules::{Rule, Rules};
use super::{Found, Merge};
use crate::p0f::{IpVersion, Multiple, Observation, Quirks, Window};
use crate::{Field, Kinds, P0f, P0fSignature};

/// The steps of a signature: window, multiple, MSS, scale, payload. A divisor is no step but a relation.
pub(super) const STEPS: usize = 5;

/// Set in the symbol of a multiple of the MSS, and of the MTU; beside it stands the factor.
const OF_MSS: Symbol = 1 << 16;
const OF_MTU: Symbol = 1 << 17;
/// No multiple.
const NO_MULTIPLE: Symbol = 0;

fn multiple_symbol(multiple: Multiple) -> Symbol {
    match multiple {
        Multiple::Mss(factor) => OF_MSS | Symbol::from(factor),
        Multiple::Mtu(factor) => OF_MTU | Symbol::from(factor),
    }
}

fn step<T: Copy + Into<Symbol>>(field: Field<T>) -> Option<Symbol> {
    match field {
        Field::Any => None,
        Field::Is(value) => Some(value.into()),
    }
}

/// What a signature asks in each step.
pub(super) fn path(signature: &P0fSignature) -> [Option<Symbol>; STEPS] {
    let (window, multiple) = match signature.window {
        Window::Any | Window::MultipleOf(_) => (None, None),
        Window::Is(window) => (Some(window.into()), None),
        Window::Times(multiple) => (None, Some(multiple_symbol(multiple))),
    };
    let P0fSignature { mss, window_scale, payload, .. } = *signature;
    [window, multiple, step(mss), step(window_scale), step(payload)]
}

/// What a packet has in each step.
pub(super) fn symbols(seen: &P0f) -> [Symbol; STEPS] {
    let multiple = seen.multiple.map_or(NO_MULTIPLE, multiple_symbol);
    [seen.window.into(), multiple, seen.mss.into(), seen.window_scale.into(), seen.payload.into()]
}

/// The number of a list of kinds that signatures in p0f's notation name.
pub(super) type LayoutId = u32;

/// The lists of kinds that signatures in p0f's notation name: all others are no SYN of theirs.
#[derive(Debug, Clone, Default)]
pub(super) struct Layouts {
    ids: hashbrown::HashMap<Kinds, LayoutId>,
}

impl Layouts {
    /// The number of these kinds, a new one if they have none.
    pub(super) fn number(&mut self, kinds: &Kinds) -> LayoutId {
        // An entry takes more than a byte: the memory is full before the numbers end.
        let next = LayoutId::try_from(self.ids.len()).unwrap_or(LayoutId::MAX);
        *self.ids.entry(*kinds).or_insert(next)
    }

    #[inline]
    pub(super) fn get(&self, kinds: &Kinds) -> Option<LayoutId> {
        self.ids.get(kinds).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.ids.allocation_size()
    }
}

/// What is compared before the steps: whether there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    layout: LayoutId,
    quirks: Quirks,
    version: IpVersion,
    eol_padding: u8,
    ip_options_len: u8,
}

impl Head {
    #[inline]
    fn of(layout: LayoutId, seen: &P0f) -> Head {
        let P0f { quirks, version, ip_options_len, .. } = *seen;
        Head { layout, quirks, version, eol_padding: seen.layout.eol_padding(), ip_options_len }
    }
}

impl Hash for Head {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let version = match self.version {
            IpVersion::V4 => 0,
            IpVersion::V6 => 1,
        };
        let small = u32::from_be_bytes([0, version, self.eol_padding, self.ip_options_len]);
        state.write_u64(u64::from(self.quirks.bits()) << 32 | u64::from(small));
        state.write_u32(self.layout);
    }
}

/// Signatures in p0f's notation, taken as they are written.
#[derive(Debug, Clone)]
pub(super) struct Strict<V> {
    roots: hashbrown::HashMap<Head, RootId>,
    paths: Paths<STEPS>,
    rules: Groups<Rule<V>>,
}

impl<V> Default for Strict<V> {
    fn default() -> Self {
        Strict { roots: hashbrown::HashMap::new(), paths: Paths::default(), rules: Groups::default() }
    }
}

impl<V> Strict<V> {
    pub(super) fn heap_bytes(&self) -> usize {
        self.roots.allocation_size() + self.paths.heap_bytes() + self.rules.heap_bytes()
    }
}

impl<V: Merge + Clone> Strict<V> {
    #[inline]
    pub(super) fn find(&self, layout: LayoutId, seen: &Observation, found: &mut Found<'_, V>) {
        if let Some(root) = self.roots.get(&Head::of(layout, seen.without_multiple())) {
            let add = |group| found.add_rules(self.rules.get(group));
            self.paths.visit(*root, &symbols(&seen.whole()), add);
        }
    }
}

/// A [`Strict`] that is being built.
pub(super) struct Builder<V> {
    roots: hashbrown::HashMap<Head, RootId>,
    paths: paths::Builder<STEPS>,
    rules: Rules<V>,
}

impl<V> Default for Builder<V> {
    fn default() -> Self {
        let (roots, paths) = (hashbrown::HashMap::new(), paths::Builder::default());
        Builder { roots, paths, rules: Rules::default() }
    }
}

impl<V: Merge + Clone> Builder<V> {
    pub(super) fn add(&mut self, layout: LayoutId, signature: &P0fSignature, condition: Condition, value: V) {
        let condition = condition.with_relations_of(signature);
        for head in heads(layout, signature) {
            let root = *self.roots.entry(head).or_insert_with(|| self.paths.root());
            let end = self.paths.end(root, &path(signature));
            self.rules.put(end, condition.clone(), &value);
        }
    }

    pub(super) fn freeze(mut self) -> Strict<V> {
        self.roots.shrink_to_fit();
        Strict { roots: self.roots, paths: self.paths.freeze(), rules: self.rules.freeze() }
    }
}

/// The heads of the packets that a signature matches. One for either version has two: in each of them without the quirks
/// that it does not ask of that version.
fn heads(layout: LayoutId, signature: &P0fSignature) -> impl Iterator<Item = Head> + use<'_> {
    let P0fSignature { ip_options_len, quirks, .. } = *signature;
    let eol_padding = signature.layout.eol_padding();
    let head = move |version, quirks| Head { layout, quirks, version, eol_padding, ip_options_len };
    let versions = match signature.version {
        Field::Is(version) => [Some(head(version, quirks)), None],
        Field::Any => [IpVersion::V4, IpVersion::V6]
            .map(|version| Some(head(version, quirks.without(Quirks::foreign_to(version))))),
    };
    versions.into_iter().flatten()
}
