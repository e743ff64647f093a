//! What may have been meant by a line of a list of addresses that is none.

use std::net::{IpAddr, Ipv4Addr};

use synward_fingerprint::Signature;

use super::EntryFault;
use super::address::{Piece, exactly};

/// What the likely slip is, if one is known that concerns the line as a whole.
pub(super) fn meant(entry: &str) -> Option<EntryFault> {
    signature(entry)
        .or_else(|| in_brackets(entry))
        .or_else(|| with_port(entry))
        .or_else(|| second_column(entry))
        .or_else(|| with_blanks(entry))
}

fn signature(entry: &str) -> Option<EntryFault> {
    entry.parse::<Signature>().ok()?;
    let message = format!("`{entry}` is a signature, and no IP address");
    Some(EntryFault::new(0..entry.len(), message, "it belongs into a list with kind = \"fingerprint\""))
}

/// `[2001:db8::1]`, with a port or without.
fn in_brackets(entry: &str) -> Option<EntryFault> {
    let inner = entry.strip_prefix('[')?.split(']').next()?;
    let message = format!("`{entry}` is not an IP address");
    Some(EntryFault::new(0..entry.len(), message, format!("write it without brackets and port: {inner}")))
}

/// `192.0.2.1:80`: a port is nothing that a list of addresses knows.
fn with_port(entry: &str) -> Option<EntryFault> {
    let (address, port) = entry.split_once(':')?;
    address.parse::<Ipv4Addr>().ok()?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let help = format!("write the address without its port: {address}");
    is_port.then(|| EntryFault::new(address.len()..entry.len(), "an entry has no port", help))
}

/// A table with columns, or several entries on a line.
fn second_column(entry: &str) -> Option<EntryFault> {
    let at = entry.find([',', ';', '|', '\t'])?;
    let (first, rest) = entry.split_at_checked(at)?;
    Some(more_than_one(
        first.trim_end(),
        rest.trim_start_matches([',', ';', '|', '\t', ' ']),
        at..entry.len(),
    ))
}

/// Blanks within an entry, or something behind it.
fn with_blanks(entry: &str) -> Option<EntryFault> {
    let at = entry.find(char::is_whitespace)?;
    let joined: String = entry.split_whitespace().collect();
    if is_entry(&joined) {
        let message = format!("`{entry}` has blanks in it");
        return Some(EntryFault::new(at..entry.len(), message, format!("write {joined}")));
    }
    let (first, rest) = entry.split_at_checked(at)?;
    let rest = rest.trim_start();
    let is_column = is_entry(first) && !rest.starts_with('-');
    is_column.then(|| more_than_one(first, rest, entry.len() - rest.len()..entry.len()))
}

fn more_than_one(first: &str, rest: &str, span: std::ops::Range<usize>) -> EntryFault {
    let help = match rest {
        rest if is_entry(rest) => format!("write {first} and {rest} on lines of their own"),
        "" => format!("write {first}"),
        rest => format!("write it behind a comment sign: {first} # {rest}"),
    };
    EntryFault::new(span, "there is more on the line than one entry", help)
}

fn is_entry(text: &str) -> bool {
    exactly(text, &mut Vec::new()).is_ok()
}

/// The fault of a text that should be an address.
pub(super) fn not_an_address(written: Piece<'_>) -> EntryFault {
    let text = written.text;
    EntryFault::new(written.span(), format!("`{text}` is not an IP address"), what_to_write(text))
}

fn what_to_write(text: &str) -> String {
    if let Some(prefix) = starred(text) {
        return format!("write {prefix}");
    }
    let numbers = || text.split(['.', '-']);
    if text.contains('%') {
        "write the address without its zone"
    } else if text.contains([':', '_']) && text.contains('-') || text.ends_with(":::") {
        "if this is meant as a signature: it belongs into a list with kind = \"fingerprint\""
    } else if numbers().any(|part| part.len() > 1 && part.starts_with('0')) {
        "write the numbers without leading zeros: some programs read them as octal"
    } else if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        "write four numbers from 0 to 255, like 192.0.2.1"
    } else if text.contains(|c: char| c.is_ascii_alphabetic()) && !is_like_ipv6(text) {
        "names are not looked up: write the addresses that it has, like 192.0.2.1"
    } else {
        "write an IPv4 or IPv6 address like 192.0.2.1, or a prefix like 192.0.2.0/24 or 2001:db8::/32"
    }
    .to_owned()
}

/// Whether it is made of what IPv6 addresses are made of.
fn is_like_ipv6(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) && text.contains(':')
}

/// The prefix that `192.0.2.*` stands for.
fn starred(text: &str) -> Option<String> {
    let fixed: Vec<&str> = text.split('.').take_while(|part| *part != "*").collect();
    let stars = text.split('.').skip(fixed.len());
    let is_starred = !fixed.is_empty() && text.ends_with('*') && stars.clone().all(|part| part == "*");
    let zeros = std::iter::repeat_n("0", 4_usize.checked_sub(fixed.len())?);
    let first: Vec<&str> = fixed.iter().copied().chain(zeros).collect();
    let first: IpAddr = first.join(".").parse().ok()?;
    is_starred.then(|| format!("{first}/{}", 8 * fixed.len()))
}
