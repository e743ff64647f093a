//! Contenders that are a program of the kernel's on both ports.

use anyhow::Result;

use super::{Contender, Role, Running};
use crate::bed::Bed;
use crate::kernel::{CONTENDERS, Kernel, connect};
use crate::traffic::Rules;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Xdp {
    pub(crate) name: &'static str,
    program: &'static str,
    role: Role,
}

impl Xdp {
    /// The bare wire.
    pub(crate) const WIRE: Self = Self { name: "XDP devmap redirect", program: "wire", role: Role::Forwards };

    /// The same again.
    pub(crate) const WIRE_AGAIN: Self = Self { name: "XDP devmap redirect, again", ..Self::WIRE };

    /// Drops all.
    pub(crate) const DROP: Self = Self { name: "XDP_DROP", program: "drop", role: Role::DropsAll };

    /// Four that do not do what they say.
    pub(crate) const BROKEN: [Self; 4] = [
        Self { name: "drops all, says it forwards", program: "drop", role: Role::Forwards },
        Self { name: "sends all back", program: "echo", role: Role::Forwards },
        Self { name: "forwards what is blocked", program: "wire", role: Role::DropsBlocked },
        Self { name: "sleeps every other half second", program: "sleepy", role: Role::Forwards },
    ];
}

impl Contender for Xdp {
    fn name(&self, _rules: &Rules) -> String {
        self.name.to_owned()
    }

    fn role(&self) -> Role {
        self.role
    }

    fn start(&self, bed: &Bed, _rules: &Rules) -> Result<Box<dyn Running>> {
        let mut kernel = Kernel::load(CONTENDERS)?;
        connect(&mut kernel, &bed.wire, bed.ports(), self.program)?;
        Ok(Box::new(Attached { kernel, counts: self.role == Role::DropsAll }))
    }
}

struct Attached {
    kernel: Kernel,
    counts: bool,
}

impl Running for Attached {
    fn taken(&mut self) -> Result<Option<u64>> {
        let count = || self.kernel.sum::<1>("taken", 0).map(|[count]| count);
        self.counts.then(count).transpose()
    }
}
