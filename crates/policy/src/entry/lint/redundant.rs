//! Entries that say what others say, and such as could be fewer.

use super::super::addresses::{Number, Span};
use super::{Odd, What};

/// Tells which of the spans, which are in order, repeat another or are covered by one, and whether fewer would do.
pub(super) fn redundant<A: Number + Into<u128>>(spans: &[Span<A>], odd: &mut Vec<Odd>) {
    let mut runs = Runs::default();
    let mut furthest: Option<&Span<A>> = None;
    for same in spans.chunk_by(|a, b| (a.start, a.end) == (b.start, b.end)) {
        let Some((first, others)) = same.split_first() else { continue };
        odd.extend(others.iter().map(|other| Odd { line: other.line, what: What::Duplicate(first.line) }));
        // All before it start no later: the one that reaches furthest covers it, or none does.
        match furthest.filter(|furthest| furthest.end >= first.end) {
            Some(cover) => odd.push(Odd { line: first.line, what: What::Shadowed(cover.line) }),
            None => {
                runs.add(first.start.into(), first.end.into(), first.line);
                furthest = Some(first);
            }
        }
    }
    odd.extend(runs.finish());
}

/// Entries without a gap between them, and what is to be said of those so far.
#[derive(Default)]
struct Runs {
    start: u128,
    end: u128,
    line: u32,
    entries: usize,
    /// All entries that could be fewer, the prefixes that would do, and the first line of them.
    found: Option<(usize, usize, u32)>,
}

impl Runs {
    fn add(&mut self, start: u128, end: u128, line: u32) {
        if self.entries > 0 && start <= self.end.saturating_add(1) {
            self.entries += 1;
            self.line = self.line.min(line);
        } else {
            self.close();
            (self.start, self.line, self.entries) = (start, line, 1);
        }
        self.end = end;
    }

    fn close(&mut self) {
        let prefixes = if self.entries > 1 { prefixes(self.start, self.end) } else { self.entries };
        if prefixes < self.entries {
            let (entries, others, line) = self.found.unwrap_or((0, 0, u32::MAX));
            self.found = Some((entries + self.entries, others + prefixes, line.min(self.line)));
        }
    }

    fn finish(mut self) -> Option<Odd> {
        self.close();
        let (entries, prefixes, line) = self.found?;
        Some(Odd { line, what: What::Adjacent(entries, prefixes) })
    }
}

/// How many prefixes it takes to name the addresses from `start` to `end`.
fn prefixes(mut start: u128, end: u128) -> usize {
    let mut count = 1;
    // The largest block that starts here ends with these bits set, and not behind the end.
    while let Some(next) = largest(start, end).checked_add(1).filter(|next| *next <= end) {
        (start, count) = (next, count + 1);
    }
    count
}

/// The last address of the widest prefix that starts at `start` and does not reach behind `end`.
fn largest(start: u128, end: u128) -> u128 {
    let aligned = u128::MAX.checked_shr(u128::BITS - start.trailing_zeros()).unwrap_or(0);
    let steps = end - start;
    // All ones below the highest bit of the number of addresses.
    let fitting = steps.checked_add(1).map_or(u128::MAX, |count| (1 << count.ilog2()) - 1);
    start | aligned.min(fitting)
}
