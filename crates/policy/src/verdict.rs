//! What is decided about a frame, and why.

use std::num::NonZeroU32;

use synward_wire::Oddity;

use crate::names::ListId;

/// Which way a frame crosses the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It arrived at the outside port: it is judged by its source.
    In,
    /// It arrived at the inside port: it is judged by its destination.
    Out,
}

impl Direction {
    /// The name of the port that the frame arrived at.
    pub const fn port(self) -> &'static str {
        match self {
            Self::In => "outside",
            Self::Out => "inside",
        }
    }
}

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It leaves through the peer port, unchanged.
    Forward,
    /// It goes no further.
    Drop,
}

/// Why a frame was forwarded or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing speaks against it.
    Clean,
    /// It is no IP packet.
    NotIp,
    /// An `allow` list covers its address.
    AllowList,
    /// A `block` list covers its address.
    BlockList,
    /// A ban covers its address.
    Ban,
    /// An `allow` signature matches the SYN.
    FingerprintAllow,
    /// A `block` signature matches the SYN.
    FingerprintBlock,
    /// Something about its headers is odd.
    Odd(Oddity),
    /// The peer port could not take it. Given by the worker, never by [`crate::Snapshot::judge`].
    TxFull,
    /// The link of the peer port is down. Given by the worker, never by [`crate::Snapshot::judge`].
    LinkDown,
    /// The worker was halted for so long that the kernel has let later frames pass. Given by the worker, never by
    /// [`crate::Snapshot::judge`].
    Stale,
}

impl Reason {
    const PLAIN: [Self; 10] = [
        Self::Clean,
        Self::NotIp,
        Self::AllowList,
        Self::BlockList,
        Self::Ban,
        Self::FingerprintAllow,
        Self::FingerprintBlock,
        Self::TxFull,
        Self::LinkDown,
        Self::Stale,
    ];

    /// Number of reasons: the size of a table indexed by [`Reason::index`].
    pub const COUNT: usize = Self::PLAIN.len() + Oddity::ALL.len();

    /// Every reason, in the order of [`Reason::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(Oddity::ALL.into_iter().map(Self::Odd))
    }

    /// The place of the reason in a table, below [`Reason::COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        match self {
            Self::Clean => 0,
            Self::NotIp => 1,
            Self::AllowList => 2,
            Self::BlockList => 3,
            Self::Ban => 4,
            Self::FingerprintAllow => 5,
            Self::FingerprintBlock => 6,
            Self::TxFull => 7,
            Self::LinkDown => 8,
            Self::Stale => 9,
            Self::Odd(oddity) => Self::PLAIN.len() + oddity as usize,
        }
    }

    /// The name in metrics, events and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::NotIp => "not_ip",
            Self::AllowList => "allow_list",
            Self::BlockList => "block_list",
            Self::Ban => "ban",
            Self::FingerprintAllow => "fingerprint_allow",
            Self::FingerprintBlock => "fingerprint_block",
            Self::Odd(oddity) => oddity.name(),
            Self::TxFull => "tx_full",
            Self::LinkDown => "link_down",
            Self::Stale => "stale",
        }
    }

    /// Whether a frame can be dropped for this reason.
    pub const fn can_drop(self) -> bool {
        !matches!(self, Self::Clean | Self::NotIp | Self::AllowList | Self::FingerprintAllow)
    }

    /// Whether a frame forwarded for this reason was odd, or not looked at as far as its TCP header or its end: what the operator
    /// should see, for there may be a blind spot.
    pub const fn is_uninspected(self) -> bool {
        matches!(self, Self::NotIp | Self::Odd(_))
    }
}

/// Names what a verdict came from: a list of addresses, or a signature of its rule set. See [`crate::RuleSet::describe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(NonZeroU32);

/// What a [`RuleId`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    List(ListId),
    /// By its place among the signatures of the rule set.
    Signature(u32),
}

impl RuleId {
    /// The id of the signature at place 0. Those of lists lie below.
    const FIRST_SIGNATURE: NonZeroU32 = NonZeroU32::MIN.saturating_add(u32::MAX >> 1);

    pub(crate) fn of_list(list: ListId) -> Self {
        Self(NonZeroU32::MIN.saturating_add(list.number().into()))
    }

    pub(crate) fn of_signature(place: u32) -> Self {
        Self(Self::FIRST_SIGNATURE | place)
    }

    #[inline]
    pub(crate) fn rule(self) -> Rule {
        let number = self.0.get();
        match number.checked_sub(Self::FIRST_SIGNATURE.get()) {
            Some(place) => Rule::Signature(place),
            None => Rule::List(ListId::from_number((number - 1) as u16)),
        }
    }
}

/// One side of a verdict: an action, why, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What happens, or would happen.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The list or signature that decided, if one did.
    pub rule: Option<RuleId>,
}

impl Decision {
    pub(crate) const fn forward(reason: Reason) -> Self {
        Self { action: Action::Forward, reason, rule: None }
    }

    pub(crate) const fn drop(reason: Reason) -> Self {
        Self { action: Action::Drop, reason, rule: None }
    }
}

/// What is decided about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What happens to the frame.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The list or signature that decided, if one did.
    pub rule: Option<RuleId>,
    /// What would have been decided if everything in monitor mode were enforced; only when that is another action, or for
    /// another reason, or by another rule.
    pub would: Option<Decision>,
}

impl Verdict {
    /// The decision to tell: the drop, else the drop that monitor mode prevented. `None` when the frame passes
    /// either way.
    pub fn noteworthy(&self) -> Option<Noteworthy> {
        let actual = Decision { action: self.action, reason: self.reason, rule: self.rule };
        let noteworthy = |decision: Decision, enforced| {
            (decision.action == Action::Drop).then_some(Noteworthy { decision, enforced })
        };
        noteworthy(actual, true).or_else(|| self.would.and_then(|would| noteworthy(would, false)))
    }

    /// The name on the command line: `forward`, `drop` or `would-drop`.
    pub fn name(&self) -> &'static str {
        match self.noteworthy() {
            None => "forward",
            Some(Noteworthy { enforced: true, .. }) => "drop",
            Some(Noteworthy { enforced: false, .. }) => "would-drop",
        }
    }
}

/// A drop, or one that monitor mode prevented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noteworthy {
    /// The drop.
    pub decision: Decision,
    /// Whether it happened.
    pub enforced: bool,
}

/// What one step of the judgement thinks of a frame: once with only what is enforced, once as if everything were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Opinion {
    pub(crate) enforced: Option<Decision>,
    pub(crate) assumed: Option<Decision>,
}

impl Opinion {
    /// An opinion that counts as enforced only if `enforce` says so.
    pub(crate) fn of(decision: Decision, enforce: bool) -> Self {
        Self { enforced: enforce.then_some(decision), assumed: Some(decision) }
    }

    /// This opinion, and where it has none, that of a later step.
    pub(crate) fn or(self, later: Self) -> Self {
        Self { enforced: self.enforced.or(later.enforced), assumed: self.assumed.or(later.assumed) }
    }

    /// What this and a later list say together that cover one address.
    pub(crate) fn beside(self, later: Self) -> Self {
        Self {
            enforced: stronger(self.enforced, later.enforced),
            assumed: stronger(self.assumed, later.assumed),
        }
    }

    /// Whether no later step can change anything, in a bridge that enforces or not.
    pub(crate) fn is_settled(&self, enforces: bool) -> bool {
        self.assumed.is_some() && (self.enforced.is_some() || !enforces)
    }

    /// The verdict, when what nobody objects to is forwarded for the reason `otherwise`.
    #[inline]
    pub(crate) fn verdict(self, otherwise: Reason) -> Verdict {
        let forward = Decision::forward(otherwise);
        // Nearly every frame leaves here.
        if self.enforced.is_none() && self.assumed.is_none() {
            let Decision { action, reason, rule } = forward;
            return Verdict { action, reason, rule, would: None };
        }
        let actual = self.enforced.unwrap_or(forward);
        let would = Some(self.assumed.unwrap_or(forward)).filter(|assumed| *assumed != actual);
        let Decision { action, reason, rule } = actual;
        Verdict { action, reason, rule, would }
    }
}

/// `allow` beats `block`; of two that say the same, the first is named.
fn stronger(first: Option<Decision>, later: Option<Decision>) -> Option<Decision> {
    first.into_iter().chain(later).min_by_key(|decision| decision.action == Action::Drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        let places: Vec<usize> = Reason::all().map(Reason::index).collect();
        assert_eq!(places, (0..Reason::COUNT).collect::<Vec<_>>());
        let names: std::collections::HashSet<_> = Reason::all().map(Reason::name).collect();
        assert_eq!(names.len(), Reason::COUNT);
    }

    #[test]
    fn lists_and_signatures_have_ids_of_their_own() {
        for list in [0, 1, 1023].map(ListId::from_number) {
            assert_eq!(RuleId::of_list(list).rule(), Rule::List(list));
        }
        for place in [0, 1, 199_999] {
            assert_eq!(RuleId::of_signature(place).rule(), Rule::Signature(place));
        }
    }

    #[test]
    fn the_first_step_with_an_opinion_decides_each_side_on_its_own() {
        let monitored_block = Opinion::of(Decision::drop(Reason::BlockList), false);
        let enforced_block = Opinion::of(Decision::drop(Reason::FingerprintBlock), true);
        let verdict = monitored_block.or(enforced_block).verdict(Reason::Clean);
        assert_eq!((verdict.reason, verdict.name()), (Reason::FingerprintBlock, "drop"));
        assert_eq!(verdict.would.map(|would| would.reason), Some(Reason::BlockList));
    }

    #[test]
    fn what_monitor_mode_prevents_is_told() {
        let verdict = Opinion::of(Decision::drop(Reason::BlockList), false).verdict(Reason::Clean);
        assert_eq!(
            (verdict.action, verdict.reason, verdict.name()),
            (Action::Forward, Reason::Clean, "would-drop")
        );
        let told = verdict.noteworthy().unwrap();
        assert_eq!((told.decision.reason, told.enforced), (Reason::BlockList, false));
    }

    #[test]
    fn a_verdict_is_small() {
        assert!(size_of::<Verdict>() <= 24, "{}", size_of::<Verdict>());
    }
}
