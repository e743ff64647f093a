//! Instructions of the steps of a judgement, which no noise of the machine changes: under valgrind's callgrind.

#![allow(missing_docs, reason = "what gungraun makes of these functions has none")]

use std::hint::black_box;

use fastrand::Rng;
use gungraun::{library_benchmark, library_benchmark_group, main};
use synward_bench::signatures::{any_syn, facts, frame, signatures};
use synward_fingerprint::{Fingerprint, SignatureTable};
use synward_wire::SynFacts;

fn one_frame() -> Vec<u8> {
    frame(&one_syn()).unwrap_or_default()
}

fn one_syn() -> SynFacts {
    any_syn(&mut Rng::with_seed(7))
}

fn table_and_syn(count: u32) -> (SignatureTable<u32>, SynFacts) {
    let (entries, syns) = signatures(&mut Rng::with_seed(1), count, 1);
    (SignatureTable::build(entries), syns.get(syns.len() / 2).copied().unwrap_or_default())
}

#[library_benchmark]
#[bench::syn(one_frame())]
fn frame_to_facts(frame: Vec<u8>) -> Option<SynFacts> {
    facts(black_box(&frame))
}

#[library_benchmark]
#[bench::syn(one_syn())]
fn facts_to_fingerprint(syn: SynFacts) -> Fingerprint {
    Fingerprint::of(black_box(&syn))
}

#[library_benchmark]
#[bench::few(table_and_syn(100))]
#[bench::many(table_and_syn(10_000))]
fn facts_to_match((table, syn): (SignatureTable<u32>, SynFacts)) -> Option<u32> {
    // A worker never runs this destructor, and what it costs is not asked.
    std::mem::ManuallyDrop::new(table).find_in(black_box(&syn))
}

library_benchmark_group!(
    name = fingerprints,
    benchmarks = [frame_to_facts, facts_to_fingerprint, facts_to_match]
);
main!(library_benchmark_groups = fingerprints);
