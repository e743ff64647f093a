//! The bed with the program running on it: frames go in, frames come out, and the books must balance.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Bed, Config, Metrics, Program, SYNWARD, Side, eventually, run};

/// How long a frame too many may take to show itself.
const GRACE: Duration = Duration::from_millis(20);

/// The program on its bed.
pub(crate) struct Wire<'a> {
    pub(crate) bed: &'a Bed,
    pub(crate) program: Program,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Passes,
    /// Is dropped, for this reason.
    Dropped(&'static str),
    /// Passes only thanks to monitor mode, for this reason.
    Spared(&'static str),
}

/// A frame and what must become of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) frame: Vec<u8>,
    pub(crate) fate: Fate,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, frame: Vec<u8>, fate: Fate) -> Self {
        Self { name: name.into(), frame, fate }
    }
}

impl<'a> Wire<'a> {
    pub(crate) fn start(bed: &'a Bed, prefix: &str, config: &Config) -> Self {
        let program = Program::start(&bed.wire, prefix, &config.write(bed.folder()));
        program.wait_for("forwarding");
        Self { bed, program }
    }

    /// Fetches a page of the program's HTTP server; the answer with its head.
    pub(crate) fn fetch(&self, path: &str) -> String {
        self.bed.wire.enter(|| {
            let mut stream = TcpStream::connect("127.0.0.1:9469").unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: synward\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let answer = self.fetch("/metrics");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(!head.contains("chunked"), "{head}");
        Metrics::parse(body)
    }

    /// What `synward status --json` prints.
    pub(crate) fn status(&self) -> Value {
        let socket = self.bed.folder().join("control.sock");
        let text = run(&format!("{SYNWARD} status --json --socket {}", socket.display()));
        serde_json::from_str(&text).unwrap()
    }

    /// Sends frames from one side, and answers what arrives at the other: all that the program counts as sent, and
    /// nothing else.
    pub(crate) fn relay<'f>(
        &self,
        from: Side,
        frames: impl IntoIterator<Item = &'f Vec<u8>, IntoIter: ExactSizeIterator>,
    ) -> Vec<Vec<u8>> {
        let frames = frames.into_iter();
        let before = Books::of(&self.metrics(), from);
        let due = before.rx + frames.len() as u64;
        self.bed.end(from).send_all(frames);
        let after = self.books_when(from, |books| books.rx >= due);
        assert_eq!(after.rx, due, "frames received that nobody has sent");
        let arrived = self.bed.end(from.other()).arrived();
        let sent = (after.tx - before.tx) as usize;
        let look = || (arrived.count() >= sent).then_some(());
        eventually("all frames sent arrive", look, || format!("{} of {sent} have", arrived.count()));
        thread::sleep(GRACE);
        let arrived = arrived.take();
        assert_eq!(arrived.len(), sent, "frames arrive that the program has not sent");
        arrived
    }

    fn books_when(&self, from: Side, holds: impl Fn(&Books) -> bool) -> Books {
        let look = || Some(Books::of(&self.metrics(), from)).filter(&holds);
        eventually("the frames to be counted", look, || {
            format!("{:?}\n{}", Books::of(&self.metrics(), from), self.program.log())
        })
    }

    /// Sends each frame, and compares what becomes of it and how it is counted.
    pub(crate) fn judge(&self, from: Side, cases: &[Case]) {
        let before = self.metrics().drops();
        let mut arrived = self.relay(from, cases.iter().map(|case| &case.frame).collect::<Vec<_>>());
        for Case { name, frame, fate } in cases {
            let place = arrived.iter().position(|seen| seen == frame);
            assert_eq!(place.is_some(), !matches!(fate, Fate::Dropped(_)), "{name}: {fate:?}");
            place.map(|place| arrived.swap_remove(place));
        }
        assert!(arrived.is_empty(), "these were never sent: {arrived:02x?}");
        assert_eq!(
            growth(&before, &self.metrics().drops()),
            expected_drops(cases),
            "drops by reason and mode"
        );
    }

    /// Writes another configuration, and has it read.
    pub(crate) fn reload(&self, config: &Config) {
        config.write(self.bed.folder());
        self.hang_up();
    }

    /// Sends SIGHUP, and waits until the reload is over and all workers know of it.
    pub(crate) fn hang_up(&self) {
        let reloads = |result: &str| {
            let metrics = self.metrics();
            metrics.get("synward_reloads_total", &[("result", result)])
        };
        let (successes, failures) = (reloads("success"), reloads("failure"));
        self.program.signal(Signal::SIGHUP);
        let look = || (reloads("success") + reloads("failure") > successes + failures).then_some(());
        eventually("the reload to be over", look, || self.program.log());
        let generation = self.status()["generation"].as_u64().unwrap();
        let look = || (self.generations().iter().all(|worker| *worker == generation)).then_some(());
        eventually("the workers to judge by the new rules", look, || format!("{:?}", self.generations()));
    }

    /// The generation of the rules of each worker.
    pub(crate) fn generations(&self) -> Vec<u64> {
        let metrics = self.metrics();
        metrics.all("synward_rules_generation", &[]).map(|sample| sample.value as u64).collect()
    }

    /// No frame buffer is lost: once the wire is quiet, those of each worker are free, to be filled, or received and on
    /// their way to be; none is still being sent.
    pub(crate) fn conserved(&self) {
        let look = || is_conserved(&self.metrics()).then_some(());
        eventually("all frame buffers to be back", look, || format!("{:?}", buffers(&self.metrics())));
    }

    /// Ends the program with SIGTERM: every test's last step.
    pub(crate) fn stop(self) {
        self.conserved();
        self.program.signal(Signal::SIGTERM);
        let (status, log) = self.program.end();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

/// What was received from one side, and sent to the other.
#[derive(Debug)]
struct Books {
    rx: u64,
    tx: u64,
}

impl Books {
    fn of(metrics: &Metrics, from: Side) -> Self {
        let frames = |name: &str, side: Side| metrics.get(name, &[("port", side.name())]);
        Self {
            rx: frames("synward_rx_frames_total", from),
            tx: frames("synward_tx_frames_total", from.other()),
        }
    }
}

/// Counts by reason and mode.
type Drops = BTreeMap<(String, String), u64>;

fn growth(before: &Drops, after: &Drops) -> Drops {
    let grown = |(key, count): (&(String, String), &u64)| {
        let grown = count - before.get(key).unwrap_or(&0);
        (grown > 0).then(|| (key.clone(), grown))
    };
    after.iter().filter_map(grown).collect()
}

fn expected_drops(cases: &[Case]) -> Drops {
    let mut drops = Drops::new();
    for case in cases {
        let (reason, mode) = match case.fate {
            Fate::Passes => continue,
            Fate::Dropped(reason) => (reason, "enforce"),
            Fate::Spared(reason) => (reason, "monitor"),
        };
        *drops.entry((reason.to_owned(), mode.to_owned())).or_default() += 1;
    }
    drops
}

/// The frame buffers by worker and place, and how many there are of each worker.
fn buffers(metrics: &Metrics) -> BTreeMap<String, (BTreeMap<String, u64>, u64)> {
    let mut workers: BTreeMap<_, (BTreeMap<_, _>, u64)> = BTreeMap::new();
    for sample in metrics.all("synward_umem_frames", &[]) {
        let places = &mut workers.entry(sample.labels["worker"].clone()).or_default().0;
        places.insert(sample.labels["place"].clone(), sample.value as u64);
    }
    for sample in metrics.all("synward_umem_size_frames", &[]) {
        workers.entry(sample.labels["worker"].clone()).or_default().1 = sample.value as u64;
    }
    workers
}

fn is_conserved(metrics: &Metrics) -> bool {
    let workers = buffers(metrics);
    assert!(!workers.is_empty(), "there are no workers");
    workers.values().all(|(places, size)| {
        assert_eq!(places.len(), 6, "{places:?}");
        let on_the_way = ["rx", "hand", "tx", "completion"].iter().map(|place| places[*place]).sum::<u64>();
        places.values().sum::<u64>() == *size && *size > 0 && on_the_way == 0
    })
}
