//! What it costs a worker to count while another one counts, too: in tables that lie one behind the other, as an allocator puts them, and in tables that share no
//! cache line. Two threads; needs two cores.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use synward_bench::race::{Lane, race};
use synward_bench::record::record;
use synward_bridge::{Counter, Counters};

/// Counters of a table: as many as there are reasons, about.
const COUNT: usize = 40;
/// Additions in a pass.
const ADDITIONS: u64 = 1 << 23;
const ROUNDS: usize = 15;

/// Where one table ends and the next begins.
#[derive(Default)]
#[repr(align(128))]
struct Line([Counter; 16]);

/// Runs a pass while another thread counts, over and over.
fn beside(other: impl Fn() + Sync, pass: impl Fn()) {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                other();
            }
        });
        pass();
        ended.store(true, Ordering::Relaxed);
    });
}

fn main() -> io::Result<()> {
    let Line([last, first, ..]) = &Line::default();
    let padded = [Counters::new(COUNT), Counters::new(COUNT)];
    let [mine, theirs] = &padded;
    let packed_pass = || (0..ADDITIONS).for_each(|_| last.add(1));
    let padded_pass = || (0..ADDITIONS).for_each(|_| mine.add(COUNT - 1, 1));
    let lanes = vec![
        Lane::timed("one behind the other", ADDITIONS as usize, || beside(|| first.add(1), packed_pass)),
        Lane::timed("no line in common", ADDITIONS as usize, || beside(|| theirs.add(0, 1), padded_pass)),
    ];
    for (name, nanoseconds) in race(lanes, ROUNDS) {
        record("an addition beside another worker's", name, nanoseconds, "ns")?;
    }
    Ok(())
}
