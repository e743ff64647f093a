//! Many signatures, looked up at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

#[cfg(feature = "ja4t")]
use crate::Ja4t;
use crate::{Direction, Fingerprint, MuonFp, Notation, Signature};

/// Signatures and a `u32` for each, compiled once and never changed.
///
/// A lookup allocates nothing. Signatures without wildcards cost one hash lookup for each notation in use,
/// however many they are; the hash is keyed at random, since the one who sends the SYN chooses what is hashed,
/// and a hit is compared in full. Signatures with a wildcard or a trait, and those of p0f, are tried one after the other: their cost
/// grows with their number.
#[derive(Debug, Default)]
pub struct SignatureTable {
    muonfp: Exact<MuonFp>,
    #[cfg(feature = "ja4t")]
    ja4t: Exact<Ja4t>,
    others: Box<[(Signature, u32)]>,
}

impl SignatureTable {
    /// Compiles signatures, each with the value that stands for it. The same signature may come many times,
    /// and so may a value.
    pub fn build(entries: impl IntoIterator<Item = (Signature, u32)>) -> SignatureTable {
        let mut muonfp = Vec::new();
        #[cfg(feature = "ja4t")]
        let mut ja4t = Vec::new();
        let mut others = Vec::new();
        for (signature, value) in entries {
            match Key::of(&signature) {
                Some(Key::MuonFp(key)) => muonfp.push((key, value)),
                #[cfg(feature = "ja4t")]
                Some(Key::Ja4t(key)) => ja4t.push((key, value)),
                None => others.push((signature, value)),
            }
        }
        SignatureTable {
            muonfp: Exact::build(muonfp),
            #[cfg(feature = "ja4t")]
            ja4t: Exact::build(ja4t),
            others: others.into(),
        }
    }

    /// Calls `visit` with the value of every signature that matches, in no particular order.
    pub fn for_each_match(&self, seen: &Fingerprint, mut visit: impl FnMut(u32)) {
        // Without a trait, a signature is of a SYN.
        if Direction::of(&seen.syn) == Direction::Syn {
            self.muonfp.values(&seen.muonfp).iter().copied().for_each(&mut visit);
            #[cfg(feature = "ja4t")]
            self.ja4t.values(&seen.ja4t).iter().copied().for_each(&mut visit);
        }
        let matching = self.others.iter().filter(|(signature, _)| signature.matches(seen));
        matching.for_each(|(_, value)| visit(*value));
    }

    /// How many signatures there are, repeated ones included.
    pub fn len(&self) -> usize {
        let exact = self.muonfp.values.len();
        #[cfg(feature = "ja4t")]
        let exact = exact + self.ja4t.values.len();
        exact + self.others.len()
    }

    /// Whether there is no signature at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the table holds, its own struct included. The share of the hash maps is computed
    /// from how the standard library lays them out, and does not count what the allocator adds, nor what the
    /// signatures share with their clones ([`Traits::heap_bytes`](crate::Traits::heap_bytes)).
    pub fn memory_usage(&self) -> usize {
        let exact = self.muonfp.heap_bytes();
        #[cfg(feature = "ja4t")]
        let exact = exact + self.ja4t.heap_bytes();
        size_of::<SignatureTable>() + exact + size_of_val(&*self.others)
    }
}

/// The only fingerprint that a signature matches, if it has no wildcard and asks for nothing else.
enum Key {
    MuonFp(MuonFp),
    #[cfg(feature = "ja4t")]
    Ja4t(Ja4t),
}

impl Key {
    fn of(signature: &Signature) -> Option<Key> {
        match &signature.notation {
            _ if signature.traits.constraints() > 0 => None,
            Notation::MuonFp(signature) => signature.exact().map(Key::MuonFp),
            #[cfg(feature = "ja4t")]
            Notation::Ja4t(signature) => signature.exact().map(Key::Ja4t),
            Notation::P0f(_) => None,
        }
    }
}

/// The values of each fingerprint, all in one array in which each has its run.
#[derive(Debug)]
struct Exact<K> {
    runs: HashMap<K, Range<usize>>,
    values: Box<[u32]>,
}

impl<K: Eq + Hash> Exact<K> {
    fn build(entries: Vec<(K, u32)>) -> Exact<K> {
        let mut grouped: HashMap<K, Vec<u32>> = HashMap::new();
        for (key, value) in entries {
            grouped.entry(key).or_default().push(value);
        }
        let mut values = Vec::new();
        let mut runs = HashMap::with_capacity(grouped.len());
        for (key, run) in grouped {
            let start = values.len();
            values.extend(run);
            runs.insert(key, start..values.len());
        }
        Exact { runs, values: values.into() }
    }

    fn values(&self, key: &K) -> &[u32] {
        if self.runs.is_empty() {
            // Hashing costs more than this question.
            return &[];
        }
        self.runs.get(key).and_then(|run| self.values.get(run.clone())).unwrap_or_default()
    }

    fn heap_bytes(&self) -> usize {
        // The standard map keeps a power of two of buckets, at most 7/8 of them in use, and a byte for each.
        let buckets = match self.runs.capacity() {
            0 => 0,
            capacity => (capacity * 8 / 7).next_power_of_two(),
        };
        buckets * (size_of::<(K, Range<usize>)>() + 1) + size_of_val(&*self.values)
    }
}

impl<K> Default for Exact<K> {
    fn default() -> Exact<K> {
        Exact { runs: HashMap::new(), values: Box::default() }
    }
}
