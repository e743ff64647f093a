//! `synward lint`: what is odd about a list.

use std::path::Path;

use anyhow::{Result, bail};
use serde::Serialize;
use synward_fingerprint::lint::{self, Finding};
use synward_policy::{AddressFinding, AddressList, Diagnostic, Place, Warning};

use crate::cli::LintOptions;
use crate::print_out;
use crate::signatures::{Content, Entry, Line, Signatures, read_file};

/// What is said of a line, in JSON.
#[derive(Serialize)]
struct Record<'a> {
    file: String,
    line: usize,
    column: usize,
    kind: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    /// The line that it collides with.
    other_line: Option<usize>,
}

/// Something odd in its place.
struct Located {
    kind: &'static str,
    diagnostic: Diagnostic,
    other_line: Option<usize>,
}

pub(crate) fn lint(options: &LintOptions) -> Result<()> {
    let file = options.file.as_path();
    let bytes = read_file(file)?;
    let (entries, found) = if AddressList::recognizes(&bytes) {
        let list = AddressList::read(file, &bytes);
        (list.len(), list.lint().into_iter().map(Located::from).collect())
    } else {
        let read = Signatures::read(file, bytes)?;
        (entries(&read).count(), found(file, &read))
    };
    tell(options, entries, &found)
}

fn tell(options: &LintOptions, entries: usize, found: &[Located]) -> Result<()> {
    let file = options.file.display();
    for located in found {
        print_out(&located.text(options.json)?)?;
    }
    match found.len() {
        0 if options.json => Ok(()),
        0 => print_out(&format!("{file}: nothing found in {entries} entries\n")),
        1 => bail!("{file}: 1 finding"),
        count => bail!("{file}: {count} findings"),
    }
}

/// The entries that are of SYNs, or should be.
fn entries(read: &Signatures) -> impl Iterator<Item = (&Line, &Entry)> {
    read.lines.iter().filter_map(|line| match &line.content {
        Content::Entry(entry) if !entry.of_responses => Some((line, entry.as_ref())),
        _ => None,
    })
}

/// What there is to say, in the order of the lines.
fn found(file: &Path, read: &Signatures) -> Vec<Located> {
    let written: Vec<(&Line, &Entry)> = entries(read).collect();
    let given: Vec<lint::Entry<'_>> = written.iter().map(|(line, entry)| entry_of(line, entry)).collect();
    let findings = lint::lint(&given).into_iter().filter_map(|finding| located(file, finding, &written));
    let faults = read.lines.iter().filter_map(|line| refused(file, line));
    let mut found: Vec<Located> = faults.chain(findings).collect();
    found.sort_by_key(Located::line);
    found
}

fn entry_of<'a>(line: &'a Line, entry: &'a Entry) -> lint::Entry<'a> {
    lint::Entry {
        text: line.text.get(entry.span.clone()).unwrap_or_default(),
        signature: &entry.signature,
        remark: &entry.remark,
        last_resort: entry.last_resort,
    }
}

fn refused(file: &Path, line: &Line) -> Option<Located> {
    let Content::Fault(fault) = &line.content else { return None };
    Some(Located { kind: "refused", diagnostic: line.diagnostic(file, fault), other_line: None })
}

fn located(file: &Path, finding: Finding, written: &[(&Line, &Entry)]) -> Option<Located> {
    let (line, entry) = written.get(finding.entry)?;
    let other = finding.other.and_then(|other| written.get(other)).map(|(other, _)| *other);
    let span = finding.span.start + entry.span.start..finding.span.end + entry.span.start;
    let message = match other {
        None => finding.message,
        Some(other) => {
            format!("{} (line {}: `{}`)", finding.message, other.number, other.text.trim())
        }
    };
    let diagnostic = Diagnostic::at(file, Place::in_line(line.number, &line.text, span), message);
    let diagnostic = Diagnostic { help: finding.help, ..diagnostic };
    Some(Located { kind: finding.kind.name(), diagnostic, other_line: other.map(|other| other.number) })
}

impl From<AddressFinding> for Located {
    fn from(finding: AddressFinding) -> Self {
        let AddressFinding { kind, diagnostic, other_line } = finding;
        let other_line = other_line.and_then(|line| usize::try_from(line).ok());
        Self { kind: kind.name(), diagnostic, other_line }
    }
}

impl Located {
    fn line(&self) -> usize {
        self.diagnostic.place.as_ref().map_or(0, |place| place.line)
    }

    fn text(&self, json: bool) -> Result<String> {
        if json {
            return Ok(serde_json::to_string(&self.record())? + "\n");
        }
        // A line that is refused does no harm to the others, but is no rule.
        let text = match self.kind {
            "refused" => self.diagnostic.to_string(),
            _ => Warning(self.diagnostic.clone()).to_string(),
        };
        Ok(text + "\n\n")
    }

    fn record(&self) -> Record<'_> {
        let Located { kind, diagnostic, other_line } = self;
        Record {
            file: diagnostic.file.display().to_string(),
            line: self.line(),
            column: diagnostic.place.as_ref().map_or(0, |place| place.column),
            kind,
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            other_line: *other_line,
        }
    }
}
