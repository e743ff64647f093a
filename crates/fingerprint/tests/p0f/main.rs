//! p0f against p0f: what the program itself says, of the 135 SYNs and of some thousand more.
//!
//! Debian's package `p0f` must be installed: without the program and its database these tests fail.
#![cfg(test)]

mod generator;
mod packet;
#[path = "../programs/mod.rs"]
mod programs;
#[path = "../common/vector.rs"]
mod vector;

use std::path::Path;

use generator::Generator;
use packet::Packet;
use programs::capture::Capture;
use programs::p0f::{Compared, DATABASE, name_and_params, p0f_fp, params_of_match, read_database};
use synward_fingerprint::p0f::P0f;
use synward_wire::{Located, SynFacts, locate};
use vector::{Vector, vectors};

/// A database for what that of Debian has no signature of: each form of the grammar, and rivals for the same packet.
const RIVALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/p0f/rivals.fp");

impl Vector {
    fn observed(&self) -> Option<P0f> {
        let frame = self.frame();
        let Located::Packet(packet) = locate(&frame) else { return None };
        P0f::of(&SynFacts::of(&packet)?)
    }

    /// p0f ignored these for what is not in the packet: two VLAN tags, and a SYN-ACK that answers no SYN.
    fn was_ignored_for_its_surroundings(&self) -> bool {
        ["C089", "C116", "C117"].contains(&self.id.as_str())
    }
}

#[test]
fn the_vectors_are_read_as_p0f_reads_them() {
    for vector in vectors().iter().filter(|vector| !vector.was_ignored_for_its_surroundings()) {
        let seen = vector.observed().map_or_else(|| "IGNORED".to_owned(), |seen| seen.to_string());
        assert_eq!(seen, vector.p0f, "{}", vector.id);
    }
}

#[test]
fn the_vectors_are_named_as_p0f_names_them() {
    let database = p0f_fp();
    let mut compared = 0;
    for vector in vectors() {
        let (Some(os), Some(params)) = (&vector.p0f_os, &vector.p0f_params) else { continue };
        let seen = vector.observed().expect(&vector.id);
        let expected = (os.trim_start_matches("APP ").to_owned(), params_of_match(params));
        assert_eq!(name_and_params(database.find(&seen)), expected, "{} {seen}", vector.id);
        compared += 1;
    }
    assert_eq!(compared, 86, "all whose name is known");
}

#[test]
fn each_signature_of_the_database_prints_and_reads_the_same() {
    for entry in
        [p0f_fp().requests(), p0f_fp().responses(), read_database(Path::new(RIVALS)).requests()].concat()
    {
        assert_eq!(entry.signature.to_string().parse(), Ok(entry.signature), "line {}", entry.line);
    }
    assert_eq!((p0f_fp().requests().len(), p0f_fp().responses().len()), (91, 101));
}

/// The frames of a capture, each connection from a client with a port and an address of its own.
#[derive(Default)]
struct Frames {
    frames: Vec<Vec<u8>>,
    connections: u16,
}

impl Frames {
    fn next_port(&mut self) -> u16 {
        self.connections += 1;
        1023 + self.connections
    }

    fn add_syn(&mut self, syn: &Packet) {
        let port = self.next_port();
        self.frames.push(syn.frame_from_client(port));
    }

    /// Adds a SYN-ACK and the SYN that it answers.
    fn add_syn_ack(&mut self, syn_ack: &Packet, syn_mss: u16) {
        let port = self.next_port();
        // No database names this one: with a program's name p0f would close the connection.
        let options = [vec![2, 4], syn_mss.to_be_bytes().to_vec(), vec![99, 4, 0, 0]].concat();
        let syn = Packet { v6: syn_ack.v6, options, ..Packet::default() };
        self.frames.extend([syn.frame_from_client(port), syn_ack.frame_to_client(port)]);
    }

    /// Asserts that p0f with this database says the same of all of them.
    fn compare(self, name: &str, database: &str) -> Compared {
        programs::p0f::compare(&Capture::write(&format!("p0f-{name}"), self.frames), Path::new(database))
    }
}

#[test]
fn generated_syns_are_to_p0f_what_they_are_to_us() {
    let mut generator = Generator::new(309);
    let database = p0f_fp();
    let mut frames = Frames::default();
    for _ in 0..25 {
        for entry in database.requests() {
            frames.add_syn(&generator.packet_of(&entry.signature));
        }
    }
    let Compared { named, .. } = frames.compare("syns", DATABASE);
    assert!(named > 1500, "{named}");
}

#[test]
fn malformed_syns_are_to_p0f_what_they_are_to_us() {
    let mut generator = Generator::new(793);
    let mut frames = Frames::default();
    (0..2500).for_each(|_| frames.add_syn(&generator.any_syn()));
    let Compared { seen, .. } = frames.compare("malformed", DATABASE);
    assert!(seen > 1800, "{seen}");
}

#[test]
fn syn_acks_are_to_p0f_what_they_are_to_us() {
    let mut generator = Generator::new(7323);
    let database = p0f_fp();
    let mut frames = Frames::default();
    for _ in 0..12 {
        for entry in database.responses() {
            let answer = generator.packet_of(&entry.signature).into_syn_ack();
            frames.add_syn_ack(&answer, generator.mss());
        }
    }
    (0..300).for_each(|_| frames.add_syn_ack(&generator.any_syn().into_syn_ack(), generator.mss()));
    let Compared { named, .. } = frames.compare("syn-acks", DATABASE);
    assert!(named > 600, "{named}");
}

#[test]
fn among_rivals_the_one_that_p0f_chooses_is_found() {
    let mut generator = Generator::new(8200);
    let database = read_database(Path::new(RIVALS));
    let mut frames = Frames::default();
    for _ in 0..60 {
        for entry in database.requests() {
            frames.add_syn(&generator.packet_of(&entry.signature));
        }
    }
    let Compared { named, .. } = frames.compare("rivals", RIVALS);
    assert!(named > 500, "{named}");
}
