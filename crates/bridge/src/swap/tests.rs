//! Publication under stress: nobody sees half of a value or one that is freed, and the thread that publishes frees them all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use super::{Reader, Swap};

const SWAPS: u64 = 10_000;

/// As much as takes a while to read.
const WORDS: usize = 128;

/// Who freed what: the thread and the generation.
type Freed = Arc<Mutex<Vec<(ThreadId, u64)>>>;

/// Stands for a snapshot: all of its words are its generation, until it is freed.
struct Stamped {
    words: Vec<AtomicU64>,
    freed: Freed,
}

impl Stamped {
    fn new(generation: u64, freed: &Freed) -> Self {
        Self { words: (0..WORDS).map(|_| AtomicU64::new(generation)).collect(), freed: Arc::clone(freed) }
    }

    /// The generation, of which all words must be.
    fn generation(&self) -> u64 {
        let generation = self.words.first().unwrap().load(Ordering::Relaxed);
        for word in &self.words {
            assert_eq!(word.load(Ordering::Relaxed), generation, "mixed, or freed");
        }
        generation
    }
}

impl Drop for Stamped {
    fn drop(&mut self) {
        self.freed.lock().unwrap().push((thread::current().id(), self.generation()));
        // A reader that still looks must not find what it had.
        self.words
            .iter()
            .zip(u64::MAX - WORDS as u64..)
            .for_each(|(word, mark)| word.store(mark, Ordering::Relaxed));
    }
}

/// Looks until told to stop, as a worker does: once a turn, and it works on what it got for all of the turn. Answers how many
/// generations it saw.
fn look_on(mut reader: Reader<Stamped>, stop: &AtomicBool) -> u64 {
    let (mut last, mut seen) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let current = reader.load();
        let generation = current.generation();
        assert!(generation >= last, "{generation} after {last}");
        seen += u64::from(generation > last);
        last = generation;
        assert_eq!(current.generation(), generation, "a turn sees one");
    }
    seen
}

#[test]
fn ten_thousand_generations_are_seen_whole_and_freed_by_the_control_thread() {
    let freed = Freed::default();
    let mut swap = Swap::new(Stamped::new(0, &freed));
    let stop = AtomicBool::new(false);
    let readers = thread::available_parallelism().unwrap().get().max(2);
    let mut most_retired = 0;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..readers)
            .map(|_| {
                let (reader, stop) = (swap.reader(), &stop);
                scope.spawn(move || look_on(reader, stop))
            })
            .collect();
        for generation in 1..=SWAPS {
            swap.publish(Stamped::new(generation, &freed));
            drop(swap.take_unheld());
            most_retired = most_retired.max(swap.retired());
            if generation.is_multiple_of(16) {
                // Where there are fewer cores than threads, the readers must have a turn.
                thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            assert!(thread.join().unwrap() > 10, "a reader has seen next to nothing");
        }
    });
    drop([swap.take_unheld(), swap.take_unheld()]);
    assert_eq!(swap.retired(), 0);

    let control = thread::current().id();
    let mut generations = Vec::new();
    for (thread, generation) in freed.lock().unwrap().iter() {
        assert_eq!(*thread, control, "generation {generation} was freed by a reader");
        generations.push(*generation);
    }
    generations.sort_unstable();
    assert!(generations.into_iter().eq(0..SWAPS), "each but the last is freed, once");
    assert_eq!(swap.current().generation(), SWAPS);
    assert!(most_retired > 1, "nobody ever held one that was replaced");
}
