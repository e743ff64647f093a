//! From a configuration to a rule set, in three stages: entries as read, with list and line ([`read`]); disjoint ranges of
//! addresses, each with the set of lists that cover it ([`crate::sweep`], [`crate::sets`]); frozen tables.

mod budget;
pub(crate) mod read;

use std::cmp::Reverse;
use std::path::Path;

use synward_fingerprint::{Notation, Signature};
use synward_prefix::{BuildError, IpTable, Table};

use crate::config::{Config, List, ListAction, Mode, P0fMode};
use crate::diagnostic::{Diagnostic, Faults, Warning};
use crate::entry::{Addresses, Content, SignatureEntry, check_total};
use crate::names::{ListId, ListNames, MAX_LISTS};
use crate::protect::Protected;
use crate::rules::{ListSummary, RuleSet, SignatureRule, signature_table};
use crate::sets::{Interner, ListSets};
use crate::sweep::sweep;
use crate::verdict::{Action, Decision, Direction, Opinion, Reason, RuleId};
use budget::Budget;
pub use budget::Resources;
use read::{Source, read_all};

/// The most fingerprint lists: the lists that match one SYN are collected in the bits of a word.
const MAX_FINGERPRINT_LISTS: usize = 64;

/// A rule set and what was odd about the lists that it came from.
#[derive(Debug)]
pub struct Compiled {
    /// The rules.
    pub rules: RuleSet,
    /// What was put right by reading it otherwise.
    pub warnings: Vec<Warning>,
    /// What is wrong with the lines of lists that are not among the rules: of each list the first, and a count of the rest.
    pub refused: Vec<Diagnostic>,
}

impl RuleSet {
    /// Reads the lists of a configuration and compiles them. `names` gives each list its id. Lines that cannot be
    /// understood are left out, and told.
    ///
    /// # Errors
    /// When a list cannot be read, or none of its lines can be understood: with all faults of all lists. There is no
    /// rule set from half of the lists.
    pub fn compile(config: &Config, names: &mut ListNames) -> Result<Compiled, Faults> {
        Self::default().recompile(config, names, Resources::default())
    }

    /// As [`RuleSet::compile`], with this rule set in force: lists that are as they were are not parsed again.
    ///
    /// # Errors
    /// As [`RuleSet::compile`]; and when the rules would take more memory than they may. That is estimated before it is taken.
    pub fn recompile(
        &self,
        config: &Config,
        names: &mut ListNames,
        resources: Resources,
    ) -> Result<Compiled, Faults> {
        let budget = Budget::new(resources, self.memory_usage());
        budget.check_files(&config.lists)?;
        let sources = read_all(&config.lists, &self.sources, &budget, resources.more_threads);
        let mut builder = Builder::default();
        let (mut refused, mut all_read) = (Vec::new(), true);
        for (list, source) in config.lists.iter().zip(sources) {
            let added = source.and_then(|source| builder.add(config, list, names, source));
            all_read &= added.is_ok();
            refused.extend(added.unwrap_or_else(Vec::from));
        }
        if !all_read {
            Faults::check(std::mem::take(&mut refused))?;
        }
        check_total(config.lists.iter().zip(builder.lists.iter().map(|list| list.entries)))?;
        budget.check_tables(&config.lists, &builder.sources)?;
        let mut warnings = std::mem::take(&mut builder.warnings);
        warnings.extend(config.contradictions());
        let rules =
            builder.freeze(config).map_err(|error| Diagnostic::file(&config.file, error.to_string()))?;
        Ok(Compiled { rules, warnings, refused })
    }
}

/// Collects the entries of all lists.
#[derive(Default)]
struct Builder {
    warnings: Vec<Warning>,
    lists: Vec<ListSummary>,
    sources: Vec<Source>,
    signatures: Vec<SignatureRule>,
    signature_lists: Vec<ListId>,
}

impl Builder {
    /// Takes a list over, and answers what is wrong with the lines that are not in it.
    fn add(
        &mut self,
        config: &Config,
        list: &List,
        names: &mut ListNames,
        source: Source,
    ) -> Result<Vec<Diagnostic>, Faults> {
        let id = names.id(&list.name).ok_or_else(|| too_many_names(&config.file))?;
        let entries = source.entries();
        if let Content::Fingerprint(signatures) = &entries.content {
            self.add_signatures(config, list, id, signatures)?;
        }
        self.lists.push(ListSummary {
            id,
            name: list.name.clone(),
            action: list.action,
            enforced: list.is_enforced(config.bridge.mode),
            direction: list.direction(),
            entries: entries.content.len(),
            refused: entries.refused.lines,
            reused: source.is_reused,
            ending: entries.ending,
        });
        self.warnings.extend(entries.warnings.iter().cloned());
        let told = entries.refused.told.clone();
        self.sources.push(source);
        Ok(told)
    }

    fn add_signatures(
        &mut self,
        config: &Config,
        list: &List,
        id: ListId,
        signatures: &[SignatureEntry],
    ) -> Result<(), Faults> {
        let bit = u8::try_from(self.signature_lists.len()).ok();
        let bit = bit.filter(|bit| usize::from(*bit) < MAX_FINGERPRINT_LISTS);
        let bit = bit.ok_or_else(|| too_many_fingerprint_lists(&config.file))?;
        self.signature_lists.push(id);
        let is_compat = |signature: &Signature| {
            list.p0f == Some(P0fMode::Compat) && matches!(signature.notation, Notation::P0f(_))
        };
        let enforced = list.is_enforced(config.bridge.mode);
        self.signatures.extend(signatures.iter().map(|SignatureEntry { signature, line, rank }| {
            SignatureRule {
                compat: is_compat(signature).then_some(*rank),
                signature: signature.clone(),
                list: id,
                bit,
                line: *line,
                action: list.action.into(),
                enforced,
            }
        }));
        Ok(())
    }

    fn freeze(mut self, config: &Config) -> Result<RuleSet, BuildError> {
        // A stable sort: what is equal stays in the order of the configuration.
        self.signatures.sort_by_key(|rule| (rule.action == Action::Drop, specificity(&rule.signature)));
        let signatures = signature_table(&self.signatures);
        let Tables { inbound, outbound, sets } = Tables::build(&self.lists, &self.sources)?;
        Ok(RuleSet {
            inbound,
            outbound,
            sets,
            signatures,
            signature_rules: self.signatures,
            signature_lists: self.signature_lists,
            lists: self.lists,
            sources: self.sources,
            profile: config.bridge.profile,
            tunnels: config.bridge.tunnels,
            protected: Protected::build(&config.bridge.protect)?,
            enforces: config.bridge.mode == Mode::Enforce,
        })
    }
}

/// The addresses of all lists, frozen.
struct Tables {
    inbound: IpTable,
    outbound: IpTable,
    sets: ListSets,
}

impl Tables {
    fn build(lists: &[ListSummary], sources: &[Source]) -> Result<Self, BuildError> {
        let said: Vec<_> = lists.iter().map(|list| (list.id, opinion(list))).collect();
        let mut interner = Interner::new(&said);
        let mut table = |direction| {
            let lists = || applying(lists, sources, direction);
            // One after the other: the ranges of one version are gone before those of the other are made.
            let v4 =
                sweep(lists().map(|(place, addresses)| (place, &*addresses.v4)), |set| interner.intern(set));
            let v4 = Table::build(v4)?;
            let v6 =
                sweep(lists().map(|(place, addresses)| (place, &*addresses.v6)), |set| interner.intern(set));
            let v6 = Table::build(v6)?;
            Ok(IpTable::new(v4, v6))
        };
        Ok(Self { inbound: table(Direction::In)?, outbound: table(Direction::Out)?, sets: interner.freeze() })
    }
}

/// The lists of addresses that apply to a direction, with their places in the configuration.
fn applying<'a>(
    lists: &'a [ListSummary],
    sources: &'a [Source],
    direction: Direction,
) -> impl Iterator<Item = (usize, &'a Addresses)> {
    let lists = lists.iter().zip(sources).enumerate().filter(move |(_, (list, _))| list.applies(direction));
    lists.filter_map(|(place, (_, source))| Some((place, source.addresses()?)))
}

/// What a list of addresses says of those that it covers.
fn opinion(list: &ListSummary) -> Opinion {
    let action = Action::from(list.action);
    let reason = match action {
        Action::Forward => Reason::AllowList,
        Action::Drop => Reason::BlockList,
    };
    Opinion::of(Decision { action, reason, rule: Some(RuleId::of_list(list.id)) }, list.enforced)
}

/// The most specific signature has the least: the fewest wildcards, then the most traits.
fn specificity(signature: &Signature) -> (usize, Reverse<usize>) {
    (signature.wildcards(), Reverse(signature.traits.constraints()))
}

impl From<ListAction> for Action {
    fn from(action: ListAction) -> Self {
        match action {
            ListAction::Allow => Self::Forward,
            ListAction::Block => Self::Drop,
        }
    }
}

fn too_many_names(config: &Path) -> Diagnostic {
    let message = format!("the program has seen more than {MAX_LISTS} different names of lists");
    Diagnostic::file(config, message).with_help("restart it, or keep the names of lists over reloads")
}

fn too_many_fingerprint_lists(config: &Path) -> Diagnostic {
    let message = format!("there are more than {MAX_FINGERPRINT_LISTS} fingerprint lists");
    Diagnostic::file(config, message).with_help("put signatures of the same action into one file")
}
