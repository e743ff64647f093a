//! The entries of lists, as read.

mod address;
mod addresses;
mod ending;
mod fingerprint;
mod limit;
mod lines;
mod lint;
mod meant;
mod quick;

use std::io;
use std::ops::Range;
use std::path::Path;

use synward_fingerprint::{P0fDatabase, without_comment};

use crate::config::{Kind, List};
use crate::diagnostic::{Diagnostic, Faults, Place, Warning};
pub(crate) use address::{Block, read_network};
pub(crate) use addresses::{Addresses, Span};
pub use ending::Ending;
pub use fingerprint::P0fRank;
pub(crate) use fingerprint::SignatureEntry;
pub(crate) use limit::check_total;
pub use lint::{AddressFinding, AddressFindingKind, AddressList};

/// A list as read: its entries, what was odd about them, and the lines that are none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entries {
    pub(crate) content: Content,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) refused: Refused,
    pub(crate) ending: Ending,
}

/// The entries of one list. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Ip(Addresses),
    Fingerprint(Vec<SignatureEntry>),
}

/// The lines of a list that cannot be understood, and are therefore left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Refused {
    /// How many they are.
    pub(crate) lines: usize,
    /// What is wrong with the first of them, and a count of the rest.
    pub(crate) told: Vec<Diagnostic>,
}

/// What is wrong with an entry: which bytes of it, why, and what to do.
#[derive(Debug)]
struct EntryFault {
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl EntryFault {
    fn new(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: Some(help.into()) }
    }
}

impl Entries {
    /// The bytes of the file of a list.
    ///
    /// # Errors
    /// When it cannot be read, or is a pipe or a device, whose end may never come.
    pub(crate) fn read(list: &List) -> Result<Vec<u8>, Faults> {
        let fault = |error| Diagnostic::file(&list.file, format!("cannot read list {}: {error}", list.name));
        Ok(read_file(&list.file).map_err(fault)?)
    }

    /// The entries in the bytes of the file of a list. Of the list, `kind`, `file`, `name`, `allow_wide`, `eol` and `max_entries`
    /// are asked.
    ///
    /// # Errors
    /// When none of its lines can be understood, or it has more entries than it may.
    pub(crate) fn parse(list: &List, text: &[u8]) -> Result<Self, Faults> {
        Self::of_lines(list, text).map(|entries| Self { ending: Ending::of(list, text), ..entries })
    }

    fn of_lines(list: &List, text: &[u8]) -> Result<Self, Faults> {
        let mut reader = Reader::new(&list.file);
        let content = match list.kind {
            Kind::Ip => Content::Ip(reader.list_of_addresses(list, text)?),
            Kind::Fingerprint => Content::Fingerprint(reader.list_of_signatures(list, text)?),
        };
        reader.finish(content)
    }
}

impl Content {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Ip(addresses) => addresses.len(),
            Self::Fingerprint(signatures) => signatures.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a whole file. Not a pipe or a device, whose end may never come.
fn read_file(file: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    std::fs::read(file)
}

fn not_text(file: &Path, text: &[u8], error: std::str::Utf8Error) -> Diagnostic {
    let good = error.valid_up_to();
    let line = text.get(..good).unwrap_or_default().split(|byte| *byte == b'\n').count();
    Diagnostic::file(file, format!("line {line} is not UTF-8 text"))
        .with_help("a list is a text file with one entry on a line")
}

/// How many refused lines, and how many warnings, of one list are told in full; the rest is counted.
const TOLD: usize = 10;

/// Diagnostics of one list.
#[derive(Debug, Default)]
struct Told {
    first: Vec<Diagnostic>,
    count: usize,
}

impl Told {
    fn add(&mut self, diagnostic: impl FnOnce() -> Diagnostic) {
        self.count += 1;
        if self.count <= TOLD {
            self.first.push(diagnostic());
        }
    }

    /// The first, and how many more there were.
    fn into_diagnostics(mut self, file: &Path) -> Vec<Diagnostic> {
        if self.count > TOLD {
            self.first.push(Diagnostic::file(file, format!("and {} more like these", self.count - TOLD)));
        }
        self.first
    }
}

struct Reader<'a> {
    file: &'a Path,
    refused: Told,
    warnings: Told,
}

impl<'a> Reader<'a> {
    fn new(file: &'a Path) -> Self {
        Self { file, refused: Told::default(), warnings: Told::default() }
    }

    fn list_of_addresses(&mut self, list: &List, text: &[u8]) -> Result<Addresses, Faults> {
        let written = self.read_addresses(text, list.allow_wide, list.max_entries());
        limit::check(list, written.count)?;
        Ok(written.addresses.tidy())
    }

    fn list_of_signatures(&mut self, list: &List, text: &[u8]) -> Result<Vec<SignatureEntry>, Faults> {
        let text = str::from_utf8(text).map_err(|error| not_text(&list.file, text, error))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let signatures = match P0fDatabase::recognizes(text) {
            true => self.read_p0f_database(text),
            false => self.read_signatures(text, list.eol),
        };
        limit::check(list, signatures.len())?;
        Ok(signatures)
    }

    /// Reads each line that is more than a comment; `parse` is given the entry and where to note what it mends.
    fn read<T>(
        &mut self,
        text: &str,
        parse: impl Fn(&str, &mut Vec<EntryFault>) -> Result<T, EntryFault>,
    ) -> Vec<(T, u32)> {
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let entry = without_comment(line).trim();
            if entry.is_empty() {
                continue;
            }
            let mut notes = Vec::new();
            let place = |fault| locate(self.file, number, line, entry, fault);
            match parse(entry, &mut notes) {
                Ok(parsed) => entries.push((parsed, number)),
                Err(fault) => self.refused.add(|| place(fault)),
            }
            for note in notes {
                self.warnings.add(|| place(note));
            }
        }
        entries
    }

    fn finish(self, content: Content) -> Result<Entries, Faults> {
        let lines = self.refused.count;
        let told = self.refused.into_diagnostics(self.file);
        if content.is_empty() {
            Faults::check(told.clone())?;
        }
        let warnings = self.warnings.into_diagnostics(self.file).into_iter().map(Warning).collect();
        Ok(Entries { content, warnings, refused: Refused { lines, told }, ending: Ending::default() })
    }
}

fn locate(file: &Path, number: u32, line: &str, entry: &str, fault: EntryFault) -> Diagnostic {
    let offset = line.find(entry).unwrap_or_default();
    let span = fault.span.start + offset..fault.span.end + offset;
    let place = Place::in_line(number as usize, line, span);
    Diagnostic { help: fault.help, ..Diagnostic::at(file, place, fault.message) }
}

#[cfg(test)]
mod tests;
