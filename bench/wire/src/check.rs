//! What is checked of the harness itself, on the real beds.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::contender::{Contender, Xdp};
use crate::meter::Meter;
use crate::suite::Suite;
use crate::targets::{Target, targets};
use crate::throughput::{Entrant, Row, race};
use crate::traffic::Traffic;

/// Long enough to see somebody sleep who does so every other half second.
const TURN: Duration = Duration::from_millis(1200);

/// Turns of two equal contenders: that all of the one are faster than all of the other comes about once in 1,700 times.
const ROUNDS: u32 = 7;

/// Contenders that do not do what they say are found out, each for its own fault.
pub(crate) fn broken_contenders_are_void(traffic: &Traffic) -> Result<()> {
    let workload = traffic.shortest()?;
    let expected = ["forwarded nothing", "frames back", "that it is to drop", "slept for"];
    for (broken, expected) in Xdp::BROKEN.into_iter().zip(expected) {
        let mut meter = Meter::new()?;
        let mut entrant = Entrant::start(broken.receiver(), &broken, &traffic.rules, &mut meter)?;
        let turn = entrant.saturate(&mut meter, &workload, TURN)?;
        let told = turn.faults.join("; ");
        ensure!(told.contains(expected), "{}: expected {expected:?}, and was told {told:?}", entrant.name);
        println!("void, as it must be: {}: {told}", entrant.name);
    }
    Ok(())
}

/// Two runs of the same program come out equal within their spread.
pub(crate) fn equal_contenders_come_out_equal(traffic: &Traffic) -> Result<()> {
    let mut meter = Meter::new()?;
    let mut entrants = Vec::new();
    for wire in [Xdp::WIRE, Xdp::WIRE_AGAIN] {
        entrants.push(Entrant::start(wire.receiver(), &wire, &traffic.rules, &mut meter)?);
    }
    let rows = race(&mut meter, &mut entrants, &traffic.shortest()?, ROUNDS, Duration::from_millis(200))?;
    let [one, other] = &rows[..] else { bail!("a row is missing") };
    for row in &rows {
        ensure!(row.faults().is_empty(), "{}: {:?}", row.contender, row.faults());
    }
    let ([least, _, most], [other_least, _, other_most]) =
        (one.spread(|turn| turn.rate), other.spread(|turn| turn.rate));
    ensure!(
        least <= other_most && other_least <= most,
        "the same program twice: {least:.0} to {most:.0} and {other_least:.0} to {other_most:.0} frames/s"
    );
    let [least, median, most] = one.ratios(other);
    println!("the same program twice: {median:.2} x [{least:.2}-{most:.2}]");
    Ok(())
}

/// Everything was measured that is not told as missing, and whoever is here could be started. Whatever the figures are.
pub(crate) fn no_row_is_empty(suite: &Suite<'_>) -> Result<()> {
    let results = &suite.results;
    if let Some(absent) = results.absent.iter().find(|absent| absent.is_installed) {
        bail!("{} could not be started: {}", absent.contender, absent.reason);
    }
    for row in &results.throughput {
        let Row { workload, contender, turns, .. } = row;
        ensure!(row.faults().is_empty(), "{workload}, {contender}: {:?}", row.faults());
        ensure!(turns.iter().all(|turn| turn.rate > 0.0), "{workload}, {contender}: no frame");
    }
    let faults = results.without_loss.iter().map(|row| (&row.contender, row.faults.clone()));
    let faults = faults.chain(results.bursts.iter().map(|row| (&row.contender, row.faults.clone())));
    let faults = faults.chain(results.loss.iter().map(|row| (&row.contender, row.faults.clone())));
    for (contender, faults) in faults.chain(results.latency.iter().map(|row| (&row.contender, row.faults())))
    {
        ensure!(faults.is_empty(), "{contender}: {faults:?}");
    }
    for curve in &results.loss {
        ensure!(!curve.points.is_empty(), "{}: no loss at any load", curve.contender);
    }
    for row in &results.latency {
        ensure!(row.turns.iter().all(|turn| turn.p50 > 0.0), "{}: no time under way", row.contender);
    }
    let is_absent = |name: &str| results.absent.iter().any(|absent| name.ends_with(&absent.contender));
    for target in targets(suite).iter().filter(|target| target.is_met().is_none()) {
        let Target { case, against, .. } = target;
        ensure!(is_absent(case) || is_absent(against), "nothing was reached: {case} against {against}");
    }
    everybody_has_a_row(suite)
}

fn everybody_has_a_row(suite: &Suite<'_>) -> Result<()> {
    let results = &suite.results;
    let is_absent = |name: &str| results.absent.iter().any(|absent| absent.contender == name);
    let name = |contender: &dyn Contender| contender.name(&suite.traffic.rules);
    for (contender, _) in suite.all() {
        let name = name(&*contender);
        let has_row = results.throughput.iter().any(|row| row.contender == name);
        ensure!(has_row != is_absent(&name), "{name} is neither measured nor told as missing");
    }
    for contender in suite.few() {
        let name = name(&*contender);
        let has = [
            results.without_loss.iter().any(|row| row.contender == name),
            results.bursts.iter().any(|row| row.contender == name),
            results.loss.iter().any(|row| row.contender == name),
            results.latency.iter().any(|row| row.contender == name),
        ];
        ensure!(is_absent(&name) || has == [true; 4], "{name}: a table has no row of it: {has:?}");
    }
    for contender in suite.beside() {
        let name = name(&*contender);
        ensure!(results.latency.iter().any(|row| row.contender == name), "no latency of {name}");
    }
    Ok(())
}
