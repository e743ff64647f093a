//! A program that receives by AF_XDP, on Synward's own rings, and drops: what a flood costs at least.

use std::io::stdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use synward_bridge::{Pool, Port};
use synward_xsk::{Fallback, Ports, QueuePair, Setup, XdpMode, XdpRequest};

use super::process::Process;
use super::synward::Wait;
use super::{Contender, Role, Running};
use crate::bed::{Bed, Receiver, cores};
use crate::traffic::Rules;

/// Frames that it takes at once: as many as Synward.
const BATCH: usize = 64;

/// The program, with a way to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Null(pub(crate) Wait);

impl Contender for Null {
    fn name(&self, _rules: &Rules) -> String {
        format!("null AF_XDP, {}", self.0.name())
    }

    fn role(&self) -> Role {
        Role::DropsAll
    }

    fn receiver(&self) -> Receiver {
        Receiver::Sender
    }

    fn start(&self, bed: &Bed, _rules: &Rules) -> Result<Box<dyn Running>> {
        let program = std::env::current_exe()?;
        let program = program.to_str().context("this program has a name that is no text")?;
        let [outside, inside] = bed.ports();
        let mut process =
            Process::start_to_ask(bed, &[program, "null", outside, inside, "--wait", self.0.name()])?;
        process.ask("")?;
        Ok(Box::new(Asked(process)))
    }
}

struct Asked(Process);

impl Running for Asked {
    fn taken(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.0.ask("")?.parse()?))
    }

    fn pause(&mut self) -> Result<()> {
        self.0.pause()
    }

    fn resume(&mut self) -> Result<()> {
        self.0.resume()
    }
}

/// The program itself. Each line of its input is answered with the number of frames that it has taken.
pub(crate) fn receive_and_drop(outside: &str, inside: &str, wait: Wait) -> Result<()> {
    let fallback = Fallback { open: false, stale_after: Duration::from_secs(10) };
    let setup = Setup {
        outside,
        inside,
        xdp: XdpRequest::Only(XdpMode::Copy),
        queues: Some(1),
        fallback,
        bpffs: "/nowhere".as_ref(),
        busy_poll: wait == Wait::Busy,
    };
    let opened = Ports::open(&setup)?;
    let (taken, ended) = (Arc::new(AtomicU64::new(0)), Arc::<AtomicBool>::default());
    let pair = opened.pairs.into_iter().next().context("no queue")?;
    thread::scope(|scope| {
        scope.spawn(|| drop_all(pair, wait, &taken, &ended));
        let armed = opened.ports.arm(&opened.monitors);
        for line in stdin().lines() {
            line?;
            println!("{}", taken.load(Ordering::Relaxed));
        }
        ended.store(true, Ordering::Relaxed);
        Ok(armed?)
    })
}

fn drop_all(pair: QueuePair, wait: Wait, taken: &AtomicU64, ended: &AtomicBool) {
    let QueuePair { mut outside, inside, mut umem, .. } = pair;
    let _ = cores::pin(0, cores::WORKER);
    let mut frames = Vec::with_capacity(2 * BATCH);
    while !ended.load(Ordering::Relaxed) {
        outside.beat(outside.now(), 1);
        outside.refill(&mut umem);
        outside.receive(&mut frames, BATCH);
        taken.fetch_add(frames.len() as u64, Ordering::Relaxed);
        let idle = frames.is_empty();
        frames.drain(..).for_each(|frame| umem.release(frame));
        if idle && wait != Wait::Busy {
            Port::wait([&outside, &inside], Duration::from_millis(50));
        }
    }
}
