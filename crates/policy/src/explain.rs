//! Which entries match an address or a fingerprint, and which of them decides.

mod example;
mod relation;

use std::net::IpAddr;

use synward_fingerprint::{Signature, Traits};

use crate::compile::read::{CoveringEntry, Source};
use crate::config::ListAction;
use crate::entry::P0fRank;
use crate::rules::{ListSummary, RuleDescription, RuleSet, SignatureRule, compat_tables};
use crate::verdict::{Action, Decision, Direction, Opinion, Reason, RuleId, Verdict};
use example::Example;
use relation::{Relation, relation, relation_by};

/// What is decided about an address or a fingerprint, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the entries decide that match whatever else a frame shows.
    pub verdict: Verdict,
    /// These entries and, for a fingerprint, those that ask for more than it tells. As they come in the order of verdicts:
    /// `allow` before `block`, then the most specific first.
    pub matches: Vec<Match>,
}

/// What an entry that matches has to do with the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It decides.
    Decides,
    /// It would decide if everything in monitor mode were enforced.
    WouldDecide,
    /// Others do.
    Matches,
}

/// An entry that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// What it has to do with the verdict.
    pub part: Part,
    /// Where it stands, and its text.
    pub description: RuleDescription,
    /// What happens to a frame that it decides about.
    pub action: ListAction,
    /// Whether it can decide: it is in no list in monitor mode, nor is the bridge.
    pub enforced: bool,
    /// What it asks for beyond what a fingerprint tells: it matches if the SYN shows that, too.
    pub condition: Option<String>,
    /// For a signature of p0f in a list with `p0f = "compat"`: its rank there.
    pub compat: Option<P0fRank>,
}

impl RuleSet {
    /// What the lists of addresses decide about frames from an address that arrive outside, or to an address that arrive
    /// inside. Of each list the narrowest entry that covers the address comes first.
    pub fn explain_address(&self, direction: Direction, address: IpAddr) -> Explanation {
        let Some(set) = self.list_set(direction, address) else {
            return Explanation { verdict: Opinion::default().verdict(Reason::Clean), matches: Vec::new() };
        };
        let verdict = self.set_opinion(Some(set), &mut ()).verdict(Reason::Clean);
        let is_covering = |(list, _): &(&ListSummary, &Source)| self.lists_of(set).contains(&list.id);
        let mut covering: Vec<_> = self.lists.iter().zip(&self.sources).filter(is_covering).collect();
        // A stable sort: what is equal stays in the order of the configuration.
        covering.sort_by_key(|(list, _)| list.action == ListAction::Block);
        let matches =
            covering.into_iter().flat_map(|(list, source)| address_matches(&verdict, list, source, address));
        Explanation { verdict, matches: matches.collect() }
    }

    /// What the signatures decide about a SYN of which no more is known than `asked` tells, supposing that its options are
    /// well-formed. `None` if `asked` leaves the window, the options or their values open, or if no SYN shows such.
    pub fn explain_syn(&self, asked: &Signature) -> Option<Explanation> {
        let example = Example::of(asked)?;
        let databases = compat_tables(&self.signature_rules);
        let mut opinion = Opinion::default();
        let mut matches = Vec::new();
        for (place, rule) in (0_u32..).zip(&self.signature_rules) {
            let database = databases.get(&rule.list).filter(|_| rule.compat.is_some());
            let relation = match database {
                None => relation(asked, &example, &rule.signature),
                Some(database) => {
                    relation_by(|seen| database.find(seen) == Some(place), asked, &example, &rule.signature)
                }
            };
            let condition = match relation {
                Relation::Never => continue,
                Relation::Sometimes if rule.compat.is_some() => Some(NAMED_BY_P0F.to_owned()),
                Relation::Sometimes => Some(condition(asked, &example, &rule.signature)),
                Relation::Always => {
                    let decision = || self.signature_decision(place);
                    opinion = opinion.or(of_rule(rule, decision));
                    None
                }
            };
            matches.push((place, rule, condition));
        }
        let verdict = opinion.verdict(Reason::Clean);
        let found = |(place, rule, condition)| {
            signature_match(part(&verdict, RuleId::of_signature(place)), rule, condition)
        };
        Some(Explanation { matches: matches.into_iter().map(found).collect(), verdict })
    }

    /// The signatures that say the same as `asked`, whatever they are named.
    pub fn same_signatures(&self, asked: &Signature) -> Vec<Match> {
        let text = without_name(asked);
        let same = self.signature_rules.iter().filter(|rule| without_name(&rule.signature) == text);
        same.map(|rule| signature_match(Part::Matches, rule, None)).collect()
    }
}

fn signature_match(part: Part, rule: &SignatureRule, condition: Option<String>) -> Match {
    let action = match rule.action {
        Action::Forward => ListAction::Allow,
        Action::Drop => ListAction::Block,
    };
    let SignatureRule { signature, list, line, enforced, compat, .. } = rule;
    let description = RuleDescription { list: *list, line: *line, entry: signature.to_string() };
    Match { part, description, action, enforced: *enforced, condition, compat: *compat }
}

/// The entries of a list that cover an address, of which only the first can have a part in the verdict.
fn address_matches(
    verdict: &Verdict,
    list: &ListSummary,
    source: &Source,
    address: IpAddr,
) -> impl Iterator<Item = Match> + use<> {
    let ListSummary { id, action, enforced, .. } = *list;
    let parts = std::iter::once(part(verdict, RuleId::of_list(id))).chain(std::iter::repeat(Part::Matches));
    parts.zip(source.covering(address)).map(move |(part, CoveringEntry { line, text, .. })| Match {
        part,
        description: RuleDescription { list: id, line, entry: text },
        action,
        enforced,
        condition: None,
        compat: None,
    })
}

fn part(verdict: &Verdict, rule: RuleId) -> Part {
    if verdict.rule == Some(rule) {
        Part::Decides
    } else if verdict.would.and_then(|would| would.rule) == Some(rule) {
        Part::WouldDecide
    } else {
        Part::Matches
    }
}

/// What a signature of a compat list asks for beyond what it says: to be the one of its list that p0f chooses. Which that is
/// depends on all of a SYN that p0f sees.
const NAMED_BY_P0F: &str = "p0f 3.09b chooses it of its list";

/// The rules come in the order of verdicts, so that the first with an opinion decides.
fn of_rule(rule: &SignatureRule, decision: impl FnOnce() -> Option<Decision>) -> Opinion {
    decision().map_or_else(Opinion::default, |decision| Opinion::of(decision, rule.enforced))
}

/// What a signature asks for that `asked` does not tell: its traits, where its notation is told.
fn condition(asked: &Signature, example: &Example, rule: &Signature) -> String {
    let notation = Signature::from(rule.notation);
    if relation(asked, example, &notation) == Relation::Always {
        let traits = Traits { name: None, ..rule.traits.clone() };
        traits.to_string().trim_start_matches(';').to_owned()
    } else {
        without_name(rule)
    }
}

fn without_name(signature: &Signature) -> String {
    let traits = Traits { name: None, ..signature.traits.clone() };
    format!("{}{traits}", signature.notation)
}

#[cfg(test)]
mod tests;
