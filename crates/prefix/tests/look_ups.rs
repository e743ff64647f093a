//! The tables against two witnesses that are too simple to be wrong in the same way: a linear scan of the ranges, and the
//! `prefix-trie` crate, which is given nested prefixes as they are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fmt::Debug;

use ipnet::{Ipv4Net, Ipv6Net};
use prefix_trie::{Prefix, PrefixMap};
use proptest::prelude::*;
use proptest::sample::select;
use synward_prefix::{Address, Range, Table};

/// What the tests need to know of an address as a number.
trait Number: Address + Copy + Ord + Debug {
    const MAX: Self;

    fn after(self) -> Self;
    fn before(self) -> Self;
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            const MAX: Self = <$type>::MAX;

            fn after(self) -> Self {
                self.saturating_add(1)
            }

            fn before(self) -> Self {
                self.saturating_sub(1)
            }
        }
    };
}

number!(u32);
number!(u128);

fn scan<A: Number>(ranges: &[Range<A>], address: A) -> Option<u32> {
    ranges.iter().find(|range| range.start <= address && address <= range.end).map(|range| range.value)
}

/// The places where an answer may change, and their neighbours.
fn edges<A: Number>(ranges: &[Range<A>]) -> impl Iterator<Item = A> + '_ {
    ranges.iter().flat_map(|range| {
        [
            range.start.before(),
            range.start,
            range.start.after(),
            range.end.before(),
            range.end,
            range.end.after(),
        ]
    })
}

/// Two of each three neighbouring segments between the cuts as ranges, so that some touch. Few values: some are equal.
fn ranges<A: Number>(cuts: &BTreeSet<A>) -> Vec<Range<A>> {
    let cuts: Vec<A> = cuts.iter().copied().collect();
    let segments = cuts.windows(2).enumerate().filter(|(place, _)| place % 3 != 0);
    segments
        .map(|(place, cut)| Range { start: cut[0], end: cut[1].before(), value: place as u32 / 2 % 3 })
        .collect()
}

/// Addresses close together, far apart, at the ends, and where the levels of the structure meet.
fn v4_address() -> impl Strategy<Value = u32> {
    let near =
        (select(vec![0, 0x0a00_0000, 0xc0a8_0100, 0xffff_0000]), 0u32..0x1_0000).prop_map(|(a, b)| a + b);
    let round = (any::<u8>(), select(vec![8, 12, 16, 24])).prop_map(|(a, bits)| u32::from(a) << bits);
    prop_oneof![any::<u32>(), near, round, Just(0), Just(u32::MAX)]
}

fn v6_address() -> impl Strategy<Value = u128> {
    let site = 0x2001_0db8_0000_0000_0000_0000_0000_0000;
    let near = (select(vec![0, site, 0xfe80 << 112]), 0u128..0x1_0000, select(vec![0, 48, 64, 80]))
        .prop_map(|(a, b, bits)| a + (b << bits));
    let last = (0u128..0x1_0000).prop_map(|a| u128::MAX - a);
    let bounds = select(vec![0x2000 << 112, 0x4000 << 112, (0x4000 << 112) - 1, u128::MAX, 0]);
    let unicast = any::<u128>().prop_map(|a| 0x2000 << 112 | a >> 3);
    prop_oneof![any::<u128>(), unicast, near, last, bounds]
}

fn check_scan<A: Number>(cuts: &BTreeSet<A>, probes: Vec<A>) -> Result<(), TestCaseError> {
    let ranges = ranges(cuts);
    let table = Table::build(ranges.clone()).unwrap();
    prop_assert_eq!(table.len(), ranges.len());
    let probes: Vec<A> = edges(&ranges).chain(probes).collect();
    for &probe in &probes {
        prop_assert_eq!(table.get(probe), scan(&ranges, probe), "at {:x?}", probe);
    }
    let mut found = vec![None; probes.len()];
    table.get_all(&probes, &mut found);
    prop_assert_eq!(found, probes.iter().map(|probe| table.get(*probe)).collect::<Vec<_>>());
    Ok(())
}

/// The longest of the prefixes that cover an address, for each stretch between their ends, by the definition.
fn longest<A: Number, P: Prefix<R = A> + Clone>(prefixes: &[P], last: impl Fn(&P) -> A) -> Vec<Range<A>> {
    let starts = prefixes.iter().flat_map(|prefix| [prefix.mask(), last(prefix).after()]);
    let starts: Vec<A> = starts.chain([A::MAX]).collect::<BTreeSet<A>>().into_iter().collect();
    let stretch = |(place, &start): (usize, &A)| {
        let end = starts.get(place + 1).map_or(A::MAX, |next| next.before()).max(start);
        let covering = (0..).zip(prefixes).filter(|(_, p)| p.mask() <= start && start <= last(p));
        let (value, _) = covering.max_by_key(|(place, p)| (p.prefix_len(), *place))?;
        Some(Range { start, end, value })
    };
    starts.iter().enumerate().filter_map(stretch).collect()
}

fn check_trie<A: Number, P: Prefix<R = A> + Clone>(
    prefixes: Vec<P>,
    last: impl Fn(&P) -> A,
    host: impl Fn(A) -> P,
    probes: Vec<A>,
) -> Result<(), TestCaseError> {
    let trie: PrefixMap<P, u32> = prefixes.iter().cloned().zip(0..).collect();
    let table = Table::build(longest(&prefixes, &last)).unwrap();
    let ends = prefixes.iter().flat_map(|p| [p.mask().before(), p.mask(), last(p), last(p).after()]);
    for probe in ends.chain(probes) {
        let expected = trie.get_lpm(&host(probe)).map(|(_, value)| *value);
        prop_assert_eq!(table.get(probe), expected, "at {:x?}", probe);
    }
    Ok(())
}

proptest! {
    #[test]
    fn v4_answers_as_a_linear_scan(
        cuts in prop::collection::btree_set(v4_address(), 0..60),
        probes in prop::collection::vec(v4_address(), 100),
    ) {
        check_scan(&cuts, probes)?;
    }

    #[test]
    fn v6_answers_as_a_linear_scan(
        cuts in prop::collection::btree_set(v6_address(), 0..60),
        probes in prop::collection::vec(v6_address(), 100),
    ) {
        check_scan(&cuts, probes)?;
    }

    #[test]
    fn v4_answers_as_prefix_trie(
        prefixes in prop::collection::vec((v4_address(), 0u8..=32), 0..60),
        probes in prop::collection::vec(v4_address(), 100),
    ) {
        let net = |(address, length): (u32, u8)| Ipv4Net::new(address.into(), length).unwrap().trunc();
        let prefixes = prefixes.into_iter().map(net).collect();
        check_trie(prefixes, |net| net.broadcast().to_bits(), |address| net((address, 32)), probes)?;
    }

    #[test]
    fn v6_answers_as_prefix_trie(
        prefixes in prop::collection::vec((v6_address(), 0u8..=128), 0..60),
        probes in prop::collection::vec(v6_address(), 100),
    ) {
        let net = |(address, length): (u128, u8)| Ipv6Net::new(address.into(), length).unwrap().trunc();
        let prefixes = prefixes.into_iter().map(net).collect();
        check_trie(prefixes, |net| net.broadcast().to_bits(), |address| net((address, 128)), probes)?;
    }
}

/// Ranges of one address each, `stride` apart.
fn hosts(count: u32, stride: u32) -> Vec<Range<u32>> {
    (0..count).map(|n| Range { start: n * stride, end: n * stride, value: n }).collect()
}

/// The structure is chosen by the number of ranges: each choice must answer alike.
#[test]
fn tables_of_each_width_answer_alike() {
    for (count, stride) in [
        (1, 1),
        (2, 1000),
        (256, 7),
        (257, 7),
        (257, 0x00ff_fff1),
        (16_384, 199_999),
        (16_385, 3),
        (100_000, 41_999),
    ] {
        let (ranges, probe) = (hosts(count, stride), |n: u32| n.wrapping_mul(0x9e37_79b1));
        let table = Table::build(ranges.clone()).unwrap();
        for address in edges(&ranges).chain((0..10_000).map(probe)) {
            let expected = (address % stride == 0 && address / stride < count).then(|| address / stride);
            assert_eq!(table.get(address), expected, "{address:x} among {count} ranges");
        }
    }
}

#[test]
fn what_is_left_over_of_a_batch_is_not_touched() {
    let table = Table::build(hosts(3, 1)).unwrap();
    let mut found = [Some(9); 3];
    table.get_all(&[0, 5], &mut found);
    assert_eq!(found, [Some(0), None, Some(9)]);
    table.get_all(&[1, 2, 1, 1], &mut found);
    assert_eq!(found, [Some(1), Some(2), Some(1)]);
}

#[test]
fn a_small_table_takes_little_memory() {
    let v4 = |count| Table::build(hosts(count, 41_999)).unwrap().memory_usage();
    assert!(v4(10) < 2 * 1024, "{}", v4(10));
    assert!(v4(10_000) < 1024 * 1024, "{}", v4(10_000));
    let one = Table::build([Range { start: 1u128, end: 1, value: 1 }]).unwrap();
    assert!(one.memory_usage() < 256, "{}", one.memory_usage());
}

#[test]
fn adjacent_ranges_of_one_value_are_one() {
    let halves = [(0, 0xff), (0x100, u32::MAX)].map(|(start, end)| Range { start, end, value: 4 });
    let whole = Table::build([Range { start: 0, end: u32::MAX, value: 4 }]).unwrap();
    assert_eq!(Table::build(halves).unwrap().memory_usage(), whole.memory_usage());
    let halves = [(0, 9), (10, u128::MAX)].map(|(start, end)| Range { start, end, value: 4 });
    let whole = Table::build([Range { start: 0, end: u128::MAX, value: 4 }]).unwrap();
    assert_eq!(Table::build(halves).unwrap().memory_usage(), whole.memory_usage());
    assert_eq!((whole.get(0), whole.get(u128::MAX)), (Some(4), Some(4)));
}
