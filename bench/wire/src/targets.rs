//! What was to be reached, and what was.

use serde::Serialize;

use crate::contender::{
    BareVeth, Bridge, BridgeOnItsOwnCore, Contender, Driver, Filter, Load, Null, Testpmd, Wait,
};
use crate::latency::Latency;
use crate::suite::{FIXED_RATES, Suite};
use crate::throughput::spread;

/// A row of the table of targets.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    pub(crate) case: String,
    pub(crate) against: String,
    /// What must be reached.
    pub(crate) bound: Bound,
    /// None where one of the two is missing, or void.
    pub(crate) reached: Option<f64>,
    /// Least and most of it, round by round.
    pub(crate) spread: Option<(f64, f64)>,
    /// Whether both took all that the generator sent: which one is faster was not seen.
    pub(crate) limited_by_generator: bool,
}

/// Between what and what a figure must lie.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Bound {
    /// A ratio of rates.
    Least(f64),
    /// A ratio of times.
    Most(f64),
    /// A time in µs.
    Microseconds(f64),
}

impl Target {
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.reached.map(|reached| match self.bound {
            Bound::Least(bound) => reached >= bound,
            Bound::Most(bound) | Bound::Microseconds(bound) => reached <= bound,
        })
    }
}

/// All targets, with what a suite has measured.
pub(crate) fn targets(suite: &Suite<'_>) -> Vec<Target> {
    let name = |contender: &dyn Contender| contender.name(&suite.traffic.rules);
    let all = name(&suite.synward(Load::AllRules, Wait::Busy));
    let no_rules = name(&suite.synward(Load::NoRules, Wait::Busy));
    let swapped = name(&suite.synward(Load::Swapped, Wait::Busy));
    let (shortest, syns) = ("60-byte frames", "SYN flood, every SYN blocked");
    let listed = "flood from listed addresses";
    // It is the faster one of the two: what looks at the ring all the time slows down who writes it.
    let null = name(&Null(Wait::Adaptive));
    let ratio = |workload: &str, contender: &str, other: &str, bound: f64| {
        let rows = suite.results.row(workload, contender).zip(suite.results.row(workload, other));
        let rows = rows.filter(|(row, other)| row.faults().is_empty() && other.faults().is_empty());
        let ratios = rows.map(|(row, other)| row.ratios(other));
        Target {
            case: format!("{workload}: {contender}"),
            against: other.to_owned(),
            bound: Bound::Least(bound),
            reached: ratios.map(|[_, median, _]| median),
            spread: ratios.map(|[least, _, most]| (least, most)),
            limited_by_generator: rows
                .is_some_and(|(row, other)| row.limited_by_generator() && other.limited_by_generator()),
        }
    };
    let mut targets = vec![
        ratio(shortest, &all, &no_rules, 0.95),
        ratio(shortest, &all, &name(&Testpmd(Driver::AfXdp)), 1.0),
        ratio(shortest, &all, &name(&Bridge(Filter::NftAll)), 3.0),
        ratio(syns, &all, &null, 0.85),
        ratio(listed, &all, &null, 0.85),
        ratio(shortest, &swapped, &all, 0.8),
        ratio(syns, &swapped, &all, 0.8),
    ];
    targets.extend(latencies(suite));
    targets
}

fn latencies(suite: &Suite<'_>) -> Vec<Target> {
    let name = |contender: &dyn Contender| contender.name(&suite.traffic.rules);
    let [slow, fast] = FIXED_RATES.map(|rate| format!("{rate} frames/s"));
    let wire = name(&BareVeth);
    let find = |contender: &str, load: &str| {
        let mut rows = suite.results.latency.iter().filter(|row| row.faults().is_empty());
        rows.find(|row| row.contender == contender && row.load == load)
    };
    // What a bare wire takes is the bed's. Turn by turn.
    let added = |contender: &str, load: &str, of: fn(&Latency) -> f64| -> Option<Vec<f64>> {
        let pairs = find(contender, load)?.turns.iter().zip(&find(&wire, load)?.turns);
        Some(pairs.map(|(turn, bare)| of(turn) - of(bare)).collect())
    };
    let bridges = [name(&BridgeOnItsOwnCore), name(&Bridge(Filter::Nothing))];
    let busy = name(&suite.synward(Load::AllRules, Wait::Busy));
    let adaptive = name(&suite.synward(Load::AllRules, Wait::Adaptive));
    let ratios = |bridge: &str| -> Option<Vec<f64>> {
        let (ours, theirs) = (added(&busy, &fast, |l| l.p50)?, added(bridge, &fast, |l| l.p50)?);
        Some(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    };
    let target = |case: String, against: &str, bound, reached: Option<Vec<f64>>| {
        let reached = reached.map(spread);
        Target {
            case,
            against: against.into(),
            bound,
            reached: reached.map(|[_, median, _]| median),
            spread: reached.map(|[least, _, most]| (least, most)),
            limited_by_generator: false,
        }
    };
    let mut targets: Vec<_> = bridges
        .iter()
        .map(|bridge| {
            target(format!("added latency at {fast}, p50: {busy}"), bridge, Bound::Most(3.0), ratios(bridge))
        })
        .collect();
    targets.extend([
        target(
            format!("added latency at {slow}, p50: {adaptive}"),
            &wire,
            Bound::Microseconds(60.0),
            added(&adaptive, &slow, |l| l.p50),
        ),
        target(
            format!("added latency at {slow}, p99: {adaptive}"),
            &wire,
            Bound::Microseconds(500.0),
            added(&adaptive, &slow, |l| l.p99),
        ),
    ]);
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_met(bound: Bound, reached: Option<f64>) -> Option<bool> {
        let (case, against) = (String::new(), String::new());
        Target { case, against, bound, reached, spread: None, limited_by_generator: false }.is_met()
    }

    #[test]
    fn rates_are_to_be_high_and_times_low() {
        assert_eq!(is_met(Bound::Least(0.95), Some(0.95)), Some(true));
        assert_eq!(is_met(Bound::Least(0.95), Some(0.94)), Some(false));
        assert_eq!(is_met(Bound::Most(3.0), Some(3.1)), Some(false));
        assert_eq!(is_met(Bound::Microseconds(60.0), Some(36.0)), Some(true));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        assert_eq!(is_met(Bound::Least(0.95), None), None);
    }
}
