//! Prefixes by chance, the ranges they come to, and addresses to look up: the same in each run.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use fastrand::Rng;
use num_traits::{CheckedShr, PrimInt, Unsigned};
use synward_prefix::{Address, Range};

/// First address and length.
pub type Prefix<A> = (A, u8);

/// An address as a number.
pub trait Number: Address + PrimInt + Unsigned + CheckedShr {
    /// Any number of so many bits.
    fn any(rng: &mut Rng) -> Self;
}

impl Number for u32 {
    fn any(rng: &mut Rng) -> Self {
        rng.u32(..)
    }
}

impl Number for u128 {
    fn any(rng: &mut Rng) -> Self {
        rng.u128(..)
    }
}

/// Prefixes without doubles, in the order of their first addresses. The value of each is its place.
#[derive(Debug)]
pub struct Set<A> {
    prefixes: Vec<Prefix<A>>,
}

/// The bits of an address that a prefix of this length leaves open.
fn open_bits<A: Number>(length: u8) -> A {
    A::max_value().checked_shr(length.into()).unwrap_or_else(A::zero)
}

/// The prefix of this length around an address.
fn around<A: Number>(address: A, length: u8) -> Prefix<A> {
    (address & !open_bits::<A>(length), length)
}

/// The last address of a prefix.
pub fn last<A: Number>((first, length): Prefix<A>) -> A {
    first | open_bits(length)
}

impl<A: Number> Set<A> {
    /// So many prefixes of a source, fewer by its doubles.
    fn of(count: usize, source: impl FnMut() -> Prefix<A>) -> Self {
        let mut prefixes: Vec<_> = std::iter::repeat_with(source).take(count).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        Self { prefixes }
    }

    /// The prefixes, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix<A>, u32)> + '_ {
        self.prefixes.iter().copied().zip(0..)
    }

    /// Number of prefixes.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there is no prefix.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// The disjoint ranges that the prefixes come to, where the longest that covers an address gives the value.
    pub fn ranges(&self) -> Vec<Range<A>> {
        let mut sweep = Sweep { ranges: Vec::with_capacity(self.len()), open: Vec::new(), from: A::zero() };
        for (prefix, value) in self.iter() {
            sweep.close(|end| end < prefix.0);
            sweep.cut(prefix.0);
            sweep.open.push((last(prefix), value));
        }
        sweep.close(|_| true);
        sweep.ranges
    }

    /// Addresses inside of prefixes by chance, whatever their lengths.
    pub fn inside(&self, rng: &mut Rng, count: usize) -> Vec<A> {
        let any = |rng: &mut Rng| {
            let (first, length) = self.any_prefix(rng);
            first | A::any(rng) & open_bits(length)
        };
        (0..count).map(|_| any(rng)).collect()
    }

    /// Addresses as those of [`Set::inside`], but with one of the last 16 bits of the prefix turned over: mostly a miss by little.
    pub fn beside(&self, rng: &mut Rng, count: usize) -> Vec<A> {
        let any = |rng: &mut Rng| {
            let (first, length) = self.any_prefix(rng);
            let bit = rng.usize(0..16) + size_of::<A>() * 8 - usize::from(length);
            (first | A::any(rng) & open_bits(length)) ^ (A::one() << bit)
        };
        (0..count).map(|_| any(rng)).collect()
    }

    /// One of the prefixes.
    pub fn any_prefix(&self, rng: &mut Rng) -> Prefix<A> {
        rng.choice(&self.prefixes).copied().unwrap_or((A::zero(), 0))
    }
}

/// Walks the prefixes in order; those still open are nested.
struct Sweep<A> {
    ranges: Vec<Range<A>>,
    /// Last address and value of each open prefix, the innermost last.
    open: Vec<(A, u32)>,
    /// The first address that no range was made for.
    from: A,
}

impl<A: Number> Sweep<A> {
    /// Ends the innermost prefixes as long as they end here.
    fn close(&mut self, ends: impl Fn(A) -> bool) {
        while let Some((end, value)) = self.open.pop_if(|(end, _)| ends(*end)) {
            if self.from <= end && self.ranges.last().is_none_or(|range| range.end < end) {
                self.ranges.push(Range { start: self.from, end, value });
            }
            self.from = end.saturating_add(A::one());
        }
    }

    /// Ends the range of the innermost prefix before `start`.
    fn cut(&mut self, start: A) {
        if let Some((_, value)) = self.open.last()
            && self.from < start
        {
            self.ranges.push(Range { start: self.from, end: start - A::one(), value: *value });
        }
        self.from = start;
    }
}

/// 80 % single addresses, 15 % /24, 5 % /16 to /27, all over the address space: no two have to do with each other, which is the
/// worst case.
pub fn v4_random(count: usize) -> Set<u32> {
    let mut rng = Rng::with_seed(4);
    Set::of(count, || {
        let length = v4_length(&mut rng);
        around(rng.u32(..), length)
    })
}

/// The same lengths, but the single addresses lie in a tenth as many blocks of 256.
pub fn v4_clustered(count: usize) -> Set<u32> {
    let mut rng = Rng::with_seed(24);
    let blocks: Vec<u32> = (0..count.div_ceil(10)).map(|_| rng.u32(..) & 0xffff_ff00).collect();
    Set::of(count, || match v4_length(&mut rng) {
        32 => (rng.choice(&blocks).copied().unwrap_or_default() | u32::from(rng.u8(..)), 32),
        length => around(rng.u32(..), length),
    })
}

/// Writes so many lines of a list: the lengths of [`v4_random`], between 1.0.0.0 and 223.255.255.255.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_list(mut out: impl Write, lines: usize) -> io::Result<()> {
    let mut rng = Rng::with_seed(4);
    for _ in 0..lines {
        let length = v4_length(&mut rng);
        let (address, length) = around(rng.u32(1 << 24..224 << 24), length);
        let address = Ipv4Addr::from_bits(address);
        if length == 32 { writeln!(out, "{address}")? } else { writeln!(out, "{address}/{length}")? }
    }
    out.flush()
}

fn v4_length(rng: &mut Rng) -> u8 {
    match rng.u8(0..100) {
        0..80 => 32,
        80..95 => 24,
        _ => rng.u8(16..=27),
    }
}

/// 50 % /64, 25 % /48, the rest /32, /56 and /128 in equal parts, all over 2000::/3.
pub fn v6_random(count: usize) -> Set<u128> {
    let mut rng = Rng::with_seed(6);
    Set::of(count, || {
        let length = v6_length(&mut rng);
        around(global_unicast(&mut rng), length)
    })
}

/// The same lengths, but all longer than /32 in as many as one /32 for each thousand.
pub fn v6_clustered(count: usize) -> Set<u128> {
    let mut rng = Rng::with_seed(66);
    let sites: Vec<u128> = (0..count.div_ceil(1000)).map(|_| global_unicast(&mut rng) >> 96 << 96).collect();
    Set::of(count, || {
        let site = rng.choice(&sites).copied().unwrap_or_default();
        let length = v6_length(&mut rng);
        around(site | rng.u128(..) >> 32, length)
    })
}

fn v6_length(rng: &mut Rng) -> u8 {
    match rng.u8(0..12) {
        0..6 => 64,
        6..9 => 48,
        9 => 32,
        10 => 56,
        _ => 128,
    }
}

/// Any address of 2000::/3.
pub fn global_unicast(rng: &mut Rng) -> u128 {
    1 << 125 | rng.u128(..) >> 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_the_longest_prefixes() {
        let prefixes =
            vec![(0u32, 0), (0x0a00_0000, 8), (0x0aff_ff00, 24), (0x0aff_ffff, 32), (u32::MAX, 32)];
        let ranges = Set { prefixes }.ranges();
        let ranges: Vec<_> = ranges.iter().map(|range| (range.start, range.end, range.value)).collect();
        let expected = [
            (0, 0x09ff_ffff, 0),
            (0x0a00_0000, 0x0aff_feff, 1),
            (0x0aff_ff00, 0x0aff_fffe, 2),
            (0x0aff_ffff, 0x0aff_ffff, 3),
            (0x0b00_0000, u32::MAX - 1, 0),
            (u32::MAX, u32::MAX, 4),
        ];
        assert_eq!(ranges, expected);
    }
}
