//! Contestants that take turns, so that what else the machine does meets all of them alike.

use std::hint::black_box;
use std::time::Instant;

use synward_prefix::{Address, Table};

/// One way of doing a thing many times. A pass gives the nanoseconds that one time took on average.
pub struct Lane<'a> {
    name: &'a str,
    pass: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Lane<'a> {
    /// A lane with a clock of its own.
    pub fn new(name: &'a str, pass: impl FnMut() -> f64 + 'a) -> Self {
        Self { name, pass: Box::new(pass) }
    }

    /// A lane that looks up each of the addresses.
    pub fn of<A: Copy>(name: &'a str, addresses: &'a [A], get: impl Fn(A) -> Option<u32> + 'a) -> Self {
        Self::timed(name, addresses.len(), move || {
            addresses.iter().fold(0, |sum: u32, address| sum.wrapping_add(get(*address).unwrap_or(1)))
        })
    }

    /// A lane that looks all of the addresses up, as many at once as a batch of frames has.
    pub fn of_all<A: Address + Copy>(name: &'a str, addresses: &'a [A], table: &'a Table<A>) -> Self {
        let mut found = [None; 64];
        Self::timed(name, addresses.len(), move || {
            addresses.chunks(found.len()).fold(0, |sum: u32, addresses| {
                table.get_all(addresses, &mut found);
                found.iter().fold(sum, |sum, found| sum.wrapping_add(found.unwrap_or(1)))
            })
        })
    }

    /// A lane that does so many things in a pass. What it returns keeps the compiler from leaving any of them out.
    pub fn timed<T>(name: &'a str, count: usize, mut pass: impl FnMut() -> T + 'a) -> Self {
        Self::new(name, move || {
            let start = Instant::now();
            black_box(pass());
            start.elapsed().as_nanos() as f64 / count as f64
        })
    }
}

/// Runs a pass of each lane in turn, as often as `rounds` says, and one before that counts for nothing. Gives the name of each lane
/// with the median of its passes in nanoseconds.
pub fn race<'a>(lanes: Vec<Lane<'a>>, rounds: usize) -> Vec<(&'a str, f64)> {
    let mut lanes: Vec<_> = lanes.into_iter().map(|lane| (lane, Vec::with_capacity(rounds))).collect();
    for round in 0..=rounds {
        for (lane, times) in &mut lanes {
            let time = (lane.pass)();
            if round > 0 {
                times.push(time);
            }
        }
    }
    lanes.into_iter().map(|(lane, times)| (lane.name, median(times))).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    let middle = times.len() / 2;
    times.sort_unstable_by(f64::total_cmp);
    times.get(middle).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_is_left_out() {
        let mut times = [900.0, 3.0, 1.0, 2.0].into_iter();
        let lane = Lane::new("a", move || times.next().unwrap_or_default());
        assert_eq!(race(vec![lane], 3), [("a", 2.0)]);
    }
}
