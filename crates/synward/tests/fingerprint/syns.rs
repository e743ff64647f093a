//! Which SYNs are told, and what of them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::files::{MICRO, Order, pcap, pcap_frame, pcap_head};
use crate::packets::{Vector, arp, ethernet, linux, linux6, syn_ack};
use crate::program::{frames, run, told};

/// Vectors that hold no SYN with a whole header: with RST, a SYN-ACK, a fragment other than the first, a data offset
/// below 5 or past the end, a header that is cut.
const NO_SYN: [&str; 8] = ["C088", "C089", "C093", "C112", "C118", "C120", "C121", "C122"];

/// Vectors that p0f ignores for a VLAN tag that is not in the data: without it, they are SYNs like others.
const TAGGED: [&str; 2] = ["C116", "C117"];

/// A pcap file of the vectors, of which some are not whole.
fn pcap_of(vectors: &[Vector]) -> Vec<u8> {
    let mut capture = pcap_head(Order::Little, MICRO, 1);
    for vector in vectors {
        let whole = [vector.frame(), vec![0; vector.cut()]].concat();
        capture.extend(pcap_frame(Order::Little, [0, 0], &whole, vector.cut()));
    }
    capture
}

#[test]
fn every_vector_shows_what_the_reference_programs_say() {
    let vectors = Vector::all();
    let capture = pcap_of(&vectors);
    let told = told(&[], &capture);
    let expected: Vec<_> = (1..).zip(&vectors).filter(|(_, vector)| !NO_SYN.contains(&&*vector.id)).collect();
    assert_eq!(expected.len(), 127);
    assert_eq!(frames(&told), expected.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    for (line, (_, vector)) in told.iter().zip(expected) {
        assert_eq!(line["muonfp"], *vector.muonfp, "{}", vector.id);
        #[cfg(feature = "ja4t")]
        assert_eq!(line["ja4t"], *vector.ja4t, "{}", vector.id);
        let p0f = if vector.p0f == "IGNORED" { Value::Null } else { Value::from(&*vector.p0f) };
        if !TAGGED.contains(&&*vector.id) {
            assert_eq!(line["p0f"], p0f, "{}", vector.id);
        }
    }
}

#[test]
fn a_line_has_these_keys_and_no_other() {
    let told = run(&["-", "--json"], &pcap(&[arp(), ethernet(&linux())]));
    let time = r#""time":"2023-11-14T22:13:20.000000Z""#;
    let flow = r#""src":"10.77.1.1","sport":20000,"dst":"10.77.0.2","dport":80"#;
    let ja4t = if cfg!(feature = "ja4t") { r#""ja4t":"64240_2-4-8-1-3_1460_7","# } else { "" };
    let p0f = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";
    let expected = format!(
        "{{\"frame\":2,{time},{flow},\"kind\":\"syn\",\"muonfp\":\"64240:2-4-8-1-3:1460:7\",{ja4t}\"p0f\":\"{p0f}\",\
         \"malformed\":null}}\n"
    );
    assert_eq!(str::from_utf8(&told.stdout).unwrap(), expected);
}

#[test]
fn a_line_for_people_has_the_same() {
    let malformed = Vector::named("C057").frame();
    let told = run(&["-"], &pcap(&[ethernet(&linux6()), malformed]));
    let text = String::from_utf8(told.stdout).unwrap();
    let ja4t = |text: &str| if cfg!(feature = "ja4t") { format!("{text}  ") } else { String::new() };
    let (first, second) = (ja4t("64800_2-4-8-1-3_1440_7"), ja4t("64240_2-1-1_1460_00"));
    let time = "2023-11-14T22:13:20.000000Z";
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with(&format!("       1  {time}  [fd77::")), "{text}");
    assert!(
        lines[0].ends_with(&format!(
            "  syn      64800:2-4-8-1-3:1440:7  {first}6:64+0:0:1440:mss*45,7:mss,sok,ts,nop,ws::0  -"
        )),
        "{text}"
    );
    let p0f = "4:64+0:0:1460:mss*44,0:mss,nop,nop,ws:df,id+,bad:0";
    assert!(
        lines[1].ends_with(&format!("64240:2-1-1-3:1460:  {second}{p0f}  kind 3 at 6: past_end")),
        "{text}"
    );
}

#[test]
fn malformed_options_are_told_with_their_place() {
    let frames: Vec<_> = ["C000", "C037", "C045", "C052", "C053"].map(|id| Vector::named(id).frame()).into();
    let malformed: Vec<Value> =
        told(&[], &pcap(&frames)).iter().map(|line| line["malformed"].clone()).collect();
    let expected = [
        Value::Null,
        json!({"kind": 2, "offset": 0, "how": "wrong_length"}),
        json!({"kind": 4, "offset": 4, "how": "length_below_two"}),
        json!({"kind": 253, "offset": 4, "how": "past_end"}),
        json!({"kind": 253, "offset": 7, "how": "no_length"}),
    ];
    assert_eq!(malformed, expected);
}

#[test]
fn syn_acks_are_told_when_asked_for() {
    let capture = pcap(&[ethernet(&syn_ack()), ethernet(&linux())]);
    assert_eq!(frames(&told(&[], &capture)), [2]);
    let both = told(&["--syn-ack"], &capture);
    assert_eq!(frames(&both), [1, 2]);
    assert_eq!([&both[0]["kind"], &both[1]["kind"]], ["syn-ack", "syn"]);
    assert_eq!(both[0]["muonfp"], "64240:2-4-8-1-3:1460:7");
}

/// An Ethernet frame of a SYN with four bytes of data: 14 bytes of Ethernet, 20 of IP, 40 of TCP.
fn with_payload() -> Vec<u8> {
    ethernet(&Vector::named("C094").packet())
}

#[test]
fn a_frame_that_is_cut_is_read_as_long_as_its_headers_are_there() {
    let mut capture = pcap_head(Order::Little, MICRO, 1);
    for cut in [0, 1, 5, 6, 20, 75] {
        capture.extend(pcap_frame(Order::Little, [0, 0], &with_payload(), cut));
    }
    let told = told(&[], &capture);
    assert_eq!(frames(&told), [1, 2, 3], "5 bytes of data were sent");
    for line in &told {
        let p0f = line["p0f"].as_str().unwrap();
        assert!(p0f.ends_with(":+"), "data that was not captured is data that was sent: {p0f}");
    }
}

#[test]
fn the_padding_of_a_short_frame_that_is_cut_is_no_payload() {
    let masscan = ethernet(&Vector::named("L021").packet());
    let padded = [masscan.as_slice(), &[0; 6]].concat();
    let frame = pcap_frame(Order::Little, [0, 0], &padded, 6);
    let told = told(&[], &[pcap_head(Order::Little, MICRO, 1), frame].concat());
    assert_eq!(told[0]["p0f"], "4:255+0:0:0:1024,0:::0");
}

/// The fingerprints of the SYNs of each program, counted by hand: see `pcaps/README.md`.
const PROGRAMS: [(&str, &[(usize, &str)]); 12] = [
    ("curl", &[(1, "64240:2-4-8-1-3:1460:10"), (1, "64800:2-4-8-1-3:1440:10")]),
    ("five-tags", &[]),
    ("hping3-syn", &[(3, "512:::")]),
    ("listed-addresses", &[(3, "64240:2-4-8-1-3:1460:10"), (2, "1024:2:1460:")]),
    ("masscan", &[(3, "1024:::")]),
    ("nmap-connect-scan", &[(3, "64240:2-4-8-1-3:1460:10"), (3, "64800:2-4-8-1-3:1440:10")]),
    ("nmap-fragments", &[]),
    ("nmap-odd-flags", &[(2, "1024:2:1460:")]),
    ("nmap-syn-scan", &[(6, "1024:2:1460:")]),
    ("qinq", &[(6, "1024:2:1460:")]),
    ("vlan", &[(6, "1024:2:1460:")]),
    ("zmap", &[(3, "65535:::")]),
];

#[test]
fn captures_of_real_programs_show_their_fingerprints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps");
    let captures = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let captures = captures.filter(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    assert_eq!(captures.count(), PROGRAMS.len(), "each capture is in the table");
    for (name, expected) in PROGRAMS {
        let output = Command::new(env!("CARGO_BIN_EXE_synward"))
            .args(["fingerprint", "--json"])
            .arg(folder.join(name).with_extension("pcap"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let told = crate::program::objects(&output);
        let count = |muonfp: &str| told.iter().filter(|line| line["muonfp"] == muonfp).count();
        for (syns, muonfp) in expected {
            assert_eq!(count(muonfp), *syns, "{name}: {muonfp}");
        }
        assert_eq!(told.len(), expected.iter().map(|(syns, _)| syns).sum::<usize>(), "{name}");
    }
}

#[test]
fn a_capture_or_an_interface_is_needed_and_not_both() {
    for arguments in
        [&[][..], &["-", "--live", "lo"], &["-", "--count", "1"], &["--live", "lo", "--count", "0"]]
    {
        let output = run(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = crate::program::complaint(&output);
        assert!(said.contains("--live <INTERFACE>") || said.contains("--count <COUNT>"), "{said}");
    }
}
