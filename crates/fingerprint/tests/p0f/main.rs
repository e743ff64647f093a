//! p0f against p0f: what the program itself says, of the 135 SYNs and of some thousand more.
//!
//! Debian's package `p0f` must be installed: without the program and its database these tests fail.
#![cfg(test)]

mod generator;
mod packet;
mod program;

use std::fs;

use generator::Generator;
use packet::Packet;
use program::Logged;
use serde::Deserialize;
use synward_fingerprint::p0f::{Found, P0f, P0fDatabase};
use synward_wire::{Located, SynFacts, locate};

/// The database of Debian's package.
const P0F_FP: &str = "/etc/p0f/p0f.fp";

/// A database for what that one has no signature of: each form of the grammar, and rivals for the same packet.
const RIVALS: &str = include_str!("rivals.fp");

fn p0f_fp() -> P0fDatabase {
    let text = fs::read_to_string(P0F_FP).expect("p0f's database: apt-get install p0f");
    let (database, faults) = P0fDatabase::parse(&text);
    assert_eq!(faults, [], "{P0F_FP}");
    database
}

fn rivals() -> P0fDatabase {
    let (database, faults) = P0fDatabase::parse(RIVALS);
    assert_eq!(faults, []);
    database
}

fn observe(frame: &[u8]) -> Option<P0f> {
    let Located::Packet(packet) = locate(frame) else { return None };
    P0f::of(&SynFacts::of(&packet)?)
}

/// What p0f logs as `os` (or `app`) and as those of the `params` that come from the match.
fn verdict(found: Option<Found<'_>>) -> (String, String) {
    let Some(found) = found else { return ("???".to_owned(), "none".to_owned()) };
    let said =
        [(found.is_generic(), "generic"), (found.fuzzy, "fuzzy"), (found.has_random_ttl(), "random_ttl")];
    let params: Vec<&str> = said.iter().filter(|(is_said, _)| *is_said).map(|(_, word)| *word).collect();
    (found.entry.label.to_string(), if params.is_empty() { "none".to_owned() } else { params.join(" ") })
}

/// Those of p0f's `params` that come from the match: not the ones that tell the distance and the traffic class.
fn params_of_match(params: &str) -> String {
    let of_match = |word: &&str| *word != "excess_dist" && !word.starts_with("tos:");
    let words: Vec<&str> = params.split(' ').filter(of_match).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    /// The IP header and the TCP segment, in hexadecimal.
    ip: String,
    tcp: String,
    p0f: String,
    p0f_os: Option<String>,
    p0f_params: Option<String>,
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    hexadecimal.as_bytes().chunks(2).map(byte).collect()
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../data/syn-vectors.json")).unwrap()
}

impl Vector {
    fn observed(&self) -> Option<P0f> {
        let (mut ip, mut tcp) = (bytes(&self.ip), bytes(&self.tcp));
        if let [0x40..=0x4f, _, high, low, ..] = *ip {
            // Of some packets, nothing is told of the IP options or the payload but their lengths.
            ip.resize(usize::from(ip[0] & 0x0f) * 4, 1);
            tcp.resize(usize::from(u16::from_be_bytes([high, low])) - ip.len(), 0);
        }
        observe(&packet::in_ethernet(&[ip, tcp].concat()))
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
        assert_eq!(verdict(database.find(&seen)), expected, "{} {seen}", vector.id);
        compared += 1;
    }
    assert_eq!(compared, 86, "all whose name is known");
}

#[test]
fn each_signature_of_the_database_prints_and_reads_the_same() {
    for entry in [p0f_fp().requests(), p0f_fp().responses(), rivals().requests()].concat() {
        assert_eq!(entry.signature.to_string().parse(), Ok(entry.signature), "line {}", entry.line);
    }
    assert_eq!((p0f_fp().requests().len(), p0f_fp().responses().len()), (91, 101));
}

/// The frames of a capture, and what those of them that are compared are to us.
#[derive(Default)]
struct Capture {
    frames: Vec<Vec<u8>>,
    expected: Vec<Expected>,
}

struct Expected {
    /// The client's port, which tells the connection.
    port: u16,
    syn_ack: bool,
    seen: Option<P0f>,
}

impl Capture {
    fn next_port(&self) -> u16 {
        1024 + u16::try_from(self.expected.len()).unwrap()
    }

    fn add_syn(&mut self, syn: Packet) {
        let port = self.next_port();
        let frame = syn.frame_from_client(port);
        self.expected.push(Expected { port, syn_ack: false, seen: observe(&frame) });
        self.frames.push(frame);
    }

    /// Adds a SYN-ACK and the SYN that it answers.
    fn add_syn_ack(&mut self, syn_ack: Packet, syn_mss: u16) {
        let port = self.next_port();
        // No database names this one: with a program's name p0f would close the connection.
        let options = [vec![2, 4], syn_mss.to_be_bytes().to_vec(), vec![99, 4, 0, 0]].concat();
        let syn = Packet { v6: syn_ack.v6, options, ..Packet::default() }.frame_from_client(port);
        let answer = syn_ack.frame_to_client(port);
        let asked = observe(&syn).expect("a plain SYN");
        let seen = observe(&answer).map(|seen| seen.answering(&asked));
        self.expected.push(Expected { port, syn_ack: true, seen });
        self.frames.extend([syn, answer]);
    }

    /// Asserts that p0f says the same with the same database, here and at `path`. Returns of how many packets it
    /// says anything, and to how many it gives a name.
    fn compare(&self, database: &P0fDatabase, path: &str, name: &str) -> (usize, usize) {
        let log = program::run(&self.frames, path, name);
        let (mut seen, mut named) = (0, 0);
        for expected in &self.expected {
            let is_it = |line: &&Logged| (line.port, line.syn_ack) == (expected.port, expected.syn_ack);
            let logged = log.iter().find(is_it);
            let raw = expected.seen.map(|seen| seen.to_string());
            assert_eq!(raw.as_ref(), logged.map(|line| &line.raw), "port {}", expected.port);
            let (Some(ours), Some(logged)) = (expected.seen, logged) else { continue };
            let theirs = (logged.os.clone(), params_of_match(&logged.params));
            assert_eq!(verdict(database.find(&ours)), theirs, "port {}, {ours}", expected.port);
            seen += 1;
            named += usize::from(logged.os != "???");
        }
        (seen, named)
    }
}

#[test]
fn generated_syns_are_to_p0f_what_they_are_to_us() {
    let mut generator = Generator::new(309);
    let database = p0f_fp();
    let mut capture = Capture::default();
    for _ in 0..25 {
        for entry in database.requests() {
            capture.add_syn(generator.packet_of(&entry.signature));
        }
    }
    let (_, named) = capture.compare(&database, P0F_FP, "syns");
    assert!(named > 1500, "{named}");
}

#[test]
fn malformed_syns_are_to_p0f_what_they_are_to_us() {
    let mut generator = Generator::new(793);
    let mut capture = Capture::default();
    (0..2500).for_each(|_| capture.add_syn(generator.any_syn()));
    let (seen, _) = capture.compare(&p0f_fp(), P0F_FP, "malformed");
    assert!(seen > 1800, "{seen}");
}

#[test]
fn syn_acks_are_to_p0f_what_they_are_to_us() {
    let mut generator = Generator::new(7323);
    let database = p0f_fp();
    let mut capture = Capture::default();
    for _ in 0..12 {
        for entry in database.responses() {
            let answer = generator.packet_of(&entry.signature).into_syn_ack();
            capture.add_syn_ack(answer, generator.mss());
        }
    }
    (0..300).for_each(|_| capture.add_syn_ack(generator.any_syn().into_syn_ack(), generator.mss()));
    let (_, named) = capture.compare(&database, P0F_FP, "syn-acks");
    assert!(named > 600, "{named}");
}

#[test]
fn among_rivals_the_one_that_p0f_chooses_is_found() {
    let mut generator = Generator::new(8200);
    let database = rivals();
    let mut capture = Capture::default();
    for _ in 0..60 {
        for entry in database.requests() {
            capture.add_syn(generator.packet_of(&entry.signature));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/p0f/rivals.fp");
    let (_, named) = capture.compare(&database, path, "rivals");
    assert!(named > 500, "{named}");
}
