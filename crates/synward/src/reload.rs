//! From a configuration file to a rule set, at the start and again at every SIGHUP.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use synward_policy::{Compiled, Config, Diagnostic, Faults, ListNames, ListSummary, RuleSet, Warning};

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

/// Reads the configuration and its lists. `names` are the lists that have an id already.
pub(crate) fn load(file: &Path, mut names: ListNames) -> Result<Loaded, Faults> {
    let began = Instant::now();
    let config = Config::load(file)?;
    let Compiled { rules, mut warnings, refused } = RuleSet::compile(&config, &mut names)?;
    warnings.extend(rules.empty_lists(&config));
    Ok(Loaded { config, rules: Arc::new(rules), names, warnings, refused, took: began.elapsed() })
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
