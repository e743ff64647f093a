//! The paced sender: numbered frames, one after the other, by the clock.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{MsgFlags, send};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, gettid};

use crate::bed::run;
use crate::frames::Flow;
use crate::kernel::MAGIC;

/// Where the number is in a frame: behind Ethernet (14), IPv4 (20), UDP (8) and the magic (4).
const NUMBER: usize = 46;

/// Frames sent without a pause: well below the 256 that the queue of a veth holds.
const BURST: u64 = 32;

/// How long it rests when nothing is due.
const REST: Duration = Duration::from_micros(100);

/// How far the sender may fall behind the clock. Frames that leave later than they should are no fault of the wire's:
/// a run that sees this is void.
pub(crate) const WORST_LAG: Duration = Duration::from_millis(10);

/// Now, in ns of CLOCK_MONOTONIC: the clock of the records, too.
pub(crate) fn clock() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    Duration::from(now).as_nanos() as u64
}

/// What is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Frames a second.
    pub(crate) rate: u64,
    /// The frames of these flows take turns.
    pub(crate) flows: Vec<Vec<u8>>,
    /// The number of the first frame.
    pub(crate) first: u32,
    /// The most frames that are sent.
    pub(crate) limit: u32,
}

/// A frame of a flow, to be numbered. 60 bytes.
pub(crate) fn template(flow: Flow) -> Vec<u8> {
    flow.udp(&[&MAGIC.to_be_bytes()[..], &[0; 14]].concat())
}

/// A frame that was sent, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shot {
    /// When, in ns of CLOCK_MONOTONIC.
    pub(crate) at: u64,
    /// The queue that it was to go into was full: it was lost on the way out of the host.
    pub(crate) refused: bool,
}

/// What was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) first: u32,
    pub(crate) flows: usize,
    pub(crate) shots: Vec<Shot>,
    /// How far the sender fell behind the clock at the worst moment.
    pub(crate) lag: Duration,
}

/// A sender at work.
pub(crate) struct Sender {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

impl Sender {
    /// Starts to send through a packet socket, from one core, before everything else that wants to run there.
    pub(crate) fn start(socket: OwnedFd, core: usize, pace: Pace) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let work = move || {
            take_over(core);
            pace.send(&socket, &told)
        };
        Self { stop, thread: thread::Builder::new().name("sender".to_owned()).spawn(work).unwrap() }
    }

    /// Ends it.
    pub(crate) fn finish(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }

    /// Waits until it has sent all.
    pub(crate) fn wait(self) -> Sent {
        self.thread.join().unwrap()
    }
}

/// Takes a core for this thread. A sender that waits for its turn sends in bursts.
fn take_over(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cores).unwrap();
    run(&format!("chrt --fifo --pid 1 {}", gettid()));
}

impl Pace {
    fn send(mut self, socket: &OwnedFd, stop: &AtomicBool) -> Sent {
        let mut shots = Vec::with_capacity(self.limit as usize);
        let (began, mut lag) = (clock(), 0);
        while !stop.load(Ordering::Relaxed) && shots.len() < self.limit as usize {
            let due = (clock() - began) * self.rate / 1_000_000_000;
            let behind = due.min(self.limit.into()).saturating_sub(shots.len() as u64);
            lag = lag.max(behind);
            for _ in 0..behind.min(BURST) {
                let shot = self.shoot(socket, shots.len());
                shots.push(shot);
            }
            if behind <= BURST {
                thread::sleep(REST);
            }
        }
        let lag = Duration::from_nanos(lag * 1_000_000_000 / self.rate);
        Sent { first: self.first, flows: self.flows.len(), shots, lag }
    }

    fn shoot(&mut self, socket: &OwnedFd, place: usize) -> Shot {
        let flows = self.flows.len();
        let frame = &mut self.flows[place % flows];
        frame[NUMBER..NUMBER + 4].copy_from_slice(&(self.first + place as u32).to_be_bytes());
        let at = clock();
        match send(socket.as_raw_fd(), frame, MsgFlags::empty()) {
            Ok(_) => Shot { at, refused: false },
            // The queue of the veth is full, or the link is down.
            Err(Errno::ENOBUFS | Errno::ENETDOWN | Errno::ENXIO) => Shot { at, refused: true },
            Err(error) => panic!("cannot send: {error}"),
        }
    }
}
