//! The report as text.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use synward_bench::machine::Machine;
use synward_bench::record::Figure;

use crate::targets::{Row, text};

/// The table for the terminal.
pub(crate) fn summary(rows: &[Row]) -> String {
    let mut page = format!("\n{:<46} {:<42} {:<8} measured\n", "what", "target", "result");
    for row in rows {
        let measured = row.measured.as_deref().unwrap_or("-");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{:<46} {:<42} {:<8} {measured}", row.name, row.target, row.result());
    }
    let count = |result| rows.iter().filter(|row| row.result() == result).count();
    let _ = writeln!(
        page,
        "\n{} met, {} missed, {} told, {} missing",
        count("met"),
        count("MISSED"),
        count("told"),
        count("MISSING")
    );
    page
}

pub(crate) fn markdown(machine: &Machine, rows: &[Row], figures: &[Figure], plots: &[String]) -> String {
    let mut page = header(machine);
    page.push_str("\n## Targets\n\n| what | target | measured | result |\n|---|---|---|---|\n");
    for row in rows {
        let measured = row.measured.as_deref().unwrap_or("-");
        let _ = writeln!(page, "| {} | {} | {measured} | {} |", row.name, row.target, row.result());
    }
    for plot in plots {
        let _ = writeln!(page, "\n![{plot}]({plot})");
    }
    page.push_str("\n## All figures\n\n| what | of | measured |\n|---|---|---|\n");
    for figure in figures {
        let _ = writeln!(page, "| {} | {} | {} |", figure.row, figure.peer, text(figure));
    }
    page
}

fn header(machine: &Machine) -> String {
    let Machine { date, command, processor, cores, memory, kernel, rustc, commit } = machine;
    format!(
        "# Benchmarks of {date}\n\n`{command}` on {processor}, {cores} cores, {memory} GiB, Linux {kernel}, {rustc}, commit {commit}. Look-ups: the median \
         of passes over a million addresses, all structures in turn. Compare figures of this page only with each other.\n"
    )
}

#[derive(Serialize)]
struct Results<'a> {
    machine: &'a Machine,
    figures: &'a [Figure],
}

pub(crate) fn json(machine: &Machine, figures: &[Figure]) -> io::Result<String> {
    let mut text = serde_json::to_string_pretty(&Results { machine, figures }).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}
