//! Faults, and what they cost: the program between two hosts is killed, stopped, restarted, starved and flooded while
//! numbered frames cross it, and a table tells how many were lost and for how long. Needs root.
//!
//! ```text
//! faults [--short] [--out FILE] [WORD...]      the table, or the rows that have one of the words in them
//! faults --soak MINUTES [--seed N] [--grow]    the soak; with --grow, one that must fail
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails by panicking is a test that works"
)]

#[path = "../e2e/bed/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use the rest")]
mod bed;
mod deaths;
mod floods;
#[path = "../e2e/frames.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod frames;
#[path = "../e2e/hosts.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod hosts;
mod instrument;
mod kernel;
mod links;
mod measured;
mod meter;
mod panics;
mod resources;
mod rings;
mod sender;
mod soak;
mod stage;
mod table;

use std::fs;
use std::process::ExitCode;

use rings::UNFORCED;
use sender::clock;
use table::{HEAD, Row};

fn rows() -> Vec<Row> {
    [
        instrument::rows(),
        deaths::rows(),
        panics::rows(),
        links::rows(),
        resources::rows(),
        rings::rows(),
        floods::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let right = match value(&mut arguments, "--soak") {
        Some(minutes) => soak(minutes.parse().unwrap(), arguments),
        None => table(arguments),
    };
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the soak, and answers whether nothing is wrong.
fn soak(minutes: f64, mut arguments: Vec<String>) -> bool {
    let seed =
        value(&mut arguments, "--seed").map_or_else(|| clock() % 1_000_000, |seed| seed.parse().unwrap());
    let wrong = soak::run(minutes, seed, flag(&mut arguments, "--grow"));
    wrong.iter().for_each(|text| println!("WRONG: {text}"));
    wrong.is_empty()
}

/// Measures the table, and answers whether all targets are met.
fn table(mut arguments: Vec<String>) -> bool {
    let short = flag(&mut arguments, "--short");
    let out = value(&mut arguments, "--out");
    let (mut table, mut remarks, mut passed) = (HEAD.to_owned(), String::new(), true);
    print!("{HEAD}");
    for row in rows().iter().filter(|row| row.is_wanted(short, &arguments)) {
        let result = row.measure(short);
        let line = result.row(row);
        print!("{line}");
        table += &line;
        // In a hurry, on whatever machine that is, a target is told and does not count: a time is no test.
        passed &= if short { result.right } else { result.met };
        result.details().for_each(|detail| println!("    {detail}"));
        let remark = result.remarks();
        if !remark.is_empty() {
            println!("    {remark}");
            remarks += &format!("* {}, {}: {remark}\n", row.fault, row.conditions);
        }
    }
    if let Some(file) = out {
        fs::write(&file, format!("{}\n{table}\n{remarks}\n{UNFORCED}", head())).unwrap();
    }
    passed
}

/// Takes a word out of the arguments, and answers whether it was there.
fn flag(arguments: &mut Vec<String>, word: &str) -> bool {
    let place = arguments.iter().position(|argument| argument == word);
    place.map(|place| arguments.remove(place)).is_some()
}

/// Takes a word and what follows it out of the arguments.
fn value(arguments: &mut Vec<String>, word: &str) -> Option<String> {
    let place = arguments.iter().position(|argument| argument == word)?;
    arguments.drain(place..place + 2).nth(1)
}

/// When and where it was measured, and how.
fn head() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_matches([' ', '\t', ':']);
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').nth(2).unwrap_or_default();
    let date = jiff::Timestamp::now().strftime("%F");
    format!(
        "# Faults, and what they cost\n\nMeasured by `make test-faults` on {date}: {model}, {cores} cores, Linux {}, over veth in \
         network namespaces, in copy mode; the load of the machine over the last 15 minutes was {load}.\n\n{HOW}",
        kernel.trim(),
    )
}

/// How to read the table.
const HOW: &str = "\
* Numbered frames of 60 bytes leave the outside host by the clock, from a core that the sender has for itself. An XDP program on the inside host notes \
  when each arrives, and how often. The workers run at real-time priority, as on a box that does nothing else.
* **measured** is the longest time for which no frame of some flow came through, by when the lost were sent; in `closed`, while nobody judges, how \
  long it took until none passed; for links, how long it took from the link up until the first frame. The median comes first, then all runs.
* **lost** counts everything from the first frame to the last, of all runs: median [least-most]. **Late** is a frame that took more than 250 ms, \
  out of order one that was overtaken by a later one of its flow (RFC 4737).
* **by workers** is what the workers counted as received from outside, up to the last scrape of each process; **past them** what the shim sent past them. \
  After each fault, 2000 more frames must cross, all by the workers, none past them, and no blocked SYN may; in `closed`, none ever.
* A run is void, and made again, when the sender could not keep pace while frames were lost. A row that misses is measured twice more: the machine is shared. \
  A time is met by the median; `0 lost` by all runs, of which one of five may be put down to the machine.
";
