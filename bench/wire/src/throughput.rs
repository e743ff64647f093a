//! How many frames a second each contender gets from one side to the other, in turns.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::bed::{Bed, Receiver};
use crate::contender::{Contender, Role, Running};
use crate::honest::{expected, faults};
use crate::interrupt;
use crate::meter::{Flow, Meter, Pace};
use crate::traffic::{Block, Rules, Workload};

/// Above this share of what was sent, it is the generator that the rate tells of.
const ALL: f64 = 0.98;

/// The first frames.
const GREETING: Pace = Pace { rate: 1000, frames: 50 };

/// A contender on its bed, not at work until it is its turn.
pub(crate) struct Entrant {
    // Before the bed, on which it works.
    running: Box<dyn Running>,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) receiver: Receiver,
    bed: Bed,
}

/// What one turn came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Turn {
    /// Frames a second: those that no rule blocks, counted at the sink; of who drops all, those that it took.
    pub(crate) rate: f64,
    /// Frames a second that were sent meanwhile.
    pub(crate) sent: f64,
    /// Frames a second of the workload that it could take: as `rate`, with the share of frames that are blocked.
    pub(crate) capacity: f64,
    /// Time of the contender's core for each frame that it took, in ns. A contender that spins uses all there is.
    pub(crate) nanoseconds: f64,
    /// The share that was lost of the frames that are to be forwarded; of who drops all, of those that were sent.
    pub(crate) loss: f64,
    /// Whether there was nothing more to take: a faster generator might show a higher rate.
    pub(crate) limited_by_generator: bool,
    /// Why the turn does not count.
    pub(crate) faults: Vec<String>,
}

/// What a contender made of a workload.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) contender: String,
    pub(crate) receiver: Receiver,
    pub(crate) turns: Vec<Turn>,
}

impl Row {
    /// All that is wrong with it.
    pub(crate) fn faults(&self) -> Vec<String> {
        all_faults(self.turns.iter().map(|turn| &turn.faults))
    }

    /// Least, median and most of something of all turns.
    pub(crate) fn spread(&self, of: impl Fn(&Turn) -> f64) -> [f64; 3] {
        spread(self.turns.iter().map(of).collect())
    }

    /// Least, median and most of the ratios to another row, of the turns of the same round.
    pub(crate) fn ratios(&self, to: &Self) -> [f64; 3] {
        let ratios = self.turns.iter().zip(&to.turns).map(|(turn, other)| turn.rate / other.rate);
        spread(ratios.collect())
    }

    /// Whether the generator could not send more than it took, in half of its turns or more.
    pub(crate) fn limited_by_generator(&self) -> bool {
        2 * self.turns.iter().filter(|turn| turn.limited_by_generator).count() >= self.turns.len()
    }
}

/// What is wrong in any of these turns, each fault once where it comes turn by turn.
pub(crate) fn all_faults<'a>(turns: impl Iterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut faults: Vec<_> = turns.flatten().cloned().collect();
    faults.dedup();
    faults
}

/// Least, median and most of some values.
pub(crate) fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    [at(0), at(values.len() / 2), at(values.len().saturating_sub(1))]
}

impl Entrant {
    /// Puts a contender on a bed.
    pub(crate) fn start(
        receiver: Receiver,
        contender: &dyn Contender,
        rules: &Rules,
        meter: &mut Meter,
    ) -> Result<Self> {
        let (name, role) = (contender.name(rules), contender.role());
        let bed = contender.bed(receiver)?;
        meter.watch(&bed)?;
        let start = || {
            let mut running = contender.start(&bed, rules)?;
            bed.place_receivers()?;
            running.pause()?;
            Ok::<_, anyhow::Error>(running)
        };
        let running = start().with_context(|| format!("cannot start: {name}"))?;
        let mut entrant = Self { running, name, role, receiver, bed };
        entrant.greet(rules, meter)?;
        Ok(entrant)
    }

    /// Sends a few frames, slowly: bridges learn who is where, and Synward's shim that its worker takes what it is given, before which it
    /// trusts it with no more than 256.
    fn greet(&mut self, rules: &Rules, meter: &mut Meter) -> Result<()> {
        let workload = Workload::greeting(rules)?;
        self.at_work(|bed, _| meter.send(bed, &workload, GREETING)).map(drop)
    }

    /// Has it work for as long as something takes.
    pub(crate) fn at_work<T>(&mut self, work: impl FnOnce(&Bed, &mut dyn Running) -> Result<T>) -> Result<T> {
        self.running.resume()?;
        // A worker that was stopped has to be seen alive before it gets frames.
        interrupt::sleep(Duration::from_millis(100))?;
        let done = work(&self.bed, &mut *self.running);
        self.running.pause()?;
        done.with_context(|| self.name.clone())
    }

    /// One turn under as many frames as can be sent.
    pub(crate) fn saturate(
        &mut self,
        meter: &mut Meter,
        workload: &Workload,
        time: Duration,
    ) -> Result<Turn> {
        let time = time.max(self.running.least_turn());
        let (flow, fault) = self.at_work(|bed, running| {
            let flow = meter.saturate(bed, workload, time, || running.taken())?;
            Ok((flow, running.fault()?))
        })?;
        let mut turn = turn(self.role, &flow);
        turn.faults.extend(fault);
        Ok(turn)
    }
}

fn turn(role: Role, flow: &Flow) -> Turn {
    let sum = |number: fn(&crate::meter::Tally) -> u64| flow.window.iter().map(number).sum::<u64>();
    let (sent, arrived) = (sum(|tally| tally.sent), sum(|tally| tally.arrived));
    let good = |tally: &&crate::meter::Tally| tally.block == Block::No;
    let passed: u64 = flow.window.iter().filter(good).map(|tally| tally.arrived).sum();
    let good: u64 = flow.window.iter().filter(good).map(|tally| tally.sent).sum();
    let taken = flow.taken.unwrap_or(arrived);
    // A flood has no frames but blocked ones.
    let is_flood = !flow.window.iter().any(|tally| tally.block == Block::No);
    let (counted, wanted, got) = if role == Role::DropsAll || is_flood {
        (taken, sent, taken)
    } else {
        (passed, expected(role, &flow.window), arrived)
    };
    let a_second = |frames: f64| frames / flow.time.as_secs_f64();
    Turn {
        rate: a_second(counted as f64),
        sent: a_second(sent as f64),
        capacity: a_second(passed as f64 * sent as f64 / good.max(1) as f64),
        nanoseconds: flow.busy.as_nanos() as f64 / taken.max(1) as f64,
        loss: (1.0 - got as f64 / wanted.max(1) as f64).max(0.0),
        limited_by_generator: taken as f64 > ALL * sent as f64,
        faults: faults(role, flow),
    }
}

/// Has all take turns under as many frames as can be sent, so often, with so much time each.
pub(crate) fn race(
    meter: &mut Meter,
    entrants: &mut [Entrant],
    workload: &Workload,
    rounds: u32,
    time: Duration,
) -> Result<Vec<Row>> {
    let row = |entrant: &Entrant| Row {
        workload: workload.name.clone(),
        contender: entrant.name.clone(),
        receiver: entrant.receiver,
        turns: Vec::new(),
    };
    let mut rows: Vec<Row> = entrants.iter().map(row).collect();
    in_turns(&workload.name, rounds, entrants, &mut rows, |entrant, row| {
        row.turns.push(entrant.saturate(meter, workload, time)?);
        Ok(())
    })?;
    Ok(rows)
}

/// Has each take its turn with what is kept of it, so often; each round begins with another one, and every second
/// round goes backwards, so that nobody always comes behind the same.
pub(crate) fn in_turns<E, K>(
    what: &str,
    rounds: u32,
    entrants: &mut [E],
    kept: &mut [K],
    mut turn: impl FnMut(&mut E, &mut K) -> Result<()>,
) -> Result<()> {
    for round in 1..=rounds {
        eprintln!("{what}: round {round} of {rounds}");
        let mut pairs: Vec<_> = entrants.iter_mut().zip(&mut *kept).collect();
        if round % 2 == 0 {
            pairs.reverse();
        }
        let first = (round as usize * pairs.len() / rounds as usize) % pairs.len().max(1);
        pairs.rotate_left(first);
        pairs.into_iter().try_for_each(|(entrant, kept)| turn(entrant, kept))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rates: &[f64], limited: usize) -> Row {
        let turn = |(place, rate): (usize, &f64)| Turn {
            rate: *rate,
            sent: 0.0,
            capacity: 0.0,
            nanoseconds: 0.0,
            loss: 0.0,
            limited_by_generator: place < limited,
            faults: Vec::new(),
        };
        let turns = rates.iter().enumerate().map(turn).collect();
        Row { workload: String::new(), contender: String::new(), receiver: Receiver::Sender, turns }
    }

    #[test]
    fn a_spread_is_the_least_the_median_and_the_most() {
        assert_eq!(spread(vec![3.0, 1.0, 9.0, 2.0, 4.0]), [1.0, 3.0, 9.0]);
        assert_eq!(spread(vec![5.0]), [5.0; 3]);
    }

    #[test]
    fn each_takes_its_turn_in_each_round_and_another_one_begins() {
        let (mut order, mut kept) = (Vec::new(), [0; 3]);
        in_turns("", 3, &mut ['a', 'b', 'c'], &mut kept, |entrant, kept| {
            order.push(*entrant);
            *kept += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(String::from_iter(order), "bcaacbabc");
        assert_eq!(kept, [3; 3]);
    }

    #[test]
    fn ratios_are_of_turns_of_the_same_round() {
        // The machine was slower in the second round: for both.
        let (row, other) = (row(&[10.0, 5.0, 12.0], 0), row(&[20.0, 10.0, 8.0], 0));
        assert_eq!(row.ratios(&other), [0.5, 0.5, 1.5]);
    }

    #[test]
    fn the_generator_is_the_limit_in_half_of_the_turns_or_more() {
        assert!(!row(&[1.0, 1.0, 1.0], 1).limited_by_generator());
        assert!(row(&[1.0, 1.0, 1.0], 2).limited_by_generator());
    }
}
