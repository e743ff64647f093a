//! Two hosts on one cable, each in a network namespace of its own: programs run on the one, and what passes is
//! recorded at the other.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::namespace::{Namespace, run};
use crate::programs::capture::{self, Capture, Syn};

/// The name of both interfaces.
const DEVICE: &str = "wire0";
/// The host with the programs, and the one that they talk to.
const CLIENT: Host = Host { mac: "02:00:00:00:00:01", ipv4: "198.51.100.1", ipv6: "2001:db8:51::1" };
const SERVER: Host = Host { mac: "02:00:00:00:00:80", ipv4: "198.51.100.80", ipv6: "2001:db8:51::80" };
/// The port that is open.
const OPEN: u16 = 80;
/// Seconds after which a program is ended.
const MOST_SECONDS: u8 = 20;
/// How long tcpdump may take to write down what has passed.
const PATIENCE: Duration = Duration::from_secs(5);

struct Host {
    mac: &'static str,
    ipv4: &'static str,
    ipv6: &'static str,
}

/// Whether the kernels ask for ECN (RFC 3168) when they open a connection.
#[derive(Clone, Copy)]
pub(crate) enum Ecn {
    Off = 0,
    On = 1,
}

pub(crate) struct Scene {
    name: String,
    client: Namespace,
    server: Namespace,
    /// Kept, for the kernel then answers on the open port.
    _listener: TcpListener,
}

impl Scene {
    /// `name`: that of no other scene.
    pub(crate) fn new(name: &str, mtu: u16, ecn: Ecn) -> Scene {
        let [client, server] = ["client", "server"].map(|role| Namespace::new(&format!("{name}-{role}")));
        let peer = ["type", "veth", "peer", "name", DEVICE, "address", SERVER.mac, "netns", server.name()];
        let add = ["ip", "-n", client.name(), "link", "add", DEVICE, "address", CLIENT.mac];
        run(&[&add[..], &peer].concat(), "");
        set_up(&client, &CLIENT, mtu, ecn);
        set_up(&server, &SERVER, mtu, ecn);
        let listener = server.enter(|| TcpListener::bind(("::", OPEN)).unwrap());
        Scene { name: name.to_owned(), client, server, _listener: listener }
    }

    /// Records all that passes while the client runs the command line, and until it has sent so many SYNs. In the line
    /// `CLIENT4`, `CLIENT6`, `SERVER4` and `SERVER6` stand for addresses, `SERVER_MAC` and `DEVICE` for what they say.
    pub(crate) fn record(&self, program: &str, line: &str, syns: usize) -> Capture {
        let path = capture::file(&format!("real-{}-{program}.pcap", self.name));
        let tcpdump = Recorder::start(&self.server, &path);
        let said = self.run(line);
        let began = Instant::now();
        loop {
            let capture = Capture::read(&path);
            if syns_of_client(&capture).count() >= syns {
                drop(tcpdump);
                return capture;
            }
            assert!(began.elapsed() < PATIENCE, "{program} has not sent {syns} SYNs:\n{said}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs a command line to its end, whatever comes of it; returns what it printed.
    fn run(&self, line: &str) -> String {
        // On a silent wire masscan 1.3.2 may never end: its receiver sees the time only when a frame arrives.
        let ping = self.in_client("ping -6 -n -q -i 0.5 -c 40 SERVER6").stdout(Stdio::null()).spawn();
        let ping = Killed(ping.unwrap());
        let output =
            self.in_client(&format!("timeout --kill-after=1 {MOST_SECONDS} {line}")).output().unwrap();
        drop(ping);
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat()
    }

    /// A command line of the client's.
    fn in_client(&self, line: &str) -> Command {
        let words = line.split(' ').map(|word| {
            let word = word.replace("DEVICE", DEVICE).replace("SERVER_MAC", SERVER.mac);
            let word = word.replace("SERVER4", SERVER.ipv4).replace("SERVER6", SERVER.ipv6);
            word.replace("CLIENT4", CLIENT.ipv4).replace("CLIENT6", CLIENT.ipv6)
        });
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.client.name()]).args(words);
        // masscan leaves a file where it is interrupted.
        command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
        command
    }
}

fn set_up(namespace: &Namespace, host: &Host, mtu: u16, ecn: Ecn) {
    let ip = ["ip", "-n", namespace.name()];
    let ip = |arguments: &[&str]| run(&[&ip[..], arguments].concat(), "");
    ip(&["link", "set", "lo", "up"]);
    ip(&["link", "set", DEVICE, "mtu", &mtu.to_string(), "up"]);
    ip(&["address", "add", &format!("{}/24", host.ipv4), "dev", DEVICE]);
    ip(&["address", "add", &format!("{}/64", host.ipv6), "dev", DEVICE, "nodad"]);
    namespace.run(&["sysctl", "-qw", &format!("net.ipv4.tcp_ecn={}", ecn as u8)], "");
}

/// The SYNs that the client has sent, without the SYN-ACKs.
pub(crate) fn syns_of_client(capture: &Capture) -> impl Iterator<Item = Syn> {
    let addresses: [IpAddr; 2] = [CLIENT.ipv4, CLIENT.ipv6].map(|address| address.parse().unwrap());
    capture.syns().filter(move |syn| addresses.contains(&syn.source.0) && !syn.is_syn_ack())
}

/// tcpdump, writing all that passes into a file until this is dropped.
struct Recorder {
    _tcpdump: Killed,
}

impl Recorder {
    fn start(namespace: &Namespace, path: &Path) -> Recorder {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace.name(), "tcpdump", "-i", DEVICE]);
        command.args(["-U", "--immediate-mode", "-w"]).arg(path);
        let mut tcpdump = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(tcpdump.stderr.take().unwrap()).lines();
        let recorder = Recorder { _tcpdump: Killed(tcpdump) };
        assert!(said.any(|line| line.unwrap().contains("listening on")), "tcpdump does not start");
        recorder
    }
}

/// A process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
