//! What a list of addresses says: spans of addresses, sorted, each once.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses from `start` to `end`, both included, as a line of a list names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span<A> {
    pub(crate) start: A,
    pub(crate) end: A,
    /// Number of the line, from 1.
    pub(crate) line: u32,
}

/// All of a list. Each side is sorted: by start, then the widest first, then by line; what a list repeats (same start and
/// end) is there once, with its first line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Vec<Span<u32>>,
    pub(crate) v6: Vec<Span<u128>>,
}

/// An address as a number.
pub(crate) trait Number: Copy + Ord {
    /// Number of its bits.
    const WIDTH: u32;

    /// The address that the number stands for.
    fn ip(self) -> IpAddr;

    /// How many of the leading bits the addresses from `self` to `end` share, if these are all that share them.
    fn prefix_to(self, end: Self) -> Option<u32>;
}

impl Number for u32 {
    const WIDTH: u32 = Self::BITS;

    fn ip(self) -> IpAddr {
        Ipv4Addr::from_bits(self).into()
    }

    fn prefix_to(self, end: Self) -> Option<u32> {
        let free = self ^ end;
        (free & free.wrapping_add(1) == 0 && self & free == 0).then_some(free.leading_zeros())
    }
}

impl Number for u128 {
    const WIDTH: u32 = Self::BITS;

    fn ip(self) -> IpAddr {
        Ipv6Addr::from_bits(self).into()
    }

    fn prefix_to(self, end: Self) -> Option<u32> {
        let free = self ^ end;
        (free & free.wrapping_add(1) == 0 && self & free == 0).then_some(free.leading_zeros())
    }
}

impl<A: Number> Span<A> {
    /// The canonical text: an address, a prefix, or a range `a-b`.
    pub(crate) fn entry(&self) -> String {
        match self.start.prefix_to(self.end) {
            Some(length) if length == A::WIDTH => self.start.ip().to_string(),
            Some(length) => format!("{}/{length}", self.start.ip()),
            None => format!("{}-{}", self.start.ip(), self.end.ip()),
        }
    }
}

impl Addresses {
    /// The spans in order, what is repeated only once.
    pub(crate) fn tidy(self) -> Self {
        let Self { mut v4, mut v6 } = self.sorted();
        leave_first(&mut v4);
        leave_first(&mut v6);
        Self { v4, v6 }
    }

    /// The spans in order, with repetitions.
    pub(super) fn sorted(mut self) -> Self {
        sort(&mut self.v4);
        sort(&mut self.v6);
        self
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap held.
    pub(crate) fn memory_usage(&self) -> usize {
        self.v4.capacity() * size_of::<Span<u32>>() + self.v6.capacity() * size_of::<Span<u128>>()
    }
}

fn sort<A: Number>(spans: &mut [Span<A>]) {
    spans.sort_unstable_by_key(|span| (span.start, Reverse(span.end), span.line));
}

fn leave_first<A: Number>(spans: &mut Vec<Span<A>>) {
    spans.dedup_by_key(|span| (span.start, span.end));
    spans.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(start: u32, end: u32, line: u32) -> Span<u32> {
        Span { start, end, line }
    }

    #[test]
    fn spans_are_sorted_the_widest_first_and_what_is_repeated_is_there_once() {
        let spans = [v4(9, 9, 1), v4(4, 7, 2), v4(4, 5, 3), v4(9, 9, 4), v4(4, 7, 5)];
        let sorted = Addresses { v4: spans.to_vec(), v6: Vec::new() }.tidy();
        assert_eq!(sorted.v4, [v4(4, 7, 2), v4(4, 5, 3), v4(9, 9, 1)]);
        assert_eq!((sorted.len(), sorted.is_empty()), (3, false));
        assert_eq!(sorted.memory_usage(), 3 * 12);
    }

    #[test]
    fn an_entry_is_shown_as_an_address_a_prefix_or_a_range() {
        for (start, end, shown) in [
            (0xc000_0201, 0xc000_0201, "192.0.2.1"),
            (0xc000_0200, 0xc000_02ff, "192.0.2.0/24"),
            (0xc000_0201, 0xc000_0202, "192.0.2.1-192.0.2.2"),
            (0xc000_0200, 0xc000_0202, "192.0.2.0-192.0.2.2"),
            (0, u32::MAX, "0.0.0.0/0"),
        ] {
            assert_eq!(v4(start, end, 1).entry(), shown);
        }
        let whole = Span { start: 0, end: u128::MAX, line: 1 };
        assert_eq!(whole.entry(), "::/0");
        assert_eq!(Span { start: 1_u128, end: 1, line: 1 }.entry(), "::1");
        assert_eq!(Span { start: 1_u128, end: 2, line: 1 }.entry(), "::1-::2");
    }
}
