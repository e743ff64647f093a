//! From a configuration file to a rule set, at the start and again at every SIGHUP.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use synward_policy::{Compiled, Config, Faults, ListNames, RuleSet, Warning};

use crate::{complain, print_out};

/// A configuration with its rules, ready to be put in force.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) names: ListNames,
    pub(crate) warnings: Vec<Warning>,
    /// How long reading and compiling took.
    pub(crate) took: Duration,
}

/// Reads the configuration and its lists. `names` are the lists that have an id already.
pub(crate) fn load(file: &Path, mut names: ListNames) -> Result<Loaded, Faults> {
    let began = Instant::now();
    let config = Config::load(file)?;
    let Compiled { rules, warnings } = RuleSet::compile(&config, &mut names)?;
    Ok(Loaded { config, rules: Arc::new(rules), names, warnings, took: began.elapsed() })
}

/// `synward check`.
pub(crate) fn check(file: &Path) -> Result<()> {
    let loaded = load(file, ListNames::default())?;
    for warning in &loaded.warnings {
        complain(&format!("{warning}\n"));
    }
    let mut report = String::new();
    for list in loaded.rules.lists() {
        report += &format!("list {}: {} entries\n", list.name, list.entries);
    }
    report += &format!("{} is valid: {} bytes of tables\n", file.display(), loaded.rules.memory_usage());
    print_out(&report)
}
