//! The table: what was done, what should come of it, and what came of it.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::measured::Measured;

/// How often a row is measured, and once where time is short.
const RUNS: usize = 3;

/// How often a row that misses its target is measured again. The machine is shared: one run may have been disturbed.
const REPEATS: usize = 2;

/// How far the sender may fall behind the clock: a run that sees more was not made at the pace that it is said to.
const WORST_LAG: Duration = Duration::from_millis(100);

/// How many runs of a row may be void because the sender could not keep pace.
const VOID: usize = 4;

/// What a fault may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// No frame.
    NothingLost,
    /// At most so long.
    Within(Duration),
    /// Whatever: only what is wrong in itself counts.
    Correct,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingLost => write!(f, "0 lost"),
            Self::Within(limit) => write!(f, "≤ {}", ms(*limit)),
            Self::Correct => write!(f, "-"),
        }
    }
}

/// What came of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) measured: Measured,
    /// What the target is about, where it is a time.
    pub(crate) time: Duration,
    /// Frames that workers forwarded, by their own counters.
    pub(crate) workers: Option<u64>,
    /// Frames that the shim took past the workers, by its own counters.
    pub(crate) bypassed: Option<u64>,
    /// What else is to be told.
    pub(crate) notes: Vec<String>,
    /// What helps to find out why, and is not kept.
    pub(crate) details: Vec<String>,
    /// What is missed of the target beside its number.
    pub(crate) missed: Vec<String>,
    /// Why nothing can be said, if so.
    pub(crate) void: Option<String>,
    /// What must never be.
    pub(crate) wrong: Vec<String>,
}

impl Outcome {
    /// Of what was measured; its outage is the time that counts.
    pub(crate) fn of(measured: Measured) -> Self {
        let time = measured.outage;
        let mut outcome = Self { measured, time, ..Self::default() };
        let Measured { lag, duplicated, .. } = outcome.measured;
        outcome.void = (lag > WORST_LAG).then(|| format!("the sender was {} behind", ms(lag)));
        outcome.check(duplicated == 0, || format!("{duplicated} frames arrived twice"));
        outcome
    }

    /// With what another has to tell.
    pub(crate) fn and(mut self, told: Self) -> Self {
        self.notes.extend(told.notes);
        self.missed.extend(told.missed);
        self.wrong.extend(told.wrong);
        self
    }

    /// Says what of the target is missed unless this holds.
    pub(crate) fn expect(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.missed.push(text());
        }
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Says what is wrong unless this holds.
    pub(crate) fn check(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(text());
        }
    }

    fn meets(&self, target: Target) -> bool {
        let in_number = match target {
            Target::NothingLost => self.measured.lost == 0,
            Target::Within(limit) => self.time <= limit,
            Target::Correct => true,
        };
        in_number && self.missed.is_empty() && self.void.is_none()
    }
}

/// One row: a fault under some conditions.
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) conditions: String,
    target: Target,
    /// Whether it is among those for which there is always time.
    pub(crate) is_short: bool,
    /// Whether it is among those for which there is time.
    pub(crate) is_long: bool,
    runs: usize,
    run: Box<dyn Fn() -> Outcome>,
}

impl Row {
    pub(crate) fn new(
        fault: &str,
        conditions: impl Into<String>,
        target: Target,
        run: impl Fn() -> Outcome + 'static,
    ) -> Self {
        let (fault, conditions, run) = (fault.to_owned(), conditions.into(), Box::new(run));
        Self { fault, conditions, target, is_short: false, is_long: true, runs: RUNS, run }
    }

    /// One of those for which there is always time.
    pub(crate) fn short(mut self) -> Self {
        self.is_short = true;
        self
    }

    /// One that takes the place of a longer one where time is short.
    pub(crate) fn short_only(mut self) -> Self {
        (self.is_short, self.is_long) = (true, false);
        self
    }

    /// One that takes so long that it is measured once, and again only where nothing can be said.
    pub(crate) fn once(mut self) -> Self {
        self.runs = 1;
        self
    }

    /// Whether it is to be measured: all are, unless words are given of which it must have one.
    pub(crate) fn is_wanted(&self, in_a_hurry: bool, words: &[String]) -> bool {
        let text = format!("{} {}", self.fault, self.conditions);
        let is_in_time = if in_a_hurry { self.is_short } else { self.is_long };
        is_in_time && (words.is_empty() || words.iter().any(|word| text.contains(word)))
    }

    /// Measures it, in a hurry or not.
    pub(crate) fn measure(&self, in_a_hurry: bool) -> Result {
        let runs = if in_a_hurry { 1 } else { self.runs };
        let mut outcomes: Vec<_> = (0..runs).map(|_| self.run_in_pace()).collect();
        if self.runs > 1 && !outcomes.iter().all(|outcome| outcome.meets(self.target)) {
            outcomes.extend((0..REPEATS).map(|_| self.run_in_pace()));
        }
        let right = outcomes.iter().all(|outcome| outcome.wrong.is_empty());
        Result { right, met: right && self.is_met(&outcomes), target: self.target, outcomes }
    }

    /// Runs it again while nothing can be said.
    fn run_in_pace(&self) -> Outcome {
        let mut outcome = self.run_once();
        for _ in 1..VOID {
            let Some(reason) = &outcome.void else { break };
            eprintln!("    void: {reason}");
            outcome = self.run_once();
        }
        outcome
    }

    fn run_once(&self) -> Outcome {
        catch_unwind(AssertUnwindSafe(&self.run))
            .unwrap_or_else(|panic| Outcome { wrong: vec![reason(&*panic)], ..Outcome::default() })
    }

    /// A time is met by the median. Nothing is lost if nothing is in all runs; one may have been disturbed if it was
    /// the only one of all with its repeats.
    fn is_met(&self, outcomes: &[Outcome]) -> bool {
        let missed = outcomes.iter().filter(|outcome| !outcome.meets(self.target)).count();
        match self.target {
            Target::NothingLost => missed <= usize::from(outcomes.len() > RUNS - 1),
            _ => missed * 2 < outcomes.len(),
        }
    }
}

/// What a panic said.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// What was measured for a row.
pub(crate) struct Result {
    /// Whether nothing is wrong in itself.
    pub(crate) right: bool,
    /// Whether the target is met as well.
    pub(crate) met: bool,
    target: Target,
    pub(crate) outcomes: Vec<Outcome>,
}

pub(crate) const HEAD: &str = "\
| fault | conditions | target | measured: median [all] | lost | late | out of order | by workers | past them | met? |
|---|---|---|---|---|---|---|---|---|---|
";

impl Result {
    /// The row of the table.
    pub(crate) fn row(&self, row: &Row) -> String {
        let of = |number: fn(&Measured) -> usize| {
            if !self.is_paced() {
                return "-".to_owned();
            }
            summary(self.all(|outcome| number(&outcome.measured)))
        };
        let optional = |number: fn(&Outcome) -> Option<u64>| {
            let known: Vec<_> = self.outcomes.iter().filter_map(number).collect();
            if known.is_empty() { "-".to_owned() } else { summary(known) }
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            row.fault,
            row.conditions,
            self.target,
            if self.is_paced() { self.times() } else { "-".to_owned() },
            of(|measured| measured.lost),
            of(|measured| measured.late),
            of(|measured| measured.out_of_order),
            optional(|outcome| outcome.workers),
            optional(|outcome| outcome.bypassed),
            if self.met { "yes" } else { "**MISSED**" },
        )
    }

    /// What helps to find out why a row came out as it did.
    pub(crate) fn details(&self) -> impl Iterator<Item = &String> {
        self.outcomes.iter().flat_map(|outcome| &outcome.details)
    }

    /// What is to be told beside the row, each thing once.
    pub(crate) fn remarks(&self) -> String {
        let mut remarks: Vec<String> = Vec::new();
        for outcome in &self.outcomes {
            let wrong = outcome.wrong.iter().map(|text| format!("WRONG: {text}"));
            let missed = outcome.missed.iter().map(|text| format!("missed: {text}"));
            let void = outcome.void.iter().map(|text| format!("void: {text}"));
            remarks.extend(outcome.notes.iter().cloned().chain(missed).chain(void).chain(wrong));
        }
        let mut seen = BTreeSet::new();
        remarks.retain(|remark| seen.insert(remark.clone()));
        remarks.join("; ")
    }

    /// Whether numbered frames were sent.
    fn is_paced(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.measured.sent > 0)
    }

    fn times(&self) -> String {
        let mut times = self.all(|outcome| outcome.time);
        times.sort_unstable();
        let all: Vec<_> = times.iter().map(|time| format!("{:.1}", time.as_secs_f64() * 1e3)).collect();
        format!("{} [{}]", ms(times[times.len() / 2]), all.join(", "))
    }

    fn all<T>(&self, value: impl Fn(&Outcome) -> T) -> Vec<T> {
        self.outcomes.iter().map(value).collect()
    }
}

/// The median, and the least and the most where they differ.
fn summary<T: Ord + Copy + fmt::Display>(mut values: Vec<T>) -> String {
    values.sort_unstable();
    let (least, most) = (values[0], values[values.len() - 1]);
    let median = values[values.len() / 2];
    if least == most { median.to_string() } else { format!("{median} [{least}-{most}]") }
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
