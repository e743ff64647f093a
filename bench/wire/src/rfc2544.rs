//! Throughput without loss, bursts and loss against load, as RFC 2544 (sections 26.1, 26.3, 26.4) has them.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::bed::Receiver;
use crate::honest::{expected, faults_of_any, lost};
use crate::meter::{Meter, Pace};
use crate::throughput::Entrant;
use crate::traffic::Workload;

/// More frames a second than the generator can part by the clock.
const FASTEST: u64 = 4_000_000;

/// Below this share of a rate, it was not offered.
const OFFERED: f64 = 0.98;

/// The longest burst that is tried.
const LONGEST_BURST: u64 = 1 << 16;

/// Shares of the rate without a limit at which the loss is looked at, in per cent.
pub(crate) const LOADS: [u64; 10] = [10, 20, 40, 60, 70, 80, 90, 100, 110, 120];

/// How often a rate that proved to lose frames is lowered before it is given up, and to how many per cent each time.
const LOWERINGS: u32 = 12;
const LOWER: u64 = 90;

/// How the rate without loss is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// How long frames are sent at a rate.
    pub(crate) trial: Duration,
    /// How long the rate that was found must hold.
    pub(crate) proof: Duration,
    /// How often a rate is tried that loses frames: others use the machine, too.
    pub(crate) tries: u32,
    /// Halvings of what is not known.
    pub(crate) steps: u32,
}

/// The most frames a second that a contender forwards without losing one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Throughput {
    pub(crate) contender: String,
    pub(crate) receiver: Receiver,
    pub(crate) workload: String,
    /// Frames a second, as they left.
    pub(crate) rate: u64,
    /// Whether more was not tried, or could not be offered.
    pub(crate) limited_by_generator: bool,
    pub(crate) faults: Vec<String>,
}

/// The longest burst at the generator's full speed of which no frame is lost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Burst {
    pub(crate) contender: String,
    pub(crate) receiver: Receiver,
    pub(crate) frames: u64,
    /// Whether longer ones were not tried.
    pub(crate) limited_by_generator: bool,
    pub(crate) faults: Vec<String>,
}

/// What share of the frames is lost at which rates.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LossCurve {
    pub(crate) contender: String,
    pub(crate) receiver: Receiver,
    /// Frames a second as they left, and the share that was lost of those that are to be forwarded.
    pub(crate) points: Vec<(u64, f64)>,
    pub(crate) faults: Vec<String>,
}

/// What a contender does with frames at a pace.
struct Trial<'a> {
    meter: &'a mut Meter,
    entrant: &'a mut Entrant,
    workload: &'a Workload,
    faults: Vec<String>,
    /// Whether something failed only because the generator was too slow for it, or because nothing beyond was tried.
    limited_by_generator: bool,
}

impl<'a> Trial<'a> {
    fn new(meter: &'a mut Meter, entrant: &'a mut Entrant, workload: &'a Workload) -> Self {
        Self { meter, entrant, workload, faults: Vec::new(), limited_by_generator: false }
    }

    /// The rate at which frames left, and the share of them that was lost.
    fn loss(&mut self, pace: Pace) -> Result<(f64, f64)> {
        let Self { meter, entrant, workload, faults, .. } = self;
        let counts = entrant.at_work(|bed, _| meter.send(bed, workload, pace))?;
        for fault in faults_of_any(entrant.role, &counts) {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        let loss = lost(entrant.role, &counts) as f64 / expected(entrant.role, &counts.tallies).max(1) as f64;
        Ok((counts.offered.unwrap_or(pace.rate as f64), loss))
    }

    /// As many frames as can be sent, and what the contender can take of them.
    fn capacity(&mut self, time: Duration) -> Result<f64> {
        let turn = self.entrant.saturate(self.meter, self.workload, time)?;
        self.faults.extend(turn.faults);
        Ok(turn.capacity)
    }

    fn attempt(&mut self, pace: Pace, tries: u32) -> Result<Outcome> {
        let mut outcome = Outcome::Lost;
        for _ in 0..tries {
            let (offered, loss) = self.loss(pace)?;
            match loss == 0.0 {
                true if offered >= OFFERED * pace.rate as f64 => return Ok(Outcome::Passed(offered)),
                true => outcome = Outcome::NotOffered,
                false => {}
            }
        }
        Ok(outcome)
    }

    /// The largest number up to a limit for which nothing is lost, to so many halvings.
    fn largest(&mut self, limit: u64, search: Search, pace: impl Fn(u64) -> Pace) -> Result<u64> {
        let (mut works, mut fails) = (0, limit);
        let mut number = limit;
        for _ in 0..=search.steps {
            if works == number {
                break;
            }
            match self.attempt(pace(number), search.tries)? {
                Outcome::Passed(_) => works = number,
                outcome => {
                    self.limited_by_generator = matches!(outcome, Outcome::NotOffered);
                    fails = number;
                }
            }
            number = works.midpoint(fails);
        }
        self.limited_by_generator |= works == limit;
        Ok(works)
    }

    /// The rate as it left, if it holds for long, or the first one below that does: a short trial may have had luck.
    fn proven(&mut self, mut rate: u64, search: Search) -> Result<u64> {
        for _ in 0..LOWERINGS {
            if let Outcome::Passed(offered) = self.attempt(pace(rate, search.proof), search.tries)? {
                return Ok(offered.round() as u64);
            }
            self.limited_by_generator = false;
            rate = rate * LOWER / 100;
        }
        Ok(0)
    }
}

/// What became of frames at a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// All arrived; and how many a second left.
    Passed(f64),
    /// All arrived, but they were fewer than asked for.
    NotOffered,
    Lost,
}

fn pace(rate: u64, time: Duration) -> Pace {
    Pace { rate, frames: (rate as f64 * time.as_secs_f64()).ceil() as u64 }
}

/// Looks for the rate without loss, up to one that ought to be too much: more than it takes in a turn of that length.
pub(crate) fn throughput(
    meter: &mut Meter,
    entrant: &mut Entrant,
    workload: &Workload,
    turn: Duration,
    search: Search,
) -> Result<Throughput> {
    let mut trial = Trial::new(meter, entrant, workload);
    let limit = ((1.3 * trial.capacity(turn)?) as u64).min(FASTEST);
    let found = trial.largest(limit, search, |rate| pace(rate, search.trial))?;
    let rate = if found > 0 { trial.proven(found, search)? } else { 0 };
    let Trial { entrant, faults, limited_by_generator, .. } = trial;
    let Entrant { name: contender, receiver, .. } = entrant;
    let (contender, receiver, workload) = (contender.clone(), *receiver, workload.name.clone());
    Ok(Throughput { contender, receiver, workload, rate, limited_by_generator, faults })
}

/// Looks for the longest burst without loss.
pub(crate) fn burst(
    meter: &mut Meter,
    entrant: &mut Entrant,
    workload: &Workload,
    search: Search,
) -> Result<Burst> {
    let mut trial = Trial::new(meter, entrant, workload);
    // To two frames, in a full run.
    let search = Search { steps: 3 * search.steps, ..search };
    let frames = trial.largest(LONGEST_BURST, search, Pace::burst_of)?;
    let Trial { entrant, faults, limited_by_generator, .. } = trial;
    let (contender, receiver) = (entrant.name.clone(), entrant.receiver);
    Ok(Burst { contender, receiver, frames, limited_by_generator, faults })
}

/// Looks at the loss at shares of what it takes in a turn of that length.
pub(crate) fn loss_curve(
    meter: &mut Meter,
    entrant: &mut Entrant,
    workload: &Workload,
    turn: Duration,
    time: Duration,
) -> Result<LossCurve> {
    let mut trial = Trial::new(meter, entrant, workload);
    let full = trial.capacity(turn)?;
    let rates = LOADS.map(|load| ((full * load as f64 / 100.0) as u64).max(1));
    let points = rates.into_iter().filter(|rate| *rate <= FASTEST).map(|rate| trial.loss(pace(rate, time)));
    let points =
        points.map(|seen| seen.map(|(offered, loss)| (offered as u64, loss))).collect::<Result<_>>()?;
    let Trial { entrant, faults, .. } = trial;
    Ok(LossCurve { contender: entrant.name.clone(), receiver: entrant.receiver, points, faults })
}
