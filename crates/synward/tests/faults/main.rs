//! Faults, and what they cost: the program between two hosts is killed, stopped, restarted, starved and flooded while
//! numbered frames cross it, and a table tells how many were lost and for how long. Needs root.
//!
//! ```text
//! faults [--short] [--out FILE] [WORD...]   the table, or the rows that have one of the words in them
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
#[path = "../e2e/frames.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod frames;
mod instrument;
mod kernel;
mod measured;
mod meter;
mod sender;
mod table;

use std::fs;
use std::process::ExitCode;

use table::{HEAD, Row};

fn rows() -> Vec<Row> {
    instrument::rows()
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let short = take(&mut arguments, "--short").is_some();
    let out = take(&mut arguments, "--out").map(|place| arguments.remove(place));
    let wanted = |row: &Row| {
        let text = format!("{} {}", row.fault, row.conditions);
        (row.is_short || !short) && (arguments.is_empty() || arguments.iter().any(|word| text.contains(word)))
    };
    let rows: Vec<_> = rows().into_iter().filter(wanted).collect();
    let (mut table, mut remarks, mut met) = (HEAD.to_owned(), String::new(), true);
    print!("{HEAD}");
    for row in &rows {
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
        fs::write(&file, format!("{}\n{table}\n{remarks}", head())).unwrap();
    }
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes a word out of the arguments, and answers where it was.
fn take(arguments: &mut Vec<String>, word: &str) -> Option<usize> {
    let place = arguments.iter().position(|argument| argument == word)?;
    arguments.remove(place);
    Some(place)
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
