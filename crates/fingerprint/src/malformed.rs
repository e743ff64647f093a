//! Where and how an option list is malformed.

use std::fmt;

use synward_wire::option_lengths;

use crate::kinds::{EOL, NOP, within_header};

/// The first option of a list that is malformed: which, where and how. What follows it cannot be trusted to be
/// options at all, so no other is looked for.
///
/// This is what the RFCs say, and no program: each of the three reads on in its own way.
///
/// ```
/// use synward_fingerprint::{Fault, Malformed};
///
/// // MSS 1460, NOP, and a window scale that is cut off.
/// let found = Malformed::of(&[2, 4, 5, 180, 1, 3, 3]).unwrap();
/// assert_eq!(found, Malformed { kind: 3, offset: 5, fault: Fault::PastEnd });
/// assert_eq!(found.to_string(), "kind 3 at 5: past_end");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Malformed {
    /// The kind of the option.
    pub kind: u8,
    /// Where its kind byte is, in bytes from the start of the option list, which is byte 20 of the TCP header.
    pub offset: u8,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an option. Its length counts the kind and the length byte (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The list ends behind the kind byte: there is no length.
    NoLength,
    /// The length is 0 or 1.
    LengthBelowTwo,
    /// The length leads past the end of the list.
    PastEnd,
    /// The length fits, and is not the one that options of this kind have: 4 for MSS (RFC 9293), 3 for window scale
    /// and 10 for timestamps (RFC 7323), 2 for SACK permitted and 10 to 34 for SACK (RFC 2018).
    WrongLength,
}

impl Malformed {
    /// The first malformed option of a list; `None` where all are well formed up to the end or EOL. Bytes beyond
    /// [`MAX_OPTION_BYTES`](crate::MAX_OPTION_BYTES) cannot be on the wire and are not looked at.
    pub fn of(options: &[u8]) -> Option<Malformed> {
        let options = within_header(options);
        let mut rest = options;
        while let Some(&kind) = rest.first() {
            rest = match next(rest) {
                Ok(following) => following,
                Err(fault) => {
                    let offset = u8::try_from(options.len() - rest.len()).unwrap_or(u8::MAX);
                    return Some(Malformed { kind, offset, fault });
                }
            };
        }
        None
    }
}

/// What follows the first option of `rest`: nothing behind EOL.
fn next(rest: &[u8]) -> Result<&[u8], Fault> {
    let (kind, len) = match *rest {
        [] | [EOL, ..] => return Ok(&[]),
        [NOP, ref following @ ..] => return Ok(following),
        [_] => return Err(Fault::NoLength),
        [kind, len, ..] => (kind, usize::from(len)),
    };
    let following = rest.get(len..).ok_or(Fault::PastEnd)?;
    let (least, most) = option_lengths(kind);
    match len {
        0 | 1 => Err(Fault::LengthBelowTwo),
        _ if (usize::from(least)..=usize::from(most)).contains(&len) => Ok(following),
        _ => Err(Fault::WrongLength),
    }
}

impl Fault {
    /// A word for it, for programs to read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLength => "no_length",
            Self::LengthBelowTwo => "length_below_two",
            Self::PastEnd => "past_end",
            Self::WrongLength => "wrong_length",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kind {} at {}: {}", self.kind, self.offset, self.fault.name())
    }
}
