//! How a new snapshot reaches the workers, and who frees the old one.
//!
//! The control thread writes one pointer; each worker looks at it once a turn (`arc_swap::Cache`: a relaxed load and a
//! comparison). What was replaced is kept by the publisher until no worker holds it any more, and freed by whoever
//! calls [`Publisher::reap`]: the control thread. A worker never runs the destructor of a rule set.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use synward_policy::Snapshot;

/// A worker's view of the current snapshot.
pub type Subscription<S = Snapshot> = Cache<Arc<ArcSwap<S>>, Arc<S>>;

/// The control thread's end. What is published need not be a [`Snapshot`]: a test publishes what tells who frees it.
#[derive(Debug)]
pub struct Publisher<S = Snapshot> {
    current: Arc<ArcSwap<S>>,
    retired: Vec<Retired<S>>,
}

/// A snapshot that was replaced.
#[derive(Debug)]
struct Retired<S> {
    snapshot: Arc<S>,
    /// Whether no worker held it at the last look.
    unheld: bool,
}

impl<S> Publisher<S> {
    /// Starts with a first snapshot.
    pub fn new(first: S) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(first)), retired: Vec::new() }
    }

    /// An end for one worker.
    pub fn subscribe(&self) -> Subscription<S> {
        Cache::new(Arc::clone(&self.current))
    }

    /// The snapshot that workers take up at their next turn.
    pub fn current(&self) -> Arc<S> {
        self.current.load_full()
    }

    /// Puts a new snapshot in force. The old one is kept until [`Publisher::reap`].
    pub fn publish(&mut self, snapshot: S) {
        let snapshot = self.current.swap(Arc::new(snapshot));
        self.retired.push(Retired { snapshot, unheld: false });
    }

    /// Frees the retired snapshots that no worker held at the call before this one, and answers how many are left.
    ///
    /// A worker's events arrive behind its judgement: whoever takes all events out of the channel between two calls finds the rules of
    /// each of them still there.
    pub fn reap(&mut self) -> usize {
        self.retired.retain(|retired| !retired.unheld);
        for retired in &mut self.retired {
            // A worker's cache holds the only other references, and it takes no new one of a retired snapshot.
            retired.unheld = Arc::strong_count(&retired.snapshot) == 1;
        }
        self.retired.len()
    }
}

impl Publisher {
    /// A snapshot that is current, or retired and not yet freed.
    pub fn generation(&self, generation: u64) -> Option<Arc<Snapshot>> {
        let mut retired = self.retired.iter().map(|retired| &retired.snapshot);
        let found = retired.find(|snapshot| snapshot.generation == generation);
        found.cloned().or_else(|| Some(self.current()).filter(|current| current.generation == generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(generation: u64) -> Snapshot {
        Snapshot { generation, ..Snapshot::default() }
    }

    #[test]
    fn a_retired_snapshot_lives_until_the_last_worker_has_moved_on() {
        let mut publisher = Publisher::new(snapshot(1));
        let (mut moves_on, mut lags) = (publisher.subscribe(), publisher.subscribe());
        publisher.publish(snapshot(2));
        assert_eq!(moves_on.load().generation, 2);
        assert_eq!(publisher.reap(), 1);
        assert_eq!(publisher.generation(1).map(|old| old.generation), Some(1));
        assert_eq!(lags.load().generation, 2);
        assert_eq!((publisher.reap(), publisher.reap()), (1, 0));
        assert!(publisher.generation(1).is_none());
        assert_eq!(publisher.current().generation, 2);
    }
}
