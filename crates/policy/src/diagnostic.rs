//! What is wrong in a file that a person wrote: where, why, and what to type instead.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How many faults of one load are shown in full; the rest is counted.
const SHOWN: usize = 20;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: PathBuf,
    /// Where in it, when the fault has a place.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Number of the line, from 1.
    pub line: usize,
    /// Number of the character in the line where the fault starts, from 1.
    pub column: usize,
    /// The line itself.
    text: String,
    /// The bytes of the line that are at fault.
    span: Range<usize>,
}

impl Place {
    /// The place of `span`, a range of bytes in `line`, which is the line number `number` (from 1) of its file.
    pub fn in_line(number: usize, line: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(line, span.start);
        let end = floor_boundary(line, span.end).max(start);
        let column = line.get(..start).map_or(1, |before| before.chars().count() + 1);
        Self { line: number, column, text: line.to_owned(), span: start..end }
    }

    /// The place of `span`, a range of bytes in a whole text. A span over several lines is cut at the first.
    pub fn in_text(text: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        Self::in_line(number, line, start - line_start..span.end.saturating_sub(line_start).min(line.len()))
    }
}

/// The nearest boundary of a character at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The text with its control characters in words: it may quote a list, and nobody who writes one is to write to a terminal.
fn printable(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() && c != '\n' { c.escape_unicode().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

impl Diagnostic {
    /// A fault of a whole file.
    pub fn file(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, message: message.into(), help: None }
    }

    /// A fault at a place in a file.
    pub fn at(file: &Path, place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::file(file, message) }
    }

    /// The fault, with what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn render(&self, level: Level<'_>) -> String {
        let path = self.file.display().to_string();
        let mut report =
            level.primary_title(self.message.as_str()).elements(self.place.iter().map(|place| {
                let mark = AnnotationKind::Primary.span(place.span.clone());
                Snippet::source(place.text.as_str())
                    .line_start(place.line)
                    .path(path.as_str())
                    .annotation(mark)
            }));
        if self.place.is_none() {
            report = report.element(annotate_snippets::Origin::path(path.as_str()));
        }
        if let Some(help) = &self.help {
            report = report.element(Level::HELP.message(printable(help)));
        }
        Renderer::plain().render(&[report])
    }
}

/// Shows the fault as an error: the message, `file:line:column`, the line with a caret, and the help.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Level::ERROR))
    }
}

/// Shows a fault that was put right by reading it otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub Diagnostic);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.render(Level::WARNING))
    }
}

/// All faults of one load. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Diagnostic>);

impl Faults {
    /// `Err` with the faults, if there is any.
    ///
    /// # Errors
    /// The faults.
    pub fn check(faults: Vec<Diagnostic>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// The same faults, each told otherwise.
    #[must_use]
    pub fn map(self, tell: impl FnMut(Diagnostic) -> Diagnostic) -> Self {
        Self(self.0.into_iter().map(tell).collect())
    }

    /// The faults, in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }
}

impl From<Faults> for Vec<Diagnostic> {
    fn from(faults: Faults) -> Self {
        faults.0
    }
}

impl From<Diagnostic> for Faults {
    fn from(fault: Diagnostic) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.iter().take(SHOWN).enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { "\n\n" })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_file_line_and_column_and_marks_the_place() {
        let place = Place::in_text("first\n10.0.0.0/33 # too long\n", 15..17);
        assert_eq!((place.line, place.column), (2, 10));
        let fault =
            Diagnostic::at(Path::new("lists/x.txt"), place, "no such prefix length").with_help("at most 32");
        let shown = fault.to_string();
        assert!(shown.starts_with("error: no such prefix length"), "{shown}");
        assert!(shown.contains("lists/x.txt:2:10"), "{shown}");
        assert!(shown.contains("^^"), "{shown}");
        assert!(shown.contains("help: at most 32"), "{shown}");
    }

    #[test]
    fn what_a_list_holds_does_not_reach_the_terminal_as_it_is() {
        let place = Place::in_line(1, "\u{1b}[31mred", 0..5);
        let shown =
            Diagnostic::at(Path::new("x"), place, "no \u{1b}[31mred").with_help("write \u{1b}]0;red\u{7}");
        assert!(!shown.to_string().contains(['\u{1b}', '\u{7}']), "{shown:?}");
    }

    #[test]
    fn columns_count_characters_and_spans_are_kept_inside_the_line() {
        let place = Place::in_line(1, "größe x", 8..200);
        assert_eq!((place.column, place.span.clone()), (7, 8..9));
        let inside = Place::in_line(1, "ö", 1..1);
        assert_eq!(inside.span, 0..0);
    }

    #[test]
    fn a_long_list_of_faults_is_cut_and_counted() {
        let fault = Diagnostic::file(Path::new("a"), "wrong");
        let shown = Faults(vec![fault; SHOWN + 3]).to_string();
        assert_eq!(shown.matches("error: wrong").count(), SHOWN);
        assert!(shown.ends_with("and 3 more"));
    }
}
