//! What is odd about a list of signatures, each of which can be read.
//!
//! ```
//! use synward_fingerprint::Signature;
//! use synward_fingerprint::lint::{Entry, Kind, lint};
//!
//! let lines = ["64240:2-4-8-1-3:14560:7", "*:::;df=0", "%:::;df=0"];
//! let signatures: Vec<Signature> = lines.iter().map(|line| line.parse()).collect::<Result<_, _>>()?;
//! let entries: Vec<Entry<'_>> =
//!     lines.iter().zip(&signatures).map(|(text, signature)| Entry::new(text, signature)).collect();
//!
//! let found = lint(&entries);
//! assert_eq!((found[0].kind, found[0].help.as_deref()), (Kind::Typo, Some("did you mean an MSS of 1460?")));
//! assert_eq!((found[1].kind, found[1].entry, found[1].other), (Kind::Duplicate, 2, Some(1)));
//! # Ok::<(), synward_fingerprint::SignatureError>(())
//! ```
//!
//! # What is promised
//! An entry that is said to be a duplicate or shadowed is matched by no SYN that the other does not match. Where the
//! two are in different notations, this holds for the SYNs of which [`convert`](mod@crate::convert) speaks: each notation reads
//! malformed options in its own way. What cannot be decided is not said.

mod covers;
mod doubtful;
mod labels;
mod never;
mod redundant;

use std::ops::Range;

use crate::Signature;
use crate::corpus::stock_clients;

/// One entry of a list.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The signature as it is written, to which the spans refer.
    pub text: &'a str,
    /// The same, read.
    pub signature: &'a Signature,
    /// What its author says of it: a comment or a label.
    pub remark: &'a str,
    /// Whether it is there for want of another, as the generic ones of a `p0f.fp` are: then it is meant to match
    /// what others match.
    pub last_resort: bool,
}

impl<'a> Entry<'a> {
    /// An entry that nothing is said of.
    pub fn new(text: &'a str, signature: &'a Signature) -> Entry<'a> {
        Entry { text, signature, remark: "", last_resort: false }
    }
}

/// Something odd about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The number of the entry, from 0.
    pub entry: usize,
    /// Of what kind it is.
    pub kind: Kind,
    /// The bytes of its text that are odd.
    pub span: Range<usize>,
    /// What is odd.
    pub message: String,
    /// What may have been meant, or what to do about it.
    pub help: Option<String>,
    /// The number of the entry that it collides with.
    pub other: Option<usize>,
}

/// What a [`Finding`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// No SYN matches it, or it blocks none.
    Never,
    /// It matches the same as an earlier one.
    Duplicate,
    /// Another one matches all that it matches.
    Shadowed,
    /// It looks like a slip.
    Typo,
    /// It is said to be of one scanner and is of another.
    Mislabelled,
    /// It also matches what a stock system sends.
    StockClient,
}

impl Kind {
    /// The name of the kind, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Never => "never",
            Kind::Duplicate => "duplicate",
            Kind::Shadowed => "shadowed",
            Kind::Typo => "typo",
            Kind::Mislabelled => "mislabelled",
            Kind::StockClient => "stock-client",
        }
    }
}

/// What is odd about the entries, in their order.
pub fn lint(entries: &[Entry<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let own = [never::never(entry), doubtful::doubtful(entry), labels::mislabelled(entry), stock(entry)];
        found.extend(own.into_iter().flatten().map(|odd| odd.of(number)));
    }
    found.extend(redundant::redundant(entries));
    found.sort_by_key(|finding| (finding.entry, finding.kind));
    found
}

/// What is odd about an entry by itself.
struct Odd {
    kind: Kind,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Odd {
    fn whole(kind: Kind, entry: &Entry<'_>, message: impl Into<String>) -> Odd {
        Odd { kind, span: 0..entry.text.len(), message: message.into(), help: None }
    }

    fn with_help(self, help: impl Into<String>) -> Odd {
        Odd { help: Some(help.into()), ..self }
    }

    fn of(self, entry: usize) -> Finding {
        let Odd { kind, span, message, help } = self;
        Finding { entry, kind, span, message, help, other: None }
    }
}

fn stock(entry: &Entry<'_>) -> Option<Odd> {
    let clients = stock_clients().iter().filter(|client| client.is_matched_by(entry.signature));
    let names: Vec<&str> = clients.map(|client| client.name.as_str()).collect();
    let (first, others) = names.split_first()?;
    let message = match others.len() {
        0 => format!("this also matches a stock client: {first}"),
        others if others == stock_clients().len() - 1 => "this also matches every stock client".to_owned(),
        others => format!("this also matches stock clients: {first} and {others} more"),
    };
    let help = match others {
        [] => "traits may tell them apart: `df`, `ttl`, `ipid`, `ecn`".to_owned(),
        others => format!("the others: {}", others.join("; ")),
    };
    Some(Odd::whole(Kind::StockClient, entry, message).with_help(help))
}
