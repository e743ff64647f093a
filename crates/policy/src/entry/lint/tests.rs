use proptest::prelude::*;

use super::*;

/// Of each finding its line, its kind and the other line.
fn found(text: &str) -> Vec<(usize, &'static str, Option<u32>)> {
    let list = AddressList::read(Path::new("list.txt"), text.as_bytes());
    let found = list.lint().into_iter();
    let line = |finding: &AddressFinding| finding.diagnostic.place.as_ref().map_or(0, |place| place.line);
    found.map(|finding| (line(&finding), finding.kind.name(), finding.other_line)).collect()
}

#[test]
fn a_good_list_has_nothing_odd() {
    assert_eq!(found("# office\n8.8.8.0/24\n9.9.9.9\n2a00::1\n"), []);
}

#[test]
fn what_another_entry_says_is_told_with_its_line() {
    let text = "8.8.8.8\n8.8.8.0/24\n8.8.8.8 # again\n8.8.0.0-8.8.8.15\n2a00::/32\n2a00::/32\n8.8.8.16\n";
    let expected = [
        (1, "shadowed", Some(2)),
        (3, "duplicate", Some(1)),
        (6, "duplicate", Some(5)),
        (7, "shadowed", Some(2)),
    ];
    assert_eq!(found(text), expected);
}

#[test]
fn entries_that_could_be_fewer_are_told_once() {
    let text = "9.0.0.2/31\n9.0.0.0/31\n8.0.0.1\n8.0.0.2\n7.0.0.0\n7.0.0.1\n7.0.0.2\n";
    let list = AddressList::read(Path::new("list.txt"), text.as_bytes());
    let found = list.lint();
    assert_eq!((found.len(), found[0].kind), (1, AddressFindingKind::Adjacent));
    let shown = found[0].diagnostic.to_string();
    assert!(shown.contains("5 entries stand side by side") && shown.contains(": 3 would do"), "{shown}");
    assert!(shown.contains("list.txt:1:1"), "{shown}");
}

#[test]
fn the_ends_of_the_address_space_are_no_special_case() {
    let last = "255.255.255.254\n255.255.255.255\n";
    assert_eq!(found(last).last(), Some(&(2, "special", None)));
    let v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe\nffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n";
    assert!(found(v6).contains(&(1, "adjacent", None)), "{:?}", found(v6));
}

#[test]
fn addresses_with_a_special_use_are_told() {
    for (entry, message) in [
        ("192.168.1.0/24", "192.168.0.0/16 is private"),
        ("9.255.255.255-10.0.0.0", "10.0.0.0/8 is private"),
        ("127.0.0.1", "loopback"),
        ("224.0.0.251", "multicast"),
        ("192.0.2.1", "documentation"),
        ("fe80::1", "link-local"),
        ("fd00::/64", "private"),
    ] {
        let list = AddressList::read(Path::new("list.txt"), entry.as_bytes());
        let found = list.lint();
        assert_eq!((found.len(), found[0].kind), (1, AddressFindingKind::Special), "{entry}");
        assert!(found[0].diagnostic.message.contains(message), "{entry}: {found:?}");
    }
}

#[test]
fn of_each_kind_the_first_are_told_and_the_rest_is_counted() {
    let text = "9.9.9.9\n".repeat(31) + &"x\n".repeat(15) + "9.9.9.77/24\n";
    let list = AddressList::read(Path::new("list.txt"), text.as_bytes());
    let found = list.lint();
    let of = |kind| found.iter().filter(|finding| finding.kind == kind).collect::<Vec<_>>();
    let duplicates = of(AddressFindingKind::Duplicate);
    assert_eq!(duplicates.len(), TOLD + 1);
    assert_eq!(duplicates[TOLD].diagnostic.message, "and 20 more of the kind `duplicate`");
    assert_eq!(of(AddressFindingKind::Refused)[TOLD].diagnostic.message, "and 5 more of the kind `refused`");
    assert_eq!(of(AddressFindingKind::Masked).len(), 1);
    assert_eq!(found.len(), 2 * (TOLD + 1) + 2, "and the first is shadowed");
}

#[test]
fn a_list_of_addresses_is_known_by_its_first_good_line() {
    assert!(AddressList::recognizes(b"\xef\xbb\xbf# list\n1.2.3.4:80\n1.2.3.4-1.2.3.9\n1024:::\n"));
    assert!(!AddressList::recognizes(b"1024:::\n1.2.3.4\n"));
    assert!(!AddressList::recognizes(b"# nothing\n"));
}

proptest! {
    #[test]
    fn what_is_shadowed_or_repeated_can_be_left_out(
        ends in prop::collection::vec((0_u32..40, 0_u32..12), 1..20),
    ) {
        let span = |(start, steps): &(u32, u32)| (start + (8 << 24), start + steps + (8 << 24));
        let lines: Vec<(u32, u32)> = ends.iter().map(span).collect();
        let ip = std::net::Ipv4Addr::from_bits;
        let text: String = lines.iter().map(|(a, b)| format!("{}-{}\n", ip(*a), ip(*b))).collect();
        let found = found(&text);
        for (number, (start, end)) in (1..).zip(&lines) {
            let odd = found.iter().find(|(line, kind, _)| *line == number && *kind != "adjacent");
            let others = (1..).zip(&lines).filter(|(other, _)| *other != number);
            let cover = |(other, (a, b)): (usize, &(u32, u32))| {
                a <= start && b >= end && ((a, b) != (start, end) || other < number)
            };
            if found.len() < TOLD {
                prop_assert_eq!(odd.is_some(), others.clone().any(cover), "line {} of {}", number, text);
            }
            if let Some((_, _, Some(other))) = odd {
                prop_assert!(cover((*other as usize, &lines[*other as usize - 1])));
            }
        }
    }
}
