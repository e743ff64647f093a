//! What changes make of Synward: programs that differ by one thing, in turns, each beside the first of them.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bed::{Bed, Receiver};
use crate::contender::{Contender, Load, Role, Running, Synward, Wait};
use crate::interrupt;
use crate::latency::{Latency, latency};
use crate::meter::Meter;
use crate::throughput::{Entrant, Row, all_faults, in_turns, race, spread};
use crate::traffic::{Rules, Traffic, Workload};

/// How long the latency is looked at in a turn, and how many frames there are at least.
const LOOK: Duration = Duration::from_millis(200);
const ENOUGH: u64 = 500;

/// With what it is looked at, and at which rate, in frames a second.
const LOOKS: [(Wait, u64); 3] = [(Wait::Busy, 100_000), (Wait::Adaptive, 1_000), (Wait::Adaptive, 100_000)];

/// A build of Synward, and what is different in it.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    name: String,
    path: String,
}

impl FromStr for Build {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, path) = text.split_once('=').context("write NAME=PATH_OF_A_PROGRAM")?;
        Ok(Self { name: name.to_owned(), path: crate::find(path.as_ref())? })
    }
}

/// The build at work, with all rules.
struct AtWork<'a> {
    build: &'a Build,
    synward: Synward,
}

impl<'a> AtWork<'a> {
    fn new(build: &'a Build, wait: Wait) -> Self {
        let program = build.path.clone();
        Self { build, synward: Synward { program, load: Load::AllRules, wait, receiver: Receiver::Sender } }
    }
}

impl Contender for AtWork<'_> {
    fn name(&self, _: &Rules) -> String {
        self.build.name.clone()
    }

    fn role(&self) -> Role {
        self.synward.role()
    }

    fn receiver(&self) -> Receiver {
        self.synward.receiver()
    }

    fn start(&self, bed: &Bed, rules: &Rules) -> Result<Box<dyn Running>> {
        self.synward.start(bed, rules)
    }
}

/// What was seen of one build.
struct Seen {
    name: String,
    /// By workload, in turns.
    rows: Vec<Row>,
    /// By what is looked at, in turns.
    latencies: [Vec<Latency>; LOOKS.len()],
}

/// Measures all of them in turns, so often, and answers with a table.
pub(crate) fn compare(traffic: &Traffic, builds: &[Build], rounds: u32, turn: Duration) -> Result<String> {
    let workloads = [traffic.shortest()?, traffic.syn_flood()?];
    let mut seen: Vec<Seen> = builds
        .iter()
        .map(|build| Seen { name: build.name.clone(), rows: Vec::new(), latencies: Default::default() })
        .collect();
    let mut meter = Meter::new()?;
    let mut entrants = enter(traffic, builds, Wait::Busy, &mut meter)?;
    for workload in &workloads {
        let rows = race(&mut meter, &mut entrants, workload, rounds, turn)?;
        seen.iter_mut().zip(rows).for_each(|(seen, row)| seen.rows.push(row));
    }
    delay(traffic, &mut meter, &mut entrants, &mut seen, Wait::Busy, rounds)?;
    drop(entrants);
    let mut meter = Meter::new()?;
    let mut entrants = enter(traffic, builds, Wait::Adaptive, &mut meter)?;
    delay(traffic, &mut meter, &mut entrants, &mut seen, Wait::Adaptive, rounds)?;
    Ok(table(&workloads, &seen))
}

/// Looks at the latency of all of them in turns, so often.
fn delay(
    traffic: &Traffic,
    meter: &mut Meter,
    entrants: &mut [Entrant],
    seen: &mut [Seen],
    wait: Wait,
    rounds: u32,
) -> Result<()> {
    let probes = traffic.probes()?;
    in_turns(&format!("latency, {}", wait.name()), rounds, entrants, seen, |entrant, seen| {
        let wanted = LOOKS.into_iter().zip(&mut seen.latencies).filter(|((of, _), _)| *of == wait);
        for ((_, rate), latencies) in wanted {
            latencies.push(latency(meter, entrant, &probes, rate, LOOK, ENOUGH)?);
        }
        Ok(())
    })
}

fn enter(traffic: &Traffic, builds: &[Build], wait: Wait, meter: &mut Meter) -> Result<Vec<Entrant>> {
    let start = |build| {
        interrupt::check()?;
        let contender = AtWork::new(build, wait);
        eprintln!("starting: {}", build.name);
        Entrant::start(contender.receiver(), &contender, &traffic.rules, meter)
    };
    builds.iter().map(start).collect()
}

fn table(workloads: &[Workload], seen: &[Seen]) -> String {
    let mut table = "| |".to_owned();
    for Workload { name, .. } in workloads {
        let _ = write!(table, " {name}: kframes/s | ratio [least-most] |");
    }
    for (wait, rate) in LOOKS {
        let _ = write!(table, " {}, µs at {rate}/s: p50 | p99 |", wait.name());
    }
    table += "\n|---|";
    table += &"---|---|".repeat(workloads.len() + LOOKS.len());
    table.push('\n');
    let Some(first) = seen.first() else { return table };
    seen.iter().for_each(|seen| table += &line(seen, first));
    table
}

fn line(seen: &Seen, first: &Seen) -> String {
    let mut line = format!("| {} |", seen.name);
    for (row, first) in seen.rows.iter().zip(&first.rows) {
        let faults = [row.faults(), first.faults()].concat();
        if !faults.is_empty() {
            let _ = write!(line, " void: {} | |", faults.join("; "));
            continue;
        }
        let [_, rate, _] = row.spread(|turn| turn.rate / 1e3);
        let [least, ratio, most] = row.ratios(first);
        let plus = if row.limited_by_generator() { " +" } else { "" };
        let _ = write!(line, " {rate:.0}{plus} | {ratio:.2} [{least:.2}-{most:.2}] |");
    }
    for latencies in &seen.latencies {
        let median = |of: fn(&Latency) -> f64| spread(latencies.iter().map(of).collect())[1];
        let faults = all_faults(latencies.iter().map(|latency| &latency.faults));
        let _ = match faults.first() {
            Some(fault) => write!(line, " void: {fault} | |"),
            None => write!(line, " {:.1} | {:.1} |", median(|l| l.p50), median(|l| l.p99)),
        };
    }
    line.push('\n');
    line
}
