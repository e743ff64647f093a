//! From a configuration file to a rule set, at the start and again at every reload.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use synward_policy::{
    Compiled, Config, Diagnostic, Faults, ListNames, ListSummary, Resources, RuleSet, Warning,
};

use crate::cli::Reach;
use crate::status::{Answer, Request, ask, unexpected};
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

/// New rules are in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    pub(crate) generation: u64,
    /// From the beginning of the reload until the last worker judged by them.
    pub(crate) seconds: f64,
    /// The part of it in which files were read and compiled.
    pub(crate) reading_seconds: f64,
    /// The part of it in which workers adopted the rules.
    pub(crate) adoption_seconds: f64,
    /// The queues whose workers have not, and are no longer waited for.
    pub(crate) behind: Vec<u32>,
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
    let resources = Resources { more_threads, memory: memory_limit(&config) };
    let Compiled { rules, mut warnings, refused } = in_force.recompile(&config, &mut names, resources)?;
    warnings.extend(rules.empty_lists(&config));
    Ok(Loaded { config, rules: Arc::new(rules), names, warnings, refused, took: began.elapsed() })
}

/// The most bytes that rules may take.
pub(crate) fn memory_limit(config: &Config) -> Option<u64> {
    config.control.memory.map(|most| most.as_u64()).or_else(|| Some(machine_memory()? / 2))
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

/// `synward reload`.
pub(crate) fn ask_to_reload(reach: &Reach) -> Result<()> {
    let Reloaded { generation, seconds, reading_seconds, adoption_seconds, behind } =
        match ask(reach, &Request::Reload)? {
            Answer::Reloaded(reloaded) => reloaded,
            other => bail!(unexpected(&other)),
        };
    if !behind.is_empty() {
        bail!(
            "the rules of generation {generation} are in force, but the workers of queues {behind:?} did not adopt them within {adoption_seconds:.0} s: \
             `synward status` says whether they live"
        );
    }
    print_out(&format!(
        "all workers judge by generation {generation} after {:.1} ms: {:.1} ms to read and compile, {:.1} ms to be adopted\n",
        seconds * 1e3,
        reading_seconds * 1e3,
        adoption_seconds * 1e3
    ))
}
