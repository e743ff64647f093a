//! Signatures in other notations: what becomes of them, what is lost, and that nothing else is.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../p0f/generator.rs"]
mod generator;
#[path = "../p0f/packet.rs"]
#[allow(dead_code, reason = "each test uses its share")]
mod packet;
#[path = "../common/rivals.rs"]
mod rivals;

use proptest::prelude::*;
use rivals::{is_plain, recipe};
use synward_fingerprint::convert::{Conversion, ConvertError, Effect, Keep, To, convert};
use synward_fingerprint::{Fingerprint, Signature};

const LINUX: &str = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";

const ALL: &[To] = &[
    To::MuonFp,
    #[cfg(feature = "ja4t")]
    To::Ja4t,
    To::P0f,
];

fn read(text: &str) -> Signature {
    text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn converted(text: &str, to: To, keep: Keep) -> Conversion {
    convert(&read(text), to, keep).unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// The signature in the other notation, and each loss as `effect: what`.
fn plain(text: &str, to: To) -> (String, Vec<String>) {
    let Conversion { signature, losses } = converted(text, to, Keep::Plain);
    let losses = losses.iter().map(|loss| format!("{}: {}", loss.effect.name(), loss.of)).collect();
    (signature.to_string(), losses)
}

fn refused(text: &str, to: To) -> ConvertError {
    convert(&read(text), to, Keep::Plain).expect_err(text)
}

#[test]
fn p0f_becomes_a_string_and_what_it_says_beside_is_told() {
    let (text, losses) = plain(LINUX, To::MuonFp);
    assert_eq!(text, "64240:2-4-8-1-3:1460:7");
    let wider = ["IP version", "initial TTL", "DF bit", "IP identification", "use of ECN", "payload"];
    let wider = wider.into_iter().chain(["length of IP options", "other quirks"]);
    let expected: Vec<String> =
        wider.map(|of| format!("wider: {of}")).chain(["narrower: window".to_owned()]).collect();
    assert_eq!(losses, expected);
    let Conversion { losses, .. } = converted(LINUX, To::MuonFp, Keep::Plain);
    assert_eq!(losses[1].message, "the initial TTL (64) is no longer asked for");
    assert_eq!(losses[8].message, "`mss*44` also stands for 63712: no longer matched");
}

#[test]
fn traits_keep_what_they_can() {
    for (text, kept, losses) in [
        (
            LINUX,
            "64240:2-4-8-1-3:1460:7;ttl=29..64;df=1;ipid=1..;ecn=0;payload=0;ver=4",
            ["length of IP options", "other quirks", "window"].as_slice(),
        ),
        ("6:255-:0:0:1024,0::ecn:*", "1024:::;ecn=1;ver=6", &["length of IP options", "other quirks"]),
        (
            "4:64-:0:0:1024,0::df:+",
            "1024:::;ttl=..64;df=1;ipid=0;ecn=0;payload=1;ver=4",
            &["length of IP options", "other quirks"],
        ),
        (
            "*:64:0:0:1024,0::id-:0;ttl=50..",
            "1024:::;ttl=50..64;df=0;ipid=0;ecn=0;payload=0",
            &["IP version", "length of IP options", "other quirks"],
        ),
    ] {
        let Conversion { signature, losses: told } = converted(text, To::MuonFp, Keep::Traits);
        assert_eq!(signature.to_string(), kept);
        assert_eq!(told.iter().map(|loss| loss.of).collect::<Vec<_>>(), losses, "{text}");
    }
}

#[test]
fn a_relation_between_window_and_mss_is_no_string() {
    for text in ["*:64:0:*:mss*44,7:mss,sok,ts,nop,ws:df,id+:0", "4:64:0:*:%8192,*:mss:df,id+:0"] {
        let Conversion { signature, losses } = converted(text, To::MuonFp, Keep::Plain);
        assert!(signature.to_string().starts_with("%:2"), "{signature}");
        let window = losses.iter().find(|loss| loss.of == "window").unwrap();
        assert_eq!(window.effect, Effect::Wider);
        assert!(window.message.contains("any window matches now"), "{}", window.message);
    }
}

#[cfg(feature = "ja4t")]
#[test]
fn muonfp_and_ja4t_are_the_same_but_for_the_padding() {
    for (muonfp, ja4t) in [
        ("1024:::", "1024_00_00_00"),
        ("%:::", "%_00_00_00"),
        ("1024:2:1460:", "1024_2_1460_00"),
        ("64240:2-1-3:9:0", "64240_2-1-3_09_00"),
        ("%:2-4-8-1-3:%:%", "%_2-4-8-1-3_%_%"),
        ("64240:2-%-8:1460:7", "64240_2-%-8_1460_7"),
        ("64240:2-1-3-34:1460:7;df=1;name=\"a # b\"", "64240_2-1-3-34_1460_7;df=1;name=\"a # b\""),
    ] {
        assert_eq!(plain(muonfp, To::Ja4t), (ja4t.to_owned(), vec![]));
        assert_eq!(plain(ja4t, To::MuonFp), (muonfp.to_owned(), vec![]));
    }
}

#[cfg(feature = "ja4t")]
#[test]
fn padding_is_filled_up_to_a_word_or_left_open() {
    let narrower = vec!["narrower: padding".to_owned()];
    let wider = vec!["wider: padding".to_owned()];
    let (macos, padded) = ("65535:2-1-3-1-1-8-4-0:1460:6", "65535_2-1-3-1-1-8-4-0-0_1460_6");
    assert_eq!(plain(macos, To::Ja4t), (padded.to_owned(), narrower.clone()));
    assert_eq!(plain(padded, To::MuonFp), (macos.to_owned(), wider));
    assert_eq!(plain("1024:0::", To::Ja4t), ("1024_0-0-0-0_00_00".to_owned(), narrower));
    for (muonfp, ja4t) in [
        ("1024:2-34-0:1460:", "1024_2-34-0-%_1460_00"),
        ("1024:%-8-0::", "1024_%-8-0-%_00_00"),
        ("1024:2-%-0:1460:", "1024_2-%-0_1460_00"),
    ] {
        let (text, losses) = plain(muonfp, To::Ja4t);
        assert_eq!(text, ja4t);
        assert!(!losses.iter().any(|loss| loss.contains("padding")), "{losses:?}");
    }
}

#[cfg(feature = "ja4t")]
#[test]
fn with_a_gap_nobody_knows_whether_00_is_none() {
    let (text, losses) = plain("1024_%-8_00_00", To::MuonFp);
    assert_eq!((text.as_str(), losses.len()), ("1024:%-8::", 2));
    assert!(losses.iter().all(|loss| loss.starts_with("narrower")), "{losses:?}");
    assert_eq!(plain("1024_%-2_00_%", To::MuonFp), ("1024:%-2:0:%".to_owned(), vec![]));
    let (_, losses) = plain("1024:%-8::", To::Ja4t);
    assert_eq!(losses, ["wider: MSS", "wider: window scale"]);
}

#[test]
fn p0f_asks_for_exact_quirks() {
    for (text, p0f, rest) in [
        ("1024:::", "*:255-:0:0:1024,0::df,id+,flow:*", ""),
        ("1024:::;df=0", "4:255-:0:0:1024,0:::*", ""),
        ("1024:::;df=0;ipid=0;payload=0", "4:255-:0:0:1024,0::id-:0", ""),
        ("1024:::;ver=6;ttl=29..64", "6:64:0:0:1024,0::flow:*", ""),
        ("65535:2-1-3-1-1-4:1460:8;df=0;ttl=..64", "4:64-:0:1460:65535,8:mss,nop,ws,nop,nop,sok::*", ""),
        ("1024:::;ttl=65..128;ipid=5", "4:255-:0:0:1024,0::df,id+:*", ";ttl=65..128;ipid=5"),
        (
            "1024:2-1-3:%:15;flags=SECP",
            "*:255-:0:*:1024,15:mss,nop,ws:df,id+,ecn,flow,pushf+,exws:*",
            ";flags=SPEC",
        ),
        (
            "%:2-1-1-4:1460:;dport=22;name=x",
            "*:255-:0:1460:*,0:mss,nop,nop,sok:df,id+,flow:*",
            ";dport=22;name=\"x\"",
        ),
    ] {
        let (written, losses) = plain(text, To::P0f);
        assert_eq!(written, format!("{p0f}{rest}"), "{text}");
        assert_eq!(losses, ["narrower: quirks"], "{text}");
    }
    assert_eq!(plain("1024:2-4-0:1460:", To::P0f).0, "*:255-:0:1460:1024,0:mss,sok,eol+1:df,id+,flow:*");
}

#[test]
fn what_cannot_be_said_is_refused() {
    assert_eq!(refused("1024:2-%:1460:", To::P0f), ConvertError::Gaps);
    assert_eq!(refused("1024:2-34-0:1460:", To::P0f), ConvertError::UnknownPadding);
    assert_eq!(refused("1024:254-2::", To::P0f), ConvertError::Malformed);
    assert_eq!(refused(&format!("1024:{}::", ["1"; 25].join("-")), To::P0f), ConvertError::TooManyOptions);
    assert_eq!(refused("1024:::;flags=SF", To::P0f), ConvertError::NotSeenByP0f("a SYN with FIN"));
    assert_eq!(refused("4:64:0:0:1024,0::bad:0", To::MuonFp), ConvertError::Malformed);
    for never in [
        "4:64:0:1460:1024,0::df,id+:0",
        "4:64:0:0:mss*4,0::df,id+:0",
        "4:64:0:1460:mss*99,0:mss:df,id+:0",
        "4:64:0:1460:1024,0:mss,sok:df,id+:0",
        "4:64:3:0:1024,0::df,id+:0",
        "4:64:0:0:1024,0::id+:0",
        "4:64:0:0:1024,0::ts1-:0",
        "4:64:0:0:1024,0::ack-:0",
        "4:64:0:0:1024,0::uptr+,urgf+:0",
        "4:64:0:0:1024,0::df,id+:0;ttl=65..",
        "4:64:0:0:1024,0::df,id+:0;df=0",
        "4:64:0:0:1024,0::df,id+:0;ipid=0",
        "4:64:0:0:1024,0::df,id+:0;ver=6",
        "4:64:0:0:1024,0::df,id+:0;ecn=1",
        "4:64:0:0:1024,0::df,id+:0;payload=1",
        "4:64:0:0:1024,0::df,id+:0;flags=SP",
        "4:64:0:0:1024,0:nop,nop,nop,nop:exws:0",
        "4:64:0:1460:1024,15:mss,nop,ws:df,id+:0",
        "4:64:0:0:1024,0:eol+3:opt+,seq-,ack+,ts2+:0",
    ] {
        assert!(matches!(refused(never, To::MuonFp), ConvertError::NeverMatches(_)), "{never}");
    }
}

#[test]
fn in_its_own_notation_a_signature_stays_as_it_is() {
    for (text, to) in [("1024:2-%:1460:", To::MuonFp), (LINUX, To::P0f), ("4:64:0:0:1,0::bad:0", To::P0f)] {
        let expected = Conversion { signature: read(text), losses: vec![] };
        assert_eq!(convert(&read(text), to, Keep::Plain), Ok(expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[cfg(feature = "ja4t")]
    #[test]
    fn both_strings_of_a_well_formed_syn_are_converted_into_each_other(
        window: u16,
        options in common::well_formed(),
    ) {
        use synward_fingerprint::{Ja4tSignature, MuonFpSignature};
        let seen = common::fingerprint(window, &options);
        let muonfp: Signature = MuonFpSignature::from(seen.muonfp).into();
        let ja4t: Signature = Ja4tSignature::from(seen.ja4t).into();
        let back = convert(&ja4t, To::MuonFp, Keep::Plain).unwrap();
        prop_assert_eq!(&back.signature, &muonfp);
        let there = convert(&muonfp, To::Ja4t, Keep::Plain).unwrap();
        let zeros = seen.ja4t.kinds.as_slice().iter().rev().take_while(|kind| **kind == 0).count();
        let least = (options.len() - zeros + 1).next_multiple_of(4);
        let is_least = zeros == 0 || options.len() == least;
        let is_open = there.signature.to_string().contains('%');
        prop_assert!(!is_least || is_open || there.signature == ja4t, "{}", there.signature);
        prop_assert_eq!(there.losses.is_empty(), zeros == 0 || is_open || least == 40, "{:?}", &there);
        prop_assert!(!(is_least || is_open) || there.signature.matches(&seen));
    }

    #[test]
    fn what_is_printed_reads_as_the_same(recipe in recipe()) {
        let Some(signature) = recipe.signature() else { return Ok(()) };
        for to in ALL {
            for keep in [Keep::Plain, Keep::Traits] {
                let Ok(converted) = convert(&signature, *to, keep) else { continue };
                let text = converted.signature.to_string();
                let read = text.parse::<Signature>();
                prop_assert_eq!(read.as_ref(), Ok(&converted.signature), "{} from {}", text, signature);
            }
        }
    }

    #[test]
    fn losses_are_all_told(recipe in recipe()) {
        let Some(signature) = recipe.signature() else { return Ok(()) };
        let syns = recipe.syns();
        for to in ALL {
            for keep in [Keep::Plain, Keep::Traits] {
                let Ok(converted) = convert(&signature, *to, keep) else { continue };
                let told = |effect| converted.losses.iter().any(|loss| loss.effect == effect);
                let (wider, narrower) = (told(Effect::Wider), told(Effect::Narrower));
                for syn in syns.iter().filter(|syn| is_plain(syn)) {
                    let seen = Fingerprint::of(syn);
                    let (before, after) = (signature.matches(&seen), converted.signature.matches(&seen));
                    prop_assert!(wider || before || !after, "wider: {} is {}\n{:?}", signature, converted.signature, syn);
                    prop_assert!(narrower || after || !before, "narrower: {} is {}\n{:?}", signature, converted.signature, syn);
                }
            }
        }
    }

    #[test]
    fn what_never_matches_never_does(recipe in recipe()) {
        let Some(signature) = recipe.signature() else { return Ok(()) };
        let other = if matches!(signature.notation, synward_fingerprint::Notation::P0f(_)) { To::MuonFp } else { To::P0f };
        if let Err(ConvertError::NeverMatches(why)) = convert(&signature, other, Keep::Plain) {
            let found = recipe.syns().into_iter().find(|syn| signature.matches(&Fingerprint::of(syn)));
            prop_assert!(found.is_none(), "{}: {}\n{:?}", signature, why, found);
        }
    }
}
