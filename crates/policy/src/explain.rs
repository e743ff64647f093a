//! Which entries match an address or a fingerprint, and which of them decides.

mod example;
mod relation;

use std::net::IpAddr;

use synward_fingerprint::{Signature, Traits};

use crate::config::{ListAction, ListDirection};
use crate::entry::P0fRank;
use crate::names::ListId;
use crate::rules::{ListSummary, PrefixRule, RuleDescription, RuleSet, SignatureRule, compat_tables};
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

/// An entry that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its name in a verdict.
    pub rule: RuleId,
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
    /// inside.
    pub fn explain_address(&self, direction: Direction, address: IpAddr) -> Explanation {
        let opinion = self.cover(direction, address).map(|cover| cover.opinion).unwrap_or_default();
        let mut covering: Vec<_> = (0..)
            .zip(&self.prefix_rules)
            .filter(|(_, rule)| rule.span.covers(address))
            .filter_map(|(place, rule)| Some((place, rule, self.list(rule.list)?)))
            .filter(|(_, _, list)| applies(list, direction))
            .collect();
        // A stable sort: what is equal stays in the order of the configuration.
        covering.sort_by_key(|(_, rule, list)| (list.action == ListAction::Block, rule.span.steps()));
        let matches = covering.into_iter().filter_map(|(place, rule, list)| prefix_match(place, rule, list));
        Explanation { verdict: opinion.verdict(Reason::Clean), matches: matches.collect() }
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
            matches.extend(self.signature_match(place, rule, condition));
        }
        Some(Explanation { verdict: opinion.verdict(Reason::Clean), matches })
    }

    /// The signatures that say the same as `asked`, whatever they are named.
    pub fn same_signatures(&self, asked: &Signature) -> Vec<Match> {
        let text = without_name(asked);
        (0..)
            .zip(&self.signature_rules)
            .filter(|(_, rule)| without_name(&rule.signature) == text)
            .filter_map(|(place, rule)| self.signature_match(place, rule, None))
            .collect()
    }

    fn list(&self, id: ListId) -> Option<&ListSummary> {
        self.lists.iter().find(|list| list.id == id)
    }

    fn signature_match(&self, place: u32, rule: &SignatureRule, condition: Option<String>) -> Option<Match> {
        let id = RuleId::new(self.prefix_rules.len() + place as usize)?;
        let action = match rule.action {
            Action::Forward => ListAction::Allow,
            Action::Drop => ListAction::Block,
        };
        Some(Match {
            rule: id,
            description: self.describe(id)?,
            action,
            enforced: rule.enforced,
            condition,
            compat: rule.compat,
        })
    }
}

/// What a signature of a compat list asks for beyond what it says: to be the one of its list that p0f chooses. Which that is
/// depends on all of a SYN that p0f sees.
const NAMED_BY_P0F: &str = "p0f 3.09b chooses it of its list";

/// The rules come in the order of verdicts, so that the first with an opinion decides.
fn of_rule(rule: &SignatureRule, decision: impl FnOnce() -> Option<Decision>) -> Opinion {
    decision().map_or_else(Opinion::default, |decision| Opinion::of(decision, rule.enforced))
}

fn applies(list: &ListSummary, direction: Direction) -> bool {
    match direction {
        Direction::In => list.direction != ListDirection::Out,
        Direction::Out => list.direction != ListDirection::In,
    }
}

fn prefix_match(place: usize, rule: &PrefixRule, of: &ListSummary) -> Option<Match> {
    let PrefixRule { span, list } = *rule;
    Some(Match {
        rule: RuleId::new(place)?,
        description: RuleDescription { list, line: span.line(), entry: span.entry() },
        action: of.action,
        enforced: of.enforced,
        condition: None,
        compat: None,
    })
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
