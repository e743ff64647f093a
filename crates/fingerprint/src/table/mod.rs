//! Many signatures, looked up at once.
//!
//! ```text
//!                            ┌─ exact: one look-up of the whole fingerprint
//!                            │
//! SYN ─ one reading of it ───┼─ layout without gaps ─▶ paths ─▶ rules
//!                            │
//!                            └─ paths ─▶ automaton over the layouts with gaps ─▶ rules
//! ```
//!
//! A *path* is what a signature asks of window, MSS and scale: this value, or any. There are eight forms of that, and of
//! each form at most one path is open to a SYN: one look-up finds it. p0f's signatures have paths of their own: what is
//! compared for equality is a step of them, and what is a relation (a TTL within reach, a divisor) is asked of the rules
//! at their ends.
//!
//! What all matches at an end say is merged when the table is built. The cost of a look-up is thus bounded by the number of
//! forms, however many signatures match: who chooses the SYN chooses paths, and not how many signatures are visited.
//! Only rules with traits or p0f's relations are asked one by one, and only those that share an end, that is, say the
//! same of everything else.

mod automaton;
mod compat;
mod condition;
mod gapped;
mod groups;
mod p0f;
mod paths;
mod rules;
mod view;

use std::collections::BTreeSet;

use synward_wire::SynFacts;

use crate::p0f::Observation;
use crate::reading::Reading;
use crate::{Direction, Fingerprint, Kinds, Notation, Signature};

use compat::CompatDatabase;
pub use compat::CompatSignature;
use condition::Condition;
use view::{Seen, Views, ViewsBuilder};

/// What several signatures that match the same SYN say together.
///
/// Signatures are merged when a table is built, in whatever order that takes: `merge` is commutative, associative
/// and idempotent, or what a lookup answers depends on chance.
pub trait Merge {
    /// Takes in what one more signature says.
    fn merge(&mut self, other: &Self);
}

/// A rank: the least wins.
impl Merge for u32 {
    fn merge(&mut self, other: &Self) {
        *self = (*self).min(*other);
    }
}

/// Names, places, or whatever tells one signature from another: all are kept. For tests and tools, since it allocates.
impl<T: Ord + Clone> Merge for BTreeSet<T> {
    fn merge(&mut self, other: &Self) {
        self.extend(other.iter().cloned());
    }
}

/// Signatures and a value for each, compiled once and never changed.
///
/// A lookup answers what all signatures that match the SYN say together ([`Merge`]). It allocates nothing, as long as
/// neither cloning nor merging values does. A hit is compared in full: two fingerprints never pass for one.
///
/// Its cost does not depend on the number of signatures without wildcards. One with wildcards, traits or in p0f's
/// notation adds a look-up where it asks other fields than the others, and no SYN can make a table look up more than
/// all combinations of "this value" and "any" in the fields of its notation.
#[derive(Debug, Clone)]
pub struct SignatureTable<V> {
    muonfp: Views<V>,
    #[cfg(feature = "ja4t")]
    ja4t: Views<V>,
    /// The lists of kinds in `p0f` and in `databases`.
    p0f_layouts: p0f::Layouts,
    p0f: p0f::Strict<V>,
    databases: Box<[CompatDatabase<V>]>,
    len: usize,
}

impl<V> Default for SignatureTable<V> {
    fn default() -> Self {
        SignatureTable {
            muonfp: Views::default(),
            #[cfg(feature = "ja4t")]
            ja4t: Views::default(),
            p0f_layouts: p0f::Layouts::default(),
            p0f: p0f::Strict::default(),
            databases: Box::default(),
            len: 0,
        }
    }
}

impl<V: Merge + Clone> SignatureTable<V> {
    /// Compiles signatures, each with the value that stands for it. The same signature may come many times, and so
    /// may a value.
    pub fn build(entries: impl IntoIterator<Item = (Signature, V)>) -> SignatureTable<V> {
        let mut parts = Parts::default();
        entries.into_iter().for_each(|(signature, value)| parts.add(&signature, value));
        parts.freeze()
    }

    /// The same, and lists of signatures that are matched as p0f 3.09b matches its database: in each list, at most
    /// one signature is found.
    #[must_use]
    pub fn with_compat<D>(mut self, databases: impl IntoIterator<Item = D>) -> SignatureTable<V>
    where
        D: IntoIterator<Item = (CompatSignature, V)>,
    {
        let build = |database| CompatDatabase::build(database, &mut self.p0f_layouts);
        self.databases = databases.into_iter().map(build).collect();
        self.len += self.databases.iter().map(CompatDatabase::len).sum::<usize>();
        self
    }

    /// What all signatures that match say, or `None` if there is none.
    pub fn find(&self, seen: &Fingerprint) -> Option<V> {
        let Fingerprint { syn, muonfp, p0f, .. } = seen;
        let mut found = Found::of(syn);
        self.muonfp.find(&muonfp.into(), &mut found);
        #[cfg(feature = "ja4t")]
        self.ja4t.find(&Seen::from(&seen.ja4t), &mut found);
        let p0f_kinds = p0f.as_ref().map(|p0f| p0f.layout.all_kinds());
        self.find_in_p0f(p0f_kinds, || p0f.map(Observation::from), &mut found);
        found.value
    }

    /// The same, from the facts of a SYN: of these only those notations are read that some signature is in.
    #[inline]
    pub fn find_in(&self, syn: &SynFacts) -> Option<V> {
        let reading = Reading::of(syn);
        let mut found = Found::of(syn);
        if !self.muonfp.is_empty() {
            self.find_in_muonfp(&reading, &mut found);
        }
        #[cfg(feature = "ja4t")]
        if !self.ja4t.is_empty() {
            self.ja4t.find(&Seen::from(&reading.ja4t()), &mut found);
        }
        self.find_in_p0f(reading.p0f_kinds(), || reading.p0f(), &mut found);
        found.value
    }

    #[inline]
    fn find_in_muonfp(&self, reading: &Reading<'_>, found: &mut Found<'_, V>) {
        match reading.list() {
            Some(list) => {
                let window = found.syn.window;
                self.muonfp.find(&Seen::muonfp(&list.kinds, window, list.mss(), list.window_scale()), found);
            }
            None => self.muonfp.find(&Seen::from(&reading.muonfp()), found),
        }
    }

    /// `kinds` are those that p0f lists, if they are known before it is read: with others than some signature names, it
    /// need not be.
    #[inline]
    fn find_in_p0f(
        &self,
        kinds: Option<&Kinds>,
        read: impl FnOnce() -> Option<Observation>,
        found: &mut Found<'_, V>,
    ) {
        let number = |kinds| self.p0f_layouts.get(kinds);
        let known = kinds.map(number);
        if self.p0f_layouts.is_empty() || known == Some(None) {
            return;
        }
        if let Some(seen) = read()
            && let Some(layout) = known.unwrap_or_else(|| number(seen.without_multiple().layout.all_kinds()))
        {
            self.p0f.find(layout, &seen, found);
            self.databases.iter().for_each(|database| database.find(layout, &seen, found));
        }
    }

    /// How many signatures there are, repeated ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no signature at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that the table holds, its own struct included; not what values hold on the heap, nor what
    /// the traits share with their clones ([`Traits::heap_bytes`](crate::Traits::heap_bytes)).
    pub fn memory_usage(&self) -> usize {
        let views = self.muonfp.heap_bytes();
        #[cfg(feature = "ja4t")]
        let views = views + self.ja4t.heap_bytes();
        let databases = self.databases.iter().map(CompatDatabase::heap_bytes).sum::<usize>();
        let databases = databases + size_of_val(&*self.databases);
        let p0f = self.p0f_layouts.heap_bytes() + self.p0f.heap_bytes();
        size_of::<Self>() + views + p0f + databases
    }
}

/// What was found of a SYN so far.
struct Found<'a, V> {
    syn: &'a SynFacts,
    /// Whether this is a SYN: without the trait `dir`, a signature is of one.
    is_syn: bool,
    value: Option<V>,
}

impl<'a, V: Merge + Clone> Found<'a, V> {
    #[inline]
    fn of(syn: &'a SynFacts) -> Self {
        Found { syn, is_syn: Direction::of(syn) == Direction::Syn, value: None }
    }

    #[inline]
    fn add(&mut self, value: &V) {
        match &mut self.value {
            Some(found) => found.merge(value),
            None => self.value = Some(value.clone()),
        }
    }
}

/// The signatures of a table that is being built, by what they are looked up in.
struct Parts<V> {
    muonfp: ViewsBuilder<V>,
    #[cfg(feature = "ja4t")]
    ja4t: ViewsBuilder<V>,
    p0f_layouts: p0f::Layouts,
    p0f: p0f::Builder<V>,
    len: usize,
}

impl<V> Default for Parts<V> {
    fn default() -> Self {
        Parts {
            muonfp: ViewsBuilder::default(),
            #[cfg(feature = "ja4t")]
            ja4t: ViewsBuilder::default(),
            p0f_layouts: p0f::Layouts::default(),
            p0f: p0f::Builder::default(),
            len: 0,
        }
    }
}

impl<V: Merge + Clone> Parts<V> {
    fn add(&mut self, signature: &Signature, value: V) {
        self.len += 1;
        let condition = Condition::of(&signature.traits);
        match &signature.notation {
            Notation::MuonFp(signature) => self.muonfp.add(signature.into(), condition, value),
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => self.ja4t.add(signature.into(), condition, value),
            Notation::P0f(signature) => {
                let layout = self.p0f_layouts.number(signature.layout.all_kinds());
                self.p0f.add(layout, signature, condition, value);
            }
        }
    }

    fn freeze(self) -> SignatureTable<V> {
        SignatureTable {
            muonfp: self.muonfp.freeze(),
            #[cfg(feature = "ja4t")]
            ja4t: self.ja4t.freeze(),
            p0f_layouts: self.p0f_layouts,
            p0f: self.p0f.freeze(),
            databases: Box::default(),
            len: self.len,
        }
    }
}
