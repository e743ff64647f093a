//! What can be seen of the running bridge: read by `/metrics` and `synward status`, written by the workers (their counters) and by
//! the control thread (the rest).

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use synward_bridge::{Counters, Ledger, ListTotals, LoopSummary, LoopTimer, LoopTimes, Stats, loop_times};
use synward_policy::{BanKeeper, Config, ListSummary, Mode, RuleSet, Xdp};
use synward_xsk::{PortMonitor, QueueMonitor};

use crate::harden::Hardening;
use crate::reload;

/// The names of the two ports, in the order in which they lie in every pair.
pub(crate) const PORTS: [&str; 2] = ["outside", "inside"];

/// Everything that can be seen.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) started: Instant,
    /// Outside, inside.
    pub(crate) ports: [PortMonitor; 2],
    /// What is known of the link of each port.
    pub(super) links: [Link; 2],
    /// By queue.
    pub(crate) workers: Vec<WorkerView>,
    /// What lists of addresses did.
    ledger: Ledger,
    rules: Mutex<RulesView>,
    bans: Mutex<BanKeeper>,
    /// None until the program has given up what it does not need.
    hardening: OnceLock<Hardening>,
    pub(crate) reloads: Reloads,
    pub(crate) events: EventCounts,
}

/// What is known of the link of a port.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whether it has one.
    pub(crate) up: AtomicBool,
    /// Whether the port is held down, because the other has none.
    pub(crate) held_down: AtomicBool,
    /// How often it was taken down for that.
    pub(crate) propagations: AtomicU64,
    /// The MTU.
    pub(crate) mtu: AtomicU32,
}

impl Link {
    fn new() -> Self {
        Self {
            up: AtomicBool::new(true),
            held_down: AtomicBool::new(false),
            propagations: AtomicU64::new(0),
            mtu: AtomicU32::new(0),
        }
    }
}

/// One worker.
#[derive(Debug)]
pub(crate) struct WorkerView {
    pub(crate) queue: u32,
    pub(crate) stats: Arc<Stats>,
    /// How often the worker was replaced, for it had panicked.
    pub(crate) replacements: AtomicU64,
    /// What tests ask of the worker.
    #[cfg(feature = "fault-injection")]
    pub(crate) faults: Arc<synward_bridge::Faults>,
    times: Mutex<LoopTimes>,
}

/// The rules in force.
#[derive(Debug, Clone)]
pub(crate) struct RulesView {
    pub(crate) generation: u64,
    pub(crate) mode: Mode,
    /// The mode of AF_XDP that the configuration asks for, if only from the next start on.
    pub(crate) xdp: Xdp,
    pub(crate) lists: Vec<ListSummary>,
    /// When the file of each list was last changed, where its file system tells.
    pub(crate) modified: Vec<Option<SystemTime>>,
    pub(crate) table_bytes: usize,
    /// Bytes of all that the rules hold: tables, and the entries that they were made of.
    pub(crate) memory_bytes: usize,
    /// The most that they may take, these and new ones together.
    pub(crate) memory_limit: Option<u64>,
    /// Number of distinct sets of lists that cover some address.
    pub(crate) list_sets: usize,
    pub(crate) rules: Arc<RuleSet>,
}

/// What became of the reloads.
#[derive(Debug)]
pub(crate) struct Reloads {
    pub(crate) successes: AtomicU64,
    pub(crate) failures: AtomicU64,
    last: Mutex<LastReload>,
}

/// The last reload, or the start.
#[derive(Debug, Clone)]
pub(crate) struct LastReload {
    pub(crate) succeeded: bool,
    /// What the last one that failed said, if the last one failed.
    pub(crate) error: Option<String>,
    pub(crate) last_success: SystemTime,
    /// How long the last successful one took.
    pub(crate) took: Duration,
    /// How many seconds later the last worker judged by its rules.
    pub(crate) adoption: f64,
}

/// What became of the events.
#[derive(Debug, Default)]
pub(crate) struct EventCounts {
    pub(crate) written: AtomicU64,
    pub(crate) suppressed: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl RulesView {
    pub(crate) fn new(generation: u64, config: &Config, rules: &Arc<RuleSet>) -> Self {
        let modified = |file: &Path| fs::metadata(file).and_then(|file| file.modified()).ok();
        Self {
            generation,
            mode: config.bridge.mode,
            xdp: config.bridge.xdp,
            lists: rules.lists().to_vec(),
            modified: config.lists.iter().map(|list| modified(&list.file)).collect(),
            table_bytes: rules.table_bytes(),
            memory_bytes: rules.memory_usage(),
            memory_limit: reload::memory_limit(config),
            list_sets: rules.list_sets().len(),
            rules: Arc::clone(rules),
        }
    }
}

impl View {
    pub(crate) fn new(
        ports: [PortMonitor; 2],
        workers: Vec<WorkerView>,
        ledger: Ledger,
        rules: RulesView,
        bans: BanKeeper,
        took: Duration,
    ) -> Self {
        let last =
            LastReload { succeeded: true, error: None, last_success: SystemTime::now(), took, adoption: 0.0 };
        Self {
            started: Instant::now(),
            ports,
            links: [Link::new(), Link::new()],
            workers,
            ledger,
            rules: Mutex::new(rules),
            bans: Mutex::new(bans),
            hardening: OnceLock::new(),
            reloads: Reloads {
                successes: AtomicU64::new(0),
                failures: AtomicU64::new(0),
                last: Mutex::new(last),
            },
            events: EventCounts::default(),
        }
    }

    pub(crate) fn rules(&self) -> RulesView {
        lock(&self.rules).clone()
    }

    pub(crate) fn set_rules(&self, rules: RulesView) {
        *lock(&self.rules) = rules;
    }

    /// Notes the mode that a configuration asks for which only a restart can put in force.
    pub(crate) fn set_configured_xdp(&self, xdp: Xdp) {
        lock(&self.rules).xdp = xdp;
    }

    /// What is in force of all that an attacker would be up against.
    pub(crate) fn hardening(&self) -> Option<&Hardening> {
        self.hardening.get()
    }

    /// Says so once and for all.
    pub(crate) fn set_hardening(&self, hardening: Hardening) {
        let _ = self.hardening.set(hardening);
    }

    /// The bans, to look at and to change.
    pub(crate) fn bans(&self) -> MutexGuard<'_, BanKeeper> {
        lock(&self.bans)
    }

    /// Whether each port has a link, as far as known.
    pub(crate) fn links(&self) -> [bool; 2] {
        self.links.each_ref().map(|link| link.up.load(Ordering::Relaxed))
    }

    /// Notes whether each port has a link, and logs what has changed.
    pub(crate) fn note_links(&self, carriers: [bool; 2]) {
        for (((port, monitor), link), carrier) in PORTS.iter().zip(&self.ports).zip(&self.links).zip(carriers)
        {
            let held = link.held_down.load(Ordering::Relaxed);
            if link.up.swap(carrier, Ordering::Relaxed) != carrier && !held {
                let change = if carrier { "the link is up" } else { "the link is down" };
                tracing::warn!(port, interface = monitor.nic.name(), "{change}");
            }
        }
    }

    /// What each list did, of addresses or of signatures.
    pub(crate) fn list_totals(&self) -> ListTotals {
        let mut totals = self.ledger.totals();
        for worker in &self.workers {
            let add = |totals: &mut [u64], counters: &Counters| {
                totals.iter_mut().enumerate().for_each(|(list, total)| *total += counters.get(list));
            };
            add(&mut totals.hits, &worker.stats.hits);
            add(&mut totals.decisions, &worker.stats.decisions);
        }
        totals
    }

    /// What is wrong with the bridge, in words: links that are down, and queues that no worker takes frames of, so that the shims
    /// hold their wire.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let [outside, inside] = &self.ports;
        let down = PORTS.into_iter().zip(self.links()).filter(|(_, up)| !up);
        let pairs = outside.queues.iter().zip(&inside.queues);
        let unserved = pairs.filter(|(outside, inside)| !outside.is_served() || !inside.is_served());
        down.map(|(port, _)| format!("no link: {port}"))
            .chain(unserved.map(|(outside, _)| format!("degraded, no worker: queue {}", outside.queue)))
            .collect()
    }

    /// Whether the heart of at least one worker beats.
    pub(crate) fn any_worker_lives(&self) -> bool {
        let [outside, _] = &self.ports;
        outside.queues.iter().any(QueueMonitor::is_alive)
    }

    /// The queues whose workers do not judge by rules of this generation yet.
    pub(crate) fn behind(&self, generation: u64) -> Vec<u32> {
        let late = self.workers.iter().filter(|worker| worker.stats.generation.get() < generation);
        late.map(|worker| worker.queue).collect()
    }

    /// The sum of one counter of all workers.
    pub(crate) fn sum(&self, counter: impl Fn(&Stats) -> u64) -> u64 {
        self.workers.iter().map(|worker| counter(&worker.stats)).sum()
    }
}

impl WorkerView {
    pub(crate) fn new(queue: u32) -> Result<Self> {
        let (_, times) = loop_times().context("cannot make a histogram")?;
        Ok(Self {
            queue,
            stats: Arc::default(),
            replacements: AtomicU64::new(0),
            #[cfg(feature = "fault-injection")]
            faults: Arc::default(),
            times: Mutex::new(times),
        })
    }

    /// A timer for a new worker. What the one before it has recorded is forgotten.
    pub(crate) fn new_timer(&self) -> Result<LoopTimer> {
        let (timer, times) = loop_times().context("cannot make a histogram")?;
        *lock(&self.times) = times;
        Ok(timer)
    }

    /// What is known of the turns of its loop.
    pub(crate) fn loop_times(&self) -> LoopSummary {
        lock(&self.times).summary()
    }

    /// Takes over what the worker has recorded.
    pub(crate) fn collect_loop_times(&self) {
        lock(&self.times).collect();
    }
}

impl Reloads {
    pub(crate) fn last(&self) -> LastReload {
        lock(&self.last).clone()
    }

    pub(crate) fn succeeded(&self, took: Duration) {
        self.successes.fetch_add(1, Ordering::Relaxed);
        let mut last = lock(&self.last);
        *last = LastReload { succeeded: true, error: None, last_success: SystemTime::now(), took, ..*last };
    }

    pub(crate) fn adopted(&self, seconds: f64) {
        lock(&self.last).adoption = seconds;
    }

    pub(crate) fn failed(&self, error: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut last = lock(&self.last);
        last.succeeded = false;
        last.error = Some(error);
    }
}

/// What a thread that panicked left behind is still the best that is known.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
