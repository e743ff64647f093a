//! The worker threads, and the ports that they work on: started, looked after, ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use core_affinity::CoreId;
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use synward_bridge::{Desk, EventSender, Publisher, Subscription, Worker};
use synward_policy::{Config, Wait};
use synward_xsk::{Ports, QueuePair};

use crate::control::view::View;
use crate::harden;

/// How often a worker that panicked is replaced: what goes wrong more often is no accident.
const REPLACEMENTS: u64 = 3;

/// The niceness of a worker.
const NICE: i32 = -10;

/// How long workers may take to their first turn. One that hangs instead is not waited for: the shim knows.
const FIRST_TURNS: Duration = Duration::from_secs(2);

/// The worker threads. Dropped, they end, and then the ports are let go: a driver gives up no queue that a socket is bound to.
pub(crate) struct Crew {
    stop: Arc<AtomicBool>,
    members: Vec<Member>,
    cores: Vec<CoreId>,
    events: EventSender,
    stale_after: Duration,
    sandbox: bool,
    wait: Wait,
    view: Arc<View>,
    ports: Ports,
}

struct Member {
    queue: u32,
    /// None while it is being replaced.
    thread: Option<JoinHandle<()>>,
}

impl Crew {
    /// Starts a worker for each pair of queues, each on a core of its own as far as there are enough, and lets the frames reach them.
    pub(crate) fn start(
        ports: Ports,
        pairs: Vec<QueuePair>,
        subscriptions: Vec<Subscription>,
        events: EventSender,
        config: &Config,
        view: Arc<View>,
    ) -> Result<Self> {
        allow_priority();
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        if cores.len() < pairs.len() {
            tracing::warn!(cores = cores.len(), workers = pairs.len(), "there are fewer cores than workers");
        }
        let (stop, members) = (Arc::new(AtomicBool::new(false)), Vec::new());
        let (stale_after, wait, sandbox) =
            (config.bridge.stale_after, config.bridge.wait, config.control.sandbox);
        let mut crew = Self { stop, members, cores, events, stale_after, sandbox, wait, view, ports };
        for (pair, rules) in pairs.into_iter().zip(subscriptions) {
            let (place, queue) = (crew.members.len(), pair.queue);
            let thread = Some(crew.hire(place, pair, rules)?);
            crew.members.push(Member { queue, thread });
        }
        crew.await_first_turns();
        crew.ports.arm(&crew.view.ports)?;
        Ok(crew)
    }

    /// Whether the kernel holds the wire when the process is gone.
    pub(crate) fn leaves_the_wire_held(&self) -> bool {
        self.ports.stay()
    }

    /// Replaces workers that have panicked. The shims hold the wire of their queues meanwhile; the others go on.
    ///
    /// # Errors
    /// When one has panicked too often, or cannot be replaced.
    pub(crate) fn mend(&mut self, publisher: &Publisher) -> Result<()> {
        let has_ended = |member: &Member| member.thread.as_ref().is_none_or(JoinHandle::is_finished);
        match self.members.iter().position(has_ended) {
            Some(place) => self.replace(place, publisher),
            None => Ok(()),
        }
    }

    /// Ends the workers: no more frames reach them, and what has arrived still leaves.
    pub(crate) fn end(self) {
        self.ports.disarm();
    }

    fn replace(&mut self, place: usize, publisher: &Publisher) -> Result<()> {
        let (Some(member), Some(worker)) = (self.members.get_mut(place), self.view.workers.get(place)) else {
            bail!("there is no worker {place}");
        };
        let queue = member.queue;
        member.thread.take().map(JoinHandle::join);
        if worker.replacements.load(Ordering::Relaxed) >= REPLACEMENTS {
            bail!("the worker of queue {queue} has panicked again, for the fourth time: see the log");
        }
        tracing::error!(queue, "the worker has panicked: replacing it");
        let pair = self.ports.reopen(&self.view.ports, queue).context("cannot replace a worker")?;
        let thread = self.hire(place, pair, publisher.subscribe(place))?;
        if let Some(member) = self.members.get_mut(place) {
            member.thread = Some(thread);
        }
        self.await_first_turns();
        self.ports.arm_queue(&self.view.ports, queue)?;
        if let Some(worker) = self.view.workers.get(place) {
            worker.replacements.fetch_add(1, Ordering::Relaxed);
        }
        tracing::warn!(queue, "the worker is replaced");
        Ok(())
    }

    fn hire(&self, place: usize, pair: QueuePair, rules: Subscription) -> Result<JoinHandle<()>> {
        let view = self.view.workers.get(place).context("a worker has no place in the view")?;
        let QueuePair { queue, outside, inside, umem } = pair;
        let desk = Desk {
            queue,
            rules,
            stats: Arc::clone(&view.stats),
            events: self.events.clone(),
            timer: view.new_timer()?,
            stale_after: self.stale_after,
            wait: self.wait,
            #[cfg(feature = "fault-injection")]
            faults: Arc::clone(&view.faults),
        };
        let mut worker = Worker::new(desk, outside, inside, umem);
        let stop = Arc::clone(&self.stop);
        let sandbox = self.sandbox;
        let core = self.cores.get(place % self.cores.len().max(1)).copied();
        let work = move || {
            let pinned = core.is_some_and(core_affinity::set_for_current);
            if !pinned {
                tracing::warn!(queue, "the worker is not pinned to a core");
            }
            prefer_to_others(queue);
            harden::worker(sandbox);
            worker.run(&stop);
        };
        let thread = thread::Builder::new().name(format!("synward-q{queue}")).spawn(work);
        thread.context("cannot start a worker")
    }

    /// Waits until every worker is at work, but not for ever: before, nobody empties the rings that frames would come into.
    fn await_first_turns(&self) {
        let patience = Instant::now() + FIRST_TURNS;
        let lives = |member: &Member| member.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        let works = || self.view.ports.iter().flat_map(|port| &port.queues).all(|queue| queue.is_alive());
        while self.members.iter().all(lives) && !works() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Lets this process give its threads the niceness of workers later, too, when it has given up the right to (RLIMIT_NICE, getrlimit(2)):
/// those that replace others are started then.
fn allow_priority() {
    let limit = Some((20 - NICE).unsigned_abs().into());
    if let Err(error) = setrlimit(Resource::Nice, Rlimit { current: limit, maximum: limit }) {
        tracing::debug!(%error, "workers that replace others may have no priority");
    }
}

/// Lets a worker run before other programs that want its core: one that waits for more than `stale_after` is taken for dead. It leaves them a
/// tenth of the core (sched(7)), and so the kernel's own receiver, which feeds it: real-time priority would not.
fn prefer_to_others(queue: u32) {
    // Without a number, it is this thread.
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::warn!(queue, %error, "the worker has no priority over other programs (CAP_SYS_NICE)");
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.members.drain(..).filter_map(|member| member.thread) {
            if thread.join().is_err() {
                tracing::error!("a worker ended in a panic");
            }
        }
    }
}
