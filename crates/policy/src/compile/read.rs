//! The first stage: the lists, read and parsed side by side, as far as they have changed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;

use super::budget::Budget;
use crate::config::{List, ListAction};
use crate::diagnostic::Faults;
use crate::entry::{Addresses, Content, Entries};
use crate::stab::StabIndex;

/// A list as it was read. A rule set keeps it, to tell the entry behind a verdict, and to spare the next reload the reading.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// How it was read.
    list: List,
    /// The hash of its file.
    hash: u64,
    read: Arc<Read>,
    /// Whether it was taken over from the rule set before.
    pub(crate) is_reused: bool,
}

#[derive(Debug)]
struct Read {
    entries: Entries,
    v4: StabIndex<u32>,
    v6: StabIndex<u128>,
}

/// A line of a list that covers an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoveringEntry {
    /// How far it is from its first to its last address.
    pub(crate) steps: u128,
    pub(crate) line: u32,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn entries(&self) -> &Entries {
        &self.read.entries
    }

    /// The addresses, if it is a list of such.
    pub(crate) fn addresses(&self) -> Option<&Addresses> {
        match &self.read.entries.content {
            Content::Ip(addresses) => Some(addresses),
            Content::Fingerprint(_) => None,
        }
    }

    /// The entries that cover an address: the narrowest first, of equals the first line.
    pub(crate) fn covering(&self, address: IpAddr) -> Vec<CoveringEntry> {
        let Some(Addresses { v4, v6 }) = self.addresses() else { return Vec::new() };
        let mut covering: Vec<_> = match address {
            IpAddr::V4(address) => {
                let spans = self.read.v4.covering(v4, address.to_bits()).into_iter();
                spans.map(|s| CoveringEntry::new((s.end - s.start).into(), s.line, s.entry())).collect()
            }
            IpAddr::V6(address) => {
                let spans = self.read.v6.covering(v6, address.to_bits()).into_iter();
                spans.map(|s| CoveringEntry::new(s.end - s.start, s.line, s.entry())).collect()
            }
        };
        covering.sort_by_key(|entry| (entry.steps, entry.line));
        covering
    }

    /// Bytes of heap that its entries and their index hold.
    pub(crate) fn memory_usage(&self) -> usize {
        let entries = match &self.read.entries.content {
            Content::Ip(addresses) => addresses.memory_usage(),
            Content::Fingerprint(signatures) => size_of_val(&**signatures),
        };
        entries + self.read.v4.memory_usage() + self.read.v6.memory_usage()
    }
}

impl CoveringEntry {
    fn new(steps: u128, line: u32, text: String) -> Self {
        Self { steps, line, text }
    }
}

/// Reads lists, with so many threads beside this one; those that read as one of `known` did are taken from there. The answers are in the order of
/// the lists.
pub(super) fn read_all(
    lists: &[List],
    known: &[Source],
    budget: &Budget,
    more_threads: usize,
) -> Vec<Result<Source, Faults>> {
    let next = AtomicUsize::new(0);
    let answers: Vec<OnceLock<_>> = lists.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        while let Some((list, answer)) = take(&next, lists.iter().zip(&answers)) {
            answer.get_or_init(|| read(list, known, budget));
        }
    };
    thread::scope(|scope| {
        for _ in 0..more_threads.min(lists.len().saturating_sub(1)) {
            // Without a thread more, this one does the work.
            let _ = thread::Builder::new().name("synward-lists".to_owned()).spawn_scoped(scope, work);
        }
        work();
    });
    answers.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// The next of some things that threads share.
fn take<T>(next: &AtomicUsize, mut things: impl Iterator<Item = T>) -> Option<T> {
    things.nth(next.fetch_add(1, Ordering::Relaxed))
}

fn read(list: &List, known: &[Source], budget: &Budget) -> Result<Source, Faults> {
    let text = Entries::read(list)?;
    let hash = hash(&text);
    let same = known.iter().find(|source| source.hash == hash && reads_alike(&source.list, list));
    let (read, is_reused) = match same {
        Some(source) => (Arc::clone(&source.read), true),
        None => {
            budget.check_text(list, &text)?;
            (Arc::new(Read::new(Entries::parse(list, &text)?)), false)
        }
    };
    Ok(Source { list: list.clone(), hash, read, is_reused })
}

/// The hash of a file, by a key that nobody knows: who writes a list cannot make two that hash alike.
fn hash(text: &[u8]) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(text)
}

/// Whether two lists come to the same entries and the same complaints where their files are equal.
fn reads_alike(one: &List, other: &List) -> bool {
    let reading = |list: &List| List {
        action: ListAction::Block,
        mode: None,
        direction: None,
        p0f: None,
        ..list.clone()
    };
    reading(one) == reading(other)
}

impl Read {
    fn new(entries: Entries) -> Self {
        let (v4, v6) = match &entries.content {
            Content::Ip(Addresses { v4, v6 }) => (StabIndex::new(v4), StabIndex::new(v6)),
            Content::Fingerprint(_) => Default::default(),
        };
        Self { entries, v4, v6 }
    }
}
