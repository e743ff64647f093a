//! What is asked at the ends of the paths, where equality does not do.

use std::sync::Arc;

use synward_wire::SynFacts;

use crate::p0f::{InitialTtl, MAX_DISTANCE};
use crate::{P0fSignature, Traits, p0f};

/// What a signature asks of a SYN beside what its path says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Condition {
    /// `None` where nothing but a SYN is asked for.
    traits: Option<Arc<Traits>>,
    /// The least and the greatest TTL.
    ttl: (u8, u8),
    /// What the window is a multiple of.
    divisor: u16,
}

impl Condition {
    const NONE: Condition = Condition { traits: None, ttl: (0, u8::MAX), divisor: 1 };

    /// What the traits ask.
    pub(super) fn of(traits: &Traits) -> Condition {
        // A name says nothing of the SYN, and would keep equal rules apart.
        let traits = Traits { name: None, ..traits.clone() };
        Condition { traits: (traits.constraints() > 0).then(|| Arc::new(traits)), ..Condition::NONE }
    }

    /// The same, and what relations a p0f signature asks for.
    pub(super) fn with_relations_of(self, signature: &P0fSignature) -> Condition {
        let ttl = match signature.ttl {
            InitialTtl::Is(initial) => (initial.saturating_sub(MAX_DISTANCE), initial),
            InitialTtl::UpTo(most) => (0, most),
        };
        let divisor = match signature.window {
            p0f::Window::MultipleOf(divisor) => divisor,
            _ => 1,
        };
        Condition { ttl, divisor, ..self }
    }

    /// Whether every SYN will do.
    pub(super) fn is_none(&self) -> bool {
        *self == Condition::NONE
    }

    /// Whether the SYN, or SYN-ACK, will do.
    #[inline]
    pub(super) fn holds(&self, syn: &SynFacts, is_syn: bool) -> bool {
        let (least, most) = self.ttl;
        (least..=most).contains(&syn.ttl)
            && (self.divisor == 1 || syn.window.is_multiple_of(self.divisor))
            && self.traits.as_ref().map_or(is_syn, |traits| traits.matches(syn))
    }
}
