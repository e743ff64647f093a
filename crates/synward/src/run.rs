//! `synward run`: from a configuration to frames that flow, and back.

use std::io::IsTerminal;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use core_affinity::CoreId;
use rustix::thread::{CpuSet, sched_setaffinity};
use synward_bridge::{Publisher, events};
use synward_policy::{BanKeeper, Bridge, ListNames, OnFailure, Snapshot, Wait, Xdp};
use synward_xsk::{Fallback, Opened, PortMonitor, Ports, Setup, XdpMode, XdpRequest};
use tracing_subscriber::EnvFilter;

use crate::control::view::{RulesView, View, WorkerView};
use crate::control::{Control, Listeners, Runtime, tell};
use crate::crew::Crew;
use crate::harden;
use crate::print_out;
use crate::reload::{self, Loaded};

pub(crate) fn run(file: &Path) -> Result<()> {
    log_to_stderr();
    harden::early();
    // Signals are heard from here on: one that comes too early is acted on as soon as all can be undone.
    let runtime = Runtime::new()?;
    let Loaded { config, rules, names, warnings, refused, took } = reload::load(file, ListNames::default())?;
    tell(&warnings, refused, &rules);
    let rules_view = RulesView::new(1, &config, &rules);
    let keeper = BanKeeper::new(config.bans.capacity);

    let Opened { ports, pairs, monitors } = Ports::open(&setup(&config.bridge))?;
    // Behind the ports: a second instance is to hear that it is one, and not that an address is in use.
    let listeners = Listeners::bind(&config)?;

    let (sender, told) = events();
    let first = Snapshot { rules, bans: Arc::clone(keeper.bans()), generation: 1 };
    let (publisher, subscriptions) = Publisher::new(first, pairs.len());
    let workers = pairs.iter().map(|pair| WorkerView::new(pair.queue)).collect::<Result<_>>()?;
    let ledger = publisher.ledger().clone();
    let view = Arc::new(View::new(monitors, workers, ledger, rules_view, keeper, took));
    let spared = free_cores(pairs.len());
    let mut crew = Crew::start(ports, pairs, subscriptions, sender, &config, Arc::clone(&view))?;
    keep_to(&spared);
    tell_modes(&view.ports, &config.bridge);
    tell_fallback(crew.leaves_the_wire_held(), &config.bridge);
    tell_weak_fallback(&view.ports, config.bridge.on_failure);
    let held = crew.leaves_the_wire_held().then_some(config.bridge.on_failure);
    view.set_hardening(harden::control(&config));
    let more_threads = spared.len().saturating_sub(1);
    let control =
        Control { file: file.to_owned(), config, names, publisher, events: told, view, more_threads };
    let ended = control.run(runtime, listeners, |publisher| crew.mend(publisher));

    crew.end();
    tell_end(held);
    ended
}

/// `synward release`.
pub(crate) fn release(file: &Path) -> Result<()> {
    log_to_stderr();
    let Bridge { outside, inside, bpffs, .. } = Bridge::load(file)?;
    let released = Ports::release(&bpffs, [&outside, &inside])?;
    let report = match &released[..] {
        [] => {
            format!("nothing of synward is on {outside} or {inside}, as far as {} tells\n", bpffs.display())
        }
        ports => format!("released: {}\n", ports.join(", ")),
    };
    print_out(&report)
}

fn setup(bridge: &Bridge) -> Setup<'_> {
    let Bridge { outside, inside, xdp, queues, stale_after, bpffs, on_failure, wait, .. } = bridge;
    Setup {
        outside,
        inside,
        xdp: request(*xdp),
        queues: queues.map(NonZeroU32::get),
        fallback: Fallback { open: *on_failure == OnFailure::Open, stale_after: *stale_after },
        bpffs,
        busy_poll: *wait == Wait::Busy,
    }
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

fn tell_modes(monitors: &[PortMonitor; 2], bridge: &synward_policy::Bridge) {
    for monitor in monitors {
        for queue in &monitor.queues {
            tracing::info!(port = monitor.nic.name(), queue = queue.queue, xdp = queue.mode.name(), "bound");
        }
    }
    tracing::info!(outside = bridge.outside, inside = bridge.inside, mode = ?bridge.mode, "forwarding");
}

/// Says what becomes of the wire when this process is gone.
fn tell_fallback(is_held: bool, bridge: &Bridge) {
    let Bridge { on_failure, bpffs, .. } = bridge;
    if is_held {
        tracing::info!(?on_failure, stale_after = ?bridge.stale_after, "the kernel holds the wire when this process does not");
    } else {
        let bpffs = bpffs.display();
        tracing::warn!(
            "no bpffs is mounted at {bpffs}, or none that can be used: the kernel holds the wire while workers hang, but when this process ends the wire is cut; \
             mount one (mount -t bpf bpf {bpffs}), or name another in [bridge] bpffs"
        );
    }
}

/// Says which ports cannot keep what fail-open promises. virtio_net needs room before a frame for a header of its own, and the kernel gives
/// a frame from a zero-copy buffer none (`xdp_convert_zc_to_xdp_frame`, net/core/xdp.c of Linux 7.3).
fn tell_weak_fallback(monitors: &[PortMonitor; 2], on_failure: OnFailure) {
    let is_weak = |monitor: &&PortMonitor| {
        let zero_copy = monitor.queues.iter().any(|queue| queue.mode == XdpMode::ZeroCopy);
        zero_copy && monitor.nic.driver().as_deref() == Some("virtio_net")
    };
    if on_failure == OnFailure::Open
        && let Some(monitor) = monitors.iter().find(is_weak)
    {
        tracing::warn!(
            port = monitor.nic.name(),
            "virtio_net in zero-copy mode cannot forward for a worker that hangs, only for one that has ended; with xdp = \"copy\" it can"
        );
    }
}

/// Says in which state the ports are left.
fn tell_end(held: Option<OnFailure>) {
    match held {
        None => tracing::info!("the ports are as they were"),
        Some(OnFailure::Open) => tracing::info!(
            "the kernel goes on forwarding without judging; `synward release` gives the ports back as they were"
        ),
        Some(OnFailure::Closed) => tracing::info!(
            "the kernel drops all frames until the next start; `synward release` gives the ports back as they were"
        ),
    }
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
