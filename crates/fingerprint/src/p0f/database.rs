//! p0f's database of signatures, `p0f.fp`.

use std::fmt;
use std::sync::Arc;

use super::{Closeness, InitialTtl, OptionLayout, P0f, P0fSignature, grammar};
use crate::SignatureError;
use crate::signature::text::Piece;

/// The TCP signatures of a `p0f.fp` file, and p0f's way to choose among them.
///
/// A lookup allocates nothing and looks only at signatures with the options of the packet.
#[derive(Clone, Debug, Default)]
pub struct P0fDatabase {
    /// For SYNs.
    requests: Section,
    /// For SYN-ACKs.
    responses: Section,
}

/// A signature of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub label: Arc<Label>,
    /// What it says.
    pub signature: P0fSignature,
    /// The line that it stands on; the first is 1.
    pub line: usize,
}

/// What sends the packets of a signature, displayed as p0f names it: the name and, behind a space, the flavor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Whether this is a last resort, for want of a specific signature.
    pub generic: bool,
    /// The class of the operating system, such as `unix`; `None` for a program that brings its own TCP, such as
    /// NMap.
    pub class: Option<String>,
    /// The name of the system or the program, such as `Linux`.
    pub name: String,
    /// The version or the use, such as `3.11 and newer`.
    pub flavor: Option<String>,
}

/// What p0f takes a packet for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The signature that decided.
    pub entry: &'a Entry,
    /// Whether it matched by [`Closeness::Fuzzy`] only.
    pub fuzzy: bool,
}

impl Found<'_> {
    /// Whether the signature is a last resort.
    pub fn is_generic(&self) -> bool {
        self.entry.label.generic
    }

    /// Whether the signature allows for a random TTL.
    pub fn has_random_ttl(&self) -> bool {
        matches!(self.entry.signature.ttl, InitialTtl::UpTo(_))
    }
}

impl P0fDatabase {
    /// Whether a text is meant as a `p0f.fp` file, rather than as a list with a signature on each line: its first line that
    /// is neither empty nor a comment, in the syntax of either, is `classes = …` or a `[section]`.
    pub fn recognizes(text: &str) -> bool {
        let is_comment = |line: &str| line.is_empty() || line.starts_with([';', '#']);
        let first = text.lines().map(str::trim).find(|line| !is_comment(line)).unwrap_or_default();
        let key = first.split_once('=').map(|(key, _)| key.trim());
        first.starts_with('[') || key == Some("classes")
    }

    /// Reads the text of a `p0f.fp` file. `;` at the start of a line, blanks aside, makes it a comment; elsewhere
    /// it is a part of the line. The sections `[mtu]` and `[http:…]` are skipped.
    ///
    /// A line in error is left out and told, with its number (the first is 1) and the fault in bytes of that line,
    /// and so are the signatures of a label in error. p0f refuses the file for one such line. It also does so for a
    /// signature that an earlier one covers: here that one is read, and never found.
    pub fn parse(text: &str) -> (P0fDatabase, Vec<(usize, SignatureError)>) {
        let mut reader = Reader::default();
        let mut faults = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if let Err(fault) = reader.read_line(Piece::whole(line).trimmed(), number) {
                faults.push((number, fault));
            }
        }
        (P0fDatabase { requests: reader.requests.into(), responses: reader.responses.into() }, faults)
    }

    /// What p0f 3.09b takes the packet for. It looks for the first specific signature that matches exactly, else
    /// for the first generic one that does, else for the first that matches by [`Closeness::Fuzzy`]; if this
    /// last one is of a program rather than of a system, it gives up.
    pub fn find(&self, seen: &P0f) -> Option<Found<'_>> {
        let section = if seen.syn_ack { &self.responses } else { &self.requests };
        let (mut generic, mut fuzzy) = (None, None);
        for entry in section.with_layout(&seen.layout) {
            match entry.signature.closeness(seen) {
                Some(Closeness::Exact) if !entry.label.generic => return Some(Found { entry, fuzzy: false }),
                Some(Closeness::Exact) => generic = generic.or(Some(entry)),
                Some(Closeness::Fuzzy) => fuzzy = fuzzy.or(Some(entry)),
                None => {}
            }
        }
        let fuzzy = fuzzy.filter(|entry| entry.label.class.is_some());
        let exactly = generic.map(|entry| Found { entry, fuzzy: false });
        exactly.or(fuzzy.map(|entry| Found { entry, fuzzy: true }))
    }

    /// The signatures for SYNs, in no particular order but where their options are the same: there in that of
    /// the file.
    pub fn requests(&self) -> &[Entry] {
        &self.requests.entries
    }

    /// The signatures for SYN-ACKs, ordered as [`requests`](Self::requests).
    pub fn responses(&self) -> &[Entry] {
        &self.responses.entries
    }
}

/// The signatures for one direction, ordered by their options and then as in the file.
#[derive(Clone, Debug, Default)]
struct Section {
    entries: Box<[Entry]>,
}

impl From<Vec<Entry>> for Section {
    fn from(mut entries: Vec<Entry>) -> Section {
        entries.sort_by(|one, other| one.signature.layout.rank().cmp(&other.signature.layout.rank()));
        Section { entries: entries.into() }
    }
}

impl Section {
    fn with_layout(&self, layout: &OptionLayout) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.signature.layout.rank() < layout.rank());
        let rest = self.entries.get(start..).unwrap_or_default();
        let end = rest.partition_point(|entry| entry.signature.layout == *layout);
        rest.get(..end).unwrap_or_default()
    }
}

/// Where in the file the reader is.
#[derive(Default)]
struct Reader {
    classes: Vec<String>,
    place: Place,
    requests: Vec<Entry>,
    responses: Vec<Entry>,
    label: Labelled,
}

/// The section that the reader is in.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    Requests,
    Responses,
    /// A section without TCP signatures.
    Elsewhere,
}

/// What the signatures that follow are signatures of.
#[derive(Default)]
enum Labelled {
    #[default]
    Nothing,
    /// A program, whose `sys` line must come next.
    Program(Arc<Label>),
    Ready(Arc<Label>),
}

impl Reader {
    fn read_line(&mut self, line: Piece<'_>, number: usize) -> Result<(), SignatureError> {
        if line.text.is_empty() || line.text.starts_with(';') {
            return Ok(());
        }
        if line.text.starts_with('[') {
            return self.enter_section(line);
        }
        if self.place == Place::Elsewhere {
            return Ok(());
        }
        let Some((key, value)) = line.split_once('=') else {
            let help = "a line is a [section], a `;` comment or `key = value`";
            return Err(SignatureError::new(line.span(), "this is no line of p0f.fp", help));
        };
        let (key, value) = (key.trimmed(), value.trimmed());
        match (key.text, self.place) {
            ("classes", Place::Head) => self.read_classes(value),
            ("label", Place::Requests | Place::Responses) => return self.read_label(value),
            ("sys", Place::Requests | Place::Responses) => return self.read_systems(key),
            ("sig", Place::Requests | Place::Responses) => return self.read_signature(value, number),
            _ => return Err(misplaced(key)),
        }
        Ok(())
    }

    fn enter_section(&mut self, line: Piece<'_>) -> Result<(), SignatureError> {
        self.label = Labelled::Nothing;
        self.place = match line.text {
            "[tcp:request]" => Place::Requests,
            "[tcp:response]" => Place::Responses,
            _ => Place::Elsewhere,
        };
        match line.text {
            "[tcp:request]" | "[tcp:response]" | "[mtu]" | "[http:request]" | "[http:response]" => Ok(()),
            _ => Err(SignatureError::new(
                line.span(),
                "p0f knows no such section: it is skipped",
                "the sections with TCP signatures are [tcp:request] and [tcp:response]",
            )),
        }
    }

    fn read_classes(&mut self, value: Piece<'_>) {
        self.classes.extend(value.split(',').map(|class| class.trimmed().text.to_owned()));
    }

    fn read_label(&mut self, value: Piece<'_>) -> Result<(), SignatureError> {
        self.label = Labelled::Nothing;
        let label = Arc::new(parse_label(value, &self.classes)?);
        self.label = if label.class.is_none() { Labelled::Program(label) } else { Labelled::Ready(label) };
        Ok(())
    }

    /// Which systems a program runs on is of no use here; that it is said is a part of the form.
    fn read_systems(&mut self, key: Piece<'_>) -> Result<(), SignatureError> {
        let Labelled::Program(label) = &self.label else { return Err(misplaced(key)) };
        self.label = Labelled::Ready(Arc::clone(label));
        Ok(())
    }

    fn read_signature(&mut self, value: Piece<'_>, line: usize) -> Result<(), SignatureError> {
        let label = match &self.label {
            Labelled::Ready(label) => Arc::clone(label),
            Labelled::Program(_) => {
                let help = "a label of class `!` needs `sys = …` before its signatures";
                return Err(SignatureError::new(value.span(), "this program has no `sys` line", help));
            }
            Labelled::Nothing => {
                let help = "a valid `label = …` comes before the signatures";
                return Err(SignatureError::new(value.span(), "this signature has no label", help));
            }
        };
        let signature = grammar::read(value)?;
        let section = if self.place == Place::Requests { &mut self.requests } else { &mut self.responses };
        section.push(Entry { label, signature, line });
        Ok(())
    }
}

fn misplaced(key: Piece<'_>) -> SignatureError {
    let message = format!("`{}` has no place here", key.text.escape_debug());
    let help = "`classes` comes first; after [tcp:request] or [tcp:response] come `label`, `sys` if its class is `!`, and `sig`";
    SignatureError::new(key.span(), message, help)
}

fn parse_label(value: Piece<'_>, classes: &[String]) -> Result<Label, SignatureError> {
    const HELP: &str =
        "write s (specific) or g (generic), and then class:name:flavor, such as `s:unix:Linux:2.6.x`";
    let malformed = |piece: Piece<'_>, message: &str| SignatureError::new(piece.span(), message, HELP);
    let parts = value.split_once(':').and_then(|(kind, rest)| {
        let (class, rest) = rest.split_once(':')?;
        let (name, flavor) = rest.split_once(':')?;
        Some((kind, class, name, flavor))
    });
    let (kind, class, name, flavor) = parts.ok_or_else(|| malformed(value, "this is no label"))?;
    let generic = match kind.text {
        "g" => true,
        "s" => false,
        _ => return Err(malformed(kind, "a label is specific (s) or generic (g)")),
    };
    if class.text != "!" && !classes.iter().any(|known| known.eq_ignore_ascii_case(class.text)) {
        return Err(malformed(class, "the line `classes` does not list this class"));
    }
    if name.text.is_empty() {
        return Err(malformed(name, "the name is missing"));
    }
    Ok(Label {
        generic,
        class: (class.text != "!").then(|| class.text.to_owned()),
        name: name.text.to_owned(),
        flavor: (!flavor.text.is_empty()).then(|| flavor.text.to_owned()),
    })
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.flavor.iter().try_for_each(|flavor| write!(f, " {flavor}"))
    }
}
