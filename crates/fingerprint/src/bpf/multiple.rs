//! Windows that p0f takes for a multiple of the MSS or the MTU.

use super::assembler::{Assembler, Condition, DIV_X, MOD_X, Place, Point, TAX, Test, Width, add, modulo};
use super::{BpfError, Instruction};
use crate::p0f::window::{ETHERNET_MTU, IPV4_AND_TCP, IPV6_AND_TCP, LEAST_MSS, Scene, TIMESTAMPS_SPACE};
use crate::p0f::{IpVersion, Multiple};

/// A window that is a multiple of what the packet says, as p0f looks for it: of all divisors that it tries in turn,
/// the first that divides the window counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relation {
    pub(super) multiple: Multiple,
    pub(super) version: IpVersion,
    /// Whether there is a timestamps option whose own value is not zero.
    pub(super) timestamps: bool,
    /// Bytes of the IP and the TCP header.
    pub(super) headers: u32,
}

impl Relation {
    /// All windows that are this multiple where the MSS is `mss`, in ascending order.
    pub(super) fn windows(&self, mss: u16) -> impl Iterator<Item = u32> {
        let Relation { multiple, version, timestamps, headers } = *self;
        let ipv6 = version == IpVersion::V6;
        (1..=u16::MAX).filter_map(move |window| {
            let scene = Scene { window, mss, ipv6, timestamps, headers };
            (scene.multiple() == Some(multiple)).then_some(window.into())
        })
    }
}

/// A window that is a multiple of what the MSS option of the packet says.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfAnyMss {
    relation: Relation,
    window: Place,
    /// What brings the MSS to A.
    mss: Instruction,
}

impl OfAnyMss {
    /// # Errors
    /// If no window is a multiple.
    pub(super) fn new(relation: Relation, window: Place, mss: Instruction) -> Result<OfAnyMss, BpfError> {
        match relation.multiple.factor() {
            0 => Err(BpfError::NeverMatches("no window is zero times anything to p0f")),
            _ => Ok(OfAnyMss { relation, window, mss }),
        }
    }

    /// Puts the test before all that is there. X is free.
    ///
    /// The divisors whose factor does not count are tried, then those that depend on the MSS; for the fixed ones behind
    /// them, the windows are known. The quotient stands last, for jumps lead forward.
    pub(super) fn assemble(&self, assembler: &mut Assembler) {
        let pass = assembler.here();
        let factor = Condition::Equal(self.relation.multiple.factor().into());
        assembler.test(&self.window_and(DIV_X, factor), pass, Assembler::REJECT);
        let quotient = assembler.here();
        match self.windows_of_fixed() {
            windows if windows.is_empty() => assembler.reject(),
            windows => {
                let value = vec![self.window.load(Width::Half)];
                let test =
                    Test { value, is: Condition::Within(windows.into_iter().map(|w| w..=w).collect()) };
                assembler.test(&test, pass, Assembler::REJECT);
            }
        }
        for surplus in self.counting().into_iter().rev() {
            self.divide_by_mss(assembler, surplus, quotient);
        }
        if let Multiple::Mtu(_) = self.relation.multiple {
            for divisor in self.fixed_as_mss().into_iter().rev() {
                let pass = assembler.here();
                let indivisible = self.window_and(modulo(divisor), Condition::NotEqual(0));
                assembler.test(&indivisible, pass, Assembler::REJECT);
            }
            for surplus in self.as_mss().into_iter().rev() {
                self.divide_by_mss(assembler, surplus, Assembler::REJECT);
            }
        }
        let pass = assembler.here();
        let searched = Condition::Within(vec![LEAST_MSS.into()..=u32::MAX]);
        assembler.test(&Test { value: vec![self.mss], is: searched }, pass, Assembler::REJECT);
    }

    fn window_and(&self, operation: Instruction, is: Condition) -> Test {
        Test { value: vec![self.window.load(Width::Half), operation], is }
    }

    /// Goes to `found` with the divisor in X if that divides the window.
    fn divide_by_mss(&self, assembler: &mut Assembler, surplus: u32, found: Point) {
        let next = assembler.here();
        assembler.test(&self.window_and(MOD_X, Condition::Equal(0)), found, next);
        match surplus {
            // This is the first divisor, and the MSS is in A.
            0 => assembler.run(&[TAX]),
            _ => assembler.run(&[self.mss, add(surplus), TAX]),
        }
    }

    /// The divisors that depend on the MSS and whose factor counts, less the MSS, modulo 2^32.
    fn counting(&self) -> Vec<u32> {
        match self.relation.multiple {
            Multiple::Mss(_) => self.as_mss(),
            Multiple::Mtu(_) => {
                let ipv6 = (self.relation.version == IpVersion::V6).then_some(IPV6_AND_TCP);
                [IPV4_AND_TCP, self.relation.headers].into_iter().chain(ipv6).collect()
            }
        }
    }

    /// What p0f takes for the MSS and depends on it, less the MSS.
    fn as_mss(&self) -> Vec<u32> {
        let without_timestamps = 0_u32.wrapping_sub(TIMESTAMPS_SPACE);
        [0].into_iter().chain(self.relation.timestamps.then_some(without_timestamps)).collect()
    }

    /// What p0f takes for the MSS, whatever that is.
    fn fixed_as_mss(&self) -> Vec<u32> {
        let of_mtu = |headers: u32| [ETHERNET_MTU - headers, ETHERNET_MTU - headers - TIMESTAMPS_SPACE];
        let ipv6 = (self.relation.version == IpVersion::V6).then_some(IPV6_AND_TCP);
        [IPV4_AND_TCP].into_iter().chain(ipv6).flat_map(of_mtu).collect()
    }

    /// The windows for which a fixed divisor counts, if none before does.
    fn windows_of_fixed(&self) -> Vec<u32> {
        let factor = u32::from(self.relation.multiple.factor());
        let divisors = match self.relation.multiple {
            Multiple::Mss(_) => self.fixed_as_mss(),
            Multiple::Mtu(_) => vec![ETHERNET_MTU],
        };
        let first = |window: &u32| divisors.iter().find(|divisor| window.is_multiple_of(**divisor));
        let counts = |window: &u32| first(window).is_some_and(|divisor| window / divisor == factor);
        let mut windows: Vec<u32> = divisors.iter().map(|divisor| divisor * factor).filter(counts).collect();
        windows.retain(|window| *window <= u16::MAX.into());
        windows.sort_unstable();
        windows
    }
}
