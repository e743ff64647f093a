//! A box between two ports of this machine, on which anything may run: it was put there by hand.

use anyhow::Result;

use super::{Contender, Role, Running};
use crate::bed::{Bed, Receiver};
use crate::traffic::Rules;

/// The box.
#[derive(Debug, Clone)]
pub(crate) struct OuterBox {
    /// What the tables call it.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The ports of this machine that it hears and is heard by.
    pub(crate) ports: [String; 2],
}

impl Contender for OuterBox {
    fn name(&self, _rules: &Rules) -> String {
        self.name.clone()
    }

    fn role(&self) -> Role {
        self.role
    }

    fn receiver(&self) -> Receiver {
        Receiver::Sender
    }

    fn bed(&self, _receiver: Receiver) -> Result<Bed> {
        let [source, sink] = &self.ports;
        Bed::between(source, sink)
    }

    fn start(&self, _bed: &Bed, _rules: &Rules) -> Result<Box<dyn Running>> {
        Ok(Box::new(AtWork))
    }
}

/// It is at work already, and goes on.
struct AtWork;

impl Running for AtWork {}
