//! Sources that nothing blocks, and the order in which they take turns.

use clap::ValueEnum;
use fastrand::Rng;

use super::Rules;

/// In which order the sources come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// One after the other.
    Turn,
    /// Any.
    Uniform,
    /// Any, the n-th as often as 1/n tells: as in real traffic, few of them send most frames.
    Zipf,
}

/// The sources.
#[derive(Debug)]
pub(crate) struct Population {
    addresses: Vec<u32>,
    /// For each, how often it or one before it comes, by Zipf's law.
    cumulative: Vec<f64>,
}

impl Population {
    /// So many addresses that the rules do not block.
    pub(crate) fn new(rules: &Rules, count: usize) -> Self {
        let mut rng = Rng::with_seed(5);
        let any = std::iter::repeat_with(|| rng.u32(..))
            .filter(|address| is_unicast(*address) && !rules.blocks(*address));
        let addresses: Vec<u32> = any.take(count.max(1)).collect();
        let mut sum = 0.0;
        let cumulative = (1..=addresses.len()).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self { cumulative: cumulative.collect(), addresses }
    }

    /// Sources without an end.
    pub(crate) fn walk(&self, order: Order) -> impl Iterator<Item = u32> + '_ {
        let mut rng = Rng::with_seed(6);
        let mut turn = 0..self.addresses.len();
        std::iter::repeat_with(move || {
            let place = match order {
                Order::Turn => turn.next().unwrap_or_else(|| {
                    turn = 1..self.addresses.len();
                    0
                }),
                Order::Uniform => rng.usize(0..self.addresses.len()),
                Order::Zipf => self.by_rank(rng.f64()),
            };
            self.addresses.get(place).copied().unwrap_or_default()
        })
    }

    /// The source up to which a share of all frames goes.
    fn by_rank(&self, share: f64) -> usize {
        let sum = share * self.cumulative.last().copied().unwrap_or_default();
        self.cumulative.partition_point(|up_to| *up_to < sum)
    }
}

/// Whether an address is a host's: what others send is an odd frame to whoever looks.
fn is_unicast(address: u32) -> bool {
    let [first, ..] = address.to_be_bytes();
    !matches!(first, 0 | 127 | 224..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(order: Order) -> Vec<usize> {
        let population = Population::new(&Rules::new(10_100, 1).unwrap(), 10);
        let drawn: Vec<u32> = population.walk(order).take(10_000).collect();
        population
            .addresses
            .iter()
            .map(|address| drawn.iter().filter(|drawn| *drawn == address).count())
            .collect()
    }

    #[test]
    fn sources_in_turn_come_equally_often() {
        assert_eq!(counts(Order::Turn), [1000; 10]);
    }

    #[test]
    fn uniform_sources_come_about_equally_often() {
        let counts = counts(Order::Uniform);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_ne!(counts, [1000; 10]);
    }

    #[test]
    fn the_second_source_comes_half_as_often_as_the_first_by_zipfs_law() {
        let counts = counts(Order::Zipf);
        let ratio = counts[0] as f64 / counts[1] as f64;
        assert!((1.8..2.2).contains(&ratio), "{counts:?}");
        assert!(counts[0] > 3000, "{counts:?}");
    }
}
