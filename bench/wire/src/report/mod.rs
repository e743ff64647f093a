//! What is left of a run: JSON, a page of Markdown, and plots.

mod page;
mod plot;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use synward_bench::machine::Machine;

use crate::suite::{Results, Suite};
use crate::targets::{Target, targets};

#[derive(Serialize)]
struct Report<'a> {
    machine: &'a Machine,
    /// How frames get to programs that use AF_XDP here.
    driver_mode: &'a str,
    targets: &'a [Target],
    results: &'a Results,
}

/// Writes all of it into a folder, and prints the tables. Answers the path of the page.
pub(crate) fn write(suite: &Suite<'_>, machine: &Machine, folder: &Path) -> Result<String> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let stem = format!("{}-wire", machine.date);
    let (targets, results) = (targets(suite), &suite.results);
    let file = |end: &str| folder.join(format!("{stem}{end}"));
    let plots = plot::all(results, suite.driver_mode(), &stem, folder)?;
    let driver_mode = suite.driver_mode();
    let report = Report { machine, driver_mode, targets: &targets, results };
    fs::write(file(".json"), serde_json::to_string_pretty(&report)? + "\n")?;
    let page = |plots: &[String]| page::page(machine, driver_mode, &targets, results, plots);
    fs::write(file(".md"), page(&plots))?;
    print!("{}", page(&[]));
    Ok(file(".md").display().to_string())
}
