//! How a new snapshot reaches the workers, and who frees the old one.
//!
//! The control thread writes one pointer; each worker looks at it once a turn (`arc_swap::Cache`: a relaxed load and a
//! comparison). What was replaced is kept by the publisher until no worker holds it any more, and freed by whoever
//! calls [`Publisher::reap`]: the control thread. A worker never runs the destructor of a rule set.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Cache};
use synward_policy::Snapshot;

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
    cache: Cache<Arc<ArcSwap<Published>>, Arc<Published>>,
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
        let Published { snapshot, tallies } = &**self.cache.load();
        Some(InForce { snapshot, tally: tallies.get(self.worker)? })
    }
}

/// The control thread's end.
#[derive(Debug)]
pub struct Publisher {
    current: Arc<ArcSwap<Published>>,
    ledger: Ledger,
    workers: usize,
}

/// What lists of addresses did, since the start and over all reloads.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    /// What was counted by snapshots that are freed.
    closed: ListTotals,
    /// The current snapshot last, before it those that were replaced.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    published: Arc<Published>,
    /// Whether it was replaced, and no worker held it at the last look.
    unheld: bool,
}

impl Ledger {
    /// The counts up to now. They never go back.
    pub fn totals(&self) -> ListTotals {
        let books = self.books();
        let mut totals = books.closed.clone();
        for Open { published, .. } in &books.open {
            totals.add(&published.snapshot.rules, &published.tallies);
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
        let first = Arc::new(Published::new(first, workers));
        let ledger = Ledger::default();
        ledger.books().open.push(Open { published: Arc::clone(&first), unheld: false });
        let current = Arc::new(ArcSwap::new(first));
        let subscribe = |worker| Subscription { cache: Cache::new(Arc::clone(&current)), worker };
        let subscriptions = (0..workers).map(subscribe).collect();
        (Self { current, ledger, workers }, subscriptions)
    }

    /// The snapshot that workers take up at their next turn.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.load().snapshot)
    }

    /// What the lists of addresses did.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Puts a new snapshot in force. The old one is kept until [`Publisher::reap`].
    pub fn publish(&mut self, snapshot: Snapshot) {
        let published = Arc::new(Published::new(snapshot, self.workers));
        self.ledger.books().open.push(Open { published: Arc::clone(&published), unheld: false });
        self.current.store(published);
    }

    /// A snapshot that is current, or retired and not yet freed.
    pub fn generation(&self, generation: u64) -> Option<Arc<Snapshot>> {
        let books = self.ledger.books();
        let mut snapshots = books.open.iter().map(|open| &open.published.snapshot);
        snapshots.find(|snapshot| snapshot.generation == generation).cloned()
    }

    /// Frees the retired snapshots that no worker held at the call before this one, and answers how many are left. What was counted
    /// by them is kept.
    ///
    /// A worker's events arrive behind its judgement: whoever takes all events out of the channel between two calls finds the rules of
    /// each of them still there.
    pub fn reap(&mut self) -> usize {
        let mut books = self.ledger.books();
        let gone = books.close();
        let retired = books.open.len() - 1;
        for old in books.open.iter_mut().take(retired) {
            // A worker's cache holds the only other references, and it takes no new one of a retired snapshot.
            old.unheld = Arc::strong_count(&old.published) == 1;
        }
        // Not while the books are open: a large table takes its time.
        drop(books);
        drop(gone);
        retired
    }
}

impl Books {
    /// Takes out what nobody holds, and writes down what was counted by it.
    fn close(&mut self) -> Vec<Published> {
        let unheld: Vec<Open> = self.open.extract_if(.., |open| open.unheld).collect();
        let mut gone = Vec::new();
        for Open { published, .. } in unheld {
            // The last reference is taken apart, not dropped: so the last count of each worker is seen.
            match Arc::try_unwrap(published) {
                Ok(published) => {
                    self.closed.add(&published.snapshot.rules, &published.tallies);
                    gone.push(published);
                }
                Err(published) => self.open.insert(0, Open { published, unheld: false }),
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use synward_prefix::{IpTable, Ipv4Table, Ipv6Table, Range};

    use super::*;

    /// A snapshot that is blocked to the last address of its generation: a mixed one would not agree with itself.
    fn snapshot(generation: u64) -> Snapshot {
        let value = u32::try_from(generation).unwrap();
        let v4 = Ipv4Table::build([Range { start: 0, end: value, value }]).unwrap();
        let bans = Arc::new(IpTable::new(v4, Ipv6Table::default()));
        Snapshot { bans, generation, ..Snapshot::default() }
    }

    #[test]
    fn a_retired_snapshot_lives_until_the_last_worker_has_moved_on() {
        let (mut publisher, mut workers) = Publisher::new(snapshot(1), 2);
        let [moves_on, lags] = &mut workers[..] else { panic!("two workers") };
        let generation = |worker: &mut Subscription| worker.load().unwrap().snapshot.generation;
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
    fn readers_see_generations_in_order_and_every_retired_one_is_freed_here() {
        let (mut publisher, workers) = Publisher::new(snapshot(0), 2);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for mut subscription in workers {
                let stop = &stop;
                scope.spawn(move || {
                    let mut last = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let seen = subscription.load().unwrap().snapshot;
                        assert!(seen.generation >= last);
                        last = seen.generation;
                        let newest = std::net::Ipv4Addr::from_bits(u32::try_from(last).unwrap());
                        assert_eq!(seen.bans.get(newest.into()).map(u64::from), Some(last));
                    }
                });
            }
            for generation in 1..10_000 {
                publisher.publish(snapshot(generation));
                publisher.reap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        publisher.reap();
        assert_eq!(publisher.reap(), 0);
    }
}
