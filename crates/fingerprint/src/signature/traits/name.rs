//! The trait `name`, and the quotes of its value.

use std::sync::Arc;

use crate::signature::SignatureError;
use crate::signature::text::Piece;

/// Follows a text from its start on and tells what lies between double quotes.
#[derive(Default)]
pub(super) struct Quotes {
    inside: bool,
    escaped: bool,
}

impl Quotes {
    /// Whether the next character stands outside of quotes.
    pub(super) fn is_outside(&mut self, next: char) -> bool {
        let outside = !self.inside;
        match next {
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = self.inside,
            '"' => self.inside = !self.inside,
            _ => {}
        }
        outside
    }
}

/// A line of a list without its comment, which starts at the first `#` that is not in a quoted name.
///
/// ```
/// use synward_fingerprint::without_comment;
///
/// assert_eq!(without_comment("1024:::;name=\"scanner #1\" # seen in May"), "1024:::;name=\"scanner #1\" ");
/// ```
pub fn without_comment(line: &str) -> &str {
    if !line.contains('#') {
        // Nearly every line of a long list.
        return line;
    }
    let mut quotes = Quotes::default();
    line.find(|c| quotes.is_outside(c) && c == '#').and_then(|end| line.get(..end)).unwrap_or(line)
}

/// A name between quotes, or one that needs none.
pub(super) fn read(piece: Piece<'_>) -> Result<Arc<str>, SignatureError> {
    let name = match piece.text.strip_prefix('"') {
        None => bare(piece)?.to_owned(),
        Some(_) => unquote(piece)?,
    };
    if name.trim().is_empty() {
        return Err(SignatureError::new(
            piece.span(),
            "the name is empty",
            "write a name, or leave the trait off",
        ));
    }
    Ok(name.into())
}

fn bare(piece: Piece<'_>) -> Result<&str, SignatureError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match piece.text.char_indices().find(|(_, c)| !is_plain(*c)) {
        None => Ok(piece.text),
        Some((at, found)) => Err(SignatureError::new(
            at_char(piece, at, found),
            format!("unexpected `{}` in a name without quotes", found.escape_debug()),
            "put the name between double quotes, as in name=\"zmap 4\"",
        )),
    }
}

/// What stands between the quotes, which are the first and the last character.
fn unquote(piece: Piece<'_>) -> Result<String, SignatureError> {
    let mut name = String::new();
    let mut chars = piece.text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match (c, c.is_control()) {
            ('"', _) => return nothing_behind(piece, at + 1).map(|()| name),
            ('\\', _) => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => name.push(escaped),
                _ => return Err(bad_escape(piece, at)),
            },
            (_, true) => return Err(control(piece, at, c)),
            _ => name.push(c),
        }
    }
    Err(SignatureError::new(piece.span(), "the quoted name has no end", "close it with `\"`"))
}

fn nothing_behind(piece: Piece<'_>, end: usize) -> Result<(), SignatureError> {
    if end == piece.text.len() {
        return Ok(());
    }
    let span = piece.span().start + end..piece.span().end;
    let message = "unexpected text behind the closing quote";
    Err(SignatureError::new(
        span,
        message,
        "write `;` before the next trait, and `\\\"` for a quote in the name",
    ))
}

fn bad_escape(piece: Piece<'_>, at: usize) -> SignatureError {
    let message = "`\\` stands before a quote or another `\\` only";
    SignatureError::new(at_char(piece, at, '\\'), message, "write `\\\\` for a backslash")
}

fn control(piece: Piece<'_>, at: usize, found: char) -> SignatureError {
    let message = format!("unexpected `{}` in the name", found.escape_debug());
    SignatureError::new(at_char(piece, at, found), message, "a name is one line of plain text")
}

fn at_char(piece: Piece<'_>, at: usize, c: char) -> std::ops::Range<usize> {
    let start = piece.span().start + at;
    start..start + c.len_utf8()
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
