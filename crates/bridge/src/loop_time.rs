//! How long the turns of a worker's loop take.
//!
//! The worker records into a histogram of its own. Once in a while it exchanges it, if the control thread has
//! handed it an empty one: no lock, no allocation, no waiting on either side.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use hdrhistogram::{CreationError, Histogram};

/// The longest turn that is told apart, in ns.
const LONGEST: u64 = 10_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 2;
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
    total: Histogram<u64>,
    full: Receiver<Histogram<u64>>,
    spare: Sender<Histogram<u64>>,
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
    let times = LoopTimes { total: histogram()?, full, spare };
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
    /// All turns that the worker has handed over, in ns.
    pub fn total(&mut self) -> &Histogram<u64> {
        if let Ok(mut full) = self.full.try_recv() {
            // Both have the same bounds: adding cannot fail.
            let added = self.total.add(&full);
            debug_assert!(added.is_ok(), "{added:?}");
            full.reset();
            self.offer(full);
        }
        &self.total
    }

    fn offer(&self, empty: Histogram<u64>) {
        let _ = self.spare.try_send(empty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_arrives_once() {
        let (mut timer, mut times) = loop_times().unwrap();
        let mut recorded = 0;
        for round in 1..2000_u64 {
            timer.record(Duration::from_micros(round));
            recorded += 1;
            if round % 300 == 0 {
                let _ = times.total();
            }
        }
        timer.exchange();
        let _ = times.total();
        timer.exchange();
        assert_eq!(times.total().len(), recorded);
        assert!(times.total().max() >= 1_980_000);
    }
}
