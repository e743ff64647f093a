//! Entries that are said to be of one scanner and are of another.

use super::{Entry, Kind, Odd};
use crate::Signature;
use crate::lint::covers::covers;

/// What the well-known scanners send. masscan has no options up to 1.3.2 and an MSS since; zmap imitates others since 4.
const SCANNERS: [(&str, &[&str]); 4] = [
    ("masscan", &["1024:::", "1025:2:1460:"]),
    ("zmap", &["65535:::", "65535:2-1-3-1-1-4:1460:8", "65535:2:1460:"]),
    ("nmap", &["1024:2:1460:", "2048:2:1460:", "3072:2:1460:", "4096:2:1460:"]),
    ("hping", &["512:::"]),
];

pub(super) fn mislabelled(entry: &Entry<'_>) -> Option<Odd> {
    let name = entry.signature.traits.name.as_deref().unwrap_or_default();
    let said = format!("{} {name}", entry.remark).to_lowercase();
    let sends = |signatures: &[&str]| signatures.iter().any(|known| is_of(entry.signature, known));
    let mut named = SCANNERS.iter().filter(|(scanner, _)| said.contains(scanner)).peekable();
    let (claimed, _) = named.peek()?;
    if named.clone().any(|(_, signatures)| sends(signatures)) {
        return None;
    }
    let (scanner, _) = SCANNERS.iter().find(|(_, signatures)| sends(signatures))?;
    let message = format!("this is said to be of {claimed}, and is what {scanner} sends");
    Some(Odd::whole(Kind::Mislabelled, entry, message))
}

/// Whether the signature matches only what the scanner sends.
fn is_of(signature: &Signature, known: &str) -> bool {
    known.parse().is_ok_and(|known| covers(&known, signature))
}
