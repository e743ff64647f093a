//! How long frames are under way, from the generator to the sink.

use std::time::Duration;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::honest::{faults_of_any, lost};
use crate::meter::{Meter, NUMBERS, Pace};
use crate::throughput::{Entrant, all_faults, spread};
use crate::traffic::Workload;

/// The longest that is told apart, in ns: longer ones count as this.
const LONGEST: u64 = 10_000_000_000;

/// Significant digits of a percentile.
const DIGITS: u8 = 3;

/// What a contender made of a load, turn by turn.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LatencyRow {
    pub(crate) contender: String,
    /// What the rate is: a share of that without loss, or a fixed one.
    pub(crate) load: String,
    pub(crate) turns: Vec<Latency>,
}

impl LatencyRow {
    /// All that is wrong with it.
    pub(crate) fn faults(&self) -> Vec<String> {
        all_faults(self.turns.iter().map(|turn| &turn.faults))
    }

    /// The median of something of all turns.
    pub(crate) fn median(&self, of: impl Fn(&Latency) -> f64) -> f64 {
        let [_, median, _] = spread(self.turns.iter().map(of).collect());
        median
    }
}

/// Percentiles of the time that frames were under way, in µs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    /// Frames a second, as they left.
    pub(crate) rate: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// Frames that did not arrive.
    pub(crate) lost: u64,
    pub(crate) faults: Vec<String>,
}

/// Sends numbered frames at a rate for a time, or until they are enough for percentiles.
pub(crate) fn latency(
    meter: &mut Meter,
    entrant: &mut Entrant,
    workload: &Workload,
    rate: u64,
    time: Duration,
    enough: u64,
) -> Result<Latency> {
    let frames = ((rate as f64 * time.as_secs_f64()) as u64).clamp(enough, NUMBERS);
    let counts = entrant.at_work(|bed, _| meter.send(bed, workload, Pace { rate, frames }))?;
    let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST, DIGITS)?;
    for delay in meter.delays(frames)? {
        histogram.saturating_record(delay);
    }
    let mut faults = faults_of_any(entrant.role, &counts);
    if histogram.is_empty() {
        faults.push("forwarded nothing".into());
    }
    ensure!(histogram.len() <= frames, "more delays than frames");
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Latency {
        rate: counts.offered.map_or(rate, |offered| offered.round() as u64),
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        max: histogram.max() as f64 / 1e3,
        lost: lost(entrant.role, &counts),
        faults,
    })
}
