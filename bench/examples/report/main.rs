//! Makes a report of the figures that benchmarks recorded: each target with what was measured, then all else, and plots.
//!
//! `report FIGURES FOLDER DATE COMMAND` reads the lines of JSON in FIGURES, prints the table, and writes `DATE-tables.md`,
//! `DATE-tables.json` and the plots into FOLDER. COMMAND is what was typed to measure.

mod page;
mod plot;
mod targets;

use std::env;
use std::fs;
use std::io;
use std::path::Path;

use synward_bench::machine::Machine;
use synward_bench::record::Figure;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [figures, folder, date, command] = &arguments[..] else {
        return Err(io::Error::other("usage: report FIGURES FOLDER DATE COMMAND"));
    };
    let figures = read(figures)?;
    let machine = Machine::look(date, command)?;
    let folder = Path::new(folder);
    let stem = format!("{date}-tables");
    fs::create_dir_all(folder)?;
    let plots = plot::all(&figures, folder, &stem)?;
    let rows = targets::rows(&figures);
    fs::write(folder.join(format!("{stem}.md")), page::markdown(&machine, &rows, &figures, &plots))?;
    fs::write(folder.join(format!("{stem}.json")), page::json(&machine, &figures)?)?;
    print!("{}", page::summary(&rows));
    println!("\nwritten: {}", folder.join(format!("{stem}.md")).display());
    Ok(())
}

/// The figures of a file. Where one was measured twice, the last holds.
fn read(path: &str) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::<Figure>::new();
    for (line, text) in (1..).zip(fs::read_to_string(path)?.lines()) {
        let figure: Figure = serde_json::from_str(text)
            .map_err(|error| io::Error::other(format!("{path}, line {line}: {error}")))?;
        match figures.iter_mut().find(|before| before.row == figure.row && before.peer == figure.peer) {
            Some(before) => *before = figure,
            None => figures.push(figure),
        }
    }
    Ok(figures)
}
