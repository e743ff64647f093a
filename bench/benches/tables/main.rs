//! Look-ups, memory and building of the prefix tables, beside other structures with the same prefixes in the same run.

mod naive;
mod peers;

use std::io;
use std::time::Instant;

use fastrand::Rng;
use synward_bench::memory;
use synward_bench::prefixes::{self, Number, Set, global_unicast};
use synward_bench::race::{Lane, race};
use synward_bench::record::record;
use synward_prefix::Table;

use naive::{BinarySearch, Dir24, LinearScan};
use peers::{PrefixTrie, Std, Treebitmap};

/// Addresses in a pass: more than the caches hold of any table.
const QUERIES: usize = 1 << 20;

const ROUNDS: usize = 7;

const MILLION: usize = 1_000_000;

/// A structure that answers as a [`Table`] does.
trait LookUp<A>: Sized {
    const NAME: &str;

    fn build(set: &Set<A>) -> io::Result<Self>;

    fn get(&self, address: A) -> Option<u32>;
}

impl<A: Number> LookUp<A> for Table<A> {
    const NAME: &str = "synward";

    fn build(set: &Set<A>) -> io::Result<Self> {
        Self::build(set.ranges()).map_err(io::Error::other)
    }

    #[inline]
    fn get(&self, address: A) -> Option<u32> {
        self.get(address)
    }
}

/// A structure of the set's prefixes. What it takes is recorded.
fn built<A: Number, S: LookUp<A>>(of: &str, set: &Set<A>) -> io::Result<S> {
    let start = Instant::now();
    let (mebibytes, structure) = memory::of(|| S::build(set))?;
    record(&format!("{of}, building"), S::NAME, start.elapsed().as_secs_f64(), "s")?;
    record(&format!("{of}, memory"), S::NAME, mebibytes, "MiB")?;
    structure
}

fn lane<'a, A: Number, S: LookUp<A>>(structure: &'a S, addresses: &'a [A]) -> Lane<'a> {
    Lane::of(S::NAME, addresses, |address| structure.get(address))
}

fn record_all(row: &str, figures: &[(&str, f64)]) -> io::Result<()> {
    figures.iter().try_for_each(|(peer, value)| record(row, peer, *value, "ns"))
}

/// The structures that hold prefixes of both IP versions.
struct Field<'a, A: Std> {
    of: &'a str,
    table: Table<A>,
    trie: PrefixTrie<A>,
    treebitmap: Treebitmap<A>,
    search: BinarySearch<A>,
}

impl<'o, A: Std> Field<'o, A>
where
    PrefixTrie<A>: LookUp<A>,
{
    fn build(of: &'o str, set: &Set<A>) -> io::Result<Self> {
        let table = built(of, set)?;
        let (trie, treebitmap, search) = (built(of, set)?, built(of, set)?, built(of, set)?);
        Ok(Self { of, table, trie, treebitmap, search })
    }

    fn lanes<'a>(&'a self, addresses: &'a [A]) -> Vec<Lane<'a>> {
        vec![
            lane(&self.table, addresses),
            Lane::of_all("synward, 64 at once", addresses, &self.table),
            lane(&self.trie, addresses),
            lane(&self.treebitmap, addresses),
            lane(&self.search, addresses),
        ]
    }

    fn race<'a>(&'a self, what: &str, addresses: &'a [A], more: Vec<Lane<'a>>) -> io::Result<()> {
        let lanes = self.lanes(addresses).into_iter().chain(more).collect();
        record_all(&format!("{}, {what}", self.of), &race(lanes, ROUNDS))
    }
}

fn v4(of: &str, set: &Set<u32>) -> io::Result<()> {
    let field = Field::build(of, set)?;
    // At ten million it would take more than 3 GiB and as long as all others together.
    let dir: Option<Dir24> = (set.len() < 2 * MILLION).then(|| built(of, set)).transpose()?;
    let mut rng = Rng::with_seed(1);
    let random: Vec<u32> = (0..QUERIES).map(|_| rng.u32(..)).collect();
    let inside = set.inside(&mut rng, QUERIES);
    for (what, addresses) in [("random address", &random), ("inside a prefix", &inside)] {
        field.race(what, addresses, dir.iter().map(|dir| lane(dir, addresses)).collect())?;
    }
    Ok(())
}

fn v6(of: &str, set: &Set<u128>) -> io::Result<()> {
    let field = Field::build(of, set)?;
    let mut rng = Rng::with_seed(1);
    let random: Vec<u128> = (0..QUERIES).map(|_| global_unicast(&mut rng)).collect();
    let inside = set.inside(&mut rng, QUERIES);
    let mut missed = set.beside(&mut rng, QUERIES);
    missed.retain(|address| field.table.get(*address).is_none());
    for (what, addresses) in [("random address", &random), ("miss", &missed), ("inside a prefix", &inside)] {
        field.race(what, addresses, Vec::new())?;
    }
    Ok(())
}

/// So few look-ups that it ends today.
fn linear_scan(of: &str, set: &Set<u32>) -> io::Result<()> {
    let scan = LinearScan::build(set)?;
    let mut rng = Rng::with_seed(1);
    let addresses: Vec<u32> = (0..20).map(|_| rng.u32(..)).collect();
    record_all(&format!("{of}, random address"), &race(vec![lane(&scan, &addresses)], 5))
}

/// A data set: its name, and what is measured with it.
type Part = (&'static str, fn(&str) -> io::Result<()>);

/// The first two lie on either side of where the index becomes wide.
const PARTS: [Part; 9] = [
    ("IPv4, 15 k", |of| v4(of, &prefixes::v4_random(15_000))),
    ("IPv4, 20 k", |of| v4(of, &prefixes::v4_random(20_000))),
    ("IPv4, 1 M", |of| v4(of, &prefixes::v4_random(MILLION))),
    ("IPv4 clustered, 1 M", |of| v4(of, &prefixes::v4_clustered(MILLION))),
    ("IPv4, 10 M", |of| v4(of, &prefixes::v4_random(10 * MILLION))),
    ("IPv4 clustered, 10 M", |of| v4(of, &prefixes::v4_clustered(10 * MILLION))),
    ("IPv6, 1 M", |of| v6(of, &prefixes::v6_random(MILLION))),
    ("IPv6 clustered, 1 M", |of| v6(of, &prefixes::v6_clustered(MILLION))),
    ("IPv4, 1 M", |of| linear_scan(of, &prefixes::v4_random(MILLION))),
];

/// With an argument only the data sets whose names contain it.
fn main() -> io::Result<()> {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut parts = PARTS.iter().filter(|(name, _)| name.contains(&wanted));
    parts.try_for_each(|(name, measure)| measure(name))
}
