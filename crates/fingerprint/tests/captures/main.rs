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

#[test]
fn p0f_reads_the_vectors_as_we_do() {
    let frames = vectors().iter().map(Vector::frame).collect();
    let compared = p0f::compare(&Capture::write("vectors-p0f", frames), Path::new(p0f::DATABASE));
    assert!(compared.seen >= 110, "{compared:?}");
}
