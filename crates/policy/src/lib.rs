//! What Synward decides, and why: from a configuration and its lists to a verdict on each frame.
//!
//! 1. [`Config::load`] reads and validates the configuration file.
//! 2. [`RuleSet::compile`] reads the lists, resolves their overlaps and freezes them into tables. It yields a whole
//!    [`RuleSet`], or all [`Faults`] with their places.
//! 3. A [`Snapshot`] puts a rule set, bans and a generation together; [`Snapshot::judge`] answers a [`Verdict`].
//!
//! The same judgement serves live traffic, replayed captures and tests. Nothing in it blocks, allocates, reads
//! a clock or can fail.

mod compile;
mod config;
mod diagnostic;
mod entry;
mod names;
mod profile;
mod rules;
mod snapshot;
mod sweep;
mod verdict;

pub use compile::Compiled;
pub use config::{
    Bridge, Config, Control, Eol, Events, FastPath, Kind, LinkLoss, List, ListAction, ListDirection, Mode,
    OnFailure, Wait, Xdp,
};
pub use diagnostic::{Diagnostic, Faults, Place, Warning};
pub use names::{ListId, ListNames, MAX_LISTS};
pub use profile::Profile;
pub use rules::{ListSummary, RuleDescription, RuleSet, Witness};
pub use snapshot::Snapshot;
pub use verdict::{Action, Decision, Direction, Noteworthy, Reason, RuleId, Verdict};
