//! What is odd about a list of addresses by itself.

mod redundant;
mod special;

use std::collections::BTreeMap;
use std::path::Path;

use synward_fingerprint::Signature;

use super::address::exactly;
use super::addresses::Addresses;
use super::lines::Line;
use super::{Reader, TOLD, Told};
use crate::diagnostic::{Diagnostic, Place};
use special::Special;

/// A list of addresses outside of any configuration, as `synward lint` reads it. No entry of it may be wide.
#[derive(Debug)]
pub struct AddressList<'a> {
    file: &'a Path,
    text: &'a [u8],
    /// In order, with repetitions.
    addresses: Addresses,
    refused: Told,
    masked: Told,
}

/// Something odd about a list of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFinding {
    /// Of what kind it is.
    pub kind: AddressFindingKind,
    /// Where, and what. What is said of the rest of a kind has no place.
    pub diagnostic: Diagnostic,
    /// The line that it collides with.
    pub other_line: Option<u32>,
}

/// What an [`AddressFinding`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AddressFindingKind {
    /// The line is no entry.
    Refused,
    /// It has bits set behind its prefix.
    Masked,
    /// An earlier line names the same addresses.
    Duplicate,
    /// A wider entry names them, too.
    Shadowed,
    /// They are set aside for a special use.
    Special,
    /// Entries side by side that fewer prefixes would name.
    Adjacent,
}

impl AddressFindingKind {
    /// The name of the kind, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Masked => "masked",
            Self::Duplicate => "duplicate",
            Self::Shadowed => "shadowed",
            Self::Special => "special",
            Self::Adjacent => "adjacent",
        }
    }
}

/// Something odd about a line, not yet in words: there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Odd {
    line: u32,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Of the line.
    Duplicate(u32),
    /// By the line.
    Shadowed(u32),
    Special(&'static Special),
    /// So many entries, and the prefixes that would do.
    Adjacent(usize, usize),
}

impl<'a> AddressList<'a> {
    /// Reads the bytes of a file. The path is for what is said of it.
    pub fn read(file: &'a Path, text: &'a [u8]) -> Self {
        let mut reader = Reader::new(file);
        let addresses = reader.read_addresses(text, false, usize::MAX).addresses.sorted();
        let Reader { refused, warnings: masked, .. } = reader;
        Self { file, text, addresses, refused, masked }
    }

    /// Whether a file is such a list: the first line that is an address or a signature is an address.
    pub fn recognizes(text: &[u8]) -> bool {
        let is_address = |line: &Line<'_>| exactly(line.entry(), &mut Vec::new()).is_ok();
        let is_signature = |line: &Line<'_>| line.entry().parse::<Signature>().is_ok();
        lines(text).find(|line| is_address(line) || is_signature(line)).is_some_and(|line| is_address(&line))
    }

    /// Number of its entries, with repetitions.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Number of lines that are refused.
    pub fn refused(&self) -> usize {
        self.refused.count
    }

    /// The line of each entry and its canonical text, in the order of the addresses.
    pub fn entries(&self) -> impl Iterator<Item = (u32, String)> {
        let v4 = self.addresses.v4.iter().map(|span| (span.line, span.entry()));
        v4.chain(self.addresses.v6.iter().map(|span| (span.line, span.entry())))
    }

    /// What is odd, in the order of the lines: of each kind the first, and a count of the rest.
    pub fn lint(&self) -> Vec<AddressFinding> {
        let mut odd = Vec::new();
        redundant::redundant(&self.addresses.v4, &mut odd);
        redundant::redundant(&self.addresses.v6, &mut odd);
        special::special(&self.addresses, &mut odd);
        odd.sort_unstable_by_key(|odd| (odd.what.kind(), odd.line));
        let mut found: Vec<AddressFinding> = self.told(AddressFindingKind::Refused, &self.refused).collect();
        found.extend(self.told(AddressFindingKind::Masked, &self.masked));
        found.extend(self.in_words(&odd));
        found.sort_by_key(AddressFinding::line);
        found
    }

    fn told(&self, kind: AddressFindingKind, told: &Told) -> impl Iterator<Item = AddressFinding> {
        let first = told.first.clone().into_iter();
        let first = first.map(move |diagnostic| AddressFinding { kind, diagnostic, other_line: None });
        first.chain(self.rest(kind, told.count))
    }

    /// How many more there are of a kind than are told.
    fn rest(&self, kind: AddressFindingKind, count: usize) -> Option<AddressFinding> {
        let more = count.checked_sub(TOLD).filter(|more| *more > 0)?;
        let message = format!("and {more} more of the kind `{}`", kind.name());
        Some(AddressFinding { kind, diagnostic: Diagnostic::file(self.file, message), other_line: None })
    }

    fn in_words(&self, odd: &[Odd]) -> Vec<AddressFinding> {
        let kinds = || odd.chunk_by(|a, b| a.what.kind() == b.what.kind());
        let told: Vec<&Odd> = kinds().flat_map(|of_kind| of_kind.iter().take(TOLD)).collect();
        let places = self.places(&told);
        let place = |line| places.get(&line).cloned().flatten();
        let found = told.iter().map(|odd| odd.in_words(self.file, place(odd.line)));
        let rest = kinds().filter_map(|of_kind| self.rest(of_kind.first()?.what.kind(), of_kind.len()));
        found.chain(rest).collect()
    }

    /// Where the entries of these lines stand.
    fn places(&self, told: &[&Odd]) -> BTreeMap<u32, Option<Place>> {
        let mut places: BTreeMap<u32, Option<Place>> = told.iter().map(|odd| (odd.line, None)).collect();
        let last = places.last_key_value().map_or(0, |(line, _)| *line);
        for line in lines(self.text).take_while(|line| line.number() <= last) {
            if let Some(place) = places.get_mut(&line.number()) {
                *place = Some(line.place());
            }
        }
        places
    }
}

/// The lines of a text.
fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut number = 0_u32;
    std::iter::from_fn(move || {
        number = number.saturating_add(1);
        let (line, behind) = (!rest.is_empty()).then(|| Line::first(rest, number))?;
        rest = behind;
        Some(line)
    })
}

impl AddressFinding {
    /// The line, and behind all lines for what has none.
    fn line(&self) -> usize {
        self.diagnostic.place.as_ref().map_or(usize::MAX, |place| place.line)
    }
}

impl Odd {
    fn in_words(&self, file: &Path, place: Option<Place>) -> AddressFinding {
        let (message, help) = self.what.message();
        let diagnostic = Diagnostic { place, ..Diagnostic::file(file, message) }.with_help(help);
        let other_line = match self.what {
            What::Duplicate(other) | What::Shadowed(other) => Some(other),
            What::Special(_) | What::Adjacent(..) => None,
        };
        AddressFinding { kind: self.what.kind(), diagnostic, other_line }
    }
}

impl What {
    fn kind(self) -> AddressFindingKind {
        match self {
            Self::Duplicate(_) => AddressFindingKind::Duplicate,
            Self::Shadowed(_) => AddressFindingKind::Shadowed,
            Self::Special(_) => AddressFindingKind::Special,
            Self::Adjacent(..) => AddressFindingKind::Adjacent,
        }
    }

    /// What is odd, and what to do about it.
    fn message(self) -> (String, &'static str) {
        match self {
            Self::Duplicate(other) => (format!("line {other} says the same"), "leave it out"),
            Self::Shadowed(other) => (
                format!("the entry of line {other} covers all of these addresses"),
                "leave it out, unless it is there to be named: the narrower of two is the one that is reported",
            ),
            Self::Special(special) => (special.message(), special.help),
            Self::Adjacent(entries, prefixes) => (
                format!(
                    "{entries} entries stand side by side, of which this is the first: {prefixes} would do"
                ),
                "nothing is wrong with it: a table takes no more room for them",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
