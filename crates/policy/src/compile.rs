//! From a configuration to a rule set: read the lists, resolve their overlaps, freeze the tables.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use synward_fingerprint::{Notation, Signature};
use synward_prefix::{BuildError, IpTable, Table};

use crate::config::{Config, List, ListAction, ListDirection, Mode, P0fMode};
use crate::diagnostic::{Diagnostic, Faults, Warning};
use crate::entry::{Content, Entries, Prefix, SignatureEntry};
use crate::names::{ListId, ListNames, MAX_LISTS};
use crate::rules::{Cover, ListSummary, PrefixRule, RuleSet, SignatureRule, signature_table};
use crate::sweep::{Address, Block, sweep};
use crate::verdict::{Action, Decision, Opinion, Reason, RuleId};

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
        let mut builder = Builder::default();
        let (mut refused, mut all_read) = (Vec::new(), true);
        for list in &config.lists {
            let added = Entries::load(list).and_then(|entries| builder.add(config, list, names, entries));
            all_read &= added.is_ok();
            refused.extend(added.unwrap_or_else(Vec::from));
        }
        if !all_read {
            Faults::check(std::mem::take(&mut refused))?;
        }
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
    prefixes: Vec<PrefixEntry>,
    signatures: Vec<SignatureRule>,
    signature_lists: Vec<ListId>,
}

/// A prefix, its place in the configuration, and what its list does.
struct PrefixEntry {
    rule: PrefixRule,
    action: Action,
    enforced: bool,
    direction: ListDirection,
}

impl Builder {
    /// Takes a list over, and answers what is wrong with the lines that are not in it.
    fn add(
        &mut self,
        config: &Config,
        list: &List,
        names: &mut ListNames,
        entries: Entries,
    ) -> Result<Vec<Diagnostic>, Faults> {
        let id = names.id(&list.name).ok_or_else(|| too_many_names(&config.file))?;
        let (action, enforced) = (Action::from(list.action), list.is_enforced(config.bridge.mode));
        let count = match entries.content {
            Content::Ip(prefixes) => {
                let count = prefixes.len();
                let direction = list.direction();
                self.prefixes.extend(prefixes.into_iter().map(|(prefix, line)| PrefixEntry {
                    rule: PrefixRule { prefix, list: id, line },
                    action,
                    enforced,
                    direction,
                }));
                count
            }
            Content::Fingerprint(signatures) => self.add_signatures(config, list, id, signatures)?,
        };
        self.lists.push(ListSummary {
            id,
            name: list.name.clone(),
            action: list.action,
            enforced,
            direction: list.direction(),
            entries: count,
            refused: entries.refused.lines,
            ending: entries.ending,
        });
        self.warnings.extend(entries.warnings);
        Ok(entries.refused.told)
    }

    fn add_signatures(
        &mut self,
        config: &Config,
        list: &List,
        id: ListId,
        signatures: Vec<SignatureEntry>,
    ) -> Result<usize, Faults> {
        let bit = u8::try_from(self.signature_lists.len()).ok();
        let bit = bit.filter(|bit| usize::from(*bit) < MAX_FINGERPRINT_LISTS);
        let bit = bit.ok_or_else(|| too_many_fingerprint_lists(&config.file))?;
        let count = signatures.len();
        self.signature_lists.push(id);
        let is_compat = |signature: &Signature| {
            list.p0f == Some(P0fMode::Compat) && matches!(signature.notation, Notation::P0f(_))
        };
        self.signatures.extend(signatures.into_iter().map(|SignatureEntry { signature, line, rank }| {
            SignatureRule {
                compat: is_compat(&signature).then_some(rank),
                signature,
                list: id,
                bit,
                line,
                action: list.action.into(),
                enforced: list.is_enforced(config.bridge.mode),
            }
        }));
        Ok(count)
    }

    fn freeze(mut self, config: &Config) -> Result<RuleSet, BuildError> {
        // A stable sort: what is equal stays in the order of the configuration.
        self.signatures.sort_by_key(|rule| (rule.action == Action::Drop, specificity(&rule.signature)));
        let signatures = signature_table(&self.signatures);
        let mut covers = Covers::new(&self.prefixes);
        let inbound = covers.table(|direction| direction != ListDirection::Out)?;
        let outbound = covers.table(|direction| direction != ListDirection::In)?;
        let Covers { covers, lists: cover_lists, .. } = covers;
        Ok(RuleSet {
            inbound,
            outbound,
            covers,
            cover_lists,
            signatures,
            signature_rules: self.signatures,
            signature_lists: self.signature_lists,
            prefix_rules: self.prefixes.into_iter().map(|entry| entry.rule).collect(),
            lists: self.lists,
            profile: config.bridge.profile,
            enforces: config.bridge.mode == Mode::Enforce,
        })
    }
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

/// The distinct sets of prefixes that cover some address, as what they say together.
struct Covers<'a> {
    prefixes: &'a [PrefixEntry],
    covers: Vec<Cover>,
    lists: Vec<ListId>,
    /// The place in `covers` of each set of prefixes seen so far.
    known: HashMap<Vec<Owner>, u32>,
}

/// A prefix as the sweep sees it: by length, the longest first, then as in the configuration.
type Owner = (Reverse<u8>, usize);

impl<'a> Covers<'a> {
    fn new(prefixes: &'a [PrefixEntry]) -> Self {
        Self { prefixes, covers: Vec::new(), lists: Vec::new(), known: HashMap::new() }
    }

    /// The table of the prefixes whose lists apply to a direction.
    fn table(&mut self, applies: impl Fn(ListDirection) -> bool) -> Result<IpTable, BuildError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        // What a list repeats says nothing new, and would make the sweep quadratic.
        let mut seen = HashSet::new();
        for (place, entry) in self.prefixes.iter().enumerate() {
            if !applies(entry.direction) || !seen.insert((entry.rule.prefix, entry.rule.list)) {
                continue;
            }
            let owner = (Reverse(entry.rule.prefix.length()), place);
            match entry.rule.prefix {
                Prefix::V4 { first, length } => v4.push(block(first, 32 - u32::from(length), owner)),
                Prefix::V6 { first, length } => v6.push(block(first, 128 - u32::from(length), owner)),
            }
        }
        let v4 = sweep(&v4, |owners| self.cover(owners));
        let v6 = sweep(&v6, |owners| self.cover(owners));
        Ok(IpTable::new(Table::build(v4)?, Table::build(v6)?))
    }

    /// The place of what a set of prefixes says.
    fn cover(&mut self, owners: &[Owner]) -> u32 {
        if let Some(known) = self.known.get(owners) {
            return *known;
        }
        let place = number(self.covers.len());
        let cover = self.resolve(owners);
        self.covers.push(cover);
        self.known.insert(owners.to_vec(), place);
        place
    }

    /// What a set of prefixes says: `allow` beats `block`; of several with the same action the longest prefix is named,
    /// of equally long ones the first of the configuration.
    fn resolve(&mut self, owners: &[Owner]) -> Cover {
        let entries = || owners.iter().filter_map(|(_, place)| Some((*place, self.prefixes.get(*place)?)));
        let best = |enforced_only: bool| {
            entries()
                .filter(|(_, entry)| entry.enforced || !enforced_only)
                .min_by_key(|(_, entry)| entry.action == Action::Drop)
                .map(|(place, entry)| decision(entry.action, place))
        };
        let opinion = Opinion { enforced: best(true), assumed: best(false) };
        let mut lists: Vec<ListId> = entries().map(|(_, entry)| entry.rule.list).collect();
        lists.sort_unstable();
        lists.dedup();
        let first_list = number(self.lists.len());
        self.lists.append(&mut lists);
        Cover { opinion, first_list, last_list: number(self.lists.len()) }
    }
}

fn decision(action: Action, place: usize) -> Decision {
    let reason = match action {
        Action::Forward => Reason::AllowList,
        Action::Drop => Reason::BlockList,
    };
    Decision { action, reason, rule: RuleId::new(place) }
}

/// A place in a table. Tables of 2^32 entries do not fit into the memory of any machine that runs this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// The block of all addresses from `first` whose last `free` bits are free.
fn block<A: Address + Bits>(first: A, free: u32, owner: Owner) -> Block<A, Owner> {
    Block { start: first, end: first.with_low_bits(free), owner }
}

trait Bits {
    /// The number with its lowest `count` bits set.
    fn with_low_bits(self, count: u32) -> Self;
}

impl Bits for u32 {
    fn with_low_bits(self, count: u32) -> Self {
        self | Self::MAX.checked_shr(32 - count).unwrap_or(0)
    }
}

impl Bits for u128 {
    fn with_low_bits(self, count: u32) -> Self {
        self | Self::MAX.checked_shr(128 - count).unwrap_or(0)
    }
}
