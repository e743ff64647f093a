//! Captures of real programs, and the 135 vectors, as tshark and p0f read them.
//!
//! Debian's packages `tshark` and `p0f` must be installed: without them these tests fail.
#![cfg(test)]

#[path = "../p0f/packet.rs"]
#[allow(dead_code, reason = "each test uses its share")]
mod packet;
#[path = "../programs/mod.rs"]
mod programs;
#[path = "../common/vector.rs"]
mod vector;

use std::path::Path;

use packet::Packet;
use programs::capture::{Capture, pcaps};
use programs::{p0f, tshark};
use vector::{Vector, vectors};

#[test]
fn tshark_reads_the_captures_as_we_do() {
    let compared: usize = pcaps().iter().map(tshark::compare).sum();
    assert!(compared >= 40, "{compared}");
}

#[test]
fn p0f_reads_the_captures_as_we_do() {
    let compared: usize =
        pcaps().iter().map(|capture| p0f::compare(capture, Path::new(p0f::DATABASE)).seen).sum();
    assert!(compared >= 25, "{compared}");
}

#[test]
fn tshark_reads_the_vectors_as_we_do() {
    let frames = vectors().iter().map(Vector::frame).collect();
    let compared = tshark::compare(&Capture::write("vectors-tshark", frames));
    assert!(compared >= 125, "{compared}");
}

/// Kinds within which tshark looks for a structure of their own: MPTCP and SNACK. Where it finds none it gives up all that follows.
const STRUCTURED: [u8; 2] = [30, 21];

#[test]
fn tshark_reads_options_of_every_kind_and_length_as_we_do() {
    let kinds = (2..=u8::MAX).filter(|kind| !STRUCTURED.contains(kind));
    let options = kinds.flat_map(|kind| (0..=14).map(move |length| option_and_scale(kind, length)));
    let frames = (1024..).zip(options).map(|(port, options)| {
        let packet = Packet { options, ..Packet::default() };
        packet.frame_from_client(port)
    });
    let compared = tshark::compare(&Capture::write("every-option", frames.collect()));
    assert_eq!(compared, 252 * 15);
}

/// An option of zeros behind its length, then a window scale.
fn option_and_scale(kind: u8, length: u8) -> Vec<u8> {
    let mut options = vec![kind, length];
    options.resize(usize::from(length).max(2), 0);
    options.extend([3, 3, 7]);
    options.resize(options.len().next_multiple_of(4), 1);
    options
}

#[test]
fn p0f_reads_the_vectors_as_we_do() {
    let frames = vectors().iter().map(Vector::frame).collect();
    let compared = p0f::compare(&Capture::write("vectors-p0f", frames), Path::new(p0f::DATABASE));
    assert!(compared.seen >= 110, "{compared:?}");
}
