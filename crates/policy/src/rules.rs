//! The compiled rules: what the lists of a configuration say, in a form that answers at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use synward_fingerprint::{CompatSignature, Merge, Notation, Signature, SignatureTable};
use synward_prefix::IpTable;
use synward_wire::{Oddity, Packet, SynFacts};

use crate::compile::read::Source;
use crate::config::{ListAction, ListDirection, Tunnels};
use crate::entry::{Ending, P0fRank};
use crate::names::ListId;
use crate::profile::Profile;
use crate::protect::Protected;
use crate::sets::{ListSetId, ListSets};
use crate::verdict::{Action, Decision, Direction, Opinion, Reason, Rule, RuleId};

/// Sees which lists match a frame, whether or not they decide. The worker's counters are one.
pub trait Witness {
    /// The lists of addresses of this set cover the frame. Told at most once a frame, and once more of what is in its tunnel:
    /// [`RuleSet::lists_of`] tells them apart.
    fn covered(&mut self, by: ListSetId);

    /// A signature of the list matches the frame. Told at most once a frame for each list.
    fn hit(&mut self, list: ListId);

    /// The signatures are asked about a SYN: no list of addresses, ban or oddity has decided before.
    fn syn(&mut self) {}
}

/// Nobody is interested.
impl Witness for () {
    fn covered(&mut self, _: ListSetId) {}

    fn hit(&mut self, _: ListId) {}
}

/// Everything that judges frames, immutable. Made by [`RuleSet::compile`].
#[derive(Debug, Default)]
pub struct RuleSet {
    /// By source, for frames from outside. The value names one of `sets`.
    pub(crate) inbound: IpTable,
    /// By destination, for frames from inside. The value names one of `sets`.
    pub(crate) outbound: IpTable,
    pub(crate) sets: ListSets,
    pub(crate) signatures: SignatureTable<SignatureMatch>,
    /// The best first: see [`SignatureRule`].
    pub(crate) signature_rules: Vec<SignatureRule>,
    /// The fingerprint lists, by [`SignatureRule::bit`].
    pub(crate) signature_lists: Vec<ListId>,
    pub(crate) lists: Vec<ListSummary>,
    /// What each of the lists was compiled from.
    pub(crate) sources: Vec<Source>,
    pub(crate) profile: Profile,
    pub(crate) tunnels: Tunnels,
    pub(crate) protected: Protected,
    /// Whether anything is dropped at all: the mode of the bridge.
    pub(crate) enforces: bool,
}

/// Where a signature came from and what it does. In a rule set they are sorted: `allow` before `block`, then the one with fewer
/// wildcards, then the one with more traits, then as in the configuration, so that of all that match a SYN the first decides.
#[derive(Debug, Clone)]
pub(crate) struct SignatureRule {
    pub(crate) signature: Signature,
    /// For a signature of p0f in a list with `p0f = "compat"`: its rank there.
    pub(crate) compat: Option<P0fRank>,
    pub(crate) list: ListId,
    /// The place of the list in `signature_lists`: below 64.
    pub(crate) bit: u8,
    pub(crate) line: u32,
    pub(crate) action: Action,
    pub(crate) enforced: bool,
}

/// A list of the rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSummary {
    /// Its id.
    pub id: ListId,
    /// Its name.
    pub name: String,
    /// What happens to a frame that an entry matches.
    pub action: ListAction,
    /// Whether that takes place, or is only told.
    pub enforced: bool,
    /// Which frames it applies to.
    pub direction: ListDirection,
    /// Number of its entries.
    pub entries: usize,
    /// Number of its lines that are no entries, because they cannot be understood.
    pub refused: usize,
    /// Whether it was as in the rule set before, and not parsed again.
    pub reused: bool,
    /// How its file ends.
    pub ending: Ending,
}

impl ListSummary {
    /// Whether it is asked about frames of a direction.
    pub(crate) fn applies(&self, direction: Direction) -> bool {
        match direction {
            Direction::In => self.direction != ListDirection::Out,
            Direction::Out => self.direction != ListDirection::In,
        }
    }
}

/// One entry of a list, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDescription {
    /// The list.
    pub list: ListId,
    /// The line of its file, from 1.
    pub line: u32,
    /// The entry in its canonical form.
    pub entry: String,
}

impl RuleSet {
    /// The lists, in the order of the configuration.
    pub fn lists(&self) -> &[ListSummary] {
        &self.lists
    }

    /// Bytes of heap held by tables: what frames are judged by.
    pub fn table_bytes(&self) -> usize {
        self.inbound.memory_usage()
            + self.outbound.memory_usage()
            + self.sets.memory_usage()
            + self.signatures.memory_usage()
            + self.protected.memory_usage()
    }

    /// Bytes of heap held by tables and entries.
    pub fn memory_usage(&self) -> usize {
        self.table_bytes()
            + size_of_val(&*self.signature_rules)
            + self.signature_rules.iter().map(|rule| rule.signature.traits.heap_bytes()).sum::<usize>()
            + self.sources.iter().map(Source::memory_usage).sum::<usize>()
    }

    /// The distinct sets of lists that cover some address.
    pub fn list_sets(&self) -> impl ExactSizeIterator<Item = ListSetId> {
        self.sets.ids()
    }

    /// The lists of a set, in the order of the configuration.
    pub fn lists_of(&self, set: ListSetId) -> &[ListId] {
        self.sets.lists(set)
    }

    /// The list of a set that decides, and the one that would if everything were enforced, where that is another.
    pub fn deciders_of(&self, set: ListSetId) -> impl Iterator<Item = ListId> {
        let Opinion { enforced, assumed } = self.sets.opinion(set);
        let list = |decision: Option<Decision>| self.list_of(decision?.rule?);
        let decides = list(enforced);
        decides.into_iter().chain(list(assumed).filter(move |list| decides != Some(*list)))
    }

    /// The entry behind a rule of a verdict of this rule set on a frame that was judged by `address`; `None` when it is of
    /// another. Of a list of addresses it is the narrowest entry that covers the address, of equals the first line.
    pub fn describe(&self, rule: RuleId, address: Option<IpAddr>) -> Option<RuleDescription> {
        match rule.rule() {
            Rule::List(id) => {
                let (_, source) = self.lists.iter().zip(&self.sources).find(|(list, _)| list.id == id)?;
                let entry = source.covering(address?).into_iter().next()?;
                Some(RuleDescription { list: id, line: entry.line, entry: entry.text })
            }
            Rule::Signature(place) => {
                let rule = self.signature_rules.get(place as usize)?;
                Some(RuleDescription { list: rule.list, line: rule.line, entry: rule.signature.to_string() })
            }
        }
    }

    /// The list of a rule, without its text.
    #[inline]
    pub fn list_of(&self, rule: RuleId) -> Option<ListId> {
        match rule.rule() {
            Rule::List(list) => Some(list),
            Rule::Signature(place) => self.signature_rules.get(place as usize).map(|rule| rule.list),
        }
    }

    /// The list of a rule that is a signature.
    #[inline]
    pub fn signature_list(&self, rule: RuleId) -> Option<ListId> {
        match rule.rule() {
            Rule::List(_) => None,
            Rule::Signature(_) => self.list_of(rule),
        }
    }

    /// The set of lists that cover an address that frames of a direction are judged by.
    #[inline]
    pub(crate) fn list_set(&self, direction: Direction, address: IpAddr) -> Option<ListSetId> {
        let table = match direction {
            Direction::In => &self.inbound,
            Direction::Out => &self.outbound,
        };
        table.get(address).map(ListSetId::new)
    }

    /// What the lists say of the address that a packet is judged by.
    #[inline]
    pub(crate) fn list_set_of(&self, direction: Direction, packet: &Packet<'_>) -> Option<ListSetId> {
        match direction {
            Direction::In => self.list_set(direction, packet.source),
            Direction::Out => self.list_set(direction, packet.destination),
        }
    }

    /// What the lists of a set say. Tells `witness` which set it is.
    #[inline]
    pub(crate) fn set_opinion(&self, set: Option<ListSetId>, witness: &mut impl Witness) -> Opinion {
        let Some(set) = set else { return Opinion::default() };
        witness.covered(set);
        self.sets.opinion(set)
    }

    /// The worst that is odd about a packet from outside, where the networks on both sides are known.
    #[inline]
    pub(crate) fn oddity_from_outside(&self, packet: &Packet<'_>) -> Option<Oddity> {
        packet.odd.max(self.protects(packet.source).then_some(Oddity::SpoofedSource))
    }

    /// Whether an address is of the networks that no frame from outside should come from.
    #[inline]
    pub fn protects(&self, address: IpAddr) -> bool {
        self.protected.covers(address)
    }

    /// What the profile says of an oddity.
    pub(crate) fn odd_opinion(&self, oddity: Oddity) -> Opinion {
        if self.profile.drops(oddity) {
            Opinion::of(Decision::drop(Reason::Odd(oddity)), self.enforces)
        } else {
            Opinion::default()
        }
    }

    /// What the signatures say of a SYN.
    pub(crate) fn fingerprint_opinion(&self, syn: &SynFacts, witness: &mut impl Witness) -> Opinion {
        let Some(found) = self.signatures.find_in(syn) else { return Opinion::default() };
        let hit = |(bit, list): (usize, &ListId)| (found.lists >> bit & 1 == 1).then_some(*list);
        self.signature_lists.iter().enumerate().filter_map(hit).for_each(|list| witness.hit(list));
        Opinion {
            enforced: self.signature_decision(found.enforced),
            assumed: self.signature_decision(found.assumed),
        }
    }

    pub(crate) fn signature_decision(&self, place: u32) -> Option<Decision> {
        let action = self.signature_rules.get(place as usize)?.action;
        let reason = match action {
            Action::Forward => Reason::FingerprintAllow,
            Action::Drop => Reason::FingerprintBlock,
        };
        Some(Decision { action, reason, rule: Some(RuleId::of_signature(place)) })
    }
}

impl SignatureRule {
    /// The signature as p0f's own matching takes it, if it is to be matched so.
    fn as_compat(&self) -> Option<CompatSignature> {
        let (Some(rank), Notation::P0f(signature)) = (self.compat, self.signature.notation) else {
            return None;
        };
        let traits = self.signature.traits.clone();
        Some(CompatSignature { signature, traits, generic: rank.generic, of_program: rank.program })
    }
}

/// The table of the signatures of these rules, which are in the order of verdicts.
pub(crate) fn signature_table(rules: &[SignatureRule]) -> SignatureTable<SignatureMatch> {
    let said = |(place, rule): (u32, &SignatureRule)| SignatureMatch::of(place, rule);
    let others = (0..).zip(rules).filter(|(_, rule)| rule.as_compat().is_none());
    let others = others.map(|(place, rule)| (rule.signature.clone(), said((place, rule))));
    SignatureTable::build(others).with_compat(compat_lists(rules, said).into_values())
}

/// A table for each list with `p0f = "compat"`, which tells the place of the signature that p0f would name.
pub(crate) fn compat_tables(rules: &[SignatureRule]) -> BTreeMap<ListId, SignatureTable<u32>> {
    let lists = compat_lists(rules, |(place, _)| place).into_iter();
    lists.map(|(list, signatures)| (list, SignatureTable::default().with_compat([signatures]))).collect()
}

/// The signatures of each list with `p0f = "compat"`, in the order of its file, with what `said` says of each.
fn compat_lists<V>(
    rules: &[SignatureRule],
    said: impl Fn((u32, &SignatureRule)) -> V,
) -> BTreeMap<ListId, Vec<(CompatSignature, V)>> {
    let mut lists: BTreeMap<ListId, BTreeMap<u32, (CompatSignature, V)>> = BTreeMap::new();
    for (place, rule) in (0..).zip(rules) {
        if let Some(signature) = rule.as_compat() {
            lists.entry(rule.list).or_default().insert(rule.line, (signature, said((place, rule))));
        }
    }
    lists.into_iter().map(|(list, signatures)| (list, signatures.into_values().collect())).collect()
}

/// What the signatures that match a SYN come to: the first of them, and the lists of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignatureMatch {
    /// The first place in `signature_rules` of a list in enforce mode.
    enforced: u32,
    /// The first place of any list.
    assumed: u32,
    /// A bit for each list: [`SignatureRule::bit`].
    lists: u64,
}

impl SignatureMatch {
    /// Behind every place.
    const NOWHERE: u32 = u32::MAX;

    /// What a rule at a place comes to, if it is the only one that matches.
    pub(crate) fn of(place: u32, rule: &SignatureRule) -> Self {
        let enforced = if rule.enforced { place } else { Self::NOWHERE };
        Self { enforced, assumed: place, lists: 1 << rule.bit }
    }
}

impl Merge for SignatureMatch {
    fn merge(&mut self, other: &Self) {
        self.enforced = self.enforced.min(other.enforced);
        self.assumed = self.assumed.min(other.assumed);
        self.lists |= other.lists;
    }
}
