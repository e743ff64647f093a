//! The entries of lists of signatures: one on a line, or a whole `p0f.fp`.

use synward_fingerprint::p0f::Entry;
use synward_fingerprint::{Direction, Notation, P0fDatabase, Signature, SignatureError, Traits};

use super::{EntryFault, Reader};
use crate::config::Eol;
use crate::diagnostic::{Diagnostic, Place};

/// A signature of a list, as read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SignatureEntry {
    pub(crate) signature: Signature,
    /// Number of its line, from 1.
    pub(crate) line: u32,
    /// What its label in `p0f.fp` says. A signature of any other list is specific, and of a system.
    pub(crate) rank: P0fRank,
}

/// What the label of a signature in `p0f.fp` says of its rank among those that match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct P0fRank {
    /// Whether it is a last resort (`g:`), for want of a specific signature.
    pub generic: bool,
    /// Whether it is of a program (class `!`) rather than of a system.
    pub program: bool,
}

impl Reader<'_> {
    /// Reads a list with a signature on each line.
    pub(super) fn read_signatures(&mut self, text: &str, eol: Option<Eol>) -> Vec<SignatureEntry> {
        let read = self.read(text, |entry, notes| signature(entry, eol, notes));
        let entry = |(signature, line)| SignatureEntry { signature, line, rank: P0fRank::default() };
        read.into_iter().map(entry).collect()
    }

    /// Reads a `p0f.fp`. Its signatures of SYN-ACKs are many, and told of together.
    pub(super) fn read_p0f_database(&mut self, text: &str) -> Vec<SignatureEntry> {
        let (database, faults) = P0fDatabase::parse(text);
        for (number, fault) in faults {
            self.refused.add(|| locate(self.file, text, number, fault));
        }
        if !database.responses().is_empty() {
            self.warnings.add(|| syn_acks_never_block(self.file, database.responses().len()));
        }
        let requests = database.requests().iter().map(|entry| labelled(entry, Direction::Syn));
        let responses = database.responses().iter().map(|entry| labelled(entry, Direction::SynAck));
        let mut entries: Vec<SignatureEntry> = requests.chain(responses).collect();
        entries.sort_by_key(|entry| entry.line);
        entries
    }
}

fn signature(entry: &str, eol: Option<Eol>, notes: &mut Vec<EntryFault>) -> Result<Signature, EntryFault> {
    let signature: Signature = entry.parse().map_err(EntryFault::from)?;
    if signature.traits.direction == Direction::SynAck {
        let message = "a signature of a SYN-ACK never blocks: only SYNs are judged";
        notes.push(EntryFault::new(0..entry.len(), message, "leave `dir=SA` off if a SYN is meant"));
    }
    Ok(if eol == Some(Eol::Ignore) { signature.ignoring_eol() } else { signature })
}

impl From<SignatureError> for EntryFault {
    fn from(error: SignatureError) -> Self {
        Self { span: error.span, message: error.message, help: error.help }
    }
}

/// An entry of a `p0f.fp` as a signature that is named as its label is.
fn labelled(entry: &Entry, direction: Direction) -> SignatureEntry {
    let name = Some(entry.label.to_string().into());
    SignatureEntry {
        signature: Signature {
            notation: Notation::P0f(entry.signature),
            traits: Traits { direction, name, ..Traits::default() },
        },
        line: u32::try_from(entry.line).unwrap_or(u32::MAX),
        rank: P0fRank { generic: entry.label.generic, program: entry.label.class.is_none() },
    }
}

fn locate(file: &std::path::Path, text: &str, number: usize, fault: SignatureError) -> Diagnostic {
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let located = Diagnostic::at(file, Place::in_line(number, line, fault.span), fault.message);
    Diagnostic { help: fault.help, ..located }
}

fn syn_acks_never_block(file: &std::path::Path, count: usize) -> Diagnostic {
    let message = format!("the {count} signatures of SYN-ACKs never block: only SYNs are judged");
    Diagnostic::file(file, message).with_help("those of [tcp:request] are in force")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Kind, List, ListAction};
    use crate::entry::{Content, Entries};

    fn list() -> List {
        List {
            name: "test".into(),
            kind: Kind::Fingerprint,
            action: ListAction::Block,
            file: "lists/test.txt".into(),
            mode: None,
            direction: None,
            allow_wide: false,
            max_entries: None,
            allow_empty: false,
            eol: None,
            p0f: None,
        }
    }

    fn parse(text: &str) -> Entries {
        Entries::parse(&list(), text.as_bytes()).unwrap()
    }

    fn signatures(entries: &Entries) -> &[SignatureEntry] {
        match &entries.content {
            Content::Fingerprint(signatures) => signatures,
            Content::Ip(_) => panic!("not a list of signatures"),
        }
    }

    /// The signatures as text, each with its line.
    fn texts(entries: &Entries) -> Vec<(u32, String)> {
        signatures(entries).iter().map(|entry| (entry.line, entry.signature.to_string())).collect()
    }

    fn told(entries: &Entries) -> Vec<String> {
        entries.refused.told.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn signatures_are_read_with_their_lines_and_bad_ones_left_out() {
        let entries = parse("# masscan\n1024:::\n  99999:::\n4:64:0:0:1024,0:::0\n1025:::;dff=0\n");
        let expected = [(2, "1024:::"), (4, "4:64:0:0:1024,0:::0")];
        assert_eq!(texts(&entries), expected.map(|(line, text)| (line, text.to_owned())));
        assert!(signatures(&entries).iter().all(|entry| entry.rank == P0fRank::default()));
        let told = told(&entries);
        assert_eq!((entries.refused.lines, told.len()), (2, 2));
        assert!(told[0].contains("test.txt:3:3") && told[1].contains("test.txt:5:9"), "{told:?}");
    }

    #[test]
    fn a_comment_sign_in_a_quoted_name_starts_no_comment() {
        let entries = parse("1024:::;name=\"scanner #1\" # seen in May\n");
        assert_eq!(texts(&entries), [(1, "1024:::;name=\"scanner #1\"".to_owned())]);
    }

    #[test]
    fn a_signature_of_a_syn_ack_is_read_with_a_warning() {
        let entries = parse("1024:::\n1024:::;dir=SA\n");
        assert_eq!((texts(&entries).len(), entries.refused.lines, entries.warnings.len()), (2, 0, 1));
        let warning = entries.warnings[0].to_string();
        assert!(warning.contains("test.txt:2:1") && warning.contains("never blocks"), "{warning}");
    }

    #[test]
    fn eols_are_ignored_where_the_list_says_so() {
        let eol = List { eol: Some(Eol::Ignore), ..list() };
        let entries = Entries::parse(&eol, b"65535:2-4-0:1460:\n").unwrap();
        let expected = "65535:2-4-0:1460:".parse::<Signature>().unwrap().ignoring_eol();
        assert_eq!(signatures(&entries)[0].signature, expected);
    }

    /// A `p0f.fp` with a fault of each kind, whose `#` is in a label.
    const DATABASE: &str = "\
; a comment
classes = unix,other

[mtu]
label = Ethernet
sig = 1500

[tcp:request]
label = s:unix:Linux:3.11 # and newer
sig = *:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,id+:0
sig = *:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,idd+:0
label = g:unix:Linux:
sig = *:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+:0
label = s:!:NMap:SYN scan
sys = @unix,@win
sig = *:64-:0:1460:1024,0:mss::0
label = s:vms:VMS:7
sig = *:64-:0:1460:512,0:mss::0

[tcp:response]
label = s:unix:Linux:3.x
sig = *:64:0:*:mss*10,0:mss:df:0

[http:request]
label = s:!:wget:
sig = *:Host:Foo
";

    #[test]
    fn a_whole_p0f_fp_is_read_with_labels_for_names_and_its_own_comments() {
        let entries = parse(DATABASE);
        let expected = [
            (10, "*:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,id+:0;name=\"Linux 3.11 # and newer\""),
            (13, "*:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+:0;name=\"Linux\""),
            (16, "*:64-:0:1460:1024,0:mss::0;name=\"NMap SYN scan\""),
            (22, "*:64:0:*:mss*10,0:mss:df:0;dir=SA;name=\"Linux 3.x\""),
        ];
        assert_eq!(texts(&entries), expected.map(|(line, text)| (line, text.to_owned())));
        let ranks: Vec<_> = signatures(&entries).iter().map(|e| (e.rank.generic, e.rank.program)).collect();
        assert_eq!(ranks, [(false, false), (true, false), (false, true), (false, false)]);
    }

    #[test]
    fn bad_lines_of_a_p0f_fp_are_refused_with_their_places_and_its_syn_acks_told_of_once() {
        let entries = parse(DATABASE);
        let told = told(&entries);
        assert_eq!(entries.refused.lines, 3);
        for (fault, place) in told.iter().zip(["test.txt:11:", "test.txt:17:11", "test.txt:18:7"]) {
            assert!(fault.contains(place), "{fault}");
        }
        let warnings: Vec<String> = entries.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("the 1 signatures of SYN-ACKs never block"), "{warnings:?}");
    }

    #[test]
    fn only_what_looks_like_a_p0f_fp_is_read_as_one() {
        let whole = "[tcp:request]\nlabel = s:!:NMap:\nsys = *\nsig = *:64-:0:1460:1024,0:mss::0\n";
        assert_eq!(texts(&parse(whole)).len(), 1);
        // p0f itself would refuse the first line: here it is one refused line, and no hundred.
        let noted = parse(&format!("\u{feff}# from Debian\n{whole}"));
        assert_eq!((texts(&noted).len(), noted.refused.lines), (1, 1));
        let plain = parse("; no comment here\n1024:::\n[tcp:request]\n");
        assert_eq!((texts(&plain).len(), plain.refused.lines), (1, 2));
    }

    /// Debian's package `p0f` must be installed: it brings the real one.
    #[test]
    fn the_p0f_fp_of_debian_is_read_whole() {
        let text = std::fs::read_to_string("/etc/p0f/p0f.fp").expect("p0f's database: apt-get install p0f");
        let entries = parse(&text);
        assert!(told(&entries).is_empty(), "{:?}", told(&entries));
        // Every `sig` of the two sections for TCP, counted by hand.
        let (mut in_tcp, mut expected) = (false, Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            match line.trim() {
                section if section.starts_with('[') => in_tcp = section.starts_with("[tcp:"),
                sig if in_tcp && sig.starts_with("sig") => expected.push(number),
                _ => {}
            }
        }
        let lines: Vec<u32> = texts(&entries).iter().map(|(line, _)| *line).collect();
        assert!(lines.len() > 100 && lines == expected, "{lines:?}");
        let nmap = texts(&entries).into_iter().find(|(_, text)| text.contains("NMap SYN scan")).unwrap();
        assert_eq!(nmap.1, "*:64-:0:1460:1024,0:mss::0;name=\"NMap SYN scan\"");
        for (line, text) in texts(&entries) {
            assert_eq!(text.parse::<Signature>().unwrap().to_string(), text, "line {line}");
        }
    }
}
