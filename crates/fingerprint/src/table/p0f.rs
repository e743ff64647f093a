//! The signatures in p0f's notation, taken strictly.

use std::hash::{Hash, Hasher};

use super::condition::Condition;
use super::trie::{NodeId, Symbol, Trie};
use super::view::{Rule, Rules};
use super::{Found, Merge};
use crate::p0f::{IpVersion, Multiple, OptionLayout, Quirks, Window};
use crate::{Field, P0f, P0fSignature};

/// What is behind the numbers of windows: multiples, by their factor.
const MSS_MULTIPLES: Symbol = 1 << 16;
const MTU_MULTIPLES: Symbol = 1 << 17;

/// The symbol of a multiple: another one than that of any window.
fn multiple_symbol(multiple: Multiple) -> Symbol {
    match multiple {
        Multiple::Mss(factor) => MSS_MULTIPLES | Symbol::from(factor),
        Multiple::Mtu(factor) => MTU_MULTIPLES | Symbol::from(factor),
    }
}

fn step<T: Copy + Into<Symbol>>(field: Field<T>) -> Option<Symbol> {
    match field {
        Field::Any => None,
        Field::Is(value) => Some(value.into()),
    }
}

/// The steps of a signature: window, MSS, scale, payload. A divisor is no step but a relation.
pub(super) fn path(signature: &P0fSignature) -> [Option<Symbol>; 4] {
    let window = match signature.window {
        Window::Any | Window::MultipleOf(_) => None,
        Window::Is(window) => Some(window.into()),
        Window::Times(multiple) => Some(multiple_symbol(multiple)),
    };
    [window, step(signature.mss), step(signature.window_scale), step(signature.payload)]
}

/// The symbols that are true of a packet, for each step.
pub(super) struct Steps {
    windows: [Symbol; 2],
    mss: [Symbol; 1],
    window_scale: [Symbol; 1],
    payload: [Symbol; 1],
}

impl Steps {
    pub(super) fn of(seen: &P0f) -> Steps {
        let window = Symbol::from(seen.window);
        Steps {
            // A window that is no multiple stands there twice: the second look-up is not made, see `as_slices`.
            windows: [window, seen.multiple.map_or(window, multiple_symbol)],
            mss: [seen.mss.into()],
            window_scale: [seen.window_scale.into()],
            payload: [seen.payload.into()],
        }
    }

    pub(super) fn as_slices(&self) -> [&[Symbol]; 4] {
        let windows = match &self.windows {
            [window, multiple] if window == multiple => self.windows.get(..1).unwrap_or_default(),
            windows => windows,
        };
        [windows, &self.mss, &self.window_scale, &self.payload]
    }
}

/// What is compared before the steps: whether there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    layout: OptionLayout,
    version: IpVersion,
    quirks: Quirks,
    ip_options_len: u8,
}

impl Hash for Head {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let version = match self.version {
            IpVersion::V4 => 0,
            IpVersion::V6 => 1,
        };
        let padding = self.layout.eol_padding();
        let small = u32::from_be_bytes([0, version, padding, self.ip_options_len]);
        state.write_u64(u64::from(self.quirks.bits()) << 32 | u64::from(small));
        state.write(self.layout.kinds());
    }
}

/// Signatures in p0f's notation, taken as they are written.
#[derive(Debug, Clone)]
pub(super) struct P0fTrie<V> {
    roots: hashbrown::HashMap<Head, NodeId>,
    trie: Trie<Rule<V>>,
}

impl<V> Default for P0fTrie<V> {
    fn default() -> Self {
        P0fTrie { roots: hashbrown::HashMap::new(), trie: Trie::default() }
    }
}

impl<V> P0fTrie<V> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.roots.allocation_size() + self.trie.heap_bytes()
    }
}

impl<V: Merge + Clone> P0fTrie<V> {
    #[inline]
    pub(super) fn find(&self, seen: &P0f, found: &mut Found<'_, V>) {
        let P0f { layout, version, quirks, ip_options_len, .. } = *seen;
        if let Some(root) = self.roots.get(&Head { layout, version, quirks, ip_options_len }) {
            let steps = Steps::of(seen);
            self.trie.visit(*root, &steps.as_slices(), &mut |rules| found.add_rules(rules));
        }
    }
}

/// A [`P0fTrie`] that is being built.
pub(super) struct Builder<V> {
    roots: hashbrown::HashMap<Head, NodeId>,
    rules: Rules<V>,
}

impl<V> Default for Builder<V> {
    fn default() -> Self {
        Builder { roots: hashbrown::HashMap::new(), rules: Rules::default() }
    }
}

impl<V: Merge + Clone> Builder<V> {
    pub(super) fn add(&mut self, signature: &P0fSignature, condition: Condition, value: V) {
        let condition = condition.with_relations_of(signature);
        for head in heads(signature) {
            let root = *self.roots.entry(head).or_insert_with(|| self.rules.trie.root());
            self.rules.put(root, &path(signature), condition.clone(), &value);
        }
    }

    pub(super) fn freeze(mut self) -> P0fTrie<V> {
        self.roots.shrink_to_fit();
        P0fTrie { roots: self.roots, trie: self.rules.freeze() }
    }
}

/// The heads of the packets that a signature matches. One for either version has two: in each of them without the quirks
/// that it does not ask of that version.
fn heads(signature: &P0fSignature) -> impl Iterator<Item = Head> + use<'_> {
    let P0fSignature { layout, ip_options_len, quirks, .. } = *signature;
    let head = move |version, quirks| Head { layout, version, quirks, ip_options_len };
    let versions = match signature.version {
        Field::Is(version) => [Some(head(version, quirks)), None],
        Field::Any => [IpVersion::V4, IpVersion::V6]
            .map(|version| Some(head(version, quirks.without(Quirks::foreign_to(version))))),
    };
    versions.into_iter().flatten()
}
