//! The program tshark, run over a capture.

use std::path::Path;
use std::process::Command;

use synward_fingerprint::Fingerprint;
use synward_wire::{Located, Oddity, TcpFlags, locate};

use super::capture::Capture;

/// What tshark shows of a frame with a SYN.
struct Shown {
    /// The number of the frame; the first is 1.
    frame: usize,
    /// Whether this is a SYN or a SYN-ACK to us, too.
    opens: bool,
    ja4t: String,
}

/// What is printed of each frame: all values of a field, with commas between.
const FIELDS: [&str; 6] = [
    "frame.number",
    "tcp.flags",
    "tcp.window_size_value",
    "tcp.option_kind",
    "tcp.options.mss_val",
    "tcp.options.wscale.shift",
];

/// Asserts that tshark reads of each SYN and SYN-ACK what we read; returns how many these are.
///
/// FoxIO's plugin makes JA4T of the very same fields. It says nothing of a SYN with any flag more, as for ECN; the
/// fields are there, and so is our fingerprint.
pub(crate) fn compare(capture: &Capture) -> usize {
    let shown = run(&capture.path);
    let name = capture.name();
    let ours: Vec<usize> = capture.syns().map(|syn| syn.frame).collect();
    let mut compared = 0;
    for syn in capture.syns() {
        match shown.iter().find(|shown| shown.frame == syn.frame) {
            Some(shown) => {
                let ours = Fingerprint::of(&syn.facts).ja4t.to_string();
                assert_eq!(ours, shown.ja4t, "{name}, frame {}", syn.frame);
                compared += 1;
            }
            None => assert!(!syn.is_plain, "{name}: tshark shows no SYN in frame {}", syn.frame),
        }
    }
    for shown in shown.iter().filter(|shown| shown.opens && !ours.contains(&shown.frame)) {
        let why = why_unread(&capture.frames[shown.frame - 1]);
        assert!(why.is_some(), "{name}: only tshark sees a SYN in frame {}", shown.frame);
    }
    compared
}

/// The oddity for which we read no segment: too many tags, or a TCP header that is not whole.
fn why_unread(frame: &[u8]) -> Option<Oddity> {
    match locate(frame) {
        Located::NotIp => None,
        Located::Odd(oddity) => Some(oddity),
        Located::Packet(packet) => packet.odd.filter(|_| packet.segment.is_none()),
    }
}

fn run(capture: &Path) -> Vec<Shown> {
    let mut command = Command::new("timeout");
    command.args(["60", "tshark", "-n", "-r"]).arg(capture);
    // Each frame for itself, and no packet that an ICMP message quotes.
    command.args(["-o", "ip.defragment:FALSE", "-Y", "tcp.flags.syn == 1 && !icmp && !icmpv6"]);
    command.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=,"]);
    command.args(FIELDS.iter().flat_map(|field| ["-e", *field]));
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark: {} {complaint} (apt-get install tshark)", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(shown).collect()
}

fn shown(line: &str) -> Shown {
    let fields: Vec<&str> = line.split('|').collect();
    let [frame, flags, window, kinds, mss, scale] = fields[..] else { panic!("tshark printed {line:?}") };
    let flags = TcpFlags::new(u16::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap());
    let opens = flags.contains(TcpFlags::SYN) && !flags.intersects(TcpFlags::RST);
    Shown { frame: frame.parse().unwrap(), opens, ja4t: ja4t(window, kinds, mss, scale) }
}

/// JA4T as FoxIO's plugin makes it: the last of several values; two digits at least for the MSS; `00` for what is not
/// there, and for a scale of zero.
fn ja4t(window: &str, kinds: &str, mss: &str, scale: &str) -> String {
    let last = |values: &str| values.rsplit(',').next().unwrap().parse().unwrap_or(0_u16);
    let kinds = if kinds.is_empty() { "00".to_owned() } else { kinds.replace(',', "-") };
    let scale = match last(scale) {
        0 => "00".to_owned(),
        shift => shift.to_string(),
    };
    format!("{window}_{kinds}_{:02}_{scale}", last(mss))
}
