//! The entries of lists, as read.

mod ending;
mod fingerprint;

use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::{fmt, io};

use synward_fingerprint::{P0fDatabase, without_comment};

use crate::config::{Kind, List};
use crate::diagnostic::{Diagnostic, Faults, Place, Warning};
pub use ending::Ending;
pub use fingerprint::P0fRank;
pub(crate) use fingerprint::SignatureEntry;

/// A list as read: its entries, what was odd about them, and the lines that are none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entries {
    pub(crate) content: Content,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) refused: Refused,
    pub(crate) ending: Ending,
}

/// The entries of one list. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Each prefix with its line.
    Ip(Vec<(Prefix, u32)>),
    Fingerprint(Vec<SignatureEntry>),
}

/// The lines of a list that cannot be understood, and are therefore left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Refused {
    /// How many they are.
    pub(crate) lines: usize,
    /// What is wrong with the first of them, and a count of the rest.
    pub(crate) told: Vec<Diagnostic>,
}

/// An address block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    V4 { first: u32, length: u8 },
    V6 { first: u128, length: u8 },
}

impl Prefix {
    /// Whether the address is in the block.
    pub(crate) fn covers(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4 { length, .. }, IpAddr::V4(_)) | (Self::V6 { length, .. }, IpAddr::V6(_)) => {
                mask(address, length) == self
            }
            _ => false,
        }
    }

    /// Number of leading bits that count.
    pub(crate) fn length(self) -> u8 {
        match self {
            Self::V4 { length, .. } | Self::V6 { length, .. } => length,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, width): (IpAddr, u8) = match *self {
            Self::V4 { first, .. } => (std::net::Ipv4Addr::from_bits(first).into(), 32),
            Self::V6 { first, .. } => (std::net::Ipv6Addr::from_bits(first).into(), 128),
        };
        match self.length() {
            length if length == width => write!(f, "{address}"),
            length => write!(f, "{address}/{length}"),
        }
    }
}

/// What is wrong with an entry: which bytes of it, why, and what to do.
struct EntryFault {
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl EntryFault {
    fn new(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: Some(help.into()) }
    }
}

impl Entries {
    /// Reads the file of a list.
    ///
    /// # Errors
    /// When the file cannot be read, or has lines of which none can be understood: it is hardly the file that was meant.
    pub(crate) fn load(list: &List) -> Result<Self, Faults> {
        let text = read_file(&list.file).map_err(|error| {
            Diagnostic::file(&list.file, format!("cannot read list {}: {error}", list.name))
        })?;
        let text = String::from_utf8(text).map_err(|error| not_text(&list.file, &error))?;
        Self::parse(list, &text).map(|entries| Self { ending: Ending::of(list, &text), ..entries })
    }

    fn parse(list: &List, text: &str) -> Result<Self, Faults> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader { file: &list.file, refused: Told::default(), warnings: Told::default() };
        let content = match list.kind {
            Kind::Ip => Content::Ip(reader.read(text, |entry, notes| prefix(entry, list.allow_wide, notes))),
            Kind::Fingerprint if P0fDatabase::recognizes(text) => {
                Content::Fingerprint(reader.read_p0f_database(text))
            }
            Kind::Fingerprint => Content::Fingerprint(reader.read_signatures(text, list.eol)),
        };
        reader.finish(content)
    }
}

impl Content {
    fn is_empty(&self) -> bool {
        match self {
            Self::Ip(prefixes) => prefixes.is_empty(),
            Self::Fingerprint(signatures) => signatures.is_empty(),
        }
    }
}

/// Reads a whole file. Not a pipe or a device, whose end may never come.
fn read_file(file: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    std::fs::read(file)
}

fn not_text(file: &Path, error: &std::string::FromUtf8Error) -> Diagnostic {
    let good = error.utf8_error().valid_up_to();
    let line = error.as_bytes().get(..good).unwrap_or_default().split(|byte| *byte == b'\n').count();
    Diagnostic::file(file, format!("line {line} is not UTF-8 text"))
        .with_help("a list is a text file with one entry on a line")
}

/// How many refused lines, and how many warnings, of one list are told in full; the rest is counted.
const TOLD: usize = 10;

/// Diagnostics of one list.
#[derive(Default)]
struct Told {
    first: Vec<Diagnostic>,
    count: usize,
}

impl Told {
    fn add(&mut self, diagnostic: impl FnOnce() -> Diagnostic) {
        self.count += 1;
        if self.count <= TOLD {
            self.first.push(diagnostic());
        }
    }

    /// The first, and how many more there were.
    fn into_diagnostics(mut self, file: &Path) -> Vec<Diagnostic> {
        if self.count > TOLD {
            self.first.push(Diagnostic::file(file, format!("and {} more like these", self.count - TOLD)));
        }
        self.first
    }
}

struct Reader<'a> {
    file: &'a Path,
    refused: Told,
    warnings: Told,
}

impl Reader<'_> {
    /// Reads each line that is more than a comment; `parse` is given the entry and where to note what it mends.
    fn read<T>(
        &mut self,
        text: &str,
        parse: impl Fn(&str, &mut Vec<EntryFault>) -> Result<T, EntryFault>,
    ) -> Vec<(T, u32)> {
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let entry = without_comment(line).trim();
            if entry.is_empty() {
                continue;
            }
            let mut notes = Vec::new();
            let place = |fault| locate(self.file, number, line, entry, fault);
            match parse(entry, &mut notes) {
                Ok(parsed) => entries.push((parsed, number)),
                Err(fault) => self.refused.add(|| place(fault)),
            }
            for note in notes {
                self.warnings.add(|| place(note));
            }
        }
        entries
    }

    fn finish(self, content: Content) -> Result<Entries, Faults> {
        let lines = self.refused.count;
        let told = self.refused.into_diagnostics(self.file);
        if content.is_empty() {
            Faults::check(told.clone())?;
        }
        let warnings = self.warnings.into_diagnostics(self.file).into_iter().map(Warning).collect();
        Ok(Entries { content, warnings, refused: Refused { lines, told }, ending: Ending::default() })
    }
}

fn locate(file: &Path, number: u32, line: &str, entry: &str, fault: EntryFault) -> Diagnostic {
    let offset = line.find(entry).unwrap_or_default();
    let span = fault.span.start + offset..fault.span.end + offset;
    let place = Place::in_line(number as usize, line, span);
    Diagnostic { help: fault.help, ..Diagnostic::at(file, place, fault.message) }
}

/// The widest prefixes that a list may hold without `allow_wide`: a slip of the pen blocks no continent.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 16;

fn prefix(entry: &str, allow_wide: bool, notes: &mut Vec<EntryFault>) -> Result<Prefix, EntryFault> {
    let (address, length) = match entry.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (entry, None),
    };
    let at = 0..address.len();
    let parsed: IpAddr = address.parse().map_err(|_| not_an_address(at.clone(), address))?;
    let width = if parsed.is_ipv4() { 32 } else { 128 };
    let length_at = address.len() + 1..entry.len();
    let length = length.map_or(Ok(width), |text| prefix_length(text, width, length_at.clone()))?;
    refuse_mapped(parsed, at.clone())?;
    if !allow_wide && length < if parsed.is_ipv4() { WIDEST_V4 } else { WIDEST_V6 } {
        return Err(too_wide(entry, length));
    }
    let masked = mask(parsed, length);
    if first(masked) != parsed {
        let message = format!("{entry} has bits set behind its prefix: read as {masked}");
        notes.push(EntryFault::new(
            at,
            message,
            format!("write {masked}, or the address alone if only it is meant"),
        ));
    }
    Ok(masked)
}

fn not_an_address(span: Range<usize>, text: &str) -> EntryFault {
    let help = if text.contains('-') || text.contains(' ') {
        "write one address or one prefix on a line: ranges are not read by this version"
    } else if text.contains('%') {
        "write the address without its zone"
    } else if text.split('.').any(|part| part.len() > 1 && part.starts_with('0')) {
        "write the numbers without leading zeros: some programs read them as octal"
    } else if text.contains([':', '_']) && text.contains('-') || text.ends_with(":::") {
        "this looks like a signature: it belongs into a list with kind = \"fingerprint\""
    } else {
        "write an IPv4 or IPv6 address like 192.0.2.1, or a prefix like 192.0.2.0/24 or 2001:db8::/32"
    };
    EntryFault::new(span, format!("`{text}` is not an IP address"), help)
}

fn prefix_length(text: &str, width: u8, span: Range<usize>) -> Result<u8, EntryFault> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    let length = text.parse::<u8>().ok().filter(|length| digits && *length <= width);
    let help = if text.contains('.') {
        "write the number of leading bits: 24 for 255.255.255.0".to_owned()
    } else {
        format!("write a number from 0 to {width}")
    };
    length.ok_or_else(|| EntryFault::new(span, format!("`{text}` is not a prefix length"), help))
}

fn refuse_mapped(address: IpAddr, span: Range<usize>) -> Result<(), EntryFault> {
    let IpAddr::V6(v6) = address else { return Ok(()) };
    match v6.to_ipv4_mapped() {
        None => Ok(()),
        Some(v4) => {
            let message = "an IPv4-mapped address never appears in a frame";
            Err(EntryFault::new(span, message, format!("write {v4}")))
        }
    }
}

fn too_wide(entry: &str, length: u8) -> EntryFault {
    let message = format!("a prefix of /{length} covers too much to be meant");
    let help = format!(
        "if it is, write `allow_wide = true` in the list (refused: wider than /{WIDEST_V4} for IPv4, /{WIDEST_V6} for IPv6)"
    );
    EntryFault::new(0..entry.len(), message, help)
}

fn mask(address: IpAddr, length: u8) -> Prefix {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Prefix::V4 { first: v4.to_bits() & mask, length }
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Prefix::V6 { first: v6.to_bits() & mask, length }
        }
    }
}

fn first(prefix: Prefix) -> IpAddr {
    match prefix {
        Prefix::V4 { first, .. } => std::net::Ipv4Addr::from_bits(first).into(),
        Prefix::V6 { first, .. } => std::net::Ipv6Addr::from_bits(first).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ListAction;

    fn list(kind: Kind, allow_wide: bool) -> List {
        List {
            name: "test".into(),
            kind,
            action: ListAction::Block,
            file: "lists/test.txt".into(),
            mode: None,
            direction: None,
            allow_wide,
            allow_empty: false,
            eol: None,
            p0f: None,
        }
    }

    fn prefixes(text: &str) -> Vec<(String, u32)> {
        match Entries::parse(&list(Kind::Ip, false), text).unwrap().content {
            Content::Ip(entries) => entries.into_iter().map(|(p, line)| (p.to_string(), line)).collect(),
            Content::Fingerprint(_) => panic!("not a list of addresses"),
        }
    }

    fn fault(text: &str) -> String {
        Entries::parse(&list(Kind::Ip, false), text).unwrap_err().to_string()
    }

    #[test]
    fn addresses_and_prefixes_are_read_with_comments_and_any_line_ends() {
        let text =
            "\u{feff}# header\r\n192.0.2.1\r\n\r\n  198.51.100.0/24  # office\n2001:db8::/32\n2001:db8::1";
        let expected = [("192.0.2.1", 2), ("198.51.100.0/24", 4), ("2001:db8::/32", 5), ("2001:db8::1", 6)];
        assert_eq!(prefixes(text), expected.map(|(text, line)| (text.to_owned(), line)));
    }

    #[test]
    fn host_bits_are_masked_with_a_warning() {
        let entries = Entries::parse(&list(Kind::Ip, false), "192.0.2.77/24\n").unwrap();
        assert_eq!(entries.content, Content::Ip(vec![(Prefix::V4 { first: 0xc000_0200, length: 24 }, 1)]));
        let warning = entries.warnings[0].to_string();
        assert!(warning.contains("read as 192.0.2.0/24") && warning.contains("test.txt:1:1"), "{warning}");
    }

    #[test]
    fn a_slip_of_the_pen_blocks_nobody() {
        assert!(fault("1.2.3.4/0").contains("allow_wide"));
        assert!(fault("2000::/3").contains("/3 covers too much"));
        assert!(Entries::parse(&list(Kind::Ip, true), "0.0.0.0/0\n::/0").is_ok());
        assert_eq!(prefixes("10.0.0.0/8")[0].0, "10.0.0.0/8");
    }

    #[test]
    fn each_fault_says_where_and_what_to_type() {
        for (text, place, help) in [
            ("\n 10.0.0.0/33", "test.txt:2:11", "from 0 to 32"),
            ("::1/129", "test.txt:1:5", "from 0 to 128"),
            ("10.0.0.0/08", "test.txt:1:10", "from 0 to 32"),
            ("10.0.0.0/255.0.0.0", "test.txt:1:10", "leading bits"),
            ("012.0.0.1", "test.txt:1:1", "leading zeros"),
            ("fe80::1%eth0", "test.txt:1:1", "zone"),
            ("10.0.0.1-10.0.0.9", "test.txt:1:1", "one prefix on a line"),
            ("::ffff:192.0.2.1", "test.txt:1:1", "write 192.0.2.1"),
            ("1024:::", "test.txt:1:1", "kind = \"fingerprint\""),
            ("example.org", "test.txt:1:1", "like 192.0.2.1"),
        ] {
            let shown = fault(text);
            assert!(shown.contains(place) && shown.contains(help), "{text}: {shown}");
        }
    }

    fn shown(refused: &Refused) -> Vec<String> {
        refused.told.iter().map(Diagnostic::to_string).collect()
    }

    #[test]
    fn a_bad_line_is_left_out_and_the_others_are_read() {
        let entries = Entries::parse(&list(Kind::Ip, false), "x\n192.0.2.1\n 10.0.0.0/33\n").unwrap();
        assert_eq!(entries.content, Content::Ip(vec![(Prefix::V4 { first: 0xc000_0201, length: 32 }, 2)]));
        assert_eq!(entries.refused.lines, 2);
        let shown = shown(&entries.refused);
        assert!(shown[0].contains("test.txt:1:1") && shown[1].contains("test.txt:3:11"), "{shown:?}");
    }

    #[test]
    fn a_list_of_nothing_but_bad_lines_is_refused_and_an_empty_one_is_not() {
        let faults = Entries::parse(&list(Kind::Ip, false), "# list\nx\ny\n").unwrap_err();
        assert_eq!(faults.iter().count(), 2);
        let empty = Entries::parse(&list(Kind::Ip, false), "# list\n").unwrap();
        assert_eq!(empty.refused, Refused::default());
    }

    #[test]
    fn what_a_long_list_repeats_is_counted() {
        let text = "192.0.2.7/24\n".repeat(50) + &"x\n".repeat(30);
        let entries = Entries::parse(&list(Kind::Ip, false), &text).unwrap();
        assert_eq!(entries.warnings.len(), TOLD + 1);
        assert!(entries.warnings[TOLD].to_string().contains("and 40 more"));
        assert_eq!((entries.refused.lines, entries.refused.told.len()), (30, TOLD + 1));
        assert!(shown(&entries.refused)[TOLD].contains("and 20 more"));
        assert!(fault(&"x\n".repeat(50)).contains("and 40 more"));
    }
}
