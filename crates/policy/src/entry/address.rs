//! One entry of a list of addresses, read to the letter: an address, a prefix, a netmask or a range.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use super::EntryFault;
use super::addresses::{Addresses, Number, Span};
use super::meant::{meant, not_an_address};

/// The widest prefixes that a list may hold without `allow_wide`: a slip of the pen blocks no continent. A range may hold as many addresses.
pub(super) const WIDEST_V4: u32 = 8;
const WIDEST_V6: u32 = 16;

/// The addresses of an entry, the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    V4(u32, u32),
    V6(u128, u128),
}

/// A part of an entry, and the byte at which it starts.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    start: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn whole(text: &'a str) -> Self {
        Self { text, start: 0 }
    }

    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, behind) = self.text.split_once(separator)?;
        let start = self.start + before.len() + separator.len_utf8();
        Some((Self { text: before, start: self.start }, Self { text: behind, start }))
    }

    fn trim(self) -> Self {
        let text = self.text.trim_start();
        Self { start: self.start + self.text.len() - text.len(), text: text.trim_end() }
    }

    pub(super) fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn is_address(self) -> bool {
        self.text.parse::<IpAddr>().is_ok()
    }
}

/// Reads an entry, without blanks around it.
pub(super) fn read(entry: &str, allow_wide: bool, notes: &mut Vec<EntryFault>) -> Result<Block, EntryFault> {
    let mut of_entry = Vec::new();
    let block = exactly(entry, &mut of_entry).map_err(|fault| meant(entry).unwrap_or(fault))?;
    let block = if allow_wide { block } else { refuse_wide(block, entry)? };
    // Of an entry that is refused no more is said than why.
    notes.append(&mut of_entry);
    Ok(block)
}

/// Reads a network of the configuration, where nothing is put right silently: the error says what is wrong and what to write.
pub(crate) fn read_network(text: &str) -> Result<Block, String> {
    let fault = |EntryFault { message, help, .. }: EntryFault| {
        format!("\"{text}\" is no network: {message}; {}", help.unwrap_or_default())
    };
    let mut notes = Vec::new();
    if text.trim().is_empty() {
        return Err("\"\" is no network: write one, such as 192.0.2.0/24".to_owned());
    }
    let block = exactly(text.trim(), &mut notes).map_err(fault)?;
    match block {
        _ if !notes.is_empty() => Err(format!(
            "{text} has bits set behind its prefix: write {}, or the address alone if only it is meant",
            block.entry()
        )),
        Block::V4(0, u32::MAX) | Block::V6(0, u128::MAX) => {
            Err(format!("{text} is every address there is: write the networks of the LAN"))
        }
        block => Ok(block),
    }
}

/// Reads an entry, as wide as it may be.
pub(super) fn exactly(entry: &str, notes: &mut Vec<EntryFault>) -> Result<Block, EntryFault> {
    let whole = Piece::whole(entry);
    if let Some((first, last)) = ends_of_range(whole) {
        return range(first, last);
    }
    match whole.split_once('/') {
        Some((address, length)) => prefix(entry, address, length, notes),
        None => Ok(block(address(whole)?, None)),
    }
}

/// What stands before and behind the `-` of a range. Names of hosts and signatures have one, too.
fn ends_of_range(entry: Piece<'_>) -> Option<(Piece<'_>, Piece<'_>)> {
    let (first, last) = entry.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    (first.is_address() || last.is_address()).then_some((first, last))
}

fn range(first: Piece<'_>, last: Piece<'_>) -> Result<Block, EntryFault> {
    let block = match (end_of_range(first, None)?, end_of_range(last, Some(first))?) {
        (IpAddr::V4(start), IpAddr::V4(end)) => Block::V4(start.to_bits(), end.to_bits()),
        (IpAddr::V6(start), IpAddr::V6(end)) => Block::V6(start.to_bits(), end.to_bits()),
        _ => {
            let help = "write two addresses of the same version of IP";
            return Err(EntryFault::new(last.span(), "the ends of the range are of different kinds", help));
        }
    };
    let is_reversed = match block {
        Block::V4(start, end) => start > end,
        Block::V6(start, end) => start > end,
    };
    if is_reversed {
        let help = format!("write {}-{}", last.text, first.text);
        return Err(EntryFault::new(last.span(), "the range ends before it starts", help));
    }
    Ok(block)
}

/// An end of a range; behind `first` it is the last.
fn end_of_range(end: Piece<'_>, first: Option<Piece<'_>>) -> Result<IpAddr, EntryFault> {
    if end.text.contains('/') {
        let help = "write it without prefix lengths, or each prefix on a line of its own";
        return Err(EntryFault::new(end.span(), "a range runs from one address to another", help));
    }
    if let Some(whole) = first.and_then(|first| completed(first.text, end.text)) {
        let message = format!("`{}` is not an IP address", end.text);
        return Err(EntryFault::new(end.span(), message, format!("write the last address whole: {whole}")));
    }
    address(end)
}

/// The last address of a range like `192.0.2.1-9`, of which only the last number is written.
fn completed(first: &str, last: &str) -> Option<Ipv4Addr> {
    let [a, b, c, _] = first.parse::<Ipv4Addr>().ok()?.octets();
    Some(Ipv4Addr::new(a, b, c, last.parse().ok()?))
}

fn prefix(
    entry: &str,
    written: Piece<'_>,
    length: Piece<'_>,
    notes: &mut Vec<EntryFault>,
) -> Result<Block, EntryFault> {
    let parsed = written.text.parse().map_err(|_| not_an_address(written))?;
    let length = match (parsed, length.text.parse::<IpAddr>()) {
        (IpAddr::V4(_), Ok(IpAddr::V4(mask))) => netmask(mask, length)?,
        _ => prefix_length(length, parsed)?,
    };
    refuse_mapped(parsed, Some(length), Piece::whole(entry))?;
    let block = block(parsed, Some(length));
    if block.first() != parsed {
        let masked = block.entry();
        let message = format!("{entry} has bits set behind its prefix: read as {masked}");
        let help = format!("write {masked}, or the address alone if only it is meant");
        notes.push(EntryFault::new(written.span(), message, help));
    }
    Ok(block)
}

fn address(written: Piece<'_>) -> Result<IpAddr, EntryFault> {
    let parsed = written.text.parse().map_err(|_| not_an_address(written))?;
    refuse_mapped(parsed, None, written)?;
    Ok(parsed)
}

fn prefix_length(written: Piece<'_>, address: IpAddr) -> Result<u32, EntryFault> {
    let (text, width) = (written.text, if address.is_ipv4() { 32 } else { 128 });
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    let length = text.parse().ok().filter(|length| digits && *length <= width);
    let help = if text.contains([':', '.']) {
        "write the number of leading bits, like 24 or 64".to_owned()
    } else {
        format!("write a number from 0 to {width}")
    };
    length.ok_or_else(|| EntryFault::new(written.span(), format!("`{text}` is not a prefix length"), help))
}

/// The number of leading ones of a netmask.
fn netmask(mask: Ipv4Addr, written: Piece<'_>) -> Result<u32, EntryFault> {
    let bits = mask.to_bits();
    let fault = |message, help: String| Err(EntryFault::new(written.span(), message, help));
    if bits == 0 {
        let help = "write /0 for all addresses, /32 for this one".to_owned();
        return fault("a mask of 0.0.0.0 is /0 to some programs, and /32 to others", help);
    }
    if bits & bits.wrapping_add(1) == 0 && bits != u32::MAX {
        return fault("this is an inverse mask", format!("write /{}", bits.leading_zeros()));
    }
    if bits.leading_ones() != bits.count_ones() {
        let help = "write the number of leading bits, like /24 for 255.255.255.0".to_owned();
        return fault("the ones of a netmask stand in front of its zeros", help);
    }
    Ok(bits.leading_ones())
}

fn refuse_mapped(address: IpAddr, length: Option<u32>, written: Piece<'_>) -> Result<(), EntryFault> {
    let IpAddr::V6(v6) = address else { return Ok(()) };
    let Some(v4) = v6.to_ipv4_mapped() else { return Ok(()) };
    let help = match length.map(|length| length.checked_sub(96)) {
        None => format!("write {v4}"),
        Some(Some(0)) => "this is the whole of IPv4, from a list of bogons: leave it out".to_owned(),
        Some(Some(length)) => format!("write {v4}/{length}"),
        Some(None) => "write addresses and prefixes of IPv4 as such".to_owned(),
    };
    Err(EntryFault::new(written.span(), "an IPv4-mapped address never appears in a frame", help))
}

fn refuse_wide(block: Block, entry: &str) -> Result<Block, EntryFault> {
    let (is_wide, length) = match block {
        Block::V4(start, end) => (end - start > u32::MAX >> WIDEST_V4, start.prefix_to(end)),
        Block::V6(start, end) => (end - start > u128::MAX >> WIDEST_V6, start.prefix_to(end)),
    };
    if !is_wide {
        return Ok(block);
    }
    let message = match length {
        Some(length) => format!("a prefix of /{length} covers too much to be meant"),
        None => "this range covers too much to be meant".to_owned(),
    };
    let help = format!(
        "if it is, write `allow_wide = true` in the list (refused: wider than /{WIDEST_V4} for IPv4, /{WIDEST_V6} for IPv6)"
    );
    Err(EntryFault::new(0..entry.len(), message, help))
}

/// All addresses that share so many leading bits with the address; without a length, the address alone.
fn block(address: IpAddr, length: Option<u32>) -> Block {
    match address {
        IpAddr::V4(v4) => {
            let free = u32::MAX.checked_shr(length.unwrap_or(u32::BITS)).unwrap_or(0);
            Block::V4(v4.to_bits() & !free, v4.to_bits() | free)
        }
        IpAddr::V6(v6) => {
            let free = u128::MAX.checked_shr(length.unwrap_or(u128::BITS)).unwrap_or(0);
            Block::V6(v6.to_bits() & !free, v6.to_bits() | free)
        }
    }
}

impl Block {
    fn first(self) -> IpAddr {
        match self {
            Self::V4(start, _) => start.ip(),
            Self::V6(start, _) => start.ip(),
        }
    }

    /// The canonical text.
    pub(crate) fn entry(self) -> String {
        match self {
            Self::V4(start, end) => Span { start, end, line: 0 }.entry(),
            Self::V6(start, end) => Span { start, end, line: 0 }.entry(),
        }
    }

    /// Puts it among the addresses of a list.
    pub(crate) fn add_to(self, addresses: &mut Addresses, line: u32) {
        match self {
            Self::V4(start, end) => addresses.v4.push(Span { start, end, line }),
            Self::V6(start, end) => addresses.v6.push(Span { start, end, line }),
        }
    }
}
