//! Ten million look-ups among a million and ten million prefixes, each compared with what `prefix-trie` says. Run by `make test-tables`.
#![allow(clippy::unwrap_used)]

use fastrand::Rng;
use prefix_trie::PrefixMap;
use synward_bench::prefixes::{Number, Set, last, v4_clustered, v4_random, v6_clustered, v6_random};
use synward_prefix::Table;

const LOOK_UPS: usize = 10_000_000;

/// Look-ups between two draws of addresses.
const BATCH: usize = 10_000;

/// Addresses that are anywhere, inside of prefixes, beside them, and the ends of prefixes with their neighbours.
fn addresses<A: Number>(set: &Set<A>, rng: &mut Rng) -> Vec<A> {
    let mut addresses: Vec<A> = (0..BATCH / 4).map(|_| A::any(rng)).collect();
    addresses.extend(set.inside(rng, BATCH / 4));
    addresses.extend(set.beside(rng, BATCH / 4));
    addresses.extend((0..BATCH / 4).map(|place| {
        let prefix = set.any_prefix(rng);
        match place % 4 {
            0 => prefix.0,
            1 => last(prefix),
            2 => prefix.0.saturating_sub(A::one()),
            _ => last(prefix).saturating_add(A::one()),
        }
    }));
    addresses
}

macro_rules! differences {
    ($test:ident, $sets:expr) => {
        #[test]
        #[ignore = "takes a minute in a release build: make test-tables"]
        fn $test() {
            for set in $sets {
                let table = Table::build(set.ranges()).unwrap();
                let trie: PrefixMap<_, u32> = set.iter().collect();
                let mut rng = Rng::with_seed(99);
                let (mut found, mut hits) = (vec![None; BATCH], 0);
                for _ in 0..LOOK_UPS / BATCH {
                    let addresses = addresses(&set, &mut rng);
                    table.get_all(&addresses, &mut found);
                    for (address, found) in addresses.into_iter().zip(&found) {
                        let length = 8 * size_of_val(&address) as u8;
                        let expected = trie.get_lpm(&(address, length)).map(|(_, value)| *value);
                        assert_eq!(table.get(address), expected, "at {address:x}");
                        assert_eq!(*found, expected, "at {address:x}, in a batch");
                        hits += usize::from(expected.is_some());
                    }
                }
                assert!((LOOK_UPS / 4..LOOK_UPS).contains(&hits), "{hits} hits say little");
            }
        }
    };
}

differences!(v4_one_million, [v4_random(1_000_000), v4_clustered(1_000_000)]);
differences!(v4_ten_millions, [v4_random(10_000_000)]);
differences!(v6_one_million, [v6_random(1_000_000), v6_clustered(1_000_000)]);
