//! Captures that are damaged, cut, or of another kind.

use crate::files::{MICRO, Order, enhanced, interface, pcap, pcap_frame, pcap_head, section};
use crate::packets::{ethernet, linux};
use crate::program::{complaint, frames, objects, run};

/// Runs the program on a capture with a fault, and answers which frames were told before, and the complaint.
fn fault(capture: &[u8]) -> (Vec<u64>, String) {
    let output = run(&["-", "--json"], capture);
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    (frames(&objects(&output)), complaint(&output))
}

#[test]
fn what_was_read_before_the_end_is_told() {
    let whole = pcap(&[ethernet(&linux()), ethernet(&linux())]);
    let (told, said) = fault(&whole[..whole.len() - 1]);
    assert_eq!(told, [1]);
    assert_eq!(said, "synward: -: behind frame 1: the capture ends in the middle of a frame\n");
}

#[test]
fn a_summary_too_is_written_before_the_fault() {
    let whole = pcap(&[ethernet(&linux()), ethernet(&linux())]);
    let output = run(&["-", "--json", "--summary"], &whole[..whole.len() - 1]);
    assert_eq!((output.status.code(), &objects(&output)[0]["count"]), (Some(1), &1.into()));
}

#[test]
fn a_frame_longer_than_any_is_damage() {
    let mut capture = pcap(&[ethernet(&linux())]);
    capture.extend([0xff; 16]);
    capture.extend(vec![0; 1 << 21]);
    let (told, said) = fault(&capture);
    assert_eq!(told, [1]);
    assert_eq!(
        said,
        "synward: -: behind frame 1: the capture is damaged, or has a block of more than 1 MiB\n"
    );
}

#[test]
fn an_interface_that_is_not_described_is_damage() {
    let little = Order::Little;
    let capture =
        [section(little), interface(little, 101, 0, None, None), enhanced(little, 1, 0, &linux())].concat();
    let (told, said) = fault(&capture);
    assert!(told.is_empty());
    assert!(said.contains("a frame of an interface that the capture does not describe"), "{said}");
}

#[test]
fn frames_of_an_unknown_link_type_are_counted_and_told() {
    let little = Order::Little;
    let capture = [
        section(little),
        interface(little, 105, 0, None, None),
        interface(little, 101, 0, None, None),
        enhanced(little, 0, 0, &[0; 40]),
        enhanced(little, 1, 0, &linux()),
        enhanced(little, 0, 0, &[0; 40]),
    ];
    let (told, said) = fault(&capture.concat());
    assert_eq!(told, [2]);
    assert!(said.starts_with("synward: -: 2 frames were not read: their link type is 105"), "{said}");
}

#[test]
fn what_is_no_capture_is_told() {
    let cases: [(&[u8], &str); 3] = [
        (b"", "the capture is empty"),
        (b"PK\x03\x04 is a zip file and no capture", "this is no pcap or pcapng file"),
        (&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], "this is no pcap or pcapng file"),
    ];
    for (capture, expected) in cases {
        let (told, said) = fault(capture);
        assert_eq!((told.len(), said), (0, format!("synward: -: {expected}\n")));
    }
    let output = run(&["no-such-file.pcap"], &[]);
    assert_eq!(complaint(&output), "synward: no-such-file.pcap: No such file or directory (os error 2)\n");
}

/// Cut anywhere, and with any one byte changed: an answer, never a panic.
#[test]
fn no_damage_ends_in_a_panic() {
    let big = Order::Big;
    let ng = [
        section(big),
        interface(big, 1, 0, Some(9), Some(1)),
        enhanced(big, 0, 1 << 60, &ethernet(&linux())),
    ];
    let pcap = [pcap_head(big, MICRO, 1), pcap_frame(big, [1, 2], &ethernet(&linux()), 0)];
    for whole in [ng.concat(), pcap.concat()] {
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            for damaged in [&whole[..at], &changed] {
                let output = run(&["-"], damaged);
                assert!(matches!(output.status.code(), Some(0 | 1)), "byte {at}: {}", complaint(&output));
            }
        }
    }
}
