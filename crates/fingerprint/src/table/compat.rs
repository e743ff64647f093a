//! Signatures of p0f, matched as p0f 3.09b matches its database.

use hashbrown::HashMap;

use super::groups::Groups;
use super::p0f::{LayoutId, Layouts, STEPS, path, symbols};
use super::paths::{self, Paths, RootId};
use super::{Found, Merge};
use crate::p0f::{Closeness, Observation};
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

/// What is compared before the steps: the kinds, the bytes of padding behind EOL, the bytes of IP options.
type Head = (LayoutId, u8, u8);

/// A list of them.
#[derive(Debug, Clone)]
pub(super) struct CompatDatabase<V> {
    roots: HashMap<Head, RootId>,
    paths: Paths<STEPS>,
    candidates: Groups<Candidate<V>>,
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
    pub(super) fn build(
        signatures: impl IntoIterator<Item = (CompatSignature, V)>,
        layouts: &mut Layouts,
    ) -> Self {
        let mut paths = paths::Builder::default();
        let mut roots = HashMap::new();
        let mut candidates = Vec::new();
        for (place, (rule, value)) in signatures.into_iter().enumerate() {
            let P0fSignature { layout, ip_options_len, .. } = &rule.signature;
            let head = (layouts.number(layout.all_kinds()), layout.eol_padding(), *ip_options_len);
            let root = *roots.entry(head).or_insert_with(|| paths.root());
            let end = paths.end(root, &path(&rule.signature));
            candidates.push((end, Candidate { place, rule, value }));
        }
        let len = candidates.len();
        CompatDatabase { roots, paths: paths.freeze(), candidates: Groups::of(candidates), len }
    }

    /// Adds the value of the signature that p0f would name, if there is one.
    pub(super) fn find(&self, layout: LayoutId, seen: &Observation, found: &mut Found<'_, V>) {
        let P0f { layout: listed, ip_options_len, .. } = seen.without_multiple();
        let head = (layout, listed.eol_padding(), *ip_options_len);
        let Some(root) = self.roots.get(&head) else { return };
        let seen = seen.whole();
        let mut best: Option<(Rank, &Candidate<V>)> = None;
        self.paths.visit(*root, &symbols(&seen), |group| {
            let candidates = self.candidates.get(group).iter();
            for candidate in candidates.filter(|candidate| candidate.rule.traits.matches(found.syn)) {
                let Some(rank) = candidate.rank(&seen) else { continue };
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
        self.roots.allocation_size() + self.paths.heap_bytes() + self.candidates.heap_bytes()
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
