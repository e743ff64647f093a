//! From the text of a list to a published snapshot: the time, and the most memory that it takes.
//!
//! Each size is measured in a process of its own, whose peak the kernel knows (`VmHWM`, proc_pid_status(5)).

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use synward_bench::prefixes::write_list;
use synward_bench::record::record;
use synward_bridge::Publisher;
use synward_policy::{Config, Faults, ListNames, Resources, RuleSet, Snapshot};

/// The sizes, with how a row names them. The argument of the process that measures one is its number of lines.
const SIZES: [(usize, &str); 2] = [(1_000_000, "1 M"), (10_000_000, "10 M")];

fn main() -> io::Result<()> {
    // Cargo adds arguments of its own: a number is ours.
    let lines = env::args().find_map(|argument| argument.parse::<usize>().ok());
    match lines.and_then(|lines| SIZES.iter().find(|(size, _)| *size == lines)) {
        Some((lines, name)) => measure(*lines, name),
        None => SIZES.iter().try_for_each(|(lines, _)| measure_apart(*lines)),
    }
}

fn measure_apart(lines: usize) -> io::Result<()> {
    let ended = Command::new(env::current_exe()?).arg(lines.to_string()).status()?;
    if ended.success() { Ok(()) } else { Err(io::Error::other(format!("{lines} lines: {ended}"))) }
}

/// A configuration and its list, removed on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn measure(lines: usize, name: &str) -> io::Result<()> {
    let folder = Folder(env::temp_dir().join(format!("synward-reload-{}", std::process::id())));
    fs::create_dir_all(&folder.0)?;
    write_list(io::BufWriter::new(fs::File::create(folder.0.join("list"))?), lines)?;
    let config = folder.0.join("synward.toml");
    // The changed list has a line more than ten million.
    let list =
        "[[list]]\nname = 'list'\nkind = 'ip'\naction = 'block'\nfile = 'list'\nmax_entries = 20_000_000\n";
    fs::write(&config, format!("[bridge]\noutside = 'a'\ninside = 'b'\nmode = 'enforce'\n{list}"))?;

    let (mut publisher, _workers) = Publisher::new(Snapshot::default(), 1);
    let row = |what: &str| format!("{name}{what}");
    let took = publish(&mut publisher, &config, "")?;
    record(&row(" lines to a snapshot"), "synward", took, "s")?;
    record(&row(" lines, peak memory"), "synward", peak()?, "MiB")?;
    let rules = Arc::clone(&publisher.current().rules);
    record(&row(" lines, memory of the rules"), "synward", mebibytes(rules.memory_usage()), "MiB")?;

    let took = publish(&mut publisher, &config, "# as before\n")?;
    record(&row(" lines, reload of an unchanged list"), "synward", took, "s")?;
    append(&folder.0.join("list"), "198.51.100.7\n")?;
    // Freed by the publisher, once nobody holds it: not at the end of a measured time.
    drop(rules);
    publisher.reap();
    publisher.reap();
    let before = resident()?;
    let took = publish(&mut publisher, &config, "")?;
    record(&row(" lines, reload of a changed list"), "synward", took, "s")?;
    record(&row(" lines, peak memory of a reload"), "synward", peak()?, "MiB")?;
    record(&row(" lines, memory before that reload"), "synward", before, "MiB")?;
    let old_and_new = before + mebibytes(publisher.current().rules.memory_usage());
    record(
        &row(" lines, peak of a reload against old and new rules"),
        "synward",
        peak()? / old_and_new,
        "x",
    )?;
    publisher.reap();
    let began = Instant::now();
    publisher.reap();
    record(&row(", drop of the old table"), "synward", began.elapsed().as_secs_f64() * 1e3, "ms")
}

/// Reads the configuration and its lists, and puts them in force; answers how long that took, in seconds.
fn publish(publisher: &mut Publisher, config: &Path, more: &str) -> io::Result<f64> {
    append(config, more)?;
    let began = Instant::now();
    let current = publisher.current();
    let rules = compile(&current.rules, config).map_err(io::Error::other)?;
    publisher.publish(Snapshot { rules, generation: current.generation + 1, ..Snapshot::default() });
    Ok(began.elapsed().as_secs_f64())
}

/// With one thread: on one core.
fn compile(in_force: &RuleSet, config: &Path) -> Result<Arc<RuleSet>, Faults> {
    let config = Config::load(config)?;
    let compiled = in_force.recompile(&config, &mut ListNames::default(), Resources::default())?;
    Ok(Arc::new(compiled.rules))
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().append(true).open(file)?.write_all(text.as_bytes())
}

/// The most memory that this process has had, in MiB.
fn peak() -> io::Result<f64> {
    status("VmHWM:")
}

/// The memory that this process has, in MiB.
fn resident() -> io::Result<f64> {
    status("VmRSS:")
}

fn status(field: &str) -> io::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kibibytes = |line: &str| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<f64>().ok();
    let found = status.lines().find_map(kibibytes).map(|kibibytes| kibibytes / 1024.0);
    found.ok_or_else(|| io::Error::other(format!("no {field} in the status")))
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
