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
    a_trait_nobody_knows:
        "1024:::;dff=0;ttl=..64"
        "        ^^^ there is no trait `dff`"
        "did you mean `df`, as in `df=0` or `df=1`?";
    a_trait_like_none:
        "1024:::;q=0"
        "        ^ there is no trait `q`"
        "the traits are dir, ttl, df, ipid, flags, ecn, payload, dport, dst, ver, name";
    a_blank_before_a_trait:
        "1024:::; df=0"
        "        ^^^ there is no trait ` df`"
        "did you mean `df`, as in `df=0` or `df=1`?";
    a_trait_in_capitals:
        "1024:::;TTL=64"
        "        ^^^ there is no trait `TTL`"
        "did you mean `ttl`, as in `ttl=64`, `ttl=..64` or `ttl=65..128`?";
    a_trait_twice:
        "1024:::;df=0;ttl=64;df=1"
        "                    ^^^^ the trait `df` is given twice"
        "keep one of them";
    a_trait_without_value:
        "1024:::;ttl=;df=0"
        "        ^^^^ the trait `ttl` has no value"
        "write `ttl=64`, `ttl=..64` or `ttl=65..128`";
    a_trait_without_equals:
        "1024:::;df"
        "        ^^ the trait `df` has no value"
        "write `df=0` or `df=1`";
    no_trait_behind_the_semicolon:
        "1024:::;"
        "        ^ a trait is missing"
        "write key=value behind the `;`, or leave the `;` off";
    a_wildcard_for_a_trait:
        "1024:::;ttl=%"
        "            ^ a trait takes no wildcard"
        "leave the trait off: without it anything will do";
    ttl_out_of_range:
        "1024:::;ttl=64..256"
        "                ^^^ the TTL 256 is out of range"
        "the TTL is a number from 0 to 255";
    ttl_the_wrong_way_round:
        "1024:::;ttl=128..65"
        "            ^^^^^^^ the range is empty: 128 is above 65"
        "write `65..128`";
    ttl_without_ends:
        "1024:::;ttl=.."
        "            ^^ the range has no end"
        "a range is written as `1..9`, `..9` or `1..`: both ends belong to it";
    ttl_of_p0f:
        "1024:::;ttl=64-"
        "              ^ unexpected `-` in the TTL"
        "the TTL is a number from 0 to 255";
    df_of_words:
        "1024:::;df=yes"
        "           ^^^ df is 0 or 1"
        "leave the trait off if either will do";
    ipid_too_long:
        "1024:::;ipid=0x10000"
        "             ^^^^^^^ `0x10000` is no IP identification"
        "behind `0x` stand one to four hexadecimal digits";
    ipid_with_too_many_digits:
        "1024:::;ipid=0x00001"
        "             ^^^^^^^ `0x00001` is no IP identification"
        "behind `0x` stand one to four hexadecimal digits";
    ipid_with_a_sign:
        "1024:::;ipid=0x+1"
        "             ^^^^ `0x+1` is no IP identification"
        "behind `0x` stand one to four hexadecimal digits";
    flags_unknown:
        "1024:::;flags=SQ"
        "               ^ `Q` stands for no TCP flag"
        "the letters are S A F R P U E C N, and X Y Z for the reserved flags, each at most once";
    flags_twice:
        "1024:::;flags=SES"
        "                ^ the flag `S` is given twice"
        "the letters are S A F R P U E C N, and X Y Z for the reserved flags, each at most once";
    flags_of_no_syn:
        "1024:::;flags=F"
        "        ^^^^^^^ a SYN has the flag S"
        "add `S`";
    flags_of_a_syn_ack:
        "1024:::;flags=SA"
        "        ^^^^^^^^ with the flag A it is a SYN-ACK"
        "leave `A` off, or add `;dir=SA`";
    flags_of_a_syn_in_a_syn_ack:
        "1024:::;flags=S;dir=SA"
        "        ^^^^^^^ a SYN-ACK has the flag A"
        "add `A`, or leave `dir=SA` off";
    flags_of_a_reset:
        "1024:::;flags=SR"
        "        ^^^^^^^^ with the flag R it is no SYN"
        "leave `R` off";
    flags_against_ecn:
        "1024:::;ecn=0;flags=SE"
        "              ^^^^^^^^ the flags E, C and N are ECN, and ecn=0 asks for none"
        "leave one of the two off";
    direction_unknown:
        "1024:::;dir=A"
        "            ^ dir is S or SA"
        "`S` is the SYN of a client, `SA` the SYN-ACK of a server";
    version_unknown:
        "1024:::;ver=5"
        "            ^ ver is 4 or 6"
        "leave the trait off if either will do";
    df_of_ipv6:
        "1024:::;ver=6;df=0"
        "              ^^^^ no SYN has this and `ver=6`: one is of IPv4, the other of IPv6"
        "leave one of the two off";
    ipid_to_an_ipv6_address:
        "1024:::;ipid=0;ttl=64;dst=2001:db8::/32"
        "                      ^^^^^^^^^^^^^^^^^ no SYN has this and `ipid=0`: one is of IPv4, the other of IPv6"
        "leave one of the two off";
    port_missing:
        "1024:::;dport=22,,80"
        "                 ^ the port is missing"
        "one `,` stands between two ports";
    port_out_of_range:
        "1024:::;dport=22,80..65536"
        "                     ^^^^^ the port 65536 is out of range"
        "the port is a number from 0 to 65535";
    address_of_letters:
        "1024:::;dst=example.org"
        "            ^^^^^^^^^^^ `example.org` is not an IP address"
        "write an address such as 192.0.2.7, or a prefix such as 192.0.2.0/24 or 2001:db8::/32";
    address_with_bits_behind_its_prefix:
        "1024:::;dst=192.0.2.7/24"
        "            ^^^^^^^^^ the address has bits set behind its prefix"
        "write `192.0.2.0/24`, or the address alone if only it is meant";
    address_with_too_long_a_prefix:
        "1024:::;dst=192.0.2.7/33"
        "                      ^^ the prefix length 33 is out of range"
        "the prefix length is a number from 0 to 32";
    address_mapped:
        "1024:::;dst=::ffff:192.0.2.7"
        "            ^^^^^^^^^^^^^^^^ an IPv4-mapped address never appears in a packet"
        "write `192.0.2.7`";
    name_with_a_blank:
        "1024:::;name=zmap 4"
        "                 ^ unexpected ` ` in a name without quotes"
        "put the name between double quotes, as in name=\"zmap 4\"";
    name_without_end:
        r#"1024:::;name="zmap;df=0"#
        "             ^^^^^^^^^^ the quoted name has no end"
        "close it with `\"`";
    name_with_text_behind_it:
        r#"1024:::;name="zmap"4;df=0"#
        "                   ^ unexpected text behind the closing quote"
        "write `;` before the next trait, and `\\\"` for a quote in the name";
    name_with_a_bad_escape:
        r#"1024:::;name="a\n""#
        "               ^ `\\` stands before a quote or another `\\` only"
        "write `\\\\` for a backslash";
    name_of_nothing:
        r#"1024:::;name="""#
        "             ^^ the name is empty"
        "write a name, or leave the trait off";
    a_fault_before_traits_is_told_first:
        "65536:::;df=0"
        "^^^^^ the window 65536 is out of range"
        "the window is a number from 0 to 65535";
    p0f_window_by_tcp:
        "4:64+0:0:1460:mss*,7:mss,sok,ts,nop,ws:df,id+:0"
        "                  ^ the factor is missing"
        "the factor is a number from 1 to 1000";
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
        text in prop_oneof![any::<String>(), "[0-9:_%*,;-]{0,30}", "([0-9]{0,3}|%|[0-4](-[0-4]){0,5})([:_]([0-9]{0,3}|%|[0-4](-[0-4%]){0,5})){3}", "1024:::(;[a-z]{0,5}=[0-9A-Z\"\\\\.,:/x]{0,6}){0,3}"]
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
