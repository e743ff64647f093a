//! Signatures of p0f, matched as p0f 3.09b matches its database.

use hashbrown::HashMap;

use super::p0f::{Steps, path};
use super::trie::{self, NodeId, Trie};
use super::{Found, Merge};
use crate::p0f::{Closeness, OptionLayout};
use crate::{P0f, P0fSignature, Traits};

/// A signature of a list that is matched as p0f 3.09b matches its database: see
/// [`P0fDatabase::find`](crate::P0fDatabase::find).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompatSignature {
    /// What it says.
    pub signature: P0fSignature,
    /// What it says beside: where they do not match, the signature is as good as not there.
    pub traits: Traits,
    /// Whether this is a last resort, for want of a specific signature.
    pub generic: bool,
    /// Whether this is the signature of a program, not of a system: it is nothing that a fuzzy match may name.
    pub of_program: bool,
}

/// A list of them.
#[derive(Debug, Clone)]
pub(super) struct CompatDatabase<V> {
    roots: HashMap<(OptionLayout, u8), NodeId>,
    trie: Trie<Candidate<V>>,
    len: usize,
}

/// A signature whose window, MSS, scale, options and payload are those of the packet.
#[derive(Debug, Clone)]
struct Candidate<V> {
    /// Its place in the list.
    place: usize,
    rule: CompatSignature,
    value: V,
}

impl<V: Merge + Clone> CompatDatabase<V> {
    /// A database of these signatures, in the order of its file.
    pub(super) fn build(signatures: impl IntoIterator<Item = (CompatSignature, V)>) -> Self {
        let mut builder = trie::Builder::default();
        let mut roots = HashMap::new();
        let mut len = 0;
        for (place, (rule, value)) in signatures.into_iter().enumerate() {
            let key = (rule.signature.layout, rule.signature.ip_options_len);
            let root = *roots.entry(key).or_insert_with(|| builder.root());
            let end = builder.end(root, &path(&rule.signature));
            builder.put(end, Candidate { place, rule, value });
            len = place + 1;
        }
        CompatDatabase { roots, trie: builder.freeze(), len }
    }

    /// Adds the value of the signature that p0f would name, if there is one.
    pub(super) fn find(&self, seen: &P0f, found: &mut Found<'_, V>) {
        let Some(root) = self.roots.get(&(seen.layout, seen.ip_options_len)) else { return };
        let mut best: Option<(Rank, &Candidate<V>)> = None;
        self.trie.visit(*root, &Steps::of(seen).as_slices(), &mut |candidates| {
            for candidate in candidates.iter().filter(|candidate| candidate.rule.traits.matches(found.syn)) {
                let Some(rank) = candidate.rank(seen) else { continue };
                if best.is_none_or(|(least, _)| rank < least) {
                    best = Some((rank, candidate));
                }
            }
        });
        // Of the fuzzy ones p0f looks at the first alone, and gives up if that is a program's.
        let named = best.filter(|(rank, candidate)| !(rank.0 == Class::Fuzzy && candidate.rule.of_program));
        if let Some((_, candidate)) = named {
            found.add(&candidate.value);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.roots.allocation_size() + self.trie.heap_bytes()
    }
}

/// How good a match is; the least is named, and of equally good ones the first of the list.
type Rank = (Class, usize);

/// The classes of matches, in p0f's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Specific,
    Generic,
    Fuzzy,
}

impl<V> Candidate<V> {
    fn rank(&self, seen: &P0f) -> Option<Rank> {
        let class = match self.rule.signature.closeness(seen)? {
            Closeness::Fuzzy => Class::Fuzzy,
            Closeness::Exact if self.rule.generic => Class::Generic,
            Closeness::Exact => Class::Specific,
        };
        Some((class, self.place))
    }
}
