//! The compiled rules: what the lists of a configuration say, in a form that answers at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use synward_fingerprint::{CompatSignature, Merge, Notation, Signature, SignatureTable};
use synward_prefix::IpTable;
use synward_wire::{Oddity, Packet, SynFacts};

use crate::config::{ListAction, ListDirection};
use crate::entry::{P0fRank, Prefix};
use crate::names::ListId;
use crate::profile::Profile;
use crate::verdict::{Action, Decision, Direction, Opinion, Reason, RuleId};

/// Sees which lists match a frame, whether or not they decide. The worker's counters are one.
pub trait Witness {
    /// An entry of the list matches the frame. Told at most once a frame for each list.
    fn hit(&mut self, list: ListId);
}

/// Nobody is interested.
impl Witness for () {
    fn hit(&mut self, _: ListId) {}
}

/// Everything that judges frames, immutable. Made by [`RuleSet::compile`].
#[derive(Debug, Default)]
pub struct RuleSet {
    /// By source, for frames from outside. The value is a place in `covers`.
    pub(crate) inbound: IpTable,
    /// By destination, for frames from inside. The value is a place in `covers`.
    pub(crate) outbound: IpTable,
    pub(crate) covers: Vec<Cover>,
    /// The lists of all covers, one behind the other.
    pub(crate) cover_lists: Vec<ListId>,
    pub(crate) signatures: SignatureTable<SignatureMatch>,
    /// The best first: see [`SignatureRule`].
    pub(crate) signature_rules: Vec<SignatureRule>,
    /// The fingerprint lists, by [`SignatureRule::bit`].
    pub(crate) signature_lists: Vec<ListId>,
    pub(crate) prefix_rules: Vec<PrefixRule>,
    pub(crate) lists: Vec<ListSummary>,
    pub(crate) profile: Profile,
    /// Whether anything is dropped at all: the mode of the bridge.
    pub(crate) enforces: bool,
}

/// What is said of a range of addresses by all lists that cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) opinion: Opinion,
    /// The lists are `cover_lists[first_list..last_list]`.
    pub(crate) first_list: u32,
    pub(crate) last_list: u32,
}

/// Where a prefix came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrefixRule {
    pub(crate) prefix: Prefix,
    pub(crate) list: ListId,
    pub(crate) line: u32,
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

    /// Bytes of heap held by tables and entries.
    pub fn memory_usage(&self) -> usize {
        self.inbound.memory_usage()
            + self.outbound.memory_usage()
            + size_of_val(&*self.covers)
            + size_of_val(&*self.cover_lists)
            + self.signatures.memory_usage()
            + size_of_val(&*self.signature_rules)
            + self.signature_rules.iter().map(|rule| rule.signature.traits.heap_bytes()).sum::<usize>()
            + size_of_val(&*self.prefix_rules)
    }

    /// The entry behind a rule of a verdict of this rule set; `None` when it is of another.
    pub fn describe(&self, rule: RuleId) -> Option<RuleDescription> {
        if let Some(PrefixRule { prefix, list, line }) = self.prefix_rules.get(rule.index()) {
            return Some(RuleDescription { list: *list, line: *line, entry: prefix.to_string() });
        }
        let rule = self.signature_rules.get(rule.index() - self.prefix_rules.len())?;
        Some(RuleDescription { list: rule.list, line: rule.line, entry: rule.signature.to_string() })
    }

    /// The list of a rule, without its text.
    #[inline]
    pub fn list_of(&self, rule: RuleId) -> Option<ListId> {
        match self.prefix_rules.get(rule.index()) {
            Some(rule) => Some(rule.list),
            None => self.signature_rules.get(rule.index() - self.prefix_rules.len()).map(|rule| rule.list),
        }
    }

    /// What is said of an address that frames of a direction are judged by.
    #[inline]
    pub(crate) fn cover(&self, direction: Direction, address: IpAddr) -> Option<&Cover> {
        let table = match direction {
            Direction::In => &self.inbound,
            Direction::Out => &self.outbound,
        };
        table.get(address).and_then(|place| self.covers.get(place as usize))
    }

    /// What the lists say of the address that a packet is judged by.
    #[inline]
    pub(crate) fn cover_of(&self, direction: Direction, packet: &Packet<'_>) -> Option<&Cover> {
        match direction {
            Direction::In => self.cover(direction, packet.source),
            Direction::Out => self.cover(direction, packet.destination),
        }
    }

    /// What a cover says of a packet. Tells `witness` its lists.
    #[inline]
    pub(crate) fn cover_opinion(&self, cover: Option<&Cover>, witness: &mut impl Witness) -> Opinion {
        let Some(cover) = cover else { return Opinion::default() };
        let lists = self.cover_lists.get(cover.first_list as usize..cover.last_list as usize);
        lists.unwrap_or_default().iter().for_each(|list| witness.hit(*list));
        cover.opinion
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
        let rule = RuleId::new(self.prefix_rules.len() + place as usize);
        Some(Decision { action, reason, rule })
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
    let mut databases: BTreeMap<ListId, Vec<(u32, CompatSignature, SignatureMatch)>> = BTreeMap::new();
    let mut others = Vec::new();
    for (place, rule) in (0..).zip(rules) {
        let said = SignatureMatch::of(place, rule);
        match rule.as_compat() {
            Some(signature) => databases.entry(rule.list).or_default().push((rule.line, signature, said)),
            None => others.push((rule.signature.clone(), said)),
        }
    }
    let in_file_order = |mut database: Vec<(u32, CompatSignature, SignatureMatch)>| {
        database.sort_by_key(|(line, ..)| *line);
        database.into_iter().map(|(_, signature, said)| (signature, said))
    };
    SignatureTable::build(others).with_compat(databases.into_values().map(in_file_order))
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
