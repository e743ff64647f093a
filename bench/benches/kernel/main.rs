//! What the kernel makes of the same million prefixes: its LPM trie for BPF programs, and a set of nftables. Needs root.

mod lpm;
mod nft;

use std::io;
use std::time::Instant;

use fastrand::Rng;
use synward_bench::memory;
use synward_bench::prefixes::v4_random;
use synward_bench::race::{Lane, race};
use synward_bench::record::record;
use synward_prefix::Table;

use lpm::{ADDRESSES, Lpm};

const ROUNDS: usize = 7;

fn main() -> io::Result<()> {
    let set = v4_random(1_000_000);
    let start = Instant::now();
    let table = Table::build(set.ranges()).map_err(io::Error::other)?;
    record("nft, 1 M, loading", "synward", start.elapsed().as_secs_f64(), "s")?;
    record("nft, 1 M, memory", "synward", memory::mebibytes(table.memory_usage()), "MiB")?;
    nft::load(&set)?;

    let lpm = Lpm::of(&set)?;
    record("IPv4, 1 M, memory", Lpm::NAME, lpm.memory()?, "MiB")?;
    let mut rng = Rng::with_seed(1);
    let random: Vec<u32> = (0..ADDRESSES).map(|_| rng.u32(..)).collect();
    let inside = set.inside(&mut rng, ADDRESSES);
    for (what, addresses) in [("random address", &random), ("inside a prefix", &inside)] {
        lpm.ask(addresses)?;
        let hits = addresses.iter().filter(|address| table.get(**address).is_some()).count();
        assert_eq!(lpm.hits()?, hits as u64, "the kernel's answers");
        let lanes = vec![
            Lane::of("synward", addresses, |address| table.get(address)),
            Lane::new(Lpm::NAME, || lpm.pass("look_up").unwrap_or(f64::NAN)),
            Lane::new("nothing", || lpm.pass("nothing").unwrap_or(f64::NAN)),
        ];
        let [synward, (_, kernel), (_, nothing)] = race(lanes, ROUNDS)[..] else { continue };
        let row = format!("IPv4 beside the kernel, 1 M, {what}");
        record(&row, synward.0, synward.1, "ns")?;
        record(&row, Lpm::NAME, kernel - nothing, "ns")?;
    }
    Ok(())
}
