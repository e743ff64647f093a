//! `synward fingerprint --live`: SYNs as they pass an interface.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use etherparse::IpNumber;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::bed::{Bed, DEVICE, Namespace, PORTS, SYNWARD, attempt, eventually};
use crate::frames::{ACK, Flow, SYN, Segment, VLAN, arp, tagged};

/// A program in a namespace; killed when dropped.
struct Listening {
    child: Child,
    lines: Receiver<Value>,
    errors: BufReader<ChildStderr>,
}

impl Listening {
    /// Starts it, and waits until it listens.
    fn start(namespace: &Namespace, device: &str, options: &str) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace.name(), SYNWARD, "fingerprint", "--json", "--live", device])
            .args(options.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = channel();
        let parse = |line: std::io::Result<String>| serde_json::from_str(&line.unwrap()).unwrap();
        thread::spawn(move || output.map(parse).try_for_each(|line| sender.send(line)));
        let mut listening = Self { errors: BufReader::new(child.stderr.take().unwrap()), child, lines };
        assert_eq!(listening.complaint(), format!("synward: listening on {device}\n"));
        listening
    }

    /// The next line on stderr.
    fn complaint(&mut self) -> String {
        let mut line = String::new();
        self.errors.read_line(&mut line).unwrap();
        line
    }

    /// The next line on stdout, which comes while the program goes on.
    fn next(&self) -> Value {
        eventually("a line", || self.lines.try_recv().ok(), || "none came".to_owned())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end, and answers how it ended and what else it printed.
    fn end(mut self) -> (ExitStatus, Vec<Value>) {
        let status = eventually("its end", || self.child.try_wait().unwrap(), || "it goes on".to_owned());
        (status, self.lines.iter().collect())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn v4() -> Flow {
    Flow::new("198.51.100.1", "192.0.2.2")
}

fn v6() -> Flow {
    Flow::new("2001:db8:51::1", "2001:db8:2::2")
}

fn shown(line: &Value) -> [&str; 3] {
    ["src", "kind", "muonfp"].map(|key| line[key].as_str().unwrap())
}

#[test]
fn syns_are_told_as_they_come_and_as_they_leave() {
    let bed = Bed::new();
    let sent = &bed.outside;
    let both = [(&bed.wire, PORTS[0]), (&sent.namespace, DEVICE)];
    let listening = both.map(|(namespace, device)| Listening::start(namespace, device, "--syn-ack"));
    let answer = Segment::LINUX.with_flags(SYN | ACK);
    sent.send_all(&[
        arp(),
        v4().tcp(&Segment::MASSCAN),
        v4().tcp(&Segment::DATA),
        tagged(&[VLAN], &v6().tcp(&Segment::NMAP)),
        v4().back().tcp(&answer),
    ]);
    let expected = [
        (2, ["198.51.100.1", "syn", "1024:::"]),
        (4, ["2001:db8:51::1", "syn", "1024:2:1460:"]),
        (5, ["192.0.2.2", "syn-ack", "64240:2-4-8-1-3:1460:7"]),
    ];
    for listening in &listening {
        for (frame, syn) in &expected {
            let line = listening.next();
            assert_eq!((line["frame"].as_u64(), shown(&line)), (Some(*frame), *syn));
            assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        }
        listening.signal(Signal::SIGINT);
    }
    for listening in listening {
        let (status, rest) = listening.end();
        assert_eq!((status.code(), rest.len()), (Some(0), 0));
    }
}

#[test]
fn it_ends_after_so_many_syns() {
    let bed = Bed::new();
    let listening = Listening::start(&bed.wire, PORTS[0], "--count 2");
    let syn = v4().tcp(&Segment::ZMAP);
    bed.outside.send_all(&[syn.clone(), arp(), syn.clone(), syn]);
    let (status, told) = listening.end();
    let frames: Vec<_> = told.iter().map(|line| line["frame"].as_u64().unwrap()).collect();
    assert_eq!((status.code(), frames), (Some(0), vec![1, 3]));
}

#[test]
fn a_summary_is_written_when_a_signal_comes() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let bed = Bed::new();
        let listening = Listening::start(&bed.wire, PORTS[0], "--summary");
        let flood: Vec<_> = (0..300).map(|_| v4().tcp(&Segment::MASSCAN)).collect();
        bed.outside.send_all(&flood);
        bed.outside.send(&v4().tcp(&Segment::LINUX));
        eventually_read(&bed.wire);
        listening.signal(signal);
        let (status, told) = listening.end();
        let counts: Vec<_> =
            told.iter().map(|line| (line["count"].as_u64(), line["muonfp"].as_str())).collect();
        let expected = [(Some(300), Some("1024:::")), (Some(1), Some("64240:2-4-8-1-3:1460:7"))];
        assert_eq!((status.code(), counts.as_slice()), (Some(0), &expected[..]));
    }
}

/// Waits until every packet socket of a namespace has been read to its end: `Rmem`, the seventh column.
fn eventually_read(namespace: &Namespace) {
    let table = || namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/packet").unwrap());
    let waiting = |table: &str| {
        let bytes = table.lines().skip(1).map(|line| line.split_whitespace().nth(6).unwrap().to_owned());
        bytes.filter(|bytes| bytes != "0").count()
    };
    eventually("all frames to be read", || (waiting(&table()) == 0).then_some(()), table);
}

#[test]
fn the_loopback_interface_shows_each_frame_once() {
    let bed = Bed::new();
    let listening = Listening::start(&bed.wire, "lo", "--count 2");
    for port in [7, 9] {
        let refused = bed.wire.enter(|| std::net::TcpStream::connect(("127.0.0.1", port)));
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    }
    let (_, told) = listening.end();
    let ports: Vec<_> = told.iter().map(|line| line["dport"].as_u64().unwrap()).collect();
    assert_eq!(ports, [7, 9]);
}

/// Makes the interface tun0 and writes the packets into it that come as hexadecimal lines.
const TUN: &str = "
import fcntl, struct, sys
IFF_TUN, IFF_NO_PI, TUNSETIFF = 1, 0x1000, 0x400454ca
tun = open('/dev/net/tun', 'r+b', buffering=0)
fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH22x', b'tun0', IFF_TUN | IFF_NO_PI))
print('ready', flush=True)
for line in sys.stdin:
    tun.write(bytes.fromhex(line))
";

/// A tun interface; it goes when this is dropped.
struct Tun {
    child: Child,
    packets: ChildStdin,
}

impl Tun {
    fn new(namespace: &Namespace) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace.name(), "python3", "-c", TUN])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        namespace.ip("link set dev tun0 up");
        Self { packets: child.stdin.take().unwrap(), child }
    }

    fn receive(&mut self, packet: &[u8]) {
        let digits: String = packet.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.packets, "{digits}").unwrap();
    }
}

impl Drop for Tun {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_interface_without_link_layer_is_read() {
    let bed = Bed::new();
    let mut tun = Tun::new(&bed.wire);
    let listening = Listening::start(&bed.wire, "tun0", "");
    for (flow, source) in [(v4(), "198.51.100.1"), (v6(), "2001:db8:51::1")] {
        let frame = flow.frame(IpNumber::TCP, &flow.segment(&Segment::MASSCAN));
        tun.receive(&frame[14..]);
        assert_eq!(shown(&listening.next()), [source, "syn", "1024:::"]);
    }
}

#[test]
fn what_cannot_be_listened_to_is_told() {
    let bed = Bed::new();
    let complaint = |prefix: &str, device: &str| {
        let line = format!("{prefix} {SYNWARD} fingerprint --live {device}");
        let output = attempt(&bed.wire.inside(&line));
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let powerless = complaint("setpriv --bounding-set=-all --inh-caps=-all", "lo");
    assert!(
        powerless.contains("lo: cannot open a packet socket") && powerless.contains("CAP_NET_RAW"),
        "{powerless}"
    );
    let missing = complaint("", "outside1");
    assert!(missing.contains("no interface is named \"outside1\"; there are"), "{missing}");
    bed.wire.ip("link set dev inside0 down");
    let down = complaint("", "inside0");
    assert!(down.contains("inside0: cannot receive its frames") && down.contains("bring it up"), "{down}");
}

#[test]
fn an_interface_that_goes_away_is_told() {
    let bed = Bed::new();
    let mut listening = Listening::start(&bed.wire, PORTS[0], "");
    bed.wire.ip(&format!("link del {}", PORTS[0]));
    let said = listening.complaint();
    assert!(said.contains("outside0: cannot receive its frames"), "{said}");
    assert_eq!(listening.end().0.code(), Some(1));
}
