//! The figures that a benchmark hands on: lines of JSON, from which `make bench` makes its report.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// The environment variable that names the file the figures are appended to.
pub const OUT: &str = "SYNWARD_BENCH_OUT";

/// One measured figure: a line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured, as issue 4's table or a plot names it.
    pub row: String,
    /// Whose figure it is: "synward", or what it is compared with.
    pub peer: String,
    /// The figure.
    pub value: f64,
    /// What it was measured in: the unit's usual sign, "ns", "MiB", "s", "x" for a ratio, "frames".
    pub unit: String,
}

/// Prints a figure, and appends it to the file that [`OUT`] names, if it names one.
///
/// # Errors
/// When the file cannot be written.
pub fn record(row: &str, peer: &str, value: f64, unit: &str) -> io::Result<()> {
    println!("{row:<48} {peer:<20} {value:>12.3} {unit}");
    let Some(path) = env::var_os(OUT) else { return Ok(()) };
    let figure = Figure { row: row.into(), peer: peer.into(), value, unit: unit.into() };
    let line = serde_json::to_string(&figure).map_err(io::Error::other)?;
    writeln!(OpenOptions::new().create(true).append(true).open(path)?, "{line}")
}
