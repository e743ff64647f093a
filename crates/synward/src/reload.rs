//! From a configuration file to a rule set, at the start and again at every SIGHUP.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use synward_policy::{
    Compiled, Config, Diagnostic, Faults, ListNames, ListSummary, Resources, RuleSet, Warning,
};

use crate::{complain, print_out};

/// A configuration with its rules, ready to be put in force.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) names: ListNames,
    pub(crate) warnings: Vec<Warning>,
    /// What is wrong with the lines of lists that are not among the rules.
    pub(crate) refused: Vec<Diagnostic>,
    /// How long reading and compiling took.
    pub(crate) took: Duration,
}

/// Reads the configuration and its lists, with what the machine has. `names` are the lists that have an id already.
pub(crate) fn load(file: &Path, names: ListNames) -> Result<Loaded, Faults> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    reload(&RuleSet::default(), file, names, cores - 1)
}

/// As [`load`], with rules in force, and with so many threads beside this one.
pub(crate) fn reload(
    in_force: &RuleSet,
    file: &Path,
    mut names: ListNames,
    more_threads: usize,
) -> Result<Loaded, Faults> {
    let began = Instant::now();
    let config = Config::load(file)?;
    let memory = config.control.memory.map(|most| most.as_u64()).or_else(|| Some(machine_memory()? / 2));
    let resources = Resources { more_threads, memory };
    let Compiled { rules, mut warnings, refused } = in_force.recompile(&config, &mut names, resources)?;
    warnings.extend(rules.empty_lists(&config));
    Ok(Loaded { config, rules: Arc::new(rules), names, warnings, refused, took: began.elapsed() })
}

/// Bytes of memory of the machine (proc_meminfo(5)).
fn machine_memory() -> Option<u64> {
    let known = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes =
        known.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))?;
    Some(kibibytes.parse::<u64>().ok()? * 1024)
}

/// Says on stderr which lines of lists a command works without.
pub(crate) fn complain_of_refused(refused: Vec<Diagnostic>) {
    if let Err(faults) = Faults::check(refused) {
        complain(&format!("{faults}\n\nthese lines are refused, all others are read\n"));
    }
}

/// `synward check`. What `synward run` would work without is a fault here.
pub(crate) fn check(file: &Path) -> Result<()> {
    let loaded = load(file, ListNames::default())?;
    for warning in &loaded.warnings {
        complain(&format!("{warning}\n"));
    }
    let mut report = String::new();
    for ListSummary { name, entries, refused, .. } in loaded.rules.lists() {
        let refused = if *refused == 0 { String::new() } else { format!(", {refused} lines refused") };
        report += &format!("list {name}: {entries} entries{refused}\n");
    }
    if let Err(faults) = Faults::check(loaded.refused) {
        print_out(&report)?;
        return Err(faults.into());
    }
    report += &format!("{} is valid: {} bytes of tables\n", file.display(), loaded.rules.memory_usage());
    print_out(&report)
}
