//! The program between two hosts, under paced frames, and what is looked at whatever the fault is.

use std::fs;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, send};

use crate::bed::{Bed, BpfFs, Config, Layout, Metrics, Wire, packet_socket, run};
use crate::frames::{Flow, Segment};
use crate::kernel::HOSTILE;
use crate::measured::Measured;
use crate::meter::Meter;
use crate::sender::{Sent, clock};
use crate::table::{Outcome, ms};

/// How long frames flow before the fault, and how long they are watched after it.
const LEAD: Duration = Duration::from_millis(400);
pub(crate) const WATCH: Duration = Duration::from_millis(800);

/// While frames are lost, the sender must not pause for longer: an outage is measured by what it swallows.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// The longest that a scenario may send, in seconds.
const LONGEST: u32 = 15;

/// The pause between two SYNs that are blocked.
const NUISANCE: Duration = Duration::from_millis(10);

/// Frames that show that the workers work, and how many a second.
const PROOF: (u64, u32) = (10_000, 2000);

/// How much shorter a silence may be than it was meant to be.
const TOLERANCE: Duration = Duration::from_millis(50);

/// Frames that a worker may have sent and not counted yet: a batch each way of each worker.
const UNCOUNTED: u64 = 4 * 64;

/// Under which conditions the fault happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    pub(crate) queues: u32,
    pub(crate) on_failure: &'static str,
    /// Frames a second.
    pub(crate) rate: u64,
    /// What else is so, for the table.
    pub(crate) also: &'static str,
    /// A line for `[control]`.
    pub(crate) control: &'static str,
    /// Whether there is a bpffs.
    pub(crate) bpffs: bool,
    /// Queues that the interfaces could have.
    pub(crate) channels: u32,
}

impl Situation {
    pub(crate) const fn open(queues: u32) -> Self {
        Self {
            queues,
            on_failure: "open",
            rate: 100_000,
            also: "",
            control: "",
            bpffs: true,
            channels: queues,
        }
    }

    pub(crate) const fn also(self, also: &'static str) -> Self {
        Self { also, ..self }
    }

    pub(crate) const fn closed(queues: u32) -> Self {
        Self { on_failure: "closed", ..Self::open(queues) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.on_failure == "open"
    }

    /// For the table.
    pub(crate) fn text(&self) -> String {
        let queues = if self.queues == 1 { "1 queue".to_owned() } else { format!("{} queues", self.queues) };
        format!("{}, {queues}, {} frames/s{}", self.on_failure, self.rate, self.also)
    }

    /// The bed, whose interfaces have as many queues as there are to be.
    pub(crate) fn bed(&self) -> Bed {
        let bed = Bed::with(Layout { queues: self.channels, addresses: true });
        if self.channels > self.queues {
            lower_channels(&bed, self.queues);
        }
        bed
    }

    /// Rules that block the hostile SYNs, and nothing that the instrument sends.
    pub(crate) fn config(&self, bpffs: &BpfFs) -> Config {
        let path = if self.bpffs { bpffs.path() } else { Path::new("/nowhere") };
        Config::enforce()
            .section(self.control)
            .bridge(&format!("bpffs = \"{}\"", path.display()))
            .bridge(&format!("on_failure = \"{}\"", self.on_failure))
            .allow("instrument", "198.51.100.0/24\n")
            .block_syns("hostile", HOSTILE)
    }
}

/// The two kinds of queues of an interface.
const RX: &str = "rx";
const TX: &str = "tx";

/// Gives all interfaces of a bed so many queues, more than before. A veth with an XDP program must not be sent to on more
/// queues than it receives from.
pub(crate) fn raise_channels(bed: &Bed, queues: u32) {
    [RX, TX].iter().for_each(|kind| set_channels(bed, kind, queues));
}

/// Gives all interfaces of a bed so many queues, fewer than before.
fn lower_channels(bed: &Bed, queues: u32) {
    [TX, RX].iter().for_each(|kind| set_channels(bed, kind, queues));
}

fn set_channels(bed: &Bed, kind: &str, queues: u32) {
    for (namespace, device) in bed.interfaces() {
        namespace.run(&format!("ethtool -L {device} {kind} {queues}"));
    }
}

/// What the program says it did with frames from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Frames that the worker of each queue received.
    pub(crate) by_queue: Vec<u64>,
    /// Frames that the shim sent past the workers.
    pub(crate) bypassed: u64,
    /// Frames that the shim dropped because no worker was there.
    pub(crate) dropped: u64,
}

impl Counts {
    pub(crate) fn of(metrics: &Metrics, queues: u32) -> Self {
        let worker = |queue: u32| {
            let labels = [("port", "outside"), ("queue", &*queue.to_string())];
            metrics.get("synward_rx_frames_total", &labels)
        };
        let shim = |action| {
            let labels = [("port", "outside"), ("action", action)];
            metrics.get("synward_shim_frames_total", &labels)
        };
        let by_queue = (0..queues).map(worker).collect();
        Self { by_queue, bypassed: shim("bypassed"), dropped: shim("dropped") }
    }

    pub(crate) fn workers(&self) -> u64 {
        self.by_queue.iter().sum()
    }
}

/// The program, the instrument, and somebody who sends SYNs that are blocked.
pub(crate) struct Stage<'a> {
    pub(crate) bed: &'a Bed,
    pub(crate) situation: Situation,
    pub(crate) config: Config,
    /// The configuration without what a scenario adds.
    pub(crate) plain: Config,
    /// None while no process lives.
    wire: Option<Wire<'a>>,
    pub(crate) meter: Meter<'a>,
    /// What the processes that have ended had counted when they were last asked.
    past: u64,
    /// When the fault began, in ns of CLOCK_MONOTONIC.
    pub(crate) began: u64,
    /// When it was taken back, where what counts is how long the wire needs from then on.
    pub(crate) mended: Option<u64>,
    /// How long nothing may pass in `closed`.
    pub(crate) silent_for: Option<Duration>,
    /// Queues that the fault is not to touch.
    pub(crate) untouched_queues: Range<u32>,
}

impl<'a> Stage<'a> {
    fn new(bed: &'a Bed, situation: Situation, plain: Config, config: Config) -> Self {
        let meter = Meter::between(&bed.outside.namespace, &bed.inside.namespace);
        let wire = Some(bed.start(&config));
        let mut stage = Self {
            bed,
            situation,
            config,
            plain,
            wire,
            meter,
            past: 0,
            began: 0,
            mended: None,
            silent_for: None,
            untouched_queues: 0..0,
        };
        stage.favour_workers();
        stage.meter.choose_flows(situation.queues);
        stage
    }

    /// The process that lives.
    pub(crate) fn wire(&self) -> &Wire<'a> {
        self.wire.as_ref().expect("no process lives")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.wire().program.signal(signal);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts::of(&self.wire().metrics(), self.situation.queues)
    }

    /// Lets the workers run before all else on their cores but the sender, as on a box that does nothing else: this machine has
    /// others' work to do, and a worker that waits for its core loses frames.
    pub(crate) fn favour_workers(&self) {
        let pid = self.wire().status()["pid"].as_u64().unwrap();
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().map_while(Result::ok) {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.starts_with("synward-q") {
                run(&format!("chrt --fifo --pid 1 {}", task.file_name().to_str().unwrap()));
            }
        }
    }

    /// Waits for the end of the process, and answers how it ended and what it logged.
    pub(crate) fn bury(&mut self) -> (ExitStatus, String) {
        self.wire.take().expect("no process lives").program.end()
    }

    /// Starts the program, beside one that may still live, and waits until it forwards. Words before its name may be given.
    pub(crate) fn start(&mut self, prefix: &str) -> Option<Wire<'a>> {
        let old = self.wire.replace(self.bed.start_as(prefix, &self.config));
        self.favour_workers();
        old
    }
}

/// Lets frames flow, does something, and tells what came of it. At the end a process must live, the workers must
/// work, and no buffer may be missing.
pub(crate) fn perform(
    situation: Situation,
    amend: impl FnOnce(Config) -> Config,
    fault: impl FnOnce(&mut Stage<'_>, &mut Outcome),
) -> Outcome {
    let bed = situation.bed();
    let bpffs = bed.bpffs();
    let plain = situation.config(&bpffs);
    let mut stage = Stage::new(&bed, situation, plain.clone(), amend(plain));
    let _nuisance = Nuisance::start(&bed);
    let first = stage.counts();
    let sender = stage.meter.start(situation.rate, LONGEST * situation.rate as u32);
    thread::sleep(LEAD);
    let looked = clock();
    let lead = stage.counts();
    let mut told = Outcome::default();
    told.check(stage.meter.hostile().count == 0, || "blocked SYNs passed before the fault".to_owned());
    stage.past = lead.workers() - first.workers();
    stage.began = clock();
    fault(&mut stage, &mut told);
    let sent = sender.finish();
    let measured = stage.meter.judge(&sent);
    let arrived = measured.arrived_until(looked);
    let mut outcome = Outcome::of(measured).and(told);
    outcome.void = outcome.void.or_else(|| disturbed(&sent, &outcome.measured));
    outcome.details.extend(losses(&outcome.measured, stage.began));
    stage.time(&mut outcome);
    outcome.check(stage.past + UNCOUNTED >= arrived, || {
        format!("of {arrived} frames before the fault, the workers saw {}", stage.past)
    });
    stage.prove(&mut outcome);
    outcome
}

/// Why the outage cannot be told, if so.
fn disturbed(sent: &Sent, measured: &Measured) -> Option<String> {
    let (first, last) = measured.lost_between?;
    let pause = sent.longest_pause(first, last);
    (pause > LONGEST_PAUSE).then(|| format!("the sender paused for {} while frames were lost", ms(pause)))
}

/// When frames were lost, counted from the moment of the fault.
fn losses(measured: &Measured, began: u64) -> Option<String> {
    let (first, last) = measured.lost_between?;
    let from = |time: u64| (time as f64 - began as f64) / 1e6;
    let Measured { lost, refused, delay, .. } = measured;
    Some(format!(
        "{lost} lost, {refused} of them before the wire, sent {:.1} to {:.1} ms after the fault; the slowest of the others took {}",
        from(first),
        from(last),
        ms(*delay)
    ))
}

impl Stage<'_> {
    /// The time that counts, and what else a scenario expects.
    fn time(&self, outcome: &mut Outcome) {
        if let Some(least) = self.silent_for
            && !self.situation.is_open()
        {
            outcome.time = outcome.measured.silent_after(self.began);
            let silence = outcome.measured.silence(self.began);
            let silent = silence >= least - TOLERANCE;
            outcome.check(silent, || format!("nothing passed for no longer than {silence:?}"));
        }
        if let Some(mended) = self.mended {
            outcome.time = outcome.measured.resumed_after(mended);
        }
        for queue in self.untouched_queues.clone() {
            let lost = self.meter.lost_of_queue(&outcome.measured, queue);
            outcome.expect(lost == 0, || format!("queue {queue} lost {lost}"));
        }
    }

    /// The program forwards, by its workers and not past them, and blocks what is to be blocked.
    fn prove(&mut self, outcome: &mut Outcome) {
        if self.wire.is_none() {
            self.start("");
        }
        let (before, hostile) = (self.counts(), self.meter.hostile().count);
        let (rate, count) = PROOF;
        let measured = self.meter.measure(rate, count);
        let after = self.counts();
        let worked = after.workers() - before.workers();
        outcome
            .check(measured.lost == 0, || format!("{} of {count} are lost after the fault", measured.lost));
        outcome.check(worked >= count.into(), || {
            format!("of {count} after the fault, the workers saw {worked}")
        });
        let bypassed = after.bypassed - before.bypassed;
        outcome.check(bypassed == 0, || format!("{bypassed} frames go past the workers after the fault"));
        let passed = self.meter.hostile().count;
        outcome.check(passed == hostile, || "blocked SYNs pass after the fault".to_owned());
        let closed = !self.situation.is_open();
        outcome.check(!closed || passed == 0, || format!("{passed} blocked SYNs passed"));
        outcome.workers = Some(self.past + before.workers());
        outcome.bypassed = Some(before.bypassed);
        self.wire().conserved();
    }
}

/// Somebody who sends SYNs that are blocked, all the time.
pub(crate) struct Nuisance {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Nuisance {
    fn start(bed: &Bed) -> Self {
        Self::every(bed, NUISANCE)
    }

    pub(crate) fn every(bed: &Bed, pause: Duration) -> Self {
        let socket = bed.outside.namespace.enter(packet_socket);
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let work = move || {
            let mut sent = 0;
            while !told.load(Ordering::Relaxed) {
                sent += u64::from(offend(&socket));
                thread::sleep(pause);
            }
            sent
        };
        Self { stop, thread: Some(thread::spawn(work)) }
    }

    /// Ends it, and answers how many were sent.
    pub(crate) fn finish(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Nuisance {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends a SYN that is blocked; where there is no link, none leaves.
fn offend(socket: &OwnedFd) -> bool {
    send(socket.as_raw_fd(), &hostile_syn(), MsgFlags::empty()).is_ok()
}

/// A SYN of a scanner, another one each time.
pub(crate) fn hostile_syn() -> Vec<u8> {
    Flow::new("203.0.113.9", "192.0.2.2").tcp(&Segment::MASSCAN)
}
