//! The files that `convert` and `lint` read: lists of signatures, and p0f's own database.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use synward_fingerprint::p0f::{Entry as P0fEntry, P0fDatabase};
use synward_fingerprint::{Direction, Notation, Signature, SignatureError, Traits, without_comment};
use synward_policy::{AddressList, Diagnostic, Faults, Place};

/// A file of signatures, as read.
pub(crate) struct Signatures {
    pub(crate) lines: Vec<Line>,
}

/// A line of a file.
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) content: Content,
}

/// What a line holds.
pub(crate) enum Content {
    /// Nothing, or a comment, without the sign that starts it.
    Comment(String),
    /// A signature.
    Entry(Box<Entry>),
    /// Something that cannot be understood, in these bytes of the line.
    Fault(SignatureError),
    /// What gives a `p0f.fp` its form: a section, a label.
    Frame,
}

/// A signature and what stands around it.
pub(crate) struct Entry {
    pub(crate) signature: Signature,
    /// The bytes of the line that it takes.
    pub(crate) span: Range<usize>,
    /// The comment behind it, or its label.
    pub(crate) remark: String,
    /// Whether its label is generic.
    pub(crate) last_resort: bool,
    /// Whether it stands among those of a `p0f.fp` for SYN-ACKs: no SYN is meant.
    pub(crate) of_responses: bool,
}

impl Signatures {
    /// Reads a file; a `p0f.fp` is known by its first line.
    ///
    /// # Errors
    /// When it cannot be read, or holds addresses.
    pub(crate) fn load(file: &Path) -> Result<Signatures, Faults> {
        Self::read(file, read_file(file)?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// When they are no text, or hold addresses.
    pub(crate) fn read(file: &Path, bytes: Vec<u8>) -> Result<Signatures, Faults> {
        let fault = |message: String| Faults::from(Diagnostic::file(file, message));
        let text = String::from_utf8(bytes).map_err(|_| fault("this is not UTF-8 text".to_owned()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if P0fDatabase::recognizes(text) {
            return Ok(Signatures { lines: p0f_database(text) });
        }
        if AddressList::recognizes(text.as_bytes()) {
            return Err(fault("this is a list of addresses, and no list of signatures".to_owned()));
        }
        let lines = (1..).zip(text.lines());
        Ok(Signatures { lines: lines.map(|(number, text)| list_line(number, text)).collect() })
    }
}

/// All bytes of a file.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_file(file: &Path) -> Result<Vec<u8>, Faults> {
    fs::read(file).map_err(|error| Diagnostic::file(file, format!("cannot be read: {error}")).into())
}

impl Line {
    /// The fault in its place in the file.
    pub(crate) fn diagnostic(&self, file: &Path, fault: &SignatureError) -> Diagnostic {
        let place = Place::in_line(self.number, &self.text, fault.span.clone());
        let located = Diagnostic::at(file, place, fault.message.as_str());
        Diagnostic { help: fault.help.clone(), ..located }
    }
}

fn list_line(number: usize, text: &str) -> Line {
    let before = without_comment(text);
    let comment = text.get(before.len()..).unwrap_or_default().trim_start_matches('#').trim();
    let entry = before.trim();
    let start = before.len() - before.trim_start().len();
    let content = if entry.is_empty() {
        Content::Comment(comment.to_owned())
    } else {
        match entry.parse::<Signature>() {
            Ok(signature) => Content::Entry(Box::new(Entry {
                signature,
                span: start..start + entry.len(),
                remark: comment.to_owned(),
                last_resort: false,
                of_responses: false,
            })),
            Err(fault) => Content::Fault(at(fault, start)),
        }
    };
    Line { number, text: text.to_owned(), content }
}

fn at(fault: SignatureError, start: usize) -> SignatureError {
    SignatureError { span: fault.span.start + start..fault.span.end + start, ..fault }
}

fn p0f_database(text: &str) -> Vec<Line> {
    let (database, faults) = P0fDatabase::parse(text);
    let mut lines: Vec<Line> = (1..).zip(text.lines()).map(|(number, text)| frame(number, text)).collect();
    let mut put = |number: usize, content: &dyn Fn(&str) -> Content| {
        if let Some(line) = number.checked_sub(1).and_then(|place| lines.get_mut(place)) {
            line.content = content(&line.text);
        }
    };
    for (number, fault) in faults {
        put(number, &|_| Content::Fault(fault.clone()));
    }
    let requests = database.requests().iter().map(|entry| (entry, Direction::Syn));
    let responses = database.responses().iter().map(|entry| (entry, Direction::SynAck));
    for (entry, direction) in requests.chain(responses) {
        put(entry.line, &|text| Content::Entry(Box::new(p0f_entry(entry, direction, text))));
    }
    lines
}

fn frame(number: usize, text: &str) -> Line {
    let trimmed = text.trim();
    let content = match trimmed.strip_prefix(';') {
        Some(comment) => Content::Comment(comment.trim().to_owned()),
        None if trimmed.is_empty() => Content::Comment(String::new()),
        None => Content::Frame,
    };
    Line { number, text: text.to_owned(), content }
}

fn p0f_entry(entry: &P0fEntry, direction: Direction, line: &str) -> Entry {
    let value = line.split_once('=').map_or(line, |(_, value)| value);
    let start = line.len() - value.trim_start().len();
    Entry {
        signature: Signature {
            notation: Notation::P0f(entry.signature),
            traits: Traits { direction, ..Traits::default() },
        },
        span: start..start + value.trim().len(),
        remark: entry.label.to_string(),
        last_resort: entry.label.generic,
        of_responses: direction == Direction::SynAck,
    }
}

/// The signature with its remark for a name, unless it has one.
pub(crate) fn named(signature: &Signature, remark: &str) -> Signature {
    let mut named = signature.clone();
    if !remark.is_empty() {
        named.traits.name.get_or_insert_with(|| Arc::from(remark));
    }
    named
}
