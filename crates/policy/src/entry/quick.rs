//! The lines of which long lists consist, read in one pass over their bytes: `192.0.2.7` and `192.0.2.0/24`.
//!
//! Whatever else a line holds, be it a blank or a fault, is left to the exact way: see [`super::address`]. What is read here
//! means the same there.

use super::address::WIDEST_V4;

/// The addresses of the first line of a text, the first and the last, and the text behind the line.
#[inline]
pub(super) fn line(text: &[u8]) -> Option<(u32, u32, &[u8])> {
    let (address, rest) = address(text)?;
    match rest {
        [b'/', rest @ ..] => {
            let (length, rest) = number(rest)?;
            let free = u32::MAX.checked_shr(length).unwrap_or(0);
            let is_plain = (WIDEST_V4..=u32::BITS).contains(&length) && address & free == 0;
            is_plain.then_some((address, address | free, end_of_line(rest)?))
        }
        rest => Some((address, address, end_of_line(rest)?)),
    }
}

fn end_of_line(text: &[u8]) -> Option<&[u8]> {
    match text {
        [] => Some(text),
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Some(rest),
        _ => None,
    }
}

#[inline]
fn address(text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut address, mut rest) = octet(text)?;
    for _ in 0..3 {
        let [b'.', behind @ ..] = rest else { return None };
        let (low, behind) = octet(behind)?;
        (address, rest) = (address << 8 | low, behind);
    }
    Some((address, rest))
}

#[inline]
fn octet(text: &[u8]) -> Option<(u32, &[u8])> {
    number(text).filter(|(value, _)| *value <= u8::MAX.into())
}

/// A number of at most three digits, without leading zeros.
#[inline]
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    match text {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            Some((digit(*a) * 100 + digit(*b) * 10 + digit(*c), rest))
        }
        [a @ b'1'..=b'9', b @ b'0'..=b'9', rest @ ..] => Some((digit(*a) * 10 + digit(*b), rest)),
        [a @ b'0'..=b'9', rest @ ..] => Some((digit(*a), rest)),
        _ => None,
    }
}

fn digit(byte: u8) -> u32 {
    (byte - b'0').into()
}
