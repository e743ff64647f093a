//! What happened to the frames that were sent: lost, late, twice, in the wrong order.

use std::time::Duration;

use crate::kernel::Record;
use crate::sender::{Sent, WORST_LAG};

/// A frame that is on its way for longer than this is late: as long as a worker may be silent (`stale_after`).
pub(crate) const LATE: Duration = Duration::from_millis(250);

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) sent: usize,
    pub(crate) lost: usize,
    /// Of the lost, those that did not even leave the host: the next queue was full, or the link was down.
    pub(crate) refused: usize,
    /// Frames that arrived more than once.
    pub(crate) duplicated: usize,
    pub(crate) late: usize,
    /// Frames that arrived after one of their flow that was sent later (RFC 4737).
    pub(crate) out_of_order: usize,
    /// The longest time for which no frame of some flow came through: from the first that was lost to the next that
    /// was not.
    pub(crate) outage: Duration,
    /// The longest that a frame was on its way.
    pub(crate) delay: Duration,
    /// When the last frame arrived, in ns of CLOCK_MONOTONIC.
    pub(crate) last_arrival: u64,
    /// Frames lost of each flow.
    pub(crate) lost_of: Vec<usize>,
    /// How far the sender fell behind the clock.
    pub(crate) lag: Duration,
}

/// A frame of a flow: what was done, and what came of it.
type Trip = (crate::sender::Shot, Record);

impl Measured {
    /// Compares what was sent with the records of all numbers from 0 on.
    pub(crate) fn of(sent: &Sent, records: &[Record]) -> Self {
        let trips = sent.shots.iter().copied().zip(records[sent.first as usize..].iter().copied());
        let mut flows: Vec<Vec<Trip>> = vec![Vec::new(); sent.flows];
        for (place, trip) in trips.enumerate() {
            flows[place % sent.flows].push(trip);
        }
        let mut measured = Self { sent: sent.shots.len(), lag: sent.lag, ..Self::default() };
        flows.iter().for_each(|flow| measured.add(flow));
        measured
    }

    fn add(&mut self, flow: &[Trip]) {
        let lost = flow.iter().filter(|trip| is_lost(trip)).count();
        self.lost += lost;
        self.lost_of.push(lost);
        self.refused += flow.iter().filter(|(shot, _)| shot.refused).count();
        self.duplicated += flow.iter().filter(|(_, record)| record.times > 1).count();
        self.late += delays(flow).filter(|delay| *delay > LATE).count();
        self.out_of_order += out_of_order(flow);
        self.outage = self.outage.max(outage(flow));
        self.delay = self.delay.max(delays(flow).max().unwrap_or_default());
        let last = flow.iter().map(|(_, record)| record.arrived).max();
        self.last_arrival = self.last_arrival.max(last.unwrap_or_default());
    }

    /// Whether the sender kept pace; what it measured is void otherwise.
    pub(crate) fn kept_pace(&self) -> bool {
        self.lag <= WORST_LAG
    }
}

fn is_lost((_, record): &Trip) -> bool {
    record.times == 0
}

fn delays(flow: &[Trip]) -> impl Iterator<Item = Duration> {
    let arrived = flow.iter().filter(|trip| !is_lost(trip));
    arrived.map(|(shot, record)| Duration::from_nanos(record.arrived.saturating_sub(shot.at)))
}

fn out_of_order(flow: &[Trip]) -> usize {
    let mut earliest = u64::MAX;
    let mut was_overtaken = |arrived: u64| {
        let overtaken = arrived > earliest;
        earliest = earliest.min(arrived);
        overtaken
    };
    let arrivals = flow.iter().rev().filter(|trip| !is_lost(trip)).map(|(_, record)| record.arrived);
    arrivals.filter(|arrived| was_overtaken(*arrived)).count()
}

/// The longest row of lost frames. One that does not end lasts until the last frame was sent.
fn outage(flow: &[Trip]) -> Duration {
    let (mut longest, mut began) = (0, None);
    for trip in flow {
        let at = trip.0.at;
        let since = *began.get_or_insert(at);
        longest = longest.max(at - since);
        if !is_lost(trip) {
            began = None;
        }
    }
    Duration::from_nanos(longest)
}

/// Trips that never were: what is measured of them is known beforehand.
pub(crate) fn checks_itself() {
    let shot = |at| crate::sender::Shot { at, refused: false };
    let record = |arrived, times| Record { arrived, times, queue: 0 };
    let ms = |ms: u64| ms * 1_000_000;
    let records = [
        record(ms(1), 1),
        record(0, 0),
        record(0, 0),
        record(ms(40), 2),
        record(ms(31), 1),
        record(ms(400), 1),
    ];
    let shots = [0, 10, 20, 30, 31, 50].map(|at| shot(ms(at)));
    let sent = Sent { first: 0, flows: 1, shots: shots.to_vec(), lag: Duration::ZERO };
    let measured = Measured::of(&sent, &records);
    let expected = Measured {
        sent: 6,
        lost: 2,
        duplicated: 1,
        late: 1,
        out_of_order: 1,
        outage: Duration::from_millis(20),
        delay: Duration::from_millis(350),
        last_arrival: ms(400),
        lost_of: vec![2],
        ..Measured::default()
    };
    assert_eq!(measured, expected);
}
