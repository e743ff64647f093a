//! The soak: mixed traffic, a reload every second and faults by chance, for as long as is wanted. At the end, memory, file
//! descriptors and frame buffers must be what they were.
//!
//! Processes are killed and replaced in the first half only, so that there is one long life to look at in the second.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, send};

use crate::bed::{Bed, BpfFs, Config, Side, Wire, attempt, eventually, packet_socket};
use crate::frames::{
    Flow, IPV4, SERVICE_VLAN, Segment, VLAN, arp, ethernet, neighbour_solicitation, noise, tagged,
};
use crate::meter::Meter;
use crate::stage::Situation;

/// The time between two reloads, and two looks at the process.
const RELOAD: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(2);

/// One second in so many has a fault.
const FAULTS: u32 = 3;

/// Frames that each side sends beside the connections: so many, then a pause.
const BURST: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// How much more memory, in KiB, the process may have in the last quarter of its life than in the second, and how many more file
/// descriptors. The first quarter is for warming up.
const MORE_MEMORY: u64 = 8 << 10;
const MORE_DESCRIPTORS: u64 = 4;

/// Lines more in each reload of a soak that is to fail.
const GROWTH: usize = 20_000;

/// What is seen of the process from outside.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Resident memory in KiB.
    memory: u64,
    descriptors: u64,
}

/// What happened, by its name.
type Tally = BTreeMap<String, u64>;

/// Tells that it is over, when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Soak<'a> {
    bed: &'a Bed,
    situation: Situation,
    bpffs: &'a BpfFs,
    wire: Option<Wire<'a>>,
    rng: Rng,
    tally: Tally,
    /// Of the process that lives.
    looks: Vec<Look>,
    /// Whether each reload has more rules than the last: what grows must be found.
    grows: bool,
}

/// Runs it, and answers what is wrong.
pub(crate) fn run(minutes: f64, seed: u64, grows: bool) -> Vec<String> {
    judges_itself();
    let on_failure = if seed.is_multiple_of(2) { "open" } else { "closed" };
    println!("soak: {minutes} minutes, seed {seed}, on_failure {on_failure}");
    let situation = Situation { on_failure, ..Situation::open(2) };
    let bed = situation.bed();
    let bpffs = bed.bpffs();
    let mut meter = Meter::between(&bed.outside.namespace, &bed.inside.namespace);
    let (over, crossed) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut soak = Soak {
        bed: &bed,
        situation,
        bpffs: &bpffs,
        wire: None,
        rng: Rng::with_seed(seed),
        tally: Tally::new(),
        looks: Vec::new(),
        grows,
    };
    soak.start();
    let mut wrong = thread::scope(|scope| {
        // The traffic ends with the soak, also where that ends in a panic.
        let _end = End(&over);
        for (from, _) in Side::WAYS {
            let (bed, over, crossed) = (&bed, &over, &crossed);
            scope.spawn(move || crossed.fetch_add(bulk(bed, from, over), Ordering::Relaxed));
            scope.spawn(move || mixture(bed, from, seed, over));
        }
        soak.last(Duration::from_secs_f64(minutes * 60.0))
    });
    let hostile = meter.hostile().count;
    let measured = meter.measure(10_000, 2000);
    println!(
        "{:?}\n{} MB crossed in connections, {hostile} blocked SYNs passed",
        soak.tally,
        crossed.into_inner()
    );
    if on_failure == "closed" && hostile > 0 {
        wrong.push(format!("{hostile} blocked SYNs passed"));
    }
    if measured.lost > 0 {
        wrong.push(format!("{} of 2000 frames are lost at the end", measured.lost));
    }
    soak.wire.take().unwrap().stop();
    wrong
}

impl<'a> Soak<'a> {
    fn start(&mut self) {
        let config = self.config();
        self.wire = Some(self.bed.start(&config));
        self.looks.clear();
    }

    fn wire(&self) -> &Wire<'a> {
        self.wire.as_ref().unwrap()
    }

    /// The rules that always hold, and some that are others each time.
    fn config(&mut self) -> Config {
        let reloads = self.tally.get("reload").copied().unwrap_or_default() as usize;
        let lines = if self.grows { GROWTH * reloads } else { self.rng.usize(1..5000) };
        let line = |rng: &mut Rng| format!("10.{}.{}.{}\n", rng.u8(..), rng.u8(..), rng.u8(..));
        let list: String = (0..lines).map(|_| line(&mut self.rng)).collect();
        self.situation.config(self.bpffs).block("chance", &list)
    }

    /// Lasts for so long, and answers what is wrong at the end.
    fn last(&mut self, duration: Duration) -> Vec<String> {
        let (began, mut looked) = (Instant::now(), Instant::now());
        while began.elapsed() < duration {
            let second = Instant::now();
            self.reload();
            if self.rng.u32(0..FAULTS) == 0 {
                self.fault(began.elapsed() < duration / 2);
            }
            if looked.elapsed() >= LOOK {
                self.look();
                looked = Instant::now();
            }
            thread::sleep(RELOAD.saturating_sub(second.elapsed()));
        }
        println!("looks at the last process: {:?}", self.looks);
        unsteady(&self.looks)
    }

    fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }

    /// Reloads rules that are good, mostly.
    fn reload(&mut self) {
        let config = self.config();
        let kind = match self.rng.u8(0..10) {
            0 => {
                config.bridge("nonsense = 1").write(self.bed.folder());
                "reload of a bad configuration"
            }
            1 => {
                config.block("bad", "this is no address\n").write(self.bed.folder());
                "reload of a bad list"
            }
            _ => {
                config.write(self.bed.folder());
                "reload"
            }
        };
        self.wire().program.signal(Signal::SIGHUP);
        self.count(kind);
    }

    fn fault(&mut self, may_die: bool) {
        let kinds = if may_die { 4 } else { 2 };
        match self.rng.u8(0..kinds) {
            0 => self.hang(),
            1 => self.flap(),
            2 => self.die(Signal::SIGKILL, "kill -9"),
            _ => self.die(Signal::SIGTERM, "SIGTERM"),
        }
    }

    fn hang(&mut self) {
        self.wire().program.signal(Signal::SIGSTOP);
        thread::sleep(Duration::from_millis(self.rng.u64(50..800)));
        self.wire().program.signal(Signal::SIGCONT);
        self.count("hang");
    }

    fn flap(&mut self) {
        let interfaces = self.bed.interfaces();
        let (namespace, device) = interfaces[self.rng.usize(..interfaces.len())];
        namespace.ip(&format!("link set dev {device} down"));
        thread::sleep(Duration::from_millis(self.rng.u64(50..500)));
        namespace.ip(&format!("link set dev {device} up"));
        self.count("link down and up");
    }

    fn die(&mut self, signal: Signal, name: &str) {
        // What it starts with must be good.
        self.config().write(self.bed.folder());
        let wire = self.wire.take().unwrap();
        wire.program.signal(signal);
        wire.program.end();
        self.start();
        self.count(name);
    }

    fn look(&mut self) {
        let pid = self.wire().status()["pid"].as_u64().unwrap();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory = memory.trim().trim_end_matches(" kB").parse().unwrap();
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
        self.looks.push(Look { memory, descriptors });
        self.complete();
    }

    /// No frame buffer is missing. While frames flow, the places are not read at one moment: a sum may be wrong once, and not
    /// time and again.
    fn complete(&self) {
        let sums = || {
            let metrics = self.wire().metrics();
            let sum = |name| metrics.get(name, &[]);
            (sum("synward_umem_frames"), sum("synward_umem_size_frames"))
        };
        let whole = || {
            let (sum, size) = sums();
            (sum == size).then_some(())
        };
        eventually("all frame buffers to be somewhere", whole, || format!("{:?}", sums()));
    }
}

/// What has grown in the life of a process.
fn unsteady(looks: &[Look]) -> Vec<String> {
    let quarter = looks.len() / 4;
    if quarter == 0 {
        return vec![format!("only {} looks at the last process", looks.len())];
    }
    let median = |quarter: &[Look], of: fn(&Look) -> u64| {
        let mut values: Vec<_> = quarter.iter().map(of).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let early = &looks[quarter..2 * quarter];
    let late = &looks[looks.len() - quarter..];
    let mut wrong = Vec::new();
    let [before, after] = [early, late].map(|looks| median(looks, |look| look.memory));
    if after > before + MORE_MEMORY {
        wrong.push(format!("memory has grown from {before} to {after} KiB"));
    }
    let [before, after] = [early, late].map(|looks| median(looks, |look| look.descriptors));
    if after > before + MORE_DESCRIPTORS {
        wrong.push(format!("file descriptors have grown from {before} to {after}"));
    }
    wrong
}

/// Lives of which it is known whether they are steady.
fn judges_itself() {
    let life = |memory: fn(u64) -> u64, descriptors: fn(u64) -> u64| -> Vec<Look> {
        (0..40).map(|n| Look { memory: memory(n), descriptors: descriptors(n) }).collect()
    };
    let steady = life(|n| 100_000 + n % 7 * 1000, |n| 40 + n % 3);
    assert!(unsteady(&steady).is_empty());
    assert_eq!(unsteady(&life(|n| 100_000 + n * 1000, |_| 40)).len(), 1);
    assert_eq!(unsteady(&life(|_| 100_000, |n| 40 + n)).len(), 1);
}

/// Connections that carry bulk data, and pings, one after the other. Answers how many megabytes crossed; one that a fault breaks
/// is followed by the next.
fn bulk(bed: &Bed, from: Side, over: &AtomicBool) -> u64 {
    // Each way has a port of its own.
    let port = if from == Side::Outside { 5201 } else { 5202 };
    let (client, server) = (&bed.end(from).namespace, &bed.end(from.other()).namespace);
    let address = from.other().ipv4();
    let mut crossed = 0;
    while !over.load(Ordering::Relaxed) {
        thread::scope(|scope| {
            scope.spawn(|| {
                attempt(&server.inside(&format!("timeout 8 iperf3 --server --one-off --port {port}")));
            });
            thread::sleep(Duration::from_millis(300));
            let line = format!(
                "timeout 6 iperf3 --json -t 3 -b 50M --connect-timeout 2000 --client {address} --port {port}"
            );
            let report = serde_json::from_slice::<serde_json::Value>(&attempt(&client.inside(&line)).stdout);
            let bytes = report.ok().and_then(|report| report["end"]["sum_received"]["bytes"].as_u64());
            crossed += bytes.unwrap_or_default() / 1_000_000;
        });
        attempt(&client.inside(&format!("ping -n -q -i 0.01 -W 1 -c 100 {address}")));
    }
    crossed
}

/// Frames of all sorts, those of scanners among them.
fn mixture(bed: &Bed, from: Side, seed: u64, over: &AtomicBool) {
    let socket = bed.end(from).namespace.enter(packet_socket);
    let mut rng = Rng::with_seed(seed ^ from as u64);
    // What is blocked from outside may pass from inside: the instrument must not take it for the other.
    let scan = if from == Side::Outside { Segment::MASSCAN } else { Segment::ZMAP };
    while !over.load(Ordering::Relaxed) {
        for _ in 0..BURST {
            // Where there is no link, none leaves.
            let _ = send(socket.as_raw_fd(), &any_frame(&mut rng, &scan), MsgFlags::empty());
        }
        thread::sleep(PAUSE);
    }
}

fn any_frame(rng: &mut Rng, scan: &Segment<'_>) -> Vec<u8> {
    let flow = Flow::new(&format!("198.51.{}.{}", rng.u8(..), rng.u8(..)), "192.0.2.2");
    let scanner = Flow::new(&format!("203.0.113.{}", rng.u8(..)), "192.0.2.2");
    match rng.u8(0..12) {
        0 => flow.udp(&noise(rng.usize(1..1400))),
        1 => flow.ping(),
        2 => flow.tcp(&Segment::LINUX),
        3 => flow.tcp(&Segment::DATA),
        4 | 5 => scanner.tcp(scan),
        6 => scanner.tcp(&Segment::NMAP),
        7 => tagged(&[SERVICE_VLAN, VLAN], &flow.ping()),
        8 => arp(),
        9 => neighbour_solicitation(),
        10 => ethernet(IPV4, &noise(rng.usize(0..80))),
        _ => ethernet(0x88b6, &noise(rng.usize(0..1500))),
    }
}
