//! Signatures: read, printed, matched.
#![cfg(test)]

mod common;

use common::{any_options, exact_signatures, fingerprint, well_formed, widened};
use proptest::collection::vec;
use proptest::prelude::*;
use synward_fingerprint::{Fingerprint, Kinds, Layout, LayoutItem, Notation, Signature};

const LINUX: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

#[track_caller]
fn matches(text: &str, seen: &Fingerprint) -> bool {
    text.parse::<Signature>().unwrap_or_else(|fault| panic!("{text}: {fault}")).matches(seen)
}

#[test]
fn either_wildcard_is_any_value_of_its_field() {
    let seen = fingerprint(64240, &LINUX);
    for text in ["64240:2-4-8-1-3:1460:7", "%:2-4-8-1-3:1460:7", "*:2-4-8-1-3:1460:7", "64240:*:1460:7"] {
        assert!(matches(text, &seen), "{text}");
    }
    for text in ["64240:2-4-8-1-3:%:7", "64240:2-4-8-1-3:1460:*", "%:%:%:%", "%:*:1460:%"] {
        assert!(matches(text, &seen), "{text}");
    }
    for text in [
        "%:%:1461:%",
        "%:%:%:8",
        "64241:%:%:%",
        "%:2-4-8-3-1:%:%",
        "%:2-4-8-1-3-1:%:%",
        "%:2-4-8-1:%:%",
        "%:::",
    ] {
        assert!(!matches(text, &seen), "{text}");
    }
}

#[cfg(feature = "ja4t")]
#[test]
fn ja4t_takes_wildcards_in_any_field() {
    let seen = fingerprint(64240, &LINUX);
    for text in
        ["*_2-4-8-1-3_1460_7", "64240_%_1460_7", "64240_2-4-8-1-3_*_7", "64240_2-4-8-1-3_1460_*", "*_*_*_*"]
    {
        assert!(matches(text, &seen), "{text}");
    }
    for text in ["*_00_00_00", "%_%_1461_%", "%_%_%_8", "64241_%_%_%", "%_2-4-8-3-1_%_%"] {
        assert!(!matches(text, &seen), "{text}");
    }
}

#[test]
fn gaps_stand_for_any_number_of_kinds() {
    let seen = fingerprint(64240, &LINUX);
    for kinds in
        ["2-%", "%-3", "2-4-%-3", "%-2-%-4-%-8-%", "*-4-8-*", "%-2-4-8-1-3-%", "2-%-4-8-1-3", "%-8-%-3"]
    {
        assert!(matches(&format!("64240:{kinds}:1460:7"), &seen), "{kinds}");
    }
    for kinds in ["4-%", "%-1", "2-4-%-4", "%-4-%-2-%", "%-2-8-%", "2-4-8-1-3-%-3", "%-5-%"] {
        assert!(!matches(&format!("64240:{kinds}:1460:7"), &seen), "{kinds}");
    }
    assert!(!matches("64240:2-4-8:1460:%", &seen), "without a gap all kinds are told");
    assert!(!matches("64240:2-%:1461:7", &seen), "a gap widens no other field");
}

#[test]
fn a_value_may_come_from_a_gap() {
    assert!(matches("64240:4-%-3:1460:7", &fingerprint(64240, &[4, 2, 2, 4, 5, 180, 1, 1, 1, 3, 3, 7])));
    assert!(matches("%:%-2::", &fingerprint(1024, &[253, 3, 0, 2])), "an MSS may be cut behind a gap");
}

#[cfg(feature = "ja4t")]
#[test]
fn ja4t_takes_gaps() {
    let apple = [2, 4, 5, 180, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 0, 0];
    let seen = fingerprint(65535, &apple);
    for kinds in ["2-1-3-1-1-8-4-0-%", "2-1-3-1-1-8-4-%", "%-0", "2-%-0-0", "%-8-4-%"] {
        assert!(matches(&format!("65535_{kinds}_1460_6"), &seen), "{kinds}");
    }
    for kinds in ["2-%-4", "2-1-3-1-1-8-4-0", "%-0-0-0"] {
        assert!(!matches(&format!("65535_{kinds}_1460_6"), &seen), "{kinds}");
    }
}

/// The obvious matcher of layouts: a gap takes nothing, or one kind and then itself again.
fn obviously_matches(items: &[LayoutItem], kinds: &[u8]) -> bool {
    match (items, kinds) {
        ([], []) => true,
        ([LayoutItem::Gap, rest @ ..], _) if obviously_matches(rest, kinds) => true,
        ([LayoutItem::Gap, ..], [_, more @ ..]) => obviously_matches(items, more),
        ([LayoutItem::Kind(wanted), rest @ ..], [kind, more @ ..]) if wanted == kind => {
            obviously_matches(rest, more)
        }
        _ => false,
    }
}

#[cfg(feature = "ja4t")]
#[test]
fn eols_at_the_end_can_be_ignored() {
    let apple = [2, 4, 5, 180, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 0, 0];
    let wireshark: Signature = "65535_2-1-3-1-1-8-4-0-0_1460_6".parse().unwrap();
    let zeek: Signature = "65535_2-1-3-1-1-8-4_1460_6".parse().unwrap();
    let muonfp: Signature = "65535:2-1-3-1-1-8-4-0:1460:6".parse().unwrap();
    let seen = fingerprint(65535, &apple);
    assert_eq!([&wireshark, &zeek, &muonfp].map(|signature| signature.matches(&seen)), [true, false, true]);
    let unpadded = fingerprint(65535, &apple[..22]);
    for signature in [wireshark, zeek, muonfp].map(Signature::ignoring_eol) {
        assert!(signature.matches(&seen) && signature.matches(&unpadded), "{signature}");
        assert!(!signature.matches(&fingerprint(65535, &[&apple[..22], &[1, 1]].concat())), "{signature}");
    }
}

#[test]
fn the_wildcard_window_with_nothing_else_means_no_options() {
    assert!(matches("%:::", &fingerprint(1024, &[])));
    assert!(matches("*:::", &fingerprint(65535, &[])));
    for options in [&[1, 1, 1, 1][..], &[0, 0, 0, 0], &[2, 4, 5, 180]] {
        assert!(!matches("*:::", &fingerprint(1024, options)));
    }
}

#[test]
fn absent_is_not_zero_in_muonfp() {
    let zero = fingerprint(1024, &[2, 4, 0, 0, 1, 3, 3, 0]);
    assert!(matches("1024:2-1-3:0:0", &zero));
    assert!(matches("1024:%:0:0", &zero));
    assert!(!matches("1024:%::0", &zero));
    assert!(!matches("1024:%:0:", &zero));
    let absent = fingerprint(1024, &[]);
    assert!(!matches("1024:%:0:", &absent));
    assert!(!matches("1024:%::0", &absent));
}

#[test]
fn an_eol_first_is_not_the_lack_of_options() {
    let eol = fingerprint(1024, &[0, 0, 0, 0]);
    assert!(matches("1024:0::", &eol));
    assert!(!matches("1024:::", &eol));
    #[cfg(feature = "ja4t")]
    {
        assert!(matches("1024_0-0-0-0_00_00", &eol));
        assert!(!matches("1024_0_00_00", &eol));
        assert!(!matches("1024_00_00_00", &eol));
    }
}

#[test]
fn nine_nops_hide_nothing() {
    let seen = fingerprint(1024, &[1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7]);
    assert!(matches("1024:1-1-1-1-1-1-1-1-1-3::7", &seen));
    assert!(!matches("1024:1-1-1-1-1-1-1-1-1-3::6", &seen));
    assert!(!matches("1024:1-1-1-1-1-1-1-1-3::7", &seen));
}

#[cfg(feature = "ja4t")]
#[test]
fn ja4t_padding_is_read_in_either_form_and_printed_in_one() {
    for (text, canonical) in [
        ("1024_2_9_0", "1024_2_09_00"),
        ("1024_2_09_00", "1024_2_09_00"),
        ("1024_2-1-3_00_07", "1024_2-1-3_00_7"),
        ("*_%_*_%", "%_%_%_%"),
    ] {
        assert_eq!(text.parse::<Signature>().unwrap().to_string(), canonical);
    }
}

#[test]
fn wildcards_are_counted_by_field() {
    for (text, wildcards) in [("1024:::", 0), ("%:::", 1), ("%:2-1-3:*:7", 2), ("%:%:%:%", 4)] {
        assert_eq!(text.parse::<Signature>().unwrap().wildcards(), wildcards, "{text}");
    }
}

#[test]
fn numbers_read_to_their_limits() {
    for text in ["0:::", "65535:2-1-3:65535:255", "1:255::", "64240:2-4-8-1-3:14560:7"] {
        assert_eq!(text.parse::<Signature>().unwrap().to_string(), text);
    }
}

/// Whether an option whose length an RFC fixes may claim another one here. Only such a SYN can have a
/// fingerprint that, printed, is refused as a signature.
fn may_lie(options: &[u8], kinds: &[u8]) -> bool {
    let size = |kind| match kind {
        2 => 4,
        3 => 3,
        4 => 2,
        _ => 10,
    };
    options.windows(2).any(|pair| kinds.contains(&pair[0]) && pair[1] != size(pair[0]))
}

/// The signature with a gap in place of some of its kinds.
fn with_gap(mut signature: Signature, from: prop::sample::Index, len: usize) -> Signature {
    let layout = match &mut signature.notation {
        Notation::MuonFp(muonfp) => &mut muonfp.kinds,
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(ja4t) => &mut ja4t.kinds,
        _ => panic!("a notation without a layout"),
    };
    let kinds = layout.kinds().as_slice();
    let start = from.index(kinds.len() + 1);
    let end = (start + len).min(kinds.len());
    let kept = Kinds::new(&[&kinds[..start], &kinds[end..]].concat()).unwrap();
    *layout = Layout::with_gaps(kept, [start]);
    signature
}

proptest! {
    #[test]
    fn layouts_match_as_the_obvious_matcher_says(
        asked in vec(0..4u8, 0..7),
        places in vec(0..8usize, 0..4),
        seen in vec(0..4u8, 0..10),
    ) {
        let layout = Layout::with_gaps(Kinds::new(&asked).unwrap(), places);
        let items: Vec<LayoutItem> = layout.items().collect();
        prop_assert_eq!(layout.matches(&Kinds::new(&seen).unwrap()), obviously_matches(&items, &seen));
    }

    #[test]
    fn a_layout_reads_as_it_is_printed(asked in vec(4..9u8, 1..5), places in vec(0..6usize, 0..4)) {
        let layout = Layout::with_gaps(Kinds::new(&asked).unwrap(), places);
        let text = format!("%:{layout}:%:%");
        let signature: Signature = text.parse().unwrap();
        prop_assert_eq!(signature.to_string(), text);
        prop_assert_eq!(signature.wildcards(), 3 + usize::from(layout.has_gap()));
    }

    #[test]
    fn kinds_put_into_a_gap_still_match(options in any_options(), from: prop::sample::Index, len in 0..5usize) {
        let seen = fingerprint(1024, &options);
        for signature in exact_signatures(&seen) {
            let signature = with_gap(signature, from, len);
            prop_assert!(signature.matches(&seen), "{}", signature);
            match signature.to_string().parse::<Signature>() {
                Ok(read) => prop_assert_eq!(read, signature),
                Err(fault) => prop_assert!(may_lie(&options, &[2, 3, 4, 8]), "{}: {}", signature, fault),
            }
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same(options in well_formed(), window: u16, ja4t: bool, any in 0..16u8) {
        let signature = widened(&fingerprint(window, &options), ja4t, any);
        prop_assert_eq!(signature.to_string().parse(), Ok(signature));
    }

    #[test]
    fn a_malformed_syn_has_a_signature_too(options in any_options(), window: u16) {
        let seen = fingerprint(window, &options);
        for signature in exact_signatures(&seen) {
            prop_assert!(signature.matches(&seen));
            match signature.to_string().parse::<Signature>() {
                Ok(read) => prop_assert_eq!(read, signature),
                Err(fault) => prop_assert!(may_lie(&options, &[2, 3, 4, 8]), "{}: {}", signature, fault),
            }
        }
        if let Err(fault) = seen.muonfp.to_string().parse::<Signature>() {
            prop_assert!(may_lie(&options, &[4, 8]), "{}: {}", seen.muonfp, fault);
        }
    }

    #[test]
    fn one_field_changed_matches_no_more(options in any_options(), window: u16, other: u16, shift: u8) {
        let seen = fingerprint(window, &options);
        let signature = &exact_signatures(&seen)[0];
        let changed = [
            { let mut f = seen; f.muonfp.window = other; f },
            { let mut f = seen; f.muonfp.mss = Some(other); f },
            { let mut f = seen; f.muonfp.mss = None; f },
            { let mut f = seen; f.muonfp.window_scale = Some(shift); f },
            { let mut f = seen; f.muonfp.window_scale = None; f },
            { let mut f = seen; f.muonfp.kinds = Kinds::new(&options).unwrap(); f },
        ];
        for changed in changed {
            prop_assert_eq!(signature.matches(&changed), changed.muonfp == seen.muonfp);
        }
    }

    #[cfg(feature = "ja4t")]
    #[test]
    fn one_ja4t_field_changed_matches_no_more(options in any_options(), window: u16, other: u16, shift: u8) {
        let seen = fingerprint(window, &options);
        let signature = &exact_signatures(&seen)[1];
        let changed = [
            { let mut f = seen; f.ja4t.window = other; f },
            { let mut f = seen; f.ja4t.mss = other; f },
            { let mut f = seen; f.ja4t.window_scale = shift; f },
            { let mut f = seen; f.ja4t.kinds = Kinds::new(&options).unwrap(); f },
        ];
        for changed in changed {
            prop_assert_eq!(signature.matches(&changed), changed.ja4t == seen.ja4t);
        }
    }
}
