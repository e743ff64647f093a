//! p0f's notation, what its signatures match, and the reader of `p0f.fp`.
#![cfg(test)]

mod common;

use common::any_options;
use proptest::prelude::*;
use proptest::sample::select;
use synward_fingerprint::p0f::{
    Closeness, Entry, InitialTtl, IpVersion, Multiple, OptionLayout, P0f, P0fDatabase, P0fSignature, Quirks,
    Strictness, Window,
};
use synward_fingerprint::{Field, Kinds, SignatureError};
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

fn signature(text: &str) -> P0fSignature {
    text.parse().unwrap_or_else(|fault: SignatureError| panic!("{text}: {fault}"))
}

/// A Linux SYN that has come 7 hops.
fn linux() -> P0f {
    let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    P0f::of(&SynFacts {
        ip_version: 4,
        ttl: 57,
        dont_fragment: true,
        ip_id: Some(7),
        window: 64240,
        flags: TcpFlags::SYN,
        options: OptionBytes::new(&options).unwrap(),
        ..SynFacts::default()
    })
    .unwrap()
}

const LINUX: &str = "4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";

#[test]
fn canonical_texts_stand() {
    for text in [
        LINUX,
        "*:64-:0:*:*,*:::*",
        "6:255:0:0:0,0:::+",
        "*:1:255:65535:%65535,255:eol+39::0",
        "4:128:40:*:mtu*1000,*:nop,mss,ws,sok,ts,?6,?255:df,id+,id-,ecn,0+,seq-,ack+,ack-,uptr+,urgf+,pushf+,ts1-,ts2+,opt+,exws,bad:*",
        "6:64:0:*:%2,*:sack,sack,sack,sack:flow:*",
    ] {
        assert_eq!(signature(text).to_string(), text);
    }
}

#[test]
fn other_texts_become_canonical() {
    for (text, canonical) in [
        ("4:54+10:0:*:*,*:::0", "4:64:0:*:*,*:::0"),
        ("4:64+0:0:*:*,*:::0", "4:64:0:*:*,*:::0"),
        ("*:064:00:0001:007,010:::0", "*:64:0:1:7,10:::0"),
        ("*:64:0:*:*,*:?1,?2,?3,?4,?5,?8,?34,?0::0", "*:64:0:*:*,*:nop,mss,ws,sok,sack,ts,?34,eol+0::0"),
        ("*:64:0:*:*,*::bad,df,ecn,df:0", "*:64:0:*:*,*::df,ecn,bad:0"),
    ] {
        assert_eq!(signature(text).to_string(), canonical);
    }
}

#[test]
fn a_random_ttl_leaves_the_ip_options_alone() {
    // p0f reads `12` as 2 here.
    assert_eq!(signature("*:64-:12:*:*,*:::0").ip_options_len, 12);
}

/// Each text, with `^` below its fault, and the message.
const FAULTS: &[(&str, &str, &str)] = &[
    ("", "", "a p0f signature has 8 fields between colons, and this has 1"),
    ("4:64:0:*", "^^^^^^^^", "a p0f signature has 8 fields between colons, and this has 4"),
    ("4:64:0:*:1,0:::0:", "^^^^^^^^^^^^^^^^^", "a p0f signature has 8 fields between colons, and this has 9"),
    ("5:64:0:*:1,0:::0", "^", "the IP version is 4, 6 or `*`"),
    ("4:0:0:*:1,0:::0", "  ^", "the initial TTL 0 is out of range"),
    ("4:256:0:*:1,0:::0", "  ^^^", "the initial TTL 256 is out of range"),
    ("4:64+192:0:*:1,0:::0", "     ^^^", "the distance 192 is out of range"),
    (
        "4:65+?:0:*:1,0:::0",
        "  ^^^^",
        "p0f prints `+?` where it cannot guess the initial TTL, and does not read it",
    ),
    ("4:*:0:*:1,0:::0", "  ^", "the initial TTL `*` is not a number"),
    ("4:-:0:*:1,0:::0", "  ", "the initial TTL is missing"),
    ("4:64:*:*:1,0:::0", "     ^", "the length of IP options `*` is not a number"),
    ("4:64::*:1,0:::0", "     ", "the length of IP options is missing"),
    ("4:64:256:*:1,0:::0", "     ^^^", "the length of IP options 256 is out of range"),
    ("4:64:0:65536:1,0:::0", "       ^^^^^", "the MSS 65536 is out of range"),
    ("4:64:0:%:1,0:::0", "       ^", "the MSS `%` is not a number"),
    ("4:64:0:+1:1,0:::0", "       ^^", "the MSS `+1` is not a number"),
    ("4:64:0:*:1:::0", "         ^", "the window and its scale stand in one field, with a comma between"),
    ("4:64:0:*:mss*0,0:::0", "             ^", "the factor 0 is out of range"),
    ("4:64:0:*:mtu*1001,0:::0", "             ^^^^", "the factor 1001 is out of range"),
    ("4:64:0:*:%1,0:::0", "          ^", "the divisor of the window 1 is out of range"),
    ("4:64:0:*:1,256:::0", "           ^^^", "the window scale 256 is out of range"),
    ("4:64:0:*:1,0,0:::0", "           ^^^", "the window scale `0,0` is not a number"),
    (
        "4:64:0:*:1,0:mss,:::",
        "^^^^^^^^^^^^^^^^^^^^",
        "a p0f signature has 8 fields between colons, and this has 9",
    ),
    ("4:64:0:*:1,0:mss,::0", "                 ", "p0f knows no option ``"),
    ("4:64:0:*:1,0:mss,MSS::0", "                 ^^^", "p0f knows no option `MSS`"),
    ("4:64:0:*:1,0:eol::0", "             ^^^", "p0f knows no option `eol`"),
    ("4:64:0:*:1,0:?256::0", "              ^^^", "the option kind 256 is out of range"),
    (
        "4:64:0:*:1,0:eol+1,nop::0",
        "                   ^^^",
        "EOL ends the options, so no SYN shows one after it",
    ),
    ("4:64:0:*:1,0:?0,nop::0", "                ^^^", "EOL ends the options, so no SYN shows one after it"),
    (
        "4:64:0:*:1,0:mss,ts,ts,ts,ts::0",
        "             ^^^^^^^^^^^^^^^",
        "these options take at least 44 bytes, more than a TCP header holds",
    ),
    (
        "4:64:0:*:1,0:eol+40::0",
        "             ^^^^^^",
        "these options take at least 41 bytes, more than a TCP header holds",
    ),
    ("4:64:0:*:1,0::df,foo:0", "                 ^^^", "p0f knows no quirk `foo`"),
    ("4:64:0:*:1,0::flow:0", "              ^^^^", "no IPv4 packet has the quirk `flow`"),
    ("6:64:0:*:1,0::ecn,0+:0", "                  ^^", "no IPv6 packet has the quirk `0+`"),
    ("4:64:0:*:1,0:::1", "               ^", "the payload class is `0`, `+` or `*`"),
    ("4:64:0:*:1,0:::0 ", "               ^^", "the payload class is `0`, `+` or `*`"),
    ("4:64:0:*:1,0:ä::0", "             ^^", "p0f knows no option `ä`"),
];

#[test]
fn faults_are_where_they_are() {
    for (text, mark, message) in FAULTS {
        let fault = text.parse::<P0fSignature>().expect_err(text);
        let start = mark.chars().take_while(|c| *c == ' ').count();
        assert_eq!((&*fault.message, fault.span.clone()), (*message, start..mark.len()), "{text}");
        assert!(text.get(fault.span).is_some() && fault.help.is_some(), "{text}");
    }
}

#[test]
fn more_options_than_p0f_looks_at_are_refused() {
    let nops = |count| format!("4:64:0:*:1,0:{}::0", vec!["nop"; count].join(","));
    assert!(nops(24).parse::<P0fSignature>().is_ok());
    let fault = nops(25).parse::<P0fSignature>().unwrap_err();
    assert_eq!(fault.message, "p0f looks at 24 options at most, and these are 25");
    let fault = nops(41).parse::<P0fSignature>().unwrap_err();
    assert_eq!(fault.message, "p0f looks at 24 options at most, and these are 41");
}

#[test]
fn a_last_option_that_may_be_cut_needs_one_byte() {
    let cut = "4:64:0:*:1,0:ts,ts,ts,sok,ws,mss,ts:bad:0";
    assert!(cut.parse::<P0fSignature>().is_ok());
    assert!(cut.replace("bad", "").parse::<P0fSignature>().is_err());
}

#[test]
fn strict_is_as_written() {
    let seen = linux();
    assert!(signature(LINUX).matches(&seen, Strictness::default()));
    for (part, other) in [
        ("4:64", "6:64"),
        ("64:", "56:"),
        ("64:", "93:"),
        ("64:", "56-:"),
        (":0:1460", ":4:1460"),
        ("1460", "1459"),
        ("mss*44", "mss*43"),
        ("mss*44", "mtu*44"),
        ("mss*44", "64241"),
        ("mss*44", "%1461"),
        (",7:", ",0:"),
        ("nop,ws", "ws,nop"),
        ("sok,ts", "ts,sok"),
        (",nop,ws", ",ws"),
        ("df,id+", "df"),
        ("df,id+", "df,id+,ecn"),
        ("df,id+", ""),
        (":0", ":+"),
    ] {
        // The last of the places, for the payload class.
        let (before, after) =
            LINUX.rsplit_once(part).filter(|_| part == ":0").or(LINUX.split_once(part)).unwrap();
        let text = [before, other, after].concat();
        // IPv6 has no `df`.
        let text = if other == "6:64" { text.replace("df,id+", "") } else { text };
        assert!(!signature(&text).matches(&seen, Strictness::Strict), "{text}");
    }
    for (part, wider) in [
        ("4:", "*:"),
        ("64:", "57:"),
        ("64:", "92:"),
        ("64:", "57-:"),
        ("1460", "*"),
        ("mss*44", "*"),
        ("mss*44", "64240"),
        ("mss*44", "%1460"),
        (",7:", ",*:"),
    ] {
        let text = LINUX.replacen(part, wider, 1);
        assert!(signature(&text).matches(&seen, Strictness::Strict), "{text}");
    }
}

#[test]
fn compat_is_as_fuzzy_as_p0f() {
    for (text, closeness) in [
        (LINUX, Some(Closeness::Exact)),
        ("6:64:0:1460:mss*44,7:mss,sok,ts,nop,ws::0", None),
        ("4:32:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0", Some(Closeness::Fuzzy)),
        ("4:255:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0", Some(Closeness::Fuzzy)),
        ("4:32-:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0", None),
        ("4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df:0", None),
        ("4:64:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+,id-:0", None),
    ] {
        let signature = signature(text);
        assert_eq!(signature.closeness(&linux()), closeness, "{text}");
        assert_eq!(signature.matches(&linux(), Strictness::Compat), closeness.is_some(), "{text}");
    }
    let no_df = P0f { quirks: Quirks::NONE, ..linux() };
    let ecn = P0f { quirks: linux().quirks | Quirks::ECN, ..linux() };
    let v6 = P0f { version: IpVersion::V6, ..linux() };
    let psh = P0f { quirks: linux().quirks | Quirks::PSH, ..linux() };
    let closeness = [no_df, ecn, v6, psh].map(|seen| signature(LINUX).closeness(&seen));
    let (exact, fuzzy) = (Some(Closeness::Exact), Some(Closeness::Fuzzy));
    assert_eq!(closeness, [fuzzy, fuzzy, exact, None]);
}

#[test]
fn either_version_drops_what_the_other_has() {
    let either = signature("*:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+,flow:0");
    let v6 = P0f { version: IpVersion::V6, quirks: Quirks::FLOW, ..linux() };
    assert!(either.matches(&linux(), Strictness::Strict));
    assert!(either.matches(&v6, Strictness::Strict));
    assert!(!either.matches(&P0f { quirks: Quirks::NONE, ..v6 }, Strictness::Strict));
}

#[test]
fn what_p0f_ignores_has_no_observation() {
    let syn = SynFacts { ip_version: 4, flags: TcpFlags::SYN, ..SynFacts::default() };
    assert!(P0f::of(&syn).is_some());
    for flags in [TcpFlags::SYN | TcpFlags::FIN, TcpFlags::SYN | TcpFlags::RST, TcpFlags::ACK] {
        assert_eq!(P0f::of(&SynFacts { flags, ..syn }), None);
    }
    assert!(P0f::of(&SynFacts { ip_version: 6, ..syn }).is_some());
    assert_eq!(P0f::of(&SynFacts { ip_version: 6, ip_options_len: 8, ..syn }), None);
}

#[test]
fn the_peers_mss_is_tried_last() {
    let syn_ack = |window| P0f { syn_ack: true, window, multiple: None, ..linux() };
    let peer = |mss| P0f { mss, ..linux() };
    let multiple = |window, mss| syn_ack(window).answering(&peer(mss)).multiple;
    assert_eq!(multiple(777 * 3, 777), Some(Multiple::Mss(3)));
    assert_eq!(multiple(777 * 3, 789), Some(Multiple::Mss(3)), "less 12");
    assert_eq!(multiple(778, 777), None);
    assert_eq!(multiple(40009, 13), None, "more than 3.09b can hold");
    assert_eq!(multiple(40000, 12), None);
    assert_eq!(multiple(0, 777), None);
    assert_eq!(P0f { mss: 99, ..syn_ack(777) }.answering(&peer(777)).multiple, None);
    assert_eq!(linux().answering(&peer(64240)).multiple, Some(Multiple::Mss(44)), "its own comes first");
}

#[test]
fn layouts_are_those_that_p0f_can_see() {
    let layout = |kinds: &[u8], padding| OptionLayout::new(Kinds::new(kinds).unwrap(), padding);
    assert_eq!(layout(&[2, 0], 3).unwrap().to_string(), "mss,eol+3");
    assert_eq!(layout(&[], 0), Some(OptionLayout::NONE));
    assert_eq!(layout(&[0, 2], 0), None);
    assert_eq!(layout(&[0, 0], 0), None);
    assert_eq!(layout(&[2], 1), None);
    assert!(layout(&[1; 24], 0).is_some());
    assert_eq!(layout(&[1; 25], 0), None);
}

const FILE: &str = "\
; a comment
 \t; another
classes = unix, win

[mtu]
label = Ethernet
sig   = 1500
[http:request]
ua_os = Linux
[tcp:request]
label = s:unix:Linux:2.6.x;3
sig   = 4:64:0:*:1,0:mss::0
sig   = 4:64:0:*:1,0:mss:;:0
label = g:!:NMap:
sig   = 4:64:0:*:2,0:mss::0
sys   = @unix
sig   = 4:64:0:*:2,0:mss::0
sys   = @unix
label = s:mac:Mac OS X:10
sig   = 4:64:0:*:3,0:mss::0
label = x:unix:A:b
label = s:unix::b
label = s:unix
nonsense
classes = more
[tcp:response]
sig   = 4:64:0:*:4,0:mss::0
label = s:WIN:Windows:XP:SP2
sig   = 4:128:0:*:4,0:mss::0
[udp:request]
sig   = what
";

#[test]
fn a_file_is_read_line_by_line() {
    let (database, faults) = P0fDatabase::parse(FILE);
    let faults: Vec<String> =
        faults.iter().map(|(line, fault)| format!("{line}:{}: {fault}", fault.span.start)).collect();
    assert_eq!(
        faults,
        [
            "13:25: p0f knows no quirk `;`",
            "15:8: this program has no `sys` line",
            "18:0: `sys` has no place here",
            "19:10: the line `classes` does not list this class",
            "20:8: this signature has no label",
            "21:8: a label is specific (s) or generic (g)",
            "22:15: the name is missing",
            "23:8: this is no label",
            "24:0: this is no line of p0f.fp",
            "25:0: `classes` has no place here",
            "27:8: this signature has no label",
            "30:0: p0f knows no such section: it is skipped",
        ]
    );
    let told = |entries: &[Entry]| -> Vec<String> {
        let tell = |entry: &Entry| {
            format!("{} {} {:?} {}", entry.line, entry.label, entry.label.class, entry.label.generic)
        };
        entries.iter().map(tell).collect()
    };
    assert_eq!(told(database.requests()), ["12 Linux 2.6.x;3 Some(\"unix\") false", "17 NMap None true"]);
    assert_eq!(told(database.responses()), ["29 Windows XP:SP2 Some(\"WIN\") false"]);
}

#[test]
fn a_fuzzy_program_hides_a_fuzzy_system() {
    let head = "classes = unix\n[tcp:request]\n";
    let system = "label = s:unix:System:\nsig = *:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+:0\n";
    let program = "label = s:!:Program:\nsys = System\nsig = *:64:0:*:%2,*:mss,sok,ts,nop,ws:df,id+:0\n";
    let found = |text: &str, seen: &P0f| {
        let (database, faults) = P0fDatabase::parse(&format!("{head}{text}"));
        assert_eq!(faults, []);
        database.find(seen).map(|found| (found.entry.label.name.clone(), found.fuzzy))
    };
    let fuzzy = P0f { ttl: 65, ..linux() };
    assert_eq!(found(&[system, program].concat(), &fuzzy), Some(("System".to_owned(), true)));
    assert_eq!(found(&[program, system].concat(), &fuzzy), None);
    assert_eq!(found(&[program, system].concat(), &linux()), Some(("Program".to_owned(), false)));
    assert_eq!(found(system, &P0f { syn_ack: true, ..linux() }), None, "another section");
}

fn syn() -> impl Strategy<Value = SynFacts> {
    let window = prop_oneof![any::<u16>(), (1..44u16).prop_map(|factor| factor * 1460), Just(0)];
    let ip = (any::<bool>(), any::<u8>(), 0..=10u8, any::<[bool; 3]>(), 0..2u16, 0..4u8);
    let tcp = (window, any_options(), any::<u16>(), any::<[bool; 3]>(), 0..2u16);
    (ip, tcp).prop_map(
        |((v6, ttl, words, [df, mbz, flow], id, ecn), (window, options, flags, [a, b, c], urgent))| {
            SynFacts {
                ip_version: if v6 { 6 } else { 4 },
                ttl,
                ip_options_len: if v6 { 0 } else { words / 4 * 4 },
                dont_fragment: df && !v6,
                ip_reserved_bit: mbz && !v6,
                ip_id: (!v6).then_some(id),
                flow_label: flow && v6,
                ecn,
                window,
                options: OptionBytes::new(&options).unwrap(),
                flags: TcpFlags::new((flags | 2) & !5),
                sequence_zero: a,
                acknowledgment: if b { 0x0100_0001 } else { 0 },
                urgent_pointer: urgent,
                payload: c,
                ip_header_len: if v6 { 40 } else { 20 },
                ..SynFacts::default()
            }
        },
    )
}

fn observation() -> impl Strategy<Value = P0f> {
    syn().prop_map(|syn| P0f::of(&syn).expect("a SYN without extension headers"))
}

/// The observation's own signature, with some fields wider.
fn widened(seen: P0f) -> impl Strategy<Value = P0fSignature> {
    let exact = P0fSignature::from(seen);
    let window = select(vec![
        exact.window,
        Window::Any,
        Window::Is(seen.window),
        Window::MultipleOf(2),
        Window::MultipleOf(1460),
        Window::Times(Multiple::Mss(7)),
        Window::Times(Multiple::Mtu(2)),
    ]);
    let ttl = select(vec![exact.ttl, InitialTtl::UpTo(128), InitialTtl::Is(64)]);
    let quirks = select(vec![exact.quirks, exact.quirks | Quirks::ECN, exact.quirks.without(Quirks::DF)]);
    (window, ttl, quirks, any::<[bool; 4]>()).prop_map(
        move |(window, ttl, quirks, [version, mss, scale, payload])| {
            let mut signature = P0fSignature { window, ttl, quirks, ..exact };
            if version {
                signature.version = Field::Any;
            }
            if mss {
                signature.mss = Field::Any;
            }
            if scale {
                signature.window_scale = Field::Any;
            }
            if payload {
                signature.payload = Field::Any;
            }
            signature
        },
    )
}

/// Strict matching once more: told from the two texts alone, and from the window where a text hides it.
fn matches_by_text(signature: &str, seen: &P0f) -> bool {
    let observed = seen.to_string();
    let (asked, shown) = (split(signature), split(&observed));
    let [version, ttl, olen, mss, window, scale, layout, quirks, payload] = asked;
    let is = |place: usize, wanted: &str| wanted == "*" || shown[place] == wanted;
    let foreign: &[&str] = match (version, shown[0]) {
        ("*", "4") => &["flow"],
        ("*", _) => &["df", "id+", "id-"],
        _ => &[],
    };
    let wanted: Vec<&str> = quirks.split(',').filter(|quirk| !foreign.contains(quirk)).collect();
    let ttl_fits = match ttl.strip_suffix('-') {
        Some(most) => seen.ttl <= most.parse().unwrap(),
        None => {
            let initial: u8 = ttl.parse().unwrap();
            (initial.saturating_sub(35)..=initial).contains(&seen.ttl)
        }
    };
    let window_fits = match window.strip_prefix('%') {
        Some(divisor) => seen.window.is_multiple_of(divisor.parse().unwrap()),
        None => is(4, window) || window == seen.window.to_string(),
    };
    let mss_fits = is(3, mss) || mss == seen.mss.to_string();
    let plain = is(0, version) && is(2, olen) && is(5, scale) && is(8, payload) && shown[6] == layout;
    plain && ttl_fits && window_fits && mss_fits && shown[7] == wanted.join(",")
}

/// The nine parts of a text.
fn split(text: &str) -> [&str; 9] {
    let (head, tail) = text.split_once(',').unwrap();
    let parts: Vec<&str> = head.split(':').chain(tail.split(':')).collect();
    parts.try_into().unwrap()
}

proptest! {
    #[test]
    fn an_observation_prints_as_a_signature_of_its_own(seen in observation()) {
        let exact = P0fSignature::from(seen);
        prop_assert!(exact.matches(&seen, Strictness::Strict));
        prop_assert_eq!(exact.to_string().parse(), Ok(exact));
        // What p0f logs can be pasted as it is, but where it cannot guess the TTL or hides the MSS.
        let raw = seen.to_string();
        if !raw.contains("+?") && !raw.contains(":*:") && seen.ttl > 0 {
            prop_assert_eq!(raw.parse(), Ok(exact));
        }
    }

    #[test]
    fn a_change_in_any_field_is_no_match(seen in observation(), other in observation(), ttl in any::<u8>()) {
        let exact = P0fSignature::from(seen);
        let (InitialTtl::Is(initial) | InitialTtl::UpTo(initial)) = exact.ttl;
        let changed = [
            P0f { version: other.version, ..seen },
            P0f { ip_options_len: other.ip_options_len, ..seen },
            P0f { mss: other.mss, ..seen },
            P0f { window: other.window, multiple: other.multiple, ..seen },
            P0f { window_scale: other.window_scale, ..seen },
            P0f { layout: other.layout, ..seen },
            P0f { quirks: other.quirks, ..seen },
            P0f { payload: other.payload, ..seen },
        ];
        // The exact signature asks for the multiple, if there is one, and else for the window.
        let by_multiple = seen.multiple.is_some();
        let asked_for = |seen: &P0f| P0f {
            ttl: 0,
            window: if by_multiple { 0 } else { seen.window },
            multiple: seen.multiple.filter(|_| by_multiple),
            ..*seen
        };
        for changed in changed {
            let same = asked_for(&changed) == asked_for(&seen);
            prop_assert_eq!(exact.matches(&changed, Strictness::Strict), same, "{} {}", exact, changed);
        }
        let within = (initial.saturating_sub(35)..=initial).contains(&ttl);
        prop_assert_eq!(exact.matches(&P0f { ttl, ..seen }, Strictness::Strict), within);
    }

    #[test]
    fn no_signature_is_wider_than_its_text(
        (seen, signature) in observation().prop_flat_map(|seen| (Just(seen), widened(seen))),
        other in observation(),
    ) {
        let text = signature.to_string();
        for seen in [seen, other] {
            prop_assert_eq!(signature.matches(&seen, Strictness::Strict), matches_by_text(&text, &seen), "{} {}", text, seen);
            let compat = signature.matches(&seen, Strictness::Compat);
            prop_assert!(compat || !signature.matches(&seen, Strictness::Strict), "strict is the narrower");
        }
        // An id+ without df, say, is what the notation allows and no SYN has.
        prop_assert_eq!(text.parse(), Ok(signature));
    }

    #[test]
    fn what_reads_prints_and_reads_the_same(
        text in "[46*]:(64|54\\+10|255-|1):[0-9]{1,2}:(\\*|1460|0):(\\*|%[2-9]|m(ss|tu)\\*[1-9]|[0-9]{1,5}),(\\*|[0-9]{1,2}):((nop|mss|ws|sok|sack|ts|\\?[0-9]{1,3}),){0,4}(eol\\+[0-9]|nop):((df|id[+-]|ecn|0\\+|flow|bad),){0,3}exws:[0+*]",
    ) {
        if let Ok(signature) = text.parse::<P0fSignature>() {
            prop_assert_eq!(signature.to_string().parse(), Ok(signature));
        }
    }

    #[test]
    fn any_text_is_read_or_has_a_fault_within(text in "([46*0-9:,+?%-]|mss|mtu|eol|nop|ws|df|id|bad|\\PC){0,60}") {
        if let Err(fault) = text.parse::<P0fSignature>() {
            prop_assert!(text.get(fault.span).is_some());
        }
    }

    #[test]
    fn any_file_is_read(text in "(\\[tcp:request\\]|label|sig|sys|classes|=|:|s|g|!|;|,|[0-9]|[ \t]|\n|\r|\\PC){0,80}") {
        let (_, faults) = P0fDatabase::parse(&text);
        for (number, fault) in faults {
            let line = text.lines().nth(number - 1).unwrap();
            prop_assert!(line.get(fault.span).is_some());
        }
    }

    #[test]
    fn any_facts_have_an_observation_that_prints(
        facts in (any::<[u8; 4]>(), any::<[u16; 4]>(), any_options()).prop_map(|(bytes, words, options)| SynFacts {
            ip_version: bytes[0] % 8,
            ttl: bytes[1],
            ip_options_len: bytes[2],
            flags: TcpFlags::new(words[0]),
            window: words[1],
            urgent_pointer: words[2],
            ip_header_len: words[3],
            options: OptionBytes::new(&options).unwrap(),
            ..SynFacts::default()
        }),
        peer in observation(),
    ) {
        if let Some(seen) = P0f::of(&facts) {
            prop_assert_eq!(split(&seen.answering(&peer).to_string()).len(), 9);
        }
    }
}
