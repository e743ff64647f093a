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
    let (mut table, mut remarks, mut met) = (HEAD.to_owned(), String::new(), true);
    print!("{HEAD}");
    for row in rows().iter().filter(|row| row.is_wanted(short, &arguments)) {
        let result = row.measure(short);
        let line = result.row(row);
        print!("{line}");
        table += &line;
        met &= result.met;
        for remark in result.remarks() {
            println!("    {remark}");
            remarks += &format!("* {}, {}: {remark}\n", row.fault, row.conditions);
        }
    }
    if let Some(file) = out {
        fs::write(&file, format!("{}\n{table}\n{remarks}\n{UNFORCED}", head())).unwrap();
    }
    met
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
    let date = jiff::Timestamp::now().strftime("%F");
    format!(
        "# Faults, and what they cost\n\nMeasured by `make test-faults` on {date}: {model}, {cores} cores, Linux {}, \
         over veth in network namespaces.\n",
        kernel.trim(),
    )
}
