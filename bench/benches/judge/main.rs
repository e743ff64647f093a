//! What the judgement of a frame costs, beside the plain composition of kept libraries that answers the same.
//!
//! The frames lie in 7 MiB of memory, each with a source of its own. All take turns at parts of them, each at another part, and
//! a figure is the median over the parts: so what disturbs the machine disturbs all alike, and what stops one of them for
//! milliseconds disturbs none.

mod plain;

use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::time::Instant;

use fastrand::Rng;
use plain::Plain;
use synward_bench::record::record;
use synward_bench::traffic::{Frames, Kind, Rules};
use synward_policy::{Direction, Moment, Snapshot};

const PREFIXES: usize = 1_000_000;
const SIGNATURES: u32 = 10_000;
/// As many as a queue has buffers: seven times what the L2 of a core holds.
const FRAMES: usize = 1 << 14;
/// Frames that are judged between two looks at the clock: well below the time that the kernel leaves a thread alone.
const PART: usize = 1 << 12;
const PARTS: usize = FRAMES / PART;
/// As many frames as fit the cache, with all that their look-ups read.
const FEW: usize = 64;
/// How often each frame is judged by each.
const ROUNDS: usize = 160;

fn main() -> io::Result<()> {
    let rules = Rules::new(PREFIXES, SIGNATURES)?;
    let plain = Plain::new(&rules);
    let segments = Frames::new(&rules, [Kind::Segment; FRAMES])?;
    let of_source: Judge<'_> =
        &|frames, part| frames.part(part).filter(|frame| plain.drops_source(frame)).count();
    beside(&rules.snapshot, &segments, "no SYN, 1 M prefixes", ("etherparse + prefix-trie", of_source))?;
    let syns = Frames::new(&rules, [Kind::Syn; FRAMES])?;
    let of_all: Judge<'_> = &|frames, part| frames.part(part).filter(|frame| plain.drops(frame)).count();
    let name = "SYN, 1 M prefixes + 10 k signatures";
    beside(&rules.snapshot, &syns, name, ("etherparse + prefix-trie + strings", of_all))?;
    mixed(&rules)
}

/// Judges some of the frames, and counts those that are dropped.
type Judge<'a> = &'a dyn Fn(&Frames, Range<usize>) -> usize;

/// Measures `judge`, `judge_batch` and a peer on the same frames, once they agree.
fn beside(
    snapshot: &Snapshot,
    frames: &Frames,
    name: &str,
    (peer, plain): (&str, Judge<'_>),
) -> io::Result<()> {
    let one: Judge<'_> = &|frames, part| singly(snapshot, frames, part);
    let batch: Judge<'_> = &|frames, part| in_batches(snapshot, frames, part);
    let drops @ [by_one, by_batch, by_peer] = [one, batch, plain].map(|judge| judge(frames, 0..FRAMES));
    if by_one != by_batch || by_one != by_peer {
        return Err(io::Error::other(format!("{name}: they do not drop the same frames: {drops:?}")));
    }
    let [one_ns, batch_ns, other] = medians([(frames, one), (frames, batch), (frames, plain)]);
    record(&format!("judge, {name}"), "synward", one_ns, "ns")?;
    record(&format!("judge_batch, {name}"), "synward", batch_ns, "ns")?;
    record(&format!("judge, {name}"), peer, other, "ns")?;
    for (way, judge, peer) in
        [("judge", one, "synward"), ("judge_batch", batch, "synward"), ("judge", plain, peer)]
    {
        record(&format!("{way}, {name}, all in the cache"), peer, in_cache(frames, judge), "ns")?;
    }
    Ok(())
}

/// Nanoseconds for a frame where nothing need be fetched from memory: what is left of a figure is waiting for memory.
fn in_cache(frames: &Frames, judge: Judge<'_>) -> f64 {
    let again: Judge<'_> = &|frames, part| part.step_by(FEW).map(|_| judge(frames, 0..FEW)).sum();
    let [time] = medians([(frames, again)]);
    time
}

/// Measures what it costs that the processor cannot guess which kind of frame comes next.
fn mixed(rules: &Rules) -> io::Result<()> {
    let mut kinds: Vec<_> = Kind::MIX.into_iter().cycle().take(FRAMES).collect();
    // Each part holds the whole mix, sorted or not.
    kinds.chunks_mut(PART).for_each(<[_]>::sort);
    let sorted = Frames::new(rules, kinds.iter().copied())?;
    let mut rng = Rng::with_seed(13);
    kinds.chunks_mut(PART).for_each(|part| rng.shuffle(part));
    let shuffled = Frames::new(rules, kinds)?;
    let one: Judge<'_> = &|frames, part| singly(&rules.snapshot, frames, part);
    let batch: Judge<'_> = &|frames, part| in_batches(&rules.snapshot, frames, part);
    let [one, one_sorted] = medians([(&shuffled, one), (&sorted, one)]);
    let [batch, batch_sorted] = medians([(&shuffled, batch), (&sorted, batch)]);
    record("judge, shuffled frames", "synward", one, "ns")?;
    record("judge_batch, shuffled frames", "synward", batch, "ns")?;
    record("shuffled against sorted frames", "synward", one / one_sorted, "x")?;
    record("judge_batch, shuffled against sorted frames", "synward", batch / batch_sorted, "x")
}

fn singly(snapshot: &Snapshot, frames: &Frames, part: Range<usize>) -> usize {
    frames.part(part).filter(|frame| snapshot.judge(Direction::In, *frame).noteworthy().is_some()).count()
}

fn in_batches(snapshot: &Snapshot, frames: &Frames, part: Range<usize>) -> usize {
    let mut dropped = 0;
    snapshot.judge_batch(Direction::In, frames.part(part), Moment::START, &mut (), |verdict| {
        dropped += usize::from(verdict.noteworthy().is_some());
    });
    dropped
}

/// Nanoseconds for a frame, of each of them.
fn medians<const N: usize>(contestants: [(&Frames, Judge<'_>); N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for turn in 0..ROUNDS * PARTS {
        for (place, ((frames, judge), times)) in contestants.iter().zip(&mut times).enumerate() {
            let from = (turn + place * PARTS / N) % PARTS * PART;
            let start = Instant::now();
            black_box(judge(frames, from..from + PART));
            times.push(start.elapsed().as_secs_f64() * 1e9 / PART as f64);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    })
}
