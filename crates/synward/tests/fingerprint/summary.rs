//! How often there is each fingerprint.

use serde_json::{Value, json};

use crate::files::pcap;
use crate::packets::{Vector, arp, ethernet, linux, syn_ack};
use crate::program::{run, told};

fn masscan() -> Vec<u8> {
    Vector::named("L021").frame()
}

#[test]
fn the_most_frequent_comes_first_and_then_the_first_seen() {
    let nmap = Vector::named("L037").frame();
    let linux = ethernet(&linux());
    let capture = pcap(&[arp(), linux.clone(), masscan(), nmap, masscan(), linux, masscan()]);
    let told = told(&["--summary"], &capture);
    let line = |line: &Value| json!([line["count"], line["first_frame"], line["muonfp"], line["p0f"]]);
    let expected = [
        json!([3, 3, "1024:::", "4:255+0:0:0:1024,0:::0"]),
        json!([2, 2, "64240:2-4-8-1-3:1460:7", "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"]),
        json!([1, 4, "1024:2:1460:", "4:54+10:0:1460:1024,0:mss::0"]),
    ];
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), expected);
}

#[test]
fn a_summary_for_people_is_in_columns() {
    let told = run(&["-", "--summary"], &pcap(&[masscan(), masscan()]));
    let ja4t = if cfg!(feature = "ja4t") { "1024_00_00_00  " } else { "" };
    let expected = format!("       2         1  syn      1024:::  {ja4t}4:255+0:0:0:1024,0:::0\n");
    assert_eq!(String::from_utf8(told.stdout).unwrap(), expected);
}

#[test]
fn syns_and_syn_acks_are_counted_apart() {
    let capture = pcap(&[ethernet(&linux()), ethernet(&syn_ack())]);
    let told = told(&["--summary", "--syn-ack"], &capture);
    assert_eq!(told.iter().map(|line| &line["kind"]).collect::<Vec<_>>(), ["syn", "syn-ack"]);
}

/// SYNs of masscan that differ in window and TTL.
fn distinct(count: u32) -> impl Iterator<Item = Vec<u8>> {
    let (window, ttl, syn) = (48, 22, masscan());
    (0..count).map(move |number| {
        let mut frame = syn.clone();
        frame[window..window + 2].copy_from_slice(&(number as u16).to_be_bytes());
        frame[ttl] = 1 + (number >> 16) as u8;
        frame
    })
}

#[test]
fn more_fingerprints_than_there_is_room_for_are_counted_as_one() {
    let mut frames: Vec<_> = distinct(200_007).collect();
    frames.push(frames[0].clone());
    let told = told(&["--summary"], &pcap(&frames));
    assert_eq!(told.len(), 200_001);
    assert_eq!((&told[0]["count"], &told[0]["first_frame"]), (&2.into(), &1.into()));
    assert_eq!(told.last(), Some(&json!({"rest": 7})));
}
