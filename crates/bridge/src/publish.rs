//! How a new snapshot reaches the workers, and who frees the old one.
//!
//! The control thread writes one pointer; each worker looks at it once a turn (`arc_swap::Cache`: a relaxed load and a
//! comparison). What was replaced is kept by the publisher until no worker holds it any more, and freed by whoever
//! calls [`Publisher::reap`]: the control thread. A worker never runs the destructor of a rule set.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synward_policy::Snapshot;

use crate::swap::{Reader, Swap};
use crate::tally::{ListTotals, Tally};

/// A snapshot, and where each worker counts by it: made, published and freed together, so that no count is ever taken for one of
/// other rules.
#[derive(Debug)]
struct Published {
    snapshot: Arc<Snapshot>,
    /// By worker.
    tallies: Box<[Tally]>,
}

impl Published {
    fn new(snapshot: Snapshot, workers: usize) -> Self {
        let tallies = (0..workers).map(|_| Tally::new(&snapshot.rules)).collect();
        Self { snapshot: Arc::new(snapshot), tallies }
    }
}

/// A worker's view of the current snapshot.
#[derive(Debug)]
pub struct Subscription {
    reader: Reader<Published>,
    worker: usize,
}

/// What a worker judges by, and where it counts.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    /// The rules.
    pub snapshot: &'a Snapshot,
    /// The worker's own counters for them.
    pub tally: &'a Tally,
}

impl Subscription {
    /// What is in force now: the same, as long as the answer is held.
    #[inline]
    pub fn load(&mut self) -> Option<InForce<'_>> {
        let Published { snapshot, tallies } = &**self.reader.load();
        Some(InForce { snapshot, tally: tallies.get(self.worker)? })
    }
}

/// The control thread's end.
#[derive(Debug)]
pub struct Publisher {
    ledger: Ledger,
    workers: usize,
}

/// What lists of addresses did, since the start and over all reloads.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    /// What was counted by snapshots that are freed.
    closed: ListTotals,
    snapshots: Swap<Published>,
}

impl Ledger {
    /// The counts up to now. They never go back.
    pub fn totals(&self) -> ListTotals {
        let books = self.books();
        let mut totals = books.closed.clone();
        for Published { snapshot, tallies } in books.snapshots.all() {
            totals.add(&snapshot.rules, tallies);
        }
        totals
    }

    /// What a thread that panicked left behind is still the best that is known.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    /// Starts with a first snapshot, and an end for each worker.
    pub fn new(first: Snapshot, workers: usize) -> (Self, Vec<Subscription>) {
        let snapshots = Swap::new(Published::new(first, workers));
        let books = Books { closed: ListTotals::default(), snapshots };
        let publisher = Self { ledger: Ledger(Arc::new(Mutex::new(books))), workers };
        let subscriptions = (0..workers).map(|worker| publisher.subscribe(worker)).collect();
        (publisher, subscriptions)
    }

    /// An end for the worker of this number, in the place of one whose worker is gone.
    pub fn subscribe(&self, worker: usize) -> Subscription {
        Subscription { reader: self.ledger.books().snapshots.reader(), worker }
    }

    /// The snapshot that workers take up at their next turn.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.ledger.books().snapshots.current().snapshot)
    }

    /// What the lists of addresses did.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Puts a new snapshot in force. The old one is kept until [`Publisher::reap`].
    pub fn publish(&mut self, snapshot: Snapshot) {
        let published = Published::new(snapshot, self.workers);
        self.ledger.books().snapshots.publish(published);
    }

    /// A snapshot that is current, or retired and not yet freed.
    pub fn generation(&self, generation: u64) -> Option<Arc<Snapshot>> {
        let books = self.ledger.books();
        let mut snapshots = books.snapshots.all().map(|published| &published.snapshot);
        snapshots.find(|snapshot| snapshot.generation == generation).cloned()
    }

    /// Frees the retired snapshots that no worker held at the call before this one, and answers how many are left. What was counted
    /// by them is kept.
    ///
    /// A worker's events arrive behind its judgement: whoever takes all events out of the channel between two calls finds the rules of
    /// each of them still there.
    pub fn reap(&mut self) -> usize {
        let mut books = self.ledger.books();
        let gone = books.snapshots.take_unheld();
        for Published { snapshot, tallies } in &gone {
            books.closed.add(&snapshot.rules, tallies);
        }
        let retired = books.snapshots.retired();
        // Not while the books are open: a large table takes its time.
        drop(books);
        drop(gone);
        retired
    }
}

#[cfg(test)]
mod tests {
    use synward_policy::RuleSet;

    use super::*;

    fn snapshot(generation: u64) -> Snapshot {
        Snapshot { generation, ..Snapshot::default() }
    }

    fn generation(worker: &mut Subscription) -> u64 {
        worker.load().unwrap().snapshot.generation
    }

    #[test]
    fn a_retired_snapshot_lives_until_the_last_worker_has_moved_on() {
        let (mut publisher, mut workers) = Publisher::new(snapshot(1), 2);
        let [moves_on, lags] = &mut workers[..] else { panic!("two workers") };
        publisher.publish(snapshot(2));
        assert_eq!(generation(moves_on), 2);
        assert_eq!(publisher.reap(), 1);
        assert_eq!(publisher.generation(1).map(|old| old.generation), Some(1));
        assert_eq!(generation(lags), 2);
        assert_eq!((publisher.reap(), publisher.reap()), (1, 0));
        assert!(publisher.generation(1).is_none());
        assert_eq!(publisher.current().generation, 2);
    }

    #[test]
    fn rule_sets_go_with_their_generations() {
        let rules = || Arc::new(RuleSet::default());
        let first = Snapshot { rules: rules(), ..Snapshot::default() };
        let (mut publisher, mut workers) = Publisher::new(first, 1);
        let mut replaced = Vec::new();
        for number in 1..=100 {
            replaced.push(Arc::downgrade(&publisher.current().rules));
            publisher.publish(Snapshot { rules: rules(), generation: number, ..Snapshot::default() });
            assert!(replaced.last().unwrap().upgrade().is_some(), "the worker has not moved on yet");
            assert_eq!(generation(&mut workers[0]), number);
            publisher.reap();
        }
        publisher.reap();
        assert!(replaced.iter().all(|rules| rules.upgrade().is_none()));
    }
}
