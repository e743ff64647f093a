//! What the judgement of a frame costs, beside the plain composition of kept libraries that answers the same.
//!
//! The frames lie in 28 MiB of memory, each with a source of its own. In each round everyone judges all of them; the figure is
//! the median over the rounds, so that what disturbs the machine disturbs all alike.

mod plain;

use std::hint::black_box;
use std::io;
use std::time::Instant;

use fastrand::Rng;
use plain::Plain;
use synward_bench::record::record;
use synward_bench::traffic::{Frames, Kind, Rules};
use synward_policy::{Direction, Snapshot};

const FRAMES: usize = 1 << 16;
const PREFIXES: usize = 1_000_000;
const SIGNATURES: u32 = 10_000;
const ROUNDS: usize = 41;

fn main() -> io::Result<()> {
    let rules = Rules::new(PREFIXES, SIGNATURES)?;
    let plain = Plain::new(&rules);
    let mut rng = Rng::with_seed(13);
    let mut kinds: Vec<_> = Kind::MIX.into_iter().cycle().take(FRAMES).collect();
    kinds.sort();
    let sorted = Frames::new(&rules, kinds.iter().copied())?;
    rng.shuffle(&mut kinds);
    let shuffled = Frames::new(&rules, kinds)?;
    let segments = Frames::new(&rules, vec![Kind::Segment; FRAMES])?;
    let syns = Frames::new(&rules, vec![Kind::Syn; FRAMES])?;
    let snapshot = &rules.snapshot;

    beside(
        snapshot,
        &segments,
        "no SYN, 1 M prefixes",
        ("etherparse + prefix-trie", &|frames| {
            frames.iter().filter(|frame| plain.drops_source(frame)).count()
        }),
    )?;
    let name = "SYN, 1 M prefixes + 10 k signatures";
    beside(
        snapshot,
        &syns,
        name,
        ("etherparse + prefix-trie + strings", &|frames| {
            frames.iter().filter(|frame| plain.drops(frame)).count()
        }),
    )?;

    let times = medians([
        &mut || singly(snapshot, &shuffled),
        &mut || singly(snapshot, &sorted),
        &mut || in_batches(snapshot, &shuffled),
        &mut || in_batches(snapshot, &sorted),
    ]);
    let [shuffled, sorted, shuffled_batch, sorted_batch] = times;
    record("judge, shuffled frames", "synward", shuffled, "ns")?;
    record("judge, sorted frames", "synward", sorted, "ns")?;
    record("shuffled against sorted frames", "synward", shuffled / sorted, "x")?;
    record("judge_batch, shuffled against sorted frames", "synward", shuffled_batch / sorted_batch, "x")
}

/// Someone else who counts the frames that he drops, and his name.
type Peer<'a> = (&'a str, &'a dyn Fn(&Frames) -> usize);

/// Measures `judge`, `judge_batch` and the peer on the same frames, once they agree.
fn beside(snapshot: &Snapshot, frames: &Frames, name: &str, (peer, judge): Peer<'_>) -> io::Result<()> {
    let drops = (singly(snapshot, frames), in_batches(snapshot, frames), judge(frames));
    if drops.0 != drops.1 || drops.0 != drops.2 {
        return Err(io::Error::other(format!("{name}: one drops other frames than the other: {drops:?}")));
    }
    let [one, batch, other] =
        medians([&mut || singly(snapshot, frames), &mut || in_batches(snapshot, frames), &mut || {
            judge(frames)
        }]);
    record(&format!("judge, {name}"), "synward", one, "ns")?;
    record(&format!("judge_batch, {name}"), "synward", batch, "ns")?;
    record(&format!("judge, {name}"), peer, other, "ns")
}

fn singly(snapshot: &Snapshot, frames: &Frames) -> usize {
    frames.iter().filter(|frame| snapshot.judge(Direction::In, frame).noteworthy().is_some()).count()
}

fn in_batches(snapshot: &Snapshot, frames: &Frames) -> usize {
    let mut dropped = 0;
    snapshot.judge_batch(Direction::In, frames.iter(), &mut (), |verdict| {
        dropped += usize::from(verdict.noteworthy().is_some());
    });
    dropped
}

/// Nanoseconds for a frame, of each of them: the median over rounds in which they take turns.
fn medians<const N: usize>(mut contestants: [&mut dyn FnMut() -> usize; N]) -> [f64; N] {
    let mut times = [[0.0; ROUNDS]; N];
    for round in 0..ROUNDS {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            let start = Instant::now();
            black_box(contestant());
            let time = start.elapsed().as_secs_f64() * 1e9 / FRAMES as f64;
            times.iter_mut().skip(round).take(1).for_each(|place| *place = time);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    })
}
