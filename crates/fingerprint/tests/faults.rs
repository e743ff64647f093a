//! Texts that are no signature: what is said of them, and where.
#![cfg(test)]

use proptest::prelude::*;
use synward_fingerprint::{Kinds, Signature};

/// The fault as a reader sees it: the text, a mark under the place, the message; then the help.
#[track_caller]
fn report(text: &str) -> [String; 3] {
    let fault = text.parse::<Signature>().expect_err(text);
    let before = text.get(..fault.span.start).expect("the span lies in the text").chars().count();
    let marks = text.get(fault.span.clone()).expect("the span lies in the text").chars().count();
    let mark = "^".repeat(marks.max(1));
    [text.to_owned(), format!("{:before$}{mark} {fault}", ""), fault.help.expect("every fault has help")]
}

macro_rules! faults {
    ($($(#[$attribute:meta])* $name:ident: $text:literal $mark:literal $help:literal;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            assert_eq!(report($text), [$text, $mark, $help]);
        }
    )*};
}

faults! {
    empty:
        ""
        "^ this is neither a MuonFP nor a JA4T signature"
        "MuonFP is window:kinds:mss:scale, JA4T is window_kinds_mss_scale";
    three_fields:
        "1024:2:1460"
        "^^^^^^^^^^^ this is neither a MuonFP nor a JA4T signature"
        "MuonFP is window:kinds:mss:scale, JA4T is window_kinds_mss_scale";
    no_window:
        ":::"
        "^ the window is missing"
        "every SYN has a window: write `%` for any";
    window_out_of_range:
        "65536:::"
        "^^^^^ the window 65536 is out of range"
        "the window is a number from 0 to 65535";
    kind_out_of_range:
        "1024:2-256:1460:"
        "       ^^^ the option kind 256 is out of range"
        "the option kind is a number from 0 to 255";
    mss_out_of_range:
        "1024:2:99999999999999999999:"
        "       ^^^^^^^^^^^^^^^^^^^^ the MSS 99999999999999999999 is out of range"
        "the MSS is a number from 0 to 65535";
    scale_out_of_range:
        "1024:2-1-3:1460:256"
        "                ^^^ the window scale 256 is out of range"
        "the window scale is a number from 0 to 255";
    sign:
        "+1024:::"
        "^ unexpected `+` in the window"
        "the window is a number from 0 to 65535";
    space:
        "1024: 2:1460:"
        "     ^ unexpected ` ` in the option kind"
        "the option kind is a number from 0 to 255";
    not_ascii:
        "1024:2:1４60:"
        "        ^ unexpected `４` in the MSS"
        "the MSS is a number from 0 to 65535";
    leading_zero:
        "01024:::"
        "^^^^^ the window has a leading zero"
        "write `1024`";
    ja4t_none_in_muonfp:
        "1024:00::"
        "     ^^ the option kind has a leading zero"
        "write `0`";
    kind_missing:
        "1024:2--4:1460:"
        "       ^ the option kind is missing"
        "one `-` stands between two kinds, and nowhere else";
    kind_missing_at_the_end:
        "1024:2-:1460:"
        "       ^ the option kind is missing"
        "one `-` stands between two kinds, and nowhere else";
    wildcard_in_part:
        "1024:2*:1460:"
        "      ^ `*` stands for a whole option kind, not for a part of one"
        "write `%` alone in the field or, among the kinds, between `-`, as in `2-%-8`";
    wildcard_in_part_of_a_number:
        "1%24:::"
        " ^ `%` stands for a whole window, not for a part of one"
        "write `%` alone in the field or, among the kinds, between `-`, as in `2-%-8`";
    two_gaps_in_a_row:
        "1024:2-%-*-8:1460:"
        "         ^ two wildcards in a row say no more than one"
        "`%` stands for any number of kinds, none included: there is no wildcard for a single kind";
    gap_and_no_kind:
        "1024:2-%-:1460:"
        "         ^ the option kind is missing"
        "one `-` stands between two kinds, and nowhere else";
    kinds_after_eol_and_a_gap:
        "1024:2-0-%-4:1460:"
        "           ^ 0 (EOL) ends the options, so no SYN shows a kind after it"
        "MuonFP lists it once, at the end";
    option_without_its_mss_before_a_gap:
        "64240:2-%::7"
        "          ^ the kinds list the MSS (kind 2), so its value is not empty"
        "write the MSS, or `%` for any";
    too_much_around_a_gap:
        "1024:8-8-%-8-8-8::"
        "     ^^^^^^^^^^^ these options take at least 41 bytes, more than a TCP header holds"
        "a TCP header has room for 40 bytes of options";
    mss_without_its_option:
        "1024:4:1460:"
        "       ^^^^ the kinds list no MSS (kind 2), so no SYN has this value"
        "add 2 to the kinds, or leave the field empty";
    mss_without_any_option:
        "1024::1460:"
        "      ^^^^ the kinds list no MSS (kind 2), so no SYN has this value"
        "add 2 to the kinds, or leave the field empty";
    scale_without_its_option:
        "1024:2:1460:7"
        "            ^ the kinds list no window scale (kind 3), so no SYN has this value"
        "add 3 to the kinds, or leave the field empty";
    option_without_its_mss:
        "64240:2-4-8-1-3::7"
        "                ^ the kinds list the MSS (kind 2), so its value is not empty"
        "write the MSS, or `%` for any";
    option_without_its_scale:
        "64240:2-4-8-1-3:1460:"
        "                     ^ the kinds list the window scale (kind 3), so its value is not empty"
        "write the window scale, or `%` for any";
    kinds_after_eol:
        "65535:2-1-0-8-4:1460:"
        "            ^^^ 0 (EOL) ends the options, so no SYN shows a kind after it"
        "MuonFP lists it once, at the end";
    padding_in_muonfp:
        "65535:2-1-3-1-1-8-4-0-0:1460:6"
        "                      ^ 0 (EOL) ends the options, so no SYN shows a kind after it"
        "MuonFP lists it once, at the end";
    five_timestamps:
        "1024:8-8-8-8-8::"
        "     ^^^^^^^^^ these options take at least 41 bytes, more than a TCP header holds"
        "a TCP header has room for 40 bytes of options";
    no_room_for_the_last_value:
        "1024:8-8-8-8-2:1460:"
        "     ^^^^^^^^^ these options take at least 44 bytes, more than a TCP header holds"
        "a TCP header has room for 40 bytes of options";
    traits:
        "1024:::;df=0;ttl=..64"
        "       ^^^^^^^^^^^^^^ this version reads no traits after `;`"
        "`1024:::` alone is read; it matches whatever else the SYN says";
    a_fault_before_traits_is_told_first:
        "65536:::;df=0"
        "^^^^^ the window 65536 is out of range"
        "the window is a number from 0 to 65535";
    p0f:
        "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this looks like p0f, which this version does not read"
        "write it in MuonFP as window:kinds:mss:scale, such as `64240:2-4-8-1-3:1460:7`";
    commas_between_kinds:
        "64240:2,4,8,1,3:1460:7"
        "^^^^^^^^^^^^^^^^^^^^^^ this is neither a MuonFP nor a JA4T signature"
        "did you mean `64240:2-4-8-1-3:1460:7`?";
    #[cfg(feature = "ja4t")]
    muonfp_colon_in_ja4t:
        "*:_00_00_00"
        "^^^^^^^^^^^ this is neither a MuonFP nor a JA4T signature"
        "did you mean `*_00_00_00`?";
    #[cfg(feature = "ja4t")]
    mixed_separators:
        "1024_2_1460:00"
        "^^^^^^^^^^^^^^ this is neither a MuonFP nor a JA4T signature"
        "did you mean `1024_2_1460_00`?";
    #[cfg(feature = "ja4t")]
    ja4t_of_older_programs:
        "1024__0_0"
        "     ^ the kinds are missing"
        "JA4T writes `00` for no options";
    #[cfg(feature = "ja4t")]
    ja4t_without_mss:
        "1024_4__00"
        "       ^ the MSS is missing"
        "JA4T writes `00` for no MSS";
    #[cfg(feature = "ja4t")]
    ja4t_padded_too_far:
        "1024_2_0536_00"
        "       ^^^^ the MSS has a leading zero"
        "write `536`";
    #[cfg(feature = "ja4t")]
    ja4t_mss_without_its_option:
        "1024_00_1460_00"
        "        ^^^^ the kinds list no MSS (kind 2), so no SYN has this value"
        "add 2 to the kinds, or write `00`";
    #[cfg(feature = "ja4t")]
    ja4t_scale_without_its_option:
        "1024_2_1460_07"
        "            ^^ the kinds list no window scale (kind 3), so no SYN has this value"
        "add 3 to the kinds, or write `00`";
    #[cfg(feature = "ja4t")]
    ja4t_kinds_after_eol:
        "65535_2-0-0-1-4_1460_00"
        "            ^^^ 0 (EOL) ends the options, so no SYN shows a kind after it"
        "JA4T lists only its zero padding after it";
    #[cfg(feature = "ja4t")]
    ja4t_five_timestamps:
        "1024_8-8-8-8-8_00_00"
        "     ^^^^^^^^^ these options take at least 50 bytes, more than a TCP header holds"
        "a TCP header has room for 40 bytes of options";
    #[cfg(not(feature = "ja4t"))]
    ja4t_without_the_feature:
        "1024_2_1460_00"
        "^^^^^^^^^^^^^^ this is JA4T, which this build does not read"
        "build with the feature `ja4t`, or write it in MuonFP as window:kinds:mss:scale";
}

#[test]
fn forty_nops_are_read_and_forty_one_are_not() {
    let nops = |count| format!("1024:{}::", vec!["1"; count].join("-"));
    assert!(nops(40).parse::<Signature>().is_ok());
    let fault = nops(41).parse::<Signature>().unwrap_err();
    assert_eq!(fault.span, 5..86);
    assert_eq!(fault.message, "these options take at least 41 bytes, more than a TCP header holds");
    assert!(Kinds::new(&[1; 41]).is_none());
}

#[test]
fn an_option_cut_short_may_lack_its_value() {
    for text in ["64240:1-1-1-2::", "64240:2-1-1-1-3:1460:", "64240:253-2::"] {
        assert_eq!(text.parse::<Signature>().unwrap().to_string(), text);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_within_it(
        text in prop_oneof![any::<String>(), "[0-9:_%*,;-]{0,30}", "([0-9]{0,3}|%|[0-4](-[0-4]){0,5})([:_]([0-9]{0,3}|%|[0-4](-[0-4]){0,5})){3}"]
    ) {
        match text.parse::<Signature>() {
            Ok(signature) => prop_assert_eq!(signature.to_string().parse(), Ok(signature)),
            Err(fault) => {
                prop_assert!(text.get(fault.span.clone()).is_some(), "{:?}", fault);
                prop_assert!(!fault.message.is_empty());
            }
        }
    }
}
