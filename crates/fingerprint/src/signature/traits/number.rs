//! Numbers and ranges of numbers: the traits `ttl`, `ipid` and `dport`.

use std::fmt;
use std::sync::Arc;

use crate::signature::SignatureError;
use crate::signature::text::{Piece, Quantity, number};

pub(super) const TTL: Quantity = Quantity { name: "TTL", most: u8::MAX as u16, missing: RANGE };
pub(super) const IP_ID: Quantity = Quantity { name: "IP identification", most: u16::MAX, missing: RANGE };
const PORT: Quantity = Quantity { name: "port", most: u16::MAX, missing: "one `,` stands between two ports" };
const RANGE: &str = "a range is written as `1..9`, `..9` or `1..`: both ends belong to it";

/// All numbers from `first` to `last`, both of them included. Displayed as `7`, `1..9`, `..9` or `1..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The least.
    pub first: u16,
    /// The greatest, not below the least.
    pub last: u16,
}

impl Interval {
    /// Whether the number is one of them.
    pub fn contains(self, number: u16) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// A number or a range. An end that is left open is the least or the greatest that there can be.
    pub(super) fn read(
        piece: Piece<'_>,
        quantity: &Quantity,
        read: impl Fn(Piece<'_>, &Quantity) -> Result<u16, SignatureError>,
    ) -> Result<Interval, SignatureError> {
        let ends = piece.split_once('.').and_then(|(first, last)| Some((first, last.strip_prefix(".")?)));
        let Some((first_piece, last_piece)) = ends else {
            return read(piece, quantity).map(|only| Interval { first: only, last: only });
        };
        if first_piece.text.is_empty() && last_piece.text.is_empty() {
            return Err(SignatureError::new(piece.span(), "the range has no end", RANGE));
        }
        let end =
            |piece: Piece<'_>, open| if piece.text.is_empty() { Ok(open) } else { read(piece, quantity) };
        let (first, last) = (end(first_piece, 0)?, end(last_piece, quantity.most)?);
        if first > last {
            let message = format!("the range is empty: {first} is above {last}");
            return Err(SignatureError::new(piece.span(), message, format!("write `{last}..{first}`")));
        }
        Ok(Interval { first, last })
    }

    /// As a text that reads as the same where `most` is the greatest number.
    fn write(self, f: &mut impl fmt::Write, most: u16) -> fmt::Result {
        let Interval { first, last } = self;
        match (first, last) {
            _ if first == last => write!(f, "{first}"),
            _ if last == most => write!(f, "{first}.."),
            (0, _) => write!(f, "..{last}"),
            _ => write!(f, "{first}..{last}"),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, u16::MAX)
    }
}

/// A range of TTLs, which end at 255.
pub(super) fn ttl_text(interval: Interval) -> String {
    let mut text = String::new();
    // A string takes all that is written to it.
    let _ = interval.write(&mut text, TTL.most);
    text
}

/// A number, in decimal or, with `0x` before it, in hexadecimal.
pub(super) fn decimal_or_hex(piece: Piece<'_>, quantity: &Quantity) -> Result<u16, SignatureError> {
    let Some(digits) = piece.text.strip_prefix("0x") else { return number(piece, quantity) };
    let is_hex = (1..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex).ok_or_else(|| {
        let message = format!("`{}` is no {}", piece.text.escape_debug(), quantity.name);
        SignatureError::new(piece.span(), message, "behind `0x` stand one to four hexadecimal digits")
    })
}

/// Ports: any number of them but none. Displayed as `22`, `22,80` or `1..1023,8080`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ports {
    /// In ascending order, with a gap between any two.
    intervals: Arc<[Interval]>,
}

impl Ports {
    /// The ports that are in any of these; `None` if there is none.
    pub fn new(intervals: impl IntoIterator<Item = Interval>) -> Option<Ports> {
        let mut sorted: Vec<Interval> = intervals.into_iter().filter(|i| i.first <= i.last).collect();
        sorted.sort_unstable_by_key(|interval| interval.first);
        let mut joined: Vec<Interval> = Vec::new();
        for next in sorted {
            match joined.last_mut() {
                Some(last) if next.first <= last.last.saturating_add(1) => {
                    last.last = last.last.max(next.last)
                }
                _ => joined.push(next),
            }
        }
        (!joined.is_empty()).then(|| Ports { intervals: joined.into() })
    }

    /// Whether the port is one of these.
    pub fn contains(&self, port: u16) -> bool {
        let place = self.intervals.partition_point(|interval| interval.last < port);
        self.intervals.get(place).is_some_and(|interval| interval.first <= port)
    }

    /// The ports as the fewest ranges, in ascending order.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    pub(super) fn read(piece: Piece<'_>) -> Result<Ports, SignatureError> {
        let intervals: Vec<Interval> =
            piece.split(',').map(|item| Interval::read(item, &PORT, number)).collect::<Result<_, _>>()?;
        Ports::new(intervals).ok_or_else(|| SignatureError::new(piece.span(), "no port", PORT.missing))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, interval) in self.intervals.iter().enumerate() {
            write!(f, "{}{interval}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
