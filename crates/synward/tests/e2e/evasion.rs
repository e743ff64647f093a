//! Real tries to get a blocked SYN past the bridge, as `docs/odd-frames.md` lists them.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use etherparse::{Ipv6ExtensionSlice, NetSlice, SlicedPacket, TcpSlice, ip_number};

use crate::bed::{Bed, Capture, Config, DEVICE, Metrics, Side};
use crate::odd::{document, quoted};

/// SYNs of nmap and masscan.
const SCANNERS: &str = "1024:2:1460:\n1024:::\n";

/// Bounded in ports, packets and time; nmap then waits for no answer longer than it takes on a veth.
const NMAP: &str =
    "nmap -n -Pn -p 80,81 --send-eth --max-retries 1 --max-rtt-timeout 100ms --host-timeout 10s";

/// A line of the table.
#[derive(Debug)]
struct Try {
    words: String,
    dropped: BTreeSet<String>,
    forwarded: BTreeSet<String>,
    guarded: String,
    unguarded: String,
}

impl Try {
    /// None for what is no such line.
    fn read(line: &str) -> Option<Self> {
        let cells: Vec<_> =
            line.strip_prefix("| `")?.trim_end_matches('|').split('|').map(str::trim).collect();
        let [words, _, dropped, forwarded, guarded, unguarded] = *<&[&str; 6]>::try_from(&*cells).ok()?;
        let words = words.trim_end_matches('`').to_owned();
        let set = |cell| quoted(cell).map(str::to_owned).collect();
        let (guarded, unguarded) = (guarded.to_owned(), unguarded.to_owned());
        Some(Self { words, dropped: set(dropped), forwarded: set(forwarded), guarded, unguarded })
    }

    /// Makes it, from the outside host.
    fn make(&self, bed: &Bed) {
        let target = if self.words.contains("-6") { Side::Inside.ipv6() } else { Side::Inside.ipv4() };
        let line = match self.words.split_once(' ') {
            Some(("overlap.py", how)) => {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/odd");
                format!("{folder}/overlap.py {} {target}", how.trim_end_matches(" -6"))
            }
            Some(("nmap", arguments)) => format!("{NMAP} -sS {arguments} {target}"),
            _ => format!("{NMAP} -sS {target}"),
        };
        bed.outside.namespace.run(&line);
        // What is still in the rings.
        thread::sleep(Duration::from_millis(100));
    }
}

fn tries() -> Vec<Try> {
    let text = document();
    let (_, evasions) = text.split_once("## Evasions tried").unwrap();
    evasions.lines().filter_map(Try::read).collect()
}

/// Segments that the TCP of the inside host has got to see, behind reassembly.
fn segments(bed: &Bed) -> u64 {
    let text = bed.inside.namespace.run("cat /proc/net/snmp");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|name| name == "InSegs").unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}

/// The TCP header that a frame holds whole, be it in a first fragment.
fn tcp(frame: &[u8]) -> Option<TcpSlice<'_>> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let (protocol, payload, is_first) = match sliced.net? {
        NetSlice::Ipv4(ip) => {
            let is_first = ip.header().fragments_offset().value() == 0;
            (ip.payload().ip_number, ip.payload().payload, is_first)
        }
        NetSlice::Ipv6(ip) => {
            let is_later = |extension| matches!(extension, Ipv6ExtensionSlice::Fragment(fragment) if fragment.fragment_offset().value() > 0);
            let is_first = !ip.extensions().clone().into_iter().any(is_later);
            (ip.payload().ip_number, ip.payload().payload, is_first)
        }
        _ => return None,
    };
    let is_tcp = protocol == ip_number::TCP && is_first;
    TcpSlice::from_slice(payload).ok().filter(|_| is_tcp)
}

/// Frames that hold a TCP header with SYN, and with ACK or without.
fn syns(capture: &Capture, ack: bool) -> usize {
    let is_syn = |frame: &Vec<u8>| tcp(frame).is_some_and(|tcp| tcp.syn() && tcp.ack() == ack);
    capture.take().iter().filter(|frame| is_syn(frame)).count()
}

/// What the TCP of the inside host saw, as the document says it.
fn outcome(bed: &Bed, evasion: &Try) -> &'static str {
    let answers = Capture::start(&bed.outside.namespace, DEVICE);
    let seen = segments(bed);
    evasion.make(bed);
    match (segments(bed) > seen, syns(&answers, true) > 0) {
        (_, true) => "a SYN",
        (true, false) => "a segment",
        (false, false) => "nothing",
    }
}

/// What was counted between two looks, by reason.
fn counted(before: &Metrics, after: &Metrics, name: &str) -> BTreeSet<String> {
    let reason = |reason: &String| {
        let count = |metrics: &Metrics| metrics.get(name, &[("reason", reason)]);
        count(after) > count(before) && reason != "not_ip"
    };
    let reasons: BTreeSet<_> = after.all(name, &[]).map(|sample| sample.labels["reason"].clone()).collect();
    reasons.into_iter().filter(reason).collect()
}

#[test]
fn no_try_gets_a_blocked_syn_to_the_host() {
    let bed = Bed::with_hosts();
    let _listener = bed.inside.namespace.enter(|| TcpListener::bind("[::]:80").unwrap());
    let wire = bed.start(&Config::enforce().block_syns("scanners", SCANNERS));
    let tries = tries();
    assert!(tries.len() > 20, "{tries:?}");
    for evasion in &tries {
        let (capture, before) = (Capture::start(&bed.inside.namespace, DEVICE), wire.metrics());
        let outcome = outcome(&bed, evasion).replace("a SYN", "an unlisted SYN");
        assert_eq!(outcome, evasion.guarded, "{}", evasion.words);
        let after = wire.metrics();
        let unlisted = evasion.guarded == "an unlisted SYN";
        assert_eq!(syns(&capture, false), usize::from(unlisted), "{evasion:?}");
        let counted = |name| counted(&before, &after, name);
        assert_eq!(counted("synward_drops_total"), evasion.dropped, "{}", evasion.words);
        assert_eq!(counted("synward_uninspected_frames_total"), evasion.forwarded, "{}", evasion.words);
    }
    let unlisted = tries.iter().filter(|evasion| evasion.guarded == "an unlisted SYN");
    assert!(unlisted.map(|evasion| &*evasion.words).eq(["overlap.py options"]));
    // The check can fail: a SYN of the system's own arrives.
    let answers = Capture::start(&bed.outside.namespace, DEVICE);
    bed.outside.namespace.run(&format!("{NMAP} -sT {}", Side::Inside.ipv4()));
    assert!(syns(&answers, true) > 0);
    wire.stop();
}

/// Where nothing is judged, each try arrives, but for those that the host's kernel discards: the document says which.
#[test]
fn the_tries_are_real() {
    let bed = Bed::with_hosts();
    let _listener = bed.inside.namespace.enter(|| TcpListener::bind("[::]:80").unwrap());
    let wire = bed.start(&Config::enforce().bridge("profile = \"transparent\""));
    let differ = |evasion: &Try| {
        let outcome = outcome(&bed, evasion);
        (outcome != evasion.unguarded).then(|| format!("{}: {outcome}", evasion.words))
    };
    assert_eq!(tries().iter().filter_map(differ).collect::<Vec<_>>(), [""; 0]);
    wire.stop();
}
