//! The control thread: signals, reloads, events, metrics and the control socket. The workers need none of it to
//! forward frames.

mod accept;
mod bans;
mod http;
mod link_loss;
mod manager;
mod metrics;
mod ports;
mod reloads;
mod socket;
pub(crate) mod view;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crossbeam_channel::Receiver;
use synward_bridge::{Event, Publisher};
use synward_policy::{Config, Diagnostic, Events, Faults, ListNames, RuleSet, Snapshot, Warning};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::events::{EventLog, cannot_open};
use crate::reload::{self, Loaded, Reloaded};
use manager::Manager;
use ports::PortWatch;
use reloads::{Asker, Loading, Progress, Reloads};
use socket::ControlSocket;
use view::{RulesView, View, WorkerView};

/// How often events are written, retired rules are freed and workers are looked after.
const TICK: Duration = Duration::from_millis(50);

/// How often bans that have ended are put out of the way.
const BAN_TICK: Duration = Duration::from_secs(1);

/// How often the ports are looked at, if the kernel tells of no change: whether a link is there to stay only time can tell.
const PORT_TICK: Duration = Duration::from_millis(250);

/// The signals that the program hears, and the runtime that hears them: made first of all, so that no signal ever
/// finds the kernel's own answer, which is to end the program as it stands.
pub(crate) struct Runtime {
    runtime: tokio::runtime::Runtime,
    signals: Signals,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Runtime {
    pub(crate) fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let signals = Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        drop(entered);
        Ok(Self { runtime, signals })
    }
}

/// What the control thread listens on: taken before any frame flows, so that it cannot fail later.
#[derive(Debug)]
pub(crate) struct Listeners {
    http: TcpListener,
    socket: ControlSocket,
    manager: Manager,
    log: Option<EventLog>,
}

impl Listeners {
    pub(crate) fn bind(config: &Config) -> Result<Self> {
        let address = config.control.listen;
        let http = TcpListener::bind(address)
            .with_context(|| format!("cannot listen on {address}; change [control] listen"))?;
        let socket = ControlSocket::bind(&config.control.socket)?;
        let manager = Manager::connect()?;
        Ok(Self { http, socket, manager, log: config.events.as_ref().map(open_log).transpose()? })
    }
}

fn open_log(settings: &Events) -> Result<EventLog> {
    EventLog::open(settings).map_err(|error| anyhow::anyhow!(cannot_open(&settings.file, &error)))
}

/// What the control thread works with.
pub(crate) struct Control {
    pub(crate) file: PathBuf,
    pub(crate) config: Config,
    pub(crate) names: ListNames,
    pub(crate) publisher: Publisher,
    pub(crate) events: Receiver<Event>,
    pub(crate) view: Arc<View>,
    /// How many threads read lists in a reload, beside its own.
    pub(crate) more_threads: usize,
}

/// How many wait for a reload at most before further ones have to.
const ASKERS: usize = 8;

/// What calls the control thread to do something.
struct Calls {
    signals: Signals,
    /// Reloads asked for on the control socket.
    asked: mpsc::Receiver<Asker>,
}

/// What it does it with, beside what the rest of the program sees.
struct Hands {
    manager: Manager,
    log: Option<EventLog>,
    reloads: Reloads,
}

impl Control {
    /// Runs until the program is told to end. `mend` looks after the workers, and fails when it can no more.
    pub(crate) fn run(
        mut self,
        runtime: Runtime,
        listeners: Listeners,
        mend: impl FnMut(&Publisher) -> Result<()>,
    ) -> Result<()> {
        let Runtime { runtime, signals } = runtime;
        let ended = runtime.block_on(self.serve(signals, listeners, mend));
        // A list that is being read when the program is told to end is not waited for.
        runtime.shutdown_background();
        ended
    }

    async fn serve(
        &mut self,
        signals: Signals,
        listeners: Listeners,
        mend: impl FnMut(&Publisher) -> Result<()>,
    ) -> Result<()> {
        let Listeners { http, socket, manager, log } = listeners;
        let (asking, asked) = mpsc::channel(ASKERS);
        http::serve(http, Arc::clone(&self.view))?;
        socket.serve(Arc::clone(&self.view), asking)?;
        let mut ports = PortWatch::new(&self.view, self.config.bridge.link_loss)?;
        let mut hands = Hands { manager, log, reloads: Reloads::default() };
        hands.manager.ready();
        let ended = self.attend(Calls { signals, asked }, &mut ports, &mut hands, mend).await;
        hands.manager.stopping();
        self.tend(&mut hands.log);
        ports.let_go(&self.view);
        ended
    }

    /// Does what comes up, until the program is told to end or can no longer go on.
    async fn attend(
        &mut self,
        Calls { mut signals, mut asked }: Calls,
        ports: &mut PortWatch,
        hands: &mut Hands,
        mut mend: impl FnMut(&Publisher) -> Result<()>,
    ) -> Result<()> {
        let (mut tick, mut ban_tick, mut port_tick) = (ticks(TICK), ticks(BAN_TICK), ticks(PORT_TICK));
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.hangup.recv() => hands.reloads.want(None),
                Some(asker) = asked.recv() => hands.reloads.want(Some(asker)),
                progress = hands.reloads.progress(&self.view) => match progress {
                    Progress::Loaded(loaded) => {
                        self.finish(*loaded, hands);
                        ports.set(&self.view, self.config.bridge.link_loss);
                    }
                    Progress::Adopted(outcome) => self.conclude(&outcome, hands),
                },
                _ = tick.tick() => {
                    self.tend(&mut hands.log);
                    hands.manager.look(&self.view);
                }
                _ = ban_tick.tick() => bans::purge(&self.view),
                _ = port_tick.tick() => ports.look(&self.view)?,
                () = ports.changed() => ports.look(&self.view)?,
            }
            if hands.reloads.is_due() {
                hands.manager.reloading();
                hands.reloads.begin(self.begin_reload());
            }
            mend(&self.publisher)?;
        }
    }

    /// The work of a tick.
    fn tend(&mut self, log: &mut Option<EventLog>) {
        // At most as many as fit into the channel: under a flood, there is other work, too.
        for event in self.events.try_iter().take(self.events.capacity().unwrap_or(1)) {
            let Some(log) = log.as_mut() else { continue };
            let rules = self.publisher.generation(event.generation);
            let rule = rules.zip(event.told.decision.rule).and_then(|(rules, rule)| {
                event.judged_addresses().find_map(|address| rules.rules.describe(rule, Some(address)))
            });
            log.write(&event, rule.as_ref(), &self.names, &self.view.events);
        }
        if let Some(log) = log {
            log.flush(&self.view.events);
        }
        self.publisher.reap();
        self.view.workers.iter().for_each(WorkerView::collect_loop_times);
    }

    fn begin_reload(&self) -> Loading {
        let (file, names, more_threads) = (self.file.clone(), self.names.clone(), self.more_threads);
        let in_force = Arc::clone(&self.publisher.current().rules);
        tracing::info!(file = %file.display(), "reloading");
        let view = Arc::clone(&self.view);
        tokio::task::spawn_blocking(move || {
            let loaded = reload::reload(&in_force, &file, names, more_threads);
            match view.hardening() {
                Some(hardening) => loaded.map_err(|faults| hardening.explain(faults)),
                None => loaded,
            }
        })
    }

    /// What was read is put in force, or the reload is over.
    fn finish(&mut self, loaded: Result<Loaded>, hands: &mut Hands) {
        match loaded.and_then(|loaded| self.put_in_force(loaded, &mut hands.log)) {
            Ok((generation, took)) => {
                self.view.reloads.succeeded(took);
                let lists = self.view.rules().lists;
                let unchanged = lists.iter().filter(|list| list.reused).count();
                tracing::info!(generation, ?took, lists = lists.len(), unchanged, "reloaded");
                hands.reloads.published(generation, took);
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!("reload failed, the rules before it stay in force:\n{error}");
                hands.reloads.failed(&error);
                self.view.reloads.failed(error);
                hands.manager.ready();
            }
        }
    }

    /// The workers have adopted the new rules, or some are not going to.
    fn conclude(&self, outcome: &Reloaded, hands: &mut Hands) {
        self.view.reloads.adopted(outcome.adoption_seconds);
        if !outcome.behind.is_empty() {
            tracing::warn!(queues = ?outcome.behind, generation = outcome.generation, "workers do not adopt the new rules");
        }
        hands.reloads.over(outcome);
        hands.manager.ready();
    }

    /// Publishes new rules. Whatever can fail comes first.
    fn put_in_force(&mut self, loaded: Loaded, log: &mut Option<EventLog>) -> Result<(u64, Duration)> {
        let Loaded { config, rules, names, mut warnings, refused, took } = loaded;
        if let Some(setting) = self.config.needs_restart(&config) {
            self.view.set_configured_xdp(config.bridge.xdp);
            bail!("{setting} has changed: only a restart can put that in force");
        }
        let current = self.publisher.current();
        warnings.extend(rules.check_against(&current.rules, &config)?);
        let new_log = self.open_new_log(&config)?;
        tell(&warnings, refused, &rules);
        let generation = current.generation + 1;
        self.view.set_rules(RulesView::new(generation, &config, &rules));
        if let Some(old) = log {
            old.end(&self.view.events);
        }
        self.publisher.publish(Snapshot { rules, bans: Arc::clone(&current.bans), generation });
        (*log, self.config, self.names) = (new_log, config, names);
        Ok((generation, took))
    }

    fn open_new_log(&self, config: &Config) -> Result<Option<EventLog>> {
        let Some(settings) = &config.events else { return Ok(None) };
        let reason = || self.view.hardening()?.why_unwritable(&settings.file);
        match (open_log(settings), reason()) {
            (Err(error), Some(reason)) => bail!("{error}; {reason}"),
            (log, _) => log.map(Some),
        }
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// Logs what was odd about the lists, and which of their lines are not in force.
pub(crate) fn tell(warnings: &[Warning], refused: Vec<Diagnostic>, rules: &RuleSet) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for list in rules.lists().iter().filter(|list| list.refused > 0) {
        tracing::warn!(list = list.name, action = ?list.action, lines = list.refused, "lines are refused");
    }
    if let Err(faults) = Faults::check(refused) {
        tracing::warn!("refused lines are not in force, all others are:\n{faults}");
    }
}
