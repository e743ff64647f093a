//! What is decided about a frame, and why.

use std::num::NonZeroU32;

use synward_wire::Oddity;

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
}

impl Reason {
    const PLAIN: [Self; 9] = [
        Self::Clean,
        Self::NotIp,
        Self::AllowList,
        Self::BlockList,
        Self::Ban,
        Self::FingerprintAllow,
        Self::FingerprintBlock,
        Self::TxFull,
        Self::LinkDown,
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
        }
    }

    /// Whether a frame can be dropped for this reason.
    pub const fn can_drop(self) -> bool {
        !matches!(self, Self::Clean | Self::NotIp | Self::AllowList | Self::FingerprintAllow)
    }

    /// Whether a frame forwarded for this reason was not looked at as far as its TCP header or its end: a blind
    /// spot that the operator should see.
    pub const fn is_uninspected(self) -> bool {
        matches!(self, Self::NotIp | Self::Odd(_))
    }
}

/// Names one entry of the rule set that a verdict came from. See [`crate::RuleSet::describe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(NonZeroU32);

impl RuleId {
    /// The rule at a place in the rule set; `None` past 2^32 - 2.
    pub(crate) fn new(index: usize) -> Option<Self> {
        u32::try_from(index).ok()?.checked_add(1).and_then(NonZeroU32::new).map(Self)
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// One side of a verdict: an action, why, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What happens, or would happen.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The entry of a list that decided, if one did.
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
    /// The entry of a list that decided, if one did.
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
