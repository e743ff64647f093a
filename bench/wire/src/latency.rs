//! How long frames are under way, from the generator to the sink.

use std::time::Duration;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::honest::{faults_of_any, lost};
use crate::meter::{Meter, NUMBERS, Pace};
use crate::throughput::Entrant;
use crate::traffic::Workload;

/// The longest that is told apart, in ns: longer ones count as this.
const LONGEST: u64 = 10_000_000_000;

/// Significant digits of a percentile.
const DIGITS: u8 = 3;

/// Percentiles of the time that frames were under way, in µs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    pub(crate) contender: String,
    /// What the rate is: a share of that without loss, or a fixed one.
    pub(crate) load: String,
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

/// Sends numbered frames at a rate for a time.
pub(crate) fn latency(
    meter: &mut Meter,
    entrant: &mut Entrant,
    workload: &Workload,
    load: &str,
    rate: u64,
    time: Duration,
) -> Result<Latency> {
    let frames = ((rate as f64 * time.as_secs_f64()) as u64).clamp(100, NUMBERS);
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
        contender: entrant.name.clone(),
        load: load.to_owned(),
        rate: counts.offered.map_or(rate, |offered| offered.round() as u64),
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        max: histogram.max() as f64 / 1e3,
        lost: lost(entrant.role, &counts),
        faults,
    })
}
