use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::address::{Block, read};
use super::addresses::Number;
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
        max_entries: None,
        allow_empty: false,
        eol: None,
        p0f: None,
    }
}

fn prefixes(text: &str) -> Vec<(String, u32)> {
    match Entries::parse(&list(Kind::Ip, false), text.as_bytes()).unwrap().content {
        Content::Ip(Addresses { v4, v6 }) => {
            let v4 = v4.iter().map(|span| (span.entry(), span.line));
            v4.chain(v6.iter().map(|span| (span.entry(), span.line))).collect()
        }
        Content::Fingerprint(_) => panic!("not a list of addresses"),
    }
}

fn v4(start: u32, end: u32, line: u32) -> Content {
    Content::Ip(Addresses { v4: vec![Span { start, end, line }], v6: Vec::new() })
}

fn fault(text: &str) -> String {
    Entries::parse(&list(Kind::Ip, false), text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn addresses_and_prefixes_are_read_with_comments_and_any_line_ends() {
    let text = "\u{feff}# header\r\n192.0.2.1\r\n\r\n  198.51.100.0/24  # office\n2001:db8::/32\n2001:db8::1";
    let expected = [("192.0.2.1", 2), ("198.51.100.0/24", 4), ("2001:db8::/32", 5), ("2001:db8::1", 6)];
    assert_eq!(prefixes(text), expected.map(|(text, line)| (text.to_owned(), line)));
}

#[test]
fn host_bits_are_masked_with_a_warning() {
    let entries = Entries::parse(&list(Kind::Ip, false), b"192.0.2.77/24\n").unwrap();
    assert_eq!(entries.content, v4(0xc000_0200, 0xc000_02ff, 1));
    let warning = entries.warnings[0].to_string();
    assert!(warning.contains("read as 192.0.2.0/24") && warning.contains("test.txt:1:1"), "{warning}");
}

#[test]
fn a_slip_of_the_pen_blocks_nobody() {
    assert!(fault("1.2.3.4/0").contains("allow_wide"));
    let entries = Entries::parse(&list(Kind::Ip, false), b"1.2.3.4/0\n192.0.2.1").unwrap();
    assert_eq!((entries.refused.lines, entries.warnings.len()), (1, 0), "no advice to write 0.0.0.0/0");
    assert!(fault("2000::/3").contains("/3 covers too much"));
    assert!(Entries::parse(&list(Kind::Ip, true), b"0.0.0.0/0\n::/0").is_ok());
    assert_eq!(prefixes("10.0.0.0/8")[0].0, "10.0.0.0/8");
}

#[test]
fn ranges_and_netmasks_are_read() {
    let text = "192.0.2.1-192.0.2.9\n192.0.2.0 -  192.0.2.255\n198.51.100.0/255.255.255.0\n10.0.0.1/255.255.255.255\n\
        2001:db8::1-2001:db8::ff # both ends\n2001:DB8:0::0 - 2001:db8::0\n";
    let expected = [
        ("10.0.0.1", 4),
        ("192.0.2.0/24", 2),
        ("192.0.2.1-192.0.2.9", 1),
        ("198.51.100.0/24", 3),
        ("2001:db8::", 6),
        ("2001:db8::1-2001:db8::ff", 5),
    ];
    assert_eq!(prefixes(text), expected.map(|(text, line)| (text.to_owned(), line)));
}

#[test]
fn a_range_may_be_as_wide_as_a_prefix() {
    assert_eq!(prefixes("10.0.0.0-10.255.255.255\n")[0].0, "10.0.0.0/8");
    assert!(fault("10.0.0.0-11.0.0.0").contains("this range covers too much"));
    assert!(fault("2001::-2003::").contains("this range covers too much"));
    assert!(fault("10.0.0.0/254.0.0.0").contains("/7 covers too much"));
    assert!(Entries::parse(&list(Kind::Ip, true), b"0.0.0.0-255.255.255.254\n::-ffff::").is_ok());
}

/// Each line that is no entry: where its fault is, and what the help says.
const FAULTS: &[(&str, &str, &str)] = &[
    ("\n 10.0.0.0/33", "test.txt:2:11", "from 0 to 32"),
    ("::1/129", "test.txt:1:5", "from 0 to 128"),
    ("10.0.0.0/08", "test.txt:1:10", "from 0 to 32"),
    ("10.0.0.0/", "test.txt:1:10", "from 0 to 32"),
    ("10.0.0.0/-8", "test.txt:1:10", "from 0 to 32"),
    ("10.0.0.0/0.0.0.255", "test.txt:1:10", "write /24"),
    ("10.0.0.0/255.0.255.0", "test.txt:1:10", "like /24 for 255.255.255.0"),
    ("10.0.0.0/0.0.0.0", "test.txt:1:10", "/32 for this one"),
    ("10.0.0.0/255.0.0", "test.txt:1:10", "leading bits"),
    ("2001:db8::/ffff:ffff::", "test.txt:1:12", "leading bits"),
    ("012.0.0.1", "test.txt:1:1", "leading zeros"),
    ("1.02.3.4-1.2.3.5", "test.txt:1:1", "leading zeros"),
    ("fe80::1%eth0", "test.txt:1:1", "zone"),
    ("::ffff:192.0.2.1", "test.txt:1:1", "write 192.0.2.1"),
    ("::ffff:0:0/96", "test.txt:1:1", "leave it out"),
    ("::ffff:192.0.2.0/120", "test.txt:1:1", "write 192.0.2.0/24"),
    ("::1 - ::ffff:192.0.2.1", "test.txt:1:7", "write 192.0.2.1"),
    ("192.0.2.9-192.0.2.1", "test.txt:1:11", "write 192.0.2.1-192.0.2.9"),
    ("192.0.2.1 - 2001:db8::", "test.txt:1:13", "same version"),
    ("192.0.2.1-9", "test.txt:1:11", "write the last address whole: 192.0.2.9"),
    ("192.0.2.0/24-192.0.2.9", "test.txt:1:1", "without prefix lengths"),
    ("192.0.2.1-192.0.2.9/24", "test.txt:1:11", "without prefix lengths"),
    ("192.0.2.1:80", "test.txt:1:10", "without its port: 192.0.2.1"),
    ("[2001:db8::1]:80", "test.txt:1:1", "without brackets and port: 2001:db8::1"),
    ("192.0.2.0 /24", "test.txt:1:10", "write 192.0.2.0/24"),
    ("192.0.2.0/ 255.255.255.0", "test.txt:1:11", "write 192.0.2.0/255.255.255.0"),
    ("192.0.2.1 192.0.2.2", "test.txt:1:11", "192.0.2.2 on lines of their own"),
    ("192.0.2.1\tscanner", "test.txt:1:10", "192.0.2.1 # scanner"),
    ("192.0.2.1, 192.0.2.2", "test.txt:1:10", "192.0.2.2 on lines of their own"),
    ("192.0.2.0/24 ; SBL1", "test.txt:1:14", "192.0.2.0/24 # SBL1"),
    ("192.0.2.1,", "test.txt:1:10", "write 192.0.2.1\n"),
    ("192.0.2.*", "test.txt:1:1", "write 192.0.2.0/24"),
    ("192.0.2", "test.txt:1:1", "four numbers"),
    ("192.0.2.256", "test.txt:1:1", "four numbers"),
    ("1024:::", "test.txt:1:1", "kind = \"fingerprint\""),
    ("64240:2-4-8-1-3:1460", "test.txt:1:1", "kind = \"fingerprint\""),
    ("example.org", "test.txt:1:1", "names are not looked up"),
    ("my-host.example.org", "test.txt:1:1", "names are not looked up"),
    ("2001:db8::g", "test.txt:1:1", "names are not looked up"),
    ("2001:db8:::1", "test.txt:1:1", "like 192.0.2.1"),
];

#[test]
fn each_fault_says_where_and_what_to_type() {
    for (text, place, help) in FAULTS {
        let shown = fault(text) + "\n";
        assert!(shown.contains(&format!("{place}\n")) && shown.contains(help), "{text}: {shown}");
    }
}

#[test]
fn only_what_is_shown_need_be_text() {
    let parse = |text: &[u8]| Entries::parse(&list(Kind::Ip, false), text);
    let latin = parse(b"192.0.2.1 # K\xf6ln\n\xff\xfe1\n").unwrap();
    assert_eq!(latin.content, v4(0xc000_0201, 0xc000_0201, 1));
    let shown = shown(&latin.refused);
    assert!(shown[0].contains("not UTF-8 text") && shown[0].contains("test.txt:2:1"), "{shown:?}");
    let long = parse(&[b'1'; 100_000]).unwrap_err().to_string();
    assert!(long.contains("100000 bytes are no IP address") && long.len() < 4000, "{long}");
}

#[test]
fn a_list_over_its_limit_is_refused_whole() {
    let limited = List { max_entries: NonZeroUsize::new(2), ..list(Kind::Ip, false) };
    let shown = Entries::parse(&limited, b"192.0.2.1\n::1\n# third:\n192.0.2.3\n").unwrap_err().to_string();
    assert!(shown.contains("list test has 3 entries, and may have 2"), "{shown}");
    assert!(shown.contains("write `max_entries = 3`"), "{shown}");
    assert!(Entries::parse(&limited, b"192.0.2.1\n::1\n").is_ok());
    let signatures = List { kind: Kind::Fingerprint, ..limited };
    assert!(
        Entries::parse(&signatures, b"1:::\n2:::\n3:::\n").unwrap_err().to_string().contains("has 3 entries")
    );
}

#[test]
fn lists_without_a_limit_share_one() {
    let own = List { max_entries: NonZeroUsize::new(1), ..list(Kind::Ip, false) };
    let (first, second) = (list(Kind::Ip, false), List { name: "second".into(), ..list(Kind::Ip, false) });
    let most = List::MAX_ENTRIES;
    let check = |counts: [usize; 3]| check_total([&first, &own, &second].into_iter().zip(counts));
    assert!(check([most - 5, 1_000_000, 5]).is_ok());
    let shown = check([most - 5, 1, 6]).unwrap_err().to_string();
    assert!(shown.contains("list second") && shown.contains("10000001"), "{shown}");
    assert!(shown.contains("write `max_entries = 6` in list second"), "{shown}");
}

fn shown(refused: &Refused) -> Vec<String> {
    refused.told.iter().map(Diagnostic::to_string).collect()
}

#[test]
fn a_bad_line_is_left_out_and_the_others_are_read() {
    let entries = Entries::parse(&list(Kind::Ip, false), b"x\n192.0.2.1\n 10.0.0.0/33\n").unwrap();
    assert_eq!(entries.content, v4(0xc000_0201, 0xc000_0201, 2));
    assert_eq!(entries.refused.lines, 2);
    let shown = shown(&entries.refused);
    assert!(shown[0].contains("test.txt:1:1") && shown[1].contains("test.txt:3:11"), "{shown:?}");
}

#[test]
fn a_list_of_nothing_but_bad_lines_is_refused_and_an_empty_one_is_not() {
    let faults = Entries::parse(&list(Kind::Ip, false), b"# list\nx\ny\n").unwrap_err();
    assert_eq!(faults.iter().count(), 2);
    let empty = Entries::parse(&list(Kind::Ip, false), b"# list\n").unwrap();
    assert_eq!(empty.refused, Refused::default());
}

#[test]
fn what_a_long_list_repeats_is_counted() {
    let text = "192.0.2.7/24\n".repeat(50) + &"x\n".repeat(30);
    let entries = Entries::parse(&list(Kind::Ip, false), text.as_bytes()).unwrap();
    assert_eq!(entries.warnings.len(), TOLD + 1);
    assert!(entries.warnings[TOLD].to_string().contains("and 40 more"));
    assert_eq!((entries.refused.lines, entries.refused.told.len()), (30, TOLD + 1));
    assert!(shown(&entries.refused)[TOLD].contains("and 20 more"));
    assert!(fault(&"x\n".repeat(50)).contains("and 40 more"));
}

/// A line of a long list, or something near one.
fn line() -> impl Strategy<Value = String> {
    let number = || prop_oneof![4 => (0_u32..300).prop_map(|number| number.to_string()), 1 => "[0-9]{0,4}"];
    let quad = [number(), number(), number(), number()].prop_map(|numbers| numbers.join("."));
    let end = prop_oneof![4 => Just(String::new()), 4 => (0_u32..40).prop_map(|length| format!("/{length}")), 1 => "[/0-9. #\r-]{0,4}"];
    (quad, end).prop_map(|(quad, end)| quad + &end)
}

/// An address block without host bits.
fn aligned<A: Number>(bits: A, length: u32, mask: impl Fn(A, u32) -> (A, A)) -> Span<A> {
    let (start, end) = mask(bits, length % (A::WIDTH + 1));
    Span { start, end, line: 1 }
}

fn reads_as<A: Number + std::fmt::Debug>(span: Span<A>, side: impl Fn(&Addresses) -> &[Span<A>]) {
    let text = span.entry();
    match Entries::parse(&list(Kind::Ip, true), text.as_bytes()) {
        Ok(Entries { content: Content::Ip(read), warnings, refused, .. }) => {
            assert_eq!((side(&read), warnings.len(), refused.lines), (&[span][..], 0, 0), "{text}");
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn is_mapped(bits: u128) -> bool {
    bits >> 32 == 0xffff
}

proptest! {
    #[test]
    fn a_quick_line_means_what_it_says_to_the_letter(text in line()) {
        let mut notes = Vec::new();
        let exact = read(&text, false, &mut notes);
        let plain = !text.contains([' ', '#', '\r', '-', '\n']) && text.split('/').nth(1).is_none_or(|l| !l.contains('.'));
        match quick::line(text.as_bytes()) {
            Some((start, end, behind)) => {
                let text = text.trim_end();
                prop_assert!(behind.is_empty() && notes.is_empty());
                prop_assert_eq!(read(text, false, &mut notes).ok(), Some(Block::V4(start, end)));
            }
            None if plain => prop_assert!(exact.is_err() || !notes.is_empty(), "{}", text),
            None => {}
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same(
        v4 in any::<u32>(), other in any::<u32>(), v6 in any::<u128>(), shift in 0_u32..128, wide in any::<u128>(), length in 0_u32..200,
    ) {
        reads_as(Span { start: v4.min(other), end: v4.max(other), line: 1 }, |read| &read.v4);
        let mask = |bits: u32, length| {
            let free = u32::MAX.checked_shr(length).unwrap_or(0);
            (bits & !free, bits | free)
        };
        reads_as(aligned(v4, length, mask), |read| &read.v4);
        let mask = |bits: u128, length| {
            let free = u128::MAX.checked_shr(length).unwrap_or(0);
            (bits & !free, bits | free)
        };
        let (small, wide) = (v6 >> shift, wide >> shift);
        prop_assume!(!is_mapped(small) && !is_mapped(wide));
        reads_as(aligned(small, length, mask), |read| &read.v6);
        reads_as(Span { start: small.min(wide), end: small.max(wide), line: 1 }, |read| &read.v6);
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let lines = text.split(|byte| *byte == b'\n').count();
        if let Ok(entries) = Entries::parse(&list(Kind::Ip, true), &text) {
            prop_assert!(entries.content.len() + entries.refused.lines <= lines);
        }
    }
}

/// Run by hand, with `--release`: how long a list of ten million lines takes.
#[test]
#[ignore = "a measurement"]
fn ten_million_lines() {
    let mut text = Vec::new();
    let mut state = 1_u64;
    for _ in 0..10_000_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = (state >> 32) as u32;
        let address = std::net::Ipv4Addr::from_bits(bits & if state & 0xff00 < 0x3300 { !255 } else { !0 });
        let length = if state & 0xff00 < 0x3300 { "/24" } else { "" };
        std::io::Write::write_fmt(&mut text, format_args!("{address}{length}\n")).unwrap();
    }
    let start = std::time::Instant::now();
    let written = Reader::new(Path::new("test")).read_addresses(&text, false, usize::MAX);
    let parsed = start.elapsed();
    let count = written.count;
    let tidy = written.addresses.tidy();
    println!(
        "{count} lines: read in {parsed:?}, in order after {:?}, {} entries",
        start.elapsed(),
        tidy.len()
    );
    assert_eq!(count, 10_000_000);
}
