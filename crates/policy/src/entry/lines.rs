//! A whole list of addresses, line by line.

use std::borrow::Cow;
use std::path::Path;

use super::address::{Block, read};
use super::addresses::Addresses;
use super::{EntryFault, Reader, quick};
use crate::diagnostic::{Diagnostic, Place};

/// The longest that an entry can be, in bytes: a range between two addresses of IPv6, with some blanks. What is longer is no list.
const LONGEST_ENTRY: usize = 200;

/// How much of a line is shown, in bytes.
const SHOWN: usize = 400;

/// The entries of a list of addresses, as they are written: in their order, and with repetitions.
#[derive(Default)]
pub(super) struct Written {
    pub(super) addresses: Addresses,
    /// How many they are, with those that found no room.
    pub(super) count: usize,
}

impl Reader<'_> {
    /// Reads each line that is more than a comment. Of the entries, the first `most` are kept.
    pub(super) fn read_addresses(&mut self, text: &[u8], allow_wide: bool, most: usize) -> Written {
        let mut written = Written::default();
        let mut rest = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut number = 0_u32;
        while !rest.is_empty() {
            number = number.saturating_add(1);
            if let Some((start, end, behind)) = quick::line(rest) {
                rest = behind;
                written.add(Block::V4(start, end), number, most);
                continue;
            }
            let (line, behind) = Line::first(rest, number);
            rest = behind;
            if let Some(block) = self.read_line(&line, allow_wide) {
                written.add(block, number, most);
            }
        }
        written
    }

    /// Reads a line to the letter, and tells what is wrong with it.
    fn read_line(&mut self, line: &Line<'_>, allow_wide: bool) -> Option<Block> {
        let mut notes = Vec::new();
        let block = match line.entry() {
            "" => return None,
            entry if entry.len() > LONGEST_ENTRY => Err(too_long(entry)),
            entry if line.is_text() => read(entry, allow_wide, &mut notes),
            entry => Err(not_text(entry)),
        };
        for note in notes {
            self.warnings.add(|| line.locate(self.file, note));
        }
        block.map_err(|fault| self.refused.add(|| line.locate(self.file, fault))).ok()
    }
}

impl Written {
    fn add(&mut self, block: Block, line: u32, most: usize) {
        self.count += 1;
        if self.count <= most {
            block.add_to(&mut self.addresses, line);
        }
    }
}

/// A line, and what stands before its comment.
pub(super) struct Line<'a> {
    number: u32,
    bytes: &'a [u8],
    before_comment: Cow<'a, str>,
}

impl<'a> Line<'a> {
    /// The first line of a text, whose number it is, and the text behind it.
    pub(super) fn first(text: &'a [u8], number: u32) -> (Self, &'a [u8]) {
        let mut parts = text.splitn(2, |byte| *byte == b'\n');
        let bytes = parts.next().unwrap_or_default();
        let before_comment = bytes.split(|byte| *byte == b'#').next().unwrap_or_default();
        let before_comment = String::from_utf8_lossy(before_comment);
        (Self { number, bytes, before_comment }, parts.next().unwrap_or_default())
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// What the line holds beside blanks and a comment.
    pub(super) fn entry(&self) -> &str {
        self.before_comment.trim()
    }

    fn is_text(&self) -> bool {
        matches!(self.before_comment, Cow::Borrowed(_))
    }

    /// The place of the entry.
    pub(super) fn place(&self) -> Place {
        self.place_of(0..self.entry().len())
    }

    fn place_of(&self, span: std::ops::Range<usize>) -> Place {
        let offset = self.before_comment.len() - self.before_comment.trim_start().len();
        let shown = String::from_utf8_lossy(self.bytes.get(..SHOWN).unwrap_or(self.bytes));
        Place::in_line(self.number as usize, shown.trim_end(), span.start + offset..span.end + offset)
    }

    fn locate(&self, file: &Path, fault: EntryFault) -> Diagnostic {
        let place = self.place_of(fault.span);
        Diagnostic { help: fault.help, ..Diagnostic::at(file, place, fault.message) }
    }
}

fn too_long(entry: &str) -> EntryFault {
    let message = format!("{} bytes are no IP address", entry.len());
    EntryFault::new(0..SHOWN, message, "a list is a text file with one entry on a line")
}

fn not_text(entry: &str) -> EntryFault {
    EntryFault::new(
        0..entry.len(),
        "this is not UTF-8 text",
        "a list is a text file with one entry on a line",
    )
}
