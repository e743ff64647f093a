//! Instructions of the steps of a judgement, which no noise of the machine changes: under valgrind's callgrind.

#![allow(missing_docs, reason = "what gungraun makes of these functions has none")]

use std::hint::black_box;

use fastrand::Rng;
use gungraun::{library_benchmark, library_benchmark_group, main};
use synward_bench::signatures::{any_syn, facts, frame, signatures};
use synward_bench::traffic::{Frames, Kind, Rules};
use synward_fingerprint::{Fingerprint, SignatureTable};
use synward_policy::{BATCH, Direction, Moment};
use synward_wire::{Located, SynFacts, locate};

fn one_frame() -> Vec<u8> {
    frame(&one_syn()).unwrap_or_default()
}

fn one_syn() -> SynFacts {
    any_syn(&mut Rng::with_seed(7))
}

/// Signatures, and a batch of SYNs that they were made of. The hashes of a table are keyed at random, so that how far a look-up probes
/// is another matter in each run: over a batch that evens out.
fn table_and_syns(count: u32) -> (SignatureTable<u32>, Vec<SynFacts>) {
    let (entries, mut syns) = signatures(&mut Rng::with_seed(1), count, 1);
    syns.truncate(BATCH);
    (SignatureTable::build(entries), syns)
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
#[bench::few(table_and_syns(100))]
#[bench::many(table_and_syns(10_000))]
fn facts_to_match_64((table, syns): (SignatureTable<u32>, Vec<SynFacts>)) -> usize {
    // A worker never runs these destructors, and what they cost is not asked.
    let (table, syns) = (std::mem::ManuallyDrop::new(table), std::mem::ManuallyDrop::new(syns));
    syns.iter().filter(|syn| table.find_in(black_box(syn)).is_some()).count()
}

library_benchmark_group!(
    name = fingerprints,
    benchmarks = [frame_to_facts, facts_to_fingerprint, facts_to_match_64]
);
/// Rules, and a batch of frames of a kind. Kept for ever: what their destruction costs is not asked.
fn rules_and_batch(kind: Kind) -> Option<&'static (Rules, Frames)> {
    let rules = Rules::new(10_000, 1_000).ok()?;
    let frames = Frames::new(&rules, [kind; BATCH]).ok()?;
    Some(Box::leak(Box::new((rules, frames))))
}

#[library_benchmark]
#[bench::segments(rules_and_batch(Kind::Segment))]
#[bench::syns(rules_and_batch(Kind::Syn))]
#[bench::segments6(rules_and_batch(Kind::Segment6))]
#[bench::tagged(rules_and_batch(Kind::Tagged))]
fn parse_64(batch: Option<&'static (Rules, Frames)>) -> Option<usize> {
    let (_, frames) = batch?;
    let is_packet = |frame: &&[u8]| matches!(black_box(locate(black_box(*frame))), Located::Packet(_));
    Some(frames.iter().filter(is_packet).count())
}

#[library_benchmark]
#[bench::segments(rules_and_batch(Kind::Segment))]
#[bench::syns(rules_and_batch(Kind::Syn))]
fn judge_64(batch: Option<&'static (Rules, Frames)>) -> Option<usize> {
    let (Rules { snapshot, .. }, frames) = batch?;
    let is_told = |frame: &&[u8]| snapshot.judge(Direction::In, black_box(*frame)).noteworthy().is_some();
    Some(frames.iter().filter(is_told).count())
}

#[library_benchmark]
#[bench::segments(rules_and_batch(Kind::Segment))]
#[bench::syns(rules_and_batch(Kind::Syn))]
fn judge_batch_of_64(batch: Option<&'static (Rules, Frames)>) -> Option<usize> {
    let (Rules { snapshot, .. }, frames) = batch?;
    let mut told = 0;
    snapshot.judge_batch(Direction::In, frames.iter().map(black_box), Moment::START, &mut (), |verdict| {
        told += usize::from(verdict.noteworthy().is_some());
    });
    Some(told)
}

library_benchmark_group!(name = judgements, benchmarks = [parse_64, judge_64, judge_batch_of_64]);
main!(library_benchmark_groups = [fingerprints, judgements]);
