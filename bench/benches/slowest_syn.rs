//! How much more the slowest SYN costs than the median one: an attacker chooses the SYN, and must not find one that is
//! expensive.
//!
//! A random search, with hill climbing from the slowest found: SYNs that signatures were made of, SYNs by chance, and 40
//! bytes of options of every kind. `cargo bench -p synward-bench --bench slowest_syn`

use std::hint::black_box;
use std::time::{Duration, Instant};

use fastrand::Rng;
use synward_bench::signatures::{any_syn, p0f, wildcard};
use synward_fingerprint::{Signature, SignatureTable};
use synward_wire::{OptionBytes, SynFacts};

/// Signatures of each kind.
const SIGNATURES: u32 = 2000;
/// SYNs that are tried at first, and steps uphill from the slowest.
const TRIES: usize = 20_000;
const STEPS: usize = 5_000;
/// Look-ups timed together, and how often: the least counts, since only noise is added to it.
const BATCH: u32 = 64;
const ROUNDS: usize = 7;

fn main() {
    let mut rng = Rng::with_seed(3);
    let mut entries: Vec<(Signature, u32)> = Vec::new();
    let mut syns = Vec::new();
    for place in 0..SIGNATURES {
        let one = any_syn(&mut rng);
        let other = any_syn(&mut rng);
        entries.push((wildcard(&mut rng, &one), place));
        entries.extend(p0f(&mut rng, &other).map(|signature| (signature, place)));
        syns.extend([one, other]);
    }
    let table = SignatureTable::build(entries);
    syns.extend((syns.len()..TRIES).map(|_| any_syn(&mut rng)));
    let mut costs: Vec<(Duration, SynFacts)> = syns.iter().map(|syn| (cost(&table, syn), *syn)).collect();
    costs.sort_by_key(|(cost, _)| *cost);
    let (Some((median, _)), Some(mut slowest)) = (costs.get(costs.len() / 2).copied(), costs.last().copied())
    else {
        return;
    };
    for _ in 0..STEPS {
        let next = changed(&mut rng, &slowest.1);
        let cost = cost(&table, &next);
        if cost > slowest.0 {
            // What was slow by chance is not slow again.
            slowest = (self::cost(&table, &next).min(cost), next);
        }
    }
    let again = cost(&table, &slowest.1);
    println!("{} signatures, {} KiB", table.len(), table.memory_usage() >> 10);
    println!("median  {:6.1} ns", nanoseconds(median));
    println!(
        "slowest {:6.1} ns, {:.1} times the median",
        nanoseconds(again),
        nanoseconds(again) / nanoseconds(median)
    );
    println!("it is   {:?}", slowest.1);
}

/// Nanoseconds of one look-up, of the batch.
fn nanoseconds(batch: Duration) -> f64 {
    batch.as_secs_f64() * 1e9 / f64::from(BATCH)
}

fn cost(table: &SignatureTable<u32>, syn: &SynFacts) -> Duration {
    let round = || {
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box(table.find_in(black_box(syn)));
        }
        start.elapsed()
    };
    (0..ROUNDS).map(|_| round()).min().unwrap_or_default()
}

/// The SYN with something else in one place.
fn changed(rng: &mut Rng, syn: &SynFacts) -> SynFacts {
    let mut next = *syn;
    let mut options = syn.options.as_slice().to_vec();
    match rng.u8(0..5) {
        0 => next.window = any_syn(rng).window,
        1 => options = any_syn(rng).options.as_slice().to_vec(),
        2 => options.resize(OptionBytes::MAX, rng.u8(0..9)),
        3 if !options.is_empty() => {
            let place = rng.usize(0..options.len());
            options.iter_mut().skip(place).take(1).for_each(|byte| *byte = rng.u8(0..9));
        }
        _ => next.ttl = rng.u8(..),
    }
    next.options = OptionBytes::new(&options).unwrap_or_default();
    next
}
