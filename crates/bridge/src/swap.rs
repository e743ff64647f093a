//! A value that one thread replaces while others read it, and who frees what was replaced.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

#[cfg(test)]
mod tests;

/// A reader's end: a look at it is a relaxed load and a comparison.
pub(crate) type Reader<T> = Cache<Arc<ArcSwap<T>>, Arc<T>>;

/// The current value, and those before it that a reader may still hold. It holds a reference to each itself, so that no reader ever
/// drops the last one.
#[derive(Debug)]
pub(crate) struct Swap<T> {
    current: Arc<ArcSwap<T>>,
    /// The current value last, before it those that were replaced.
    kept: Vec<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    value: Arc<T>,
    /// Whether it was replaced, and no reader held it at the last look.
    unheld: bool,
}

impl<T> Kept<T> {
    fn new(value: &Arc<T>) -> Self {
        Self { value: Arc::clone(value), unheld: false }
    }
}

impl<T> Swap<T> {
    /// Starts with a first value.
    pub(crate) fn new(first: T) -> Self {
        let first = Arc::new(first);
        Self { kept: vec![Kept::new(&first)], current: Arc::new(ArcSwap::new(first)) }
    }

    pub(crate) fn reader(&self) -> Reader<T> {
        Cache::new(Arc::clone(&self.current))
    }

    /// The value that readers get at their next look.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Replaces the current value.
    pub(crate) fn publish(&mut self, value: T) {
        let value = Arc::new(value);
        self.kept.push(Kept::new(&value));
        self.current.store(value);
    }

    /// All values that are not yet taken out: the current one last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().map(|kept| &*kept.value)
    }

    /// Number of values that were replaced and are not yet taken out.
    pub(crate) fn retired(&self) -> usize {
        self.kept.len() - 1
    }

    /// Takes out the values that no reader held at the call before this one. They are whole: whoever asked frees them.
    pub(crate) fn take_unheld(&mut self) -> Vec<T> {
        let mut gone = Vec::new();
        for Kept { value, .. } in self.kept.extract_if(.., |kept| kept.unheld).collect::<Vec<_>>() {
            // The last reference is taken apart, not dropped: so the last thing a reader wrote is seen.
            match Arc::try_unwrap(value) {
                Ok(value) => gone.push(value),
                Err(value) => self.kept.insert(0, Kept { value, unheld: false }),
            }
        }
        let retired = self.retired();
        for old in self.kept.iter_mut().take(retired) {
            // A reader's cache holds the only other references, and it takes no new one of a replaced value.
            old.unheld = Arc::strong_count(&old.value) == 1;
        }
        gone
    }
}
