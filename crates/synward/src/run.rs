//! `synward run`: from a configuration to frames that flow, and back.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use core_affinity::CoreId;
use rustix::thread::{CpuSet, sched_setaffinity};
use synward_bridge::{Desk, EventSender, Publisher, Stats, Subscription, Worker, events, loop_times};
use synward_policy::{BanKeeper, ListNames, Snapshot, Xdp};
use synward_xsk::{Opened, Ports, QueuePair, XdpMode, XdpRequest};
use tracing_subscriber::EnvFilter;

use crate::control::view::{RulesView, View, WorkerView};
use crate::control::{Control, Listeners, Runtime, tell};
use crate::harden;
use crate::reload::{self, Loaded};

/// How long the workers go on after no more frames reach them: what is in the rings still leaves.
const DRAIN: Duration = Duration::from_millis(50);

pub(crate) fn run(file: &Path) -> Result<()> {
    log_to_stderr();
    harden::early();
    // Signals are heard from here on: one that comes too early is acted on as soon as all can be undone.
    let runtime = Runtime::new()?;
    let Loaded { config, rules, names, warnings, refused, took } = reload::load(file, ListNames::default())?;
    tell(&warnings, refused, &rules);
    let rules_view = RulesView::new(1, config.bridge.mode, &rules);
    let keeper = BanKeeper::new(config.bans.capacity);

    let bridge = &config.bridge;
    let queues = bridge.queues.map(std::num::NonZeroU32::get);
    let opened = Ports::open(&bridge.outside, &bridge.inside, request(bridge.xdp), queues)?;
    // Behind the ports: a second instance is to hear that it is one, and not that an address is in use.
    let listeners = Listeners::bind(&config)?;
    // Dropped in reverse: whatever holds a socket is gone before the ports are given back.
    let Opened { ports, pairs, monitors } = opened;

    let (sender, told) = events();
    let first = Snapshot { rules, bans: Arc::clone(keeper.bans()), generation: 1 };
    let (publisher, subscriptions) = Publisher::new(first, pairs.len());
    let spared = free_cores(pairs.len());
    let (crew, workers) = Crew::start(pairs, subscriptions, &sender, config.control.sandbox)?;
    keep_to(&spared);
    crew.await_first_turns(&workers);
    ports.arm(&monitors)?;
    tell_modes(&monitors, &config.bridge);
    let ledger = publisher.ledger().clone();
    let view = Arc::new(View::new(monitors, workers, ledger, rules_view, keeper, took));
    view.set_hardening(harden::control(&config));
    let more_threads = spared.len().saturating_sub(1);
    let control =
        Control { file: file.to_owned(), config, names, publisher, events: told, view, more_threads };
    let ended = control.run(runtime, listeners, || crew.lives());

    ports.disarm();
    thread::sleep(DRAIN);
    drop(crew);
    drop(ports);
    tracing::info!("the ports are as they were");
    ended
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that nobody reads any more is no reason to stop: without this, it would be told on stderr, and panic.
    log.with_target(false).with_ansi(colours).log_internal_errors(false).init();
}

fn request(xdp: Xdp) -> XdpRequest {
    match xdp {
        Xdp::Auto => XdpRequest::Auto,
        Xdp::Zerocopy => XdpRequest::Only(XdpMode::ZeroCopy),
        Xdp::Copy => XdpRequest::Only(XdpMode::Copy),
        Xdp::Skb => XdpRequest::Only(XdpMode::Skb),
    }
}

fn tell_modes(monitors: &[synward_xsk::PortMonitor; 2], bridge: &synward_policy::Bridge) {
    for monitor in monitors {
        for queue in &monitor.queues {
            tracing::info!(port = monitor.nic.name(), queue = queue.queue, xdp = queue.mode.name(), "bound");
        }
    }
    tracing::info!(outside = bridge.outside, inside = bridge.inside, mode = ?bridge.mode, "forwarding");
}

/// The cores that are left over by so many workers.
fn free_cores(workers: usize) -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().skip(workers).collect()
}

/// Keeps this thread, and those that it starts from now on, on some cores: reading a large list must not cost a worker its core.
/// Without any core left over, all stays as it is.
fn keep_to(cores: &[CoreId]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(core.id));
    if !cores.is_empty()
        && let Err(error) = sched_setaffinity(None, &set)
    {
        tracing::warn!(%error, "the control thread may run on the cores of workers");
    }
}

/// The worker threads.
struct Crew {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts a worker for each pair of queues, each on a core of its own as far as there are enough.
    fn start(
        pairs: Vec<QueuePair>,
        subscriptions: Vec<Subscription>,
        events: &EventSender,
        sandbox: bool,
    ) -> Result<(Self, Vec<WorkerView>)> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        if cores.len() < pairs.len() {
            tracing::warn!(cores = cores.len(), workers = pairs.len(), "there are fewer cores than workers");
        }
        let mut crew = Self { stop: Arc::new(AtomicBool::new(false)), threads: Vec::new() };
        let mut views = Vec::new();
        let mut cores = cores.into_iter().cycle();
        for (pair, rules) in pairs.into_iter().zip(subscriptions) {
            let queue = pair.queue;
            let (timer, times) = loop_times().context("cannot make a histogram")?;
            let stats = Arc::new(Stats::default());
            views.push(WorkerView::new(queue, Arc::clone(&stats), times));
            let desk = Desk { queue, rules, stats, events: events.clone(), timer };
            crew.hire(Worker::new(desk, pair.outside, pair.inside, pair.umem), queue, cores.next(), sandbox)?;
        }
        Ok((crew, views))
    }

    fn hire(
        &mut self,
        mut worker: Worker<synward_xsk::Queue>,
        queue: u32,
        core: Option<CoreId>,
        sandbox: bool,
    ) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        let work = move || {
            let pinned = core.is_some_and(core_affinity::set_for_current);
            if !pinned {
                tracing::warn!(queue, "the worker is not pinned to a core");
            }
            harden::worker(sandbox);
            worker.run(&stop);
        };
        let thread = thread::Builder::new().name(format!("synward-q{queue}")).spawn(work);
        self.threads.push(thread.context("cannot start a worker")?);
        Ok(())
    }

    /// Waits until every worker is at work: before, nobody empties the rings that frames would come into.
    fn await_first_turns(&self, views: &[WorkerView]) {
        let works = |view: &WorkerView| view.stats.generation.get() > 0;
        while self.lives() && !views.iter().all(works) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether all workers still work.
    fn lives(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }
}

/// Ends the workers and waits for them: their sockets must be closed before the ports are given back.
impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker ended in a panic");
            }
        }
    }
}
