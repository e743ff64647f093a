//! The rules that contenders which filter have in force: prefixes and signatures by chance, the same in each run.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use fastrand::Rng;
use synward_bench::prefixes::{Prefix, v4_random};
use synward_bench::signatures::{exact, signatures};
use synward_prefix::Table;

/// Prefixes of a small set.
pub(crate) const FEW: usize = 10_000;

/// The signature of the blocked SYNs: masscan's (a window of 1024, and no options).
const SCANNER: &str = "1024:::";

/// The signature of the SYNs that no rule blocks.
const CLIENT: &str = "29200:2:1460:";

/// A number as tables have it: 10 k, 1 M.
pub(crate) fn short(count: usize) -> String {
    match count {
        950_000.. => format!("{:.0} M", count as f64 / 1e6),
        950.. => format!("{:.0} k", count as f64 / 1e3),
        _ => count.to_string(),
    }
}

/// The rules.
#[derive(Debug)]
pub(crate) struct Rules {
    prefixes: Vec<Prefix<u32>>,
    table: Table<u32>,
    pub(crate) signatures: Vec<String>,
}

impl Rules {
    /// So many prefixes and signatures, that of a scanner first.
    pub(crate) fn new(prefixes: usize, count: u32) -> Result<Self> {
        ensure!(
            prefixes > FEW,
            "{prefixes} prefixes are too few: beside the {FEW} of the small set there must be others"
        );
        let mut rng = Rng::with_seed(3);
        let set = v4_random(prefixes);
        let table = Table::build(set.ranges())?;
        let mut prefixes: Vec<_> = set.iter().map(|(prefix, _)| prefix).collect();
        // The first of them are to be any, not the lowest.
        rng.shuffle(&mut prefixes);
        let (_, syns) = signatures(&mut rng, count, 0);
        let signatures =
            std::iter::once(SCANNER.to_owned()).chain(syns.iter().map(|syn| exact(syn).to_string()));
        let signatures = signatures.filter(|signature| signature != CLIENT).collect();
        Ok(Self { prefixes, table, signatures })
    }

    pub(crate) fn blocks(&self, address: u32) -> bool {
        self.table.get(address).is_some()
    }

    /// A list of prefixes, one a line: all of them, or the first few.
    pub(crate) fn prefix_list(&self, count: usize) -> String {
        self.prefixes.iter().take(count).fold(String::new(), |mut list, (address, length)| {
            let _ = writeln!(list, "{}/{length}", Ipv4Addr::from_bits(*address));
            list
        })
    }

    /// Number of prefixes.
    pub(crate) fn count(&self) -> usize {
        self.prefixes.len()
    }

    /// An address that a small set blocks.
    pub(crate) fn inside_few(&self, rng: &mut Rng) -> u32 {
        inside(self.prefixes.get(..FEW.min(self.count())).unwrap_or_default(), rng)
    }

    /// An address that only the large set blocks.
    pub(crate) fn inside_many(&self, rng: &mut Rng) -> u32 {
        inside(self.prefixes.get(FEW..).unwrap_or_default(), rng)
    }
}

fn inside(prefixes: &[Prefix<u32>], rng: &mut Rng) -> u32 {
    let (first, length) = rng.choice(prefixes).copied().unwrap_or_default();
    first | u32::MAX.checked_shr(length.into()).unwrap_or(0) & rng.u32(..)
}
