//! What Synward decides, and why: from a configuration and its lists to a verdict on each frame.
//!
//! 1. [`Config::load`] reads and validates the configuration file.
//! 2. [`RuleSet::compile`] reads the lists, resolves their overlaps and freezes them into tables. It yields a
//!    [`RuleSet`] of all lines that can be understood and a [`Diagnostic`] with its place for those that cannot; or
//!    [`Faults`], where that is none of the lines of a list.
//! 3. A [`Snapshot`] puts a rule set, bans and a generation together; [`Snapshot::judge`] answers a [`Verdict`].
//!
//! [`RuleSet::explain_address`] and [`RuleSet::explain_syn`] tell which entries match, and which of them decides.
//!
//! The same judgement serves live traffic, replayed captures and tests. Nothing in it blocks, allocates, reads
//! a clock or can fail.

mod bans;
mod caution;
mod compile;
mod config;
mod diagnostic;
mod entry;
mod explain;
mod names;
mod profile;
mod protect;
mod rules;
mod sets;
mod snapshot;
mod stab;
mod sweep;
mod verdict;

pub use bans::{BanChanges, BanKeeper, Bans, Full, MAX_BANS, Moment};
pub use compile::{Compiled, Resources};
pub use config::{
    BanSettings, Bridge, Config, Control, Eol, Events, FastPath, Kind, LinkLoss, List, ListAction,
    ListDirection, Mode, OnFailure, P0fMode, Tunnels, Wait, Xdp,
};
pub use diagnostic::{Diagnostic, Faults, Place, Warning};
pub use entry::{AddressFinding, AddressFindingKind, AddressList, Ending, P0fRank};
pub use explain::{Explanation, Match, Part};
pub use names::{ListId, ListNames, MAX_LISTS};
pub use profile::Profile;
pub use protect::Network;
pub use rules::{ListSummary, RuleDescription, RuleSet, Witness};
pub use sets::ListSetId;
pub use snapshot::{BATCH, Snapshot};
pub use verdict::{Action, Decision, Direction, Noteworthy, Reason, RuleId, Verdict};
