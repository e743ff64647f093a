//! The program p0f, run over a capture.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What p0f logs of a SYN or a SYN-ACK.
#[derive(Debug)]
pub(crate) struct Logged {
    /// The client's port.
    pub(crate) port: u16,
    pub(crate) syn_ack: bool,
    /// The name, or `???`.
    pub(crate) os: String,
    pub(crate) params: String,
    /// The raw signature.
    pub(crate) raw: String,
}

/// Runs p0f with this database over these Ethernet frames, in files of this name.
pub(crate) fn run(frames: &[Vec<u8>], database: &str, name: &str) -> Vec<Logged> {
    let file = |kind: &str| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("p0f-{name}.{kind}"));
    let (capture, log) = (file("pcap"), file("log"));
    fs::write(&capture, pcap(frames)).unwrap();
    // p0f appends.
    let _ = fs::remove_file(&log);
    let status = Command::new("timeout")
        .args(["15", "/usr/sbin/p0f", "-f", database, "-r"])
        .arg(&capture)
        .arg("-o")
        .arg(&log)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "p0f: {status} (apt-get install p0f)");
    fs::read_to_string(&log).unwrap().lines().filter_map(logged).collect()
}

fn logged(line: &str) -> Option<Logged> {
    let (_, fields) = line.split_once("] ")?;
    let field = |key: &str| fields.split('|').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    let syn_ack = match field("mod")? {
        "syn" | "sendsyn probe" => false,
        "syn+ack" | "sendsyn response" => true,
        _ => return None,
    };
    Some(Logged {
        port: field("cli")?.split_once('/')?.1.parse().ok()?,
        syn_ack,
        os: field("os").or_else(|| field("app"))?.to_owned(),
        params: field("params")?.to_owned(),
        raw: field("raw_sig")?.to_owned(),
    })
}

/// A capture file of Ethernet frames, all of the same second.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    let header = [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65535, 1];
    header.iter().for_each(|word: &u32| file.extend(word.to_le_bytes()));
    for frame in frames {
        let length = frame.len() as u32;
        [1, 0, length, length].iter().for_each(|word: &u32| file.extend(word.to_le_bytes()));
        file.extend(frame);
    }
    file
}
