//! Entries that match nothing that another does not match.

use std::collections::HashMap;

use super::covers::covers;
use super::{Entry, Finding, Kind};
use crate::kinds::EOL;
use crate::{Kinds, Layout, Notation, Signature};

/// What two entries must have in common, where neither has a wildcard, for one to match what the other does.
type Key = (Option<Kinds>, Option<u16>);

pub(super) fn redundant(entries: &[Entry<'_>]) -> Vec<Finding> {
    let mut by_key: HashMap<Key, Vec<usize>> = HashMap::new();
    for (number, entry) in entries.iter().enumerate() {
        by_key.entry(key(entry.signature)).or_default().push(number);
    }
    (0..entries.len()).filter_map(|number| redundancy(number, entries, &by_key)).collect()
}

fn redundancy(number: usize, entries: &[Entry<'_>], by_key: &HashMap<Key, Vec<usize>>) -> Option<Finding> {
    let entry = entries.get(number)?;
    let mut shadow = None;
    for other in candidates(key(entry.signature), by_key) {
        let Some(wide) = entries.get(other).filter(|_| other != number) else { continue };
        if !covers(wide.signature, entry.signature) || wide.last_resort != entry.last_resort {
            continue;
        }
        if !covers(entry.signature, wide.signature) {
            shadow = shadow.or(Some(other));
        } else if other < number {
            return Some(finding(Kind::Duplicate, number, other, entry));
        }
    }
    shadow.map(|other| finding(Kind::Shadowed, number, other, entry))
}

fn finding(kind: Kind, entry: usize, other: usize, written: &Entry<'_>) -> Finding {
    let (message, help) = match kind {
        Kind::Duplicate => ("this matches the same as an entry before", "leave one of them out"),
        _ => (
            "another entry matches all that this one matches",
            "leave it out, unless it is there for its name: the narrower of two is the one that is reported",
        ),
    };
    let span = 0..written.text.len();
    Finding {
        entry,
        kind,
        span,
        message: message.to_owned(),
        help: Some(help.to_owned()),
        other: Some(other),
    }
}

/// The entries with this key or a wildcard in place of a part of it, in their order.
fn candidates((kinds, window): Key, by_key: &HashMap<Key, Vec<usize>>) -> Vec<usize> {
    let mut keys = vec![(kinds, window), (kinds, None), (None, window), (None, None)];
    keys.sort_unstable_by_key(|(kinds, window)| (kinds.is_some(), window.is_some()));
    keys.dedup();
    let mut numbers: Vec<usize> = keys.iter().filter_map(|key| by_key.get(key)).flatten().copied().collect();
    numbers.sort_unstable();
    numbers
}

fn key(signature: &Signature) -> Key {
    let kinds = match &signature.notation {
        Notation::MuonFp(muonfp) => kinds(&muonfp.kinds),
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(ja4t) => kinds(&ja4t.kinds),
        Notation::P0f(p0f) => without_eol(p0f.layout.kinds()),
    };
    (kinds, signature.notation.window())
}

/// None where many layouts match.
fn kinds(layout: &Layout) -> Option<Kinds> {
    layout.exact().and_then(|kinds| without_eol(kinds.as_slice()))
}

/// Notations differ in how many EOLs they list.
fn without_eol(kinds: &[u8]) -> Option<Kinds> {
    let end = kinds.iter().rposition(|kind| *kind != EOL).map_or(0, |last| last + 1);
    kinds.get(..end).and_then(Kinds::new)
}
