//! How long the turns of a worker's loop take.
//!
//! The worker records into a histogram of its own. Once in a while it exchanges it, if the control thread has
//! handed it an empty one: no lock, no allocation, no waiting on either side.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use hdrhistogram::{CreationError, Histogram};

/// The longest turn that is told apart, in ns.
const LONGEST: u64 = 10_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 2;
/// How long a window is: quantiles are of the last window and the one that has begun.
const WINDOW: Duration = Duration::from_secs(300);
/// Turns between two exchanges.
const INTERVAL: u32 = 256;

/// The worker's end.
#[derive(Debug)]
pub struct LoopTimer {
    current: Histogram<u64>,
    turns: u32,
    full: Sender<Histogram<u64>>,
    spare: Receiver<Histogram<u64>>,
}

/// The control thread's end.
#[derive(Debug)]
pub struct LoopTimes {
    /// The turns of the window before, and of the one that has begun.
    before: Histogram<u64>,
    now: Histogram<u64>,
    began: Instant,
    turns: u64,
    total: Duration,
    full: Receiver<Histogram<u64>>,
    spare: Sender<Histogram<u64>>,
}

/// What is known of a worker's turns.
#[derive(Debug, Clone)]
pub struct LoopSummary {
    /// How long the turns of the last five to ten minutes took, in ns.
    pub recent: Histogram<u64>,
    /// Number of all turns since the start.
    pub turns: u64,
    /// How long they took together.
    pub total: Duration,
}

/// Makes both ends.
///
/// # Errors
/// None with the constants of this module: the library checks them.
pub fn loop_times() -> Result<(LoopTimer, LoopTimes), CreationError> {
    let histogram = || Histogram::new_with_bounds(1, LONGEST, DIGITS);
    let (full_sender, full) = crossbeam_channel::bounded(1);
    let (spare, spare_receiver) = crossbeam_channel::bounded(1);
    let timer = LoopTimer { current: histogram()?, turns: 0, full: full_sender, spare: spare_receiver };
    let times = LoopTimes {
        before: histogram()?,
        now: histogram()?,
        began: Instant::now(),
        turns: 0,
        total: Duration::ZERO,
        full,
        spare,
    };
    times.offer(histogram()?);
    Ok((timer, times))
}

impl LoopTimer {
    /// Records a turn that moved frames.
    pub(crate) fn record(&mut self, turn: Duration) {
        self.current.saturating_record(u64::try_from(turn.as_nanos()).unwrap_or(LONGEST));
        self.turns += 1;
        if self.turns >= INTERVAL {
            self.exchange();
        }
    }

    /// Gives what was recorded away, if there is an empty histogram to go on with.
    pub(crate) fn exchange(&mut self) {
        if self.turns > 0
            && let Ok(empty) = self.spare.try_recv()
        {
            let full = std::mem::replace(&mut self.current, empty);
            self.turns = 0;
            // There is one spare histogram, so the channel for full ones is empty now; were the control thread
            // gone, nobody would miss the figures.
            let _ = self.full.try_send(full);
        }
    }
}

impl LoopTimes {
    /// Takes over what the worker has recorded, and gives it an empty histogram to go on with. To be called more often than the
    /// worker fills one, so that nothing waits.
    pub fn collect(&mut self) {
        if let Ok(mut full) = self.full.try_recv() {
            self.turns += full.len();
            self.total += Duration::from_nanos((full.mean() * full.len() as f64) as u64);
            add(&mut self.now, &full);
            full.reset();
            self.offer(full);
        }
        if self.began.elapsed() >= WINDOW {
            self.turn_window();
        }
    }

    /// What is known of the turns that were collected.
    pub fn summary(&self) -> LoopSummary {
        let mut recent = self.before.clone();
        add(&mut recent, &self.now);
        LoopSummary { recent, turns: self.turns, total: self.total }
    }

    fn turn_window(&mut self) {
        std::mem::swap(&mut self.before, &mut self.now);
        self.now.reset();
        self.began = Instant::now();
    }

    fn offer(&self, empty: Histogram<u64>) {
        let _ = self.spare.try_send(empty);
    }
}

/// Adds one histogram to another of the same bounds, which cannot fail.
fn add(sum: &mut Histogram<u64>, more: &Histogram<u64>) {
    let added = sum.add(more);
    debug_assert!(added.is_ok(), "{added:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_arrives_once() {
        let (mut timer, mut times) = loop_times().unwrap();
        for round in 1..2000_u64 {
            timer.record(Duration::from_micros(round));
            if round % 300 == 0 {
                times.collect();
            }
        }
        times.collect();
        timer.exchange();
        times.collect();
        let LoopSummary { recent, turns, total } = times.summary();
        assert_eq!((turns, recent.len()), (1999, 1999));
        assert!(recent.max() >= 1_980_000);
        assert!((1.9..2.1).contains(&total.as_secs_f64()), "{total:?}");
    }

    #[test]
    fn what_is_long_ago_is_forgotten_but_for_its_sum() {
        let (mut timer, mut times) = loop_times().unwrap();
        timer.record(Duration::from_millis(5));
        timer.exchange();
        times.collect();
        times.turn_window();
        assert_eq!(times.summary().recent.len(), 1);
        times.turn_window();
        let LoopSummary { recent, turns, .. } = times.summary();
        assert_eq!((recent.len(), turns), (0, 1));
    }
}
