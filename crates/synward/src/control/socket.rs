//! The Unix socket that `synward status` asks, and `synward reload`, `synward ban` and their like.

use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "fault-injection")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result, bail};
#[cfg(feature = "fault-injection")]
use synward_bridge::Faults;
use synward_policy::{ListId, Mode, Reason};
use synward_xsk::{QueueMonitor, ShimCounts};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::accept::accept;
use super::bans;
use super::reloads::Asker;
use super::view::{PORTS, View, WorkerView};
use crate::harden::Part;
use crate::status::{
    Answer, DropStatus, HardeningStatus, ListStatus, PortStatus, QueueStatus, ReloadStatus, Request, Status,
};

/// Who may connect: the owner of the socket and its group.
const MODE: u32 = 0o660;

/// The most connections at a time; further ones wait.
const CONNECTIONS: usize = 8;

/// The longest request in bytes, and how long a client may take for it.
const LONGEST_REQUEST: u64 = 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket in the file system; removed on drop.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
}

impl ControlSocket {
    /// Listens. A socket that a process left behind is replaced, one that somebody listens on is not.
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            // Whoever may write to the folder may put another socket in its place, whatever the umask says.
            let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
            made.with_context(|| format!("cannot make {}", folder.display()))?;
        }
        remove_leftover(path)?;
        // The socket must never be open to all, not even between its making and the chmod.
        let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(!MODE & 0o777));
        let listener = std::os::unix::net::UnixListener::bind(path);
        rustix::process::umask(mask);
        let listener = listener.with_context(|| format!("cannot listen on {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Answers for as long as the runtime lives.
    pub(super) fn serve(&self, view: Arc<View>, reloads: mpsc::Sender<Asker>) -> Result<()> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let group = fs::metadata(&self.path)?.gid();
        let desk = Arc::new(Desk { group, view, reloads });
        tokio::spawn(accept(listener, CONNECTIONS, move |stream| converse(stream, Arc::clone(&desk))));
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn remove_leftover(path: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        bail!("{} is in the way: it is no socket; move it, or change [control] socket", path.display());
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!("another synward listens on {}: stop it, or change [control] socket", path.display());
    }
    fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))
}

/// Who may ask, and what the answers are taken from.
struct Desk {
    /// The group of the socket.
    group: u32,
    view: Arc<View>,
    /// Where reloads are asked for.
    reloads: mpsc::Sender<Asker>,
}

/// Answers one request. A client that says nothing, or too much, is let go; so is one that does not take its answer.
async fn converse(mut stream: UnixStream, desk: Arc<Desk>) {
    let conversed = async {
        let request = timeout(PATIENCE, read(&mut stream)).await??;
        let answer = answer(&request, &stream.peer_cred()?, &desk).await;
        let line = serde_json::to_string(&answer)? + "\n";
        timeout(PATIENCE, stream.write_all(line.as_bytes())).await?
    };
    if let Err(error) = conversed.await {
        tracing::debug!(%error, "a client of the control socket has gone, or is too slow");
    }
}

async fn read(stream: &mut UnixStream) -> io::Result<String> {
    let mut request = String::new();
    BufReader::new(stream.take(LONGEST_REQUEST)).read_line(&mut request).await?;
    Ok(request)
}

async fn answer(request: &str, peer: &UCred, desk: &Desk) -> Answer {
    let Desk { group, view, reloads } = desk;
    if !is_welcome(peer, *group) {
        tracing::warn!(user = peer.uid(), group = peer.gid(), "refused a client of the control socket");
        return Answer::Error(
            "only root, the user that runs synward, and the group of the socket may ask".to_owned(),
        );
    }
    match serde_json::from_str(request) {
        Ok(Request::Status) => Answer::Status(status(view)),
        Ok(Request::Reload) => reload(reloads).await,
        Ok(Request::Ban { address, seconds }) => bans::ban(view, address, seconds),
        Ok(Request::Unban { address }) => bans::unban(view, address),
        #[cfg(feature = "fault-injection")]
        Ok(Request::Panic { queue }) => have(view, queue, |faults| &faults.panic, true),
        #[cfg(feature = "fault-injection")]
        Ok(Request::Starve { queue, starve }) => have(view, queue, |faults| &faults.starve, starve),
        Ok(Request::Bans) => Answer::Bans(bans::list(view)),
        Err(error) => Answer::Error(format!("the request cannot be understood: {error}")),
    }
}

/// Asks for a reload, and waits for what becomes of it: as long as it takes.
async fn reload(reloads: &mpsc::Sender<Asker>) -> Answer {
    let (asker, outcome) = oneshot::channel();
    let ended = || Answer::Error("synward is about to end".to_owned());
    match reloads.send(asker).await {
        Ok(()) => outcome.await.unwrap_or_else(|_| ended()),
        Err(_) => ended(),
    }
}

/// The mode of the file keeps others out; this holds also where somebody changed it.
fn is_welcome(peer: &UCred, socket_group: u32) -> bool {
    let user = peer.uid();
    user == 0
        || user == rustix::process::geteuid().as_raw()
        || peer.gid() == socket_group
        || peer.pid().is_some_and(|process| is_member(process, socket_group))
}

/// Whether a process has a group among its supplementary ones (proc_pid_status(5)).
fn is_member(process: i32, group: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    groups.split_whitespace().any(|member| member.parse() == Ok(group))
}

/// Has a fault in the worker of a queue, or an end of it.
#[cfg(feature = "fault-injection")]
fn have(view: &View, queue: u32, fault: fn(&Faults) -> &AtomicBool, on: bool) -> Answer {
    match view.workers.iter().find(|worker| worker.queue == queue) {
        Some(worker) => {
            fault(&worker.faults).store(on, Ordering::Relaxed);
            Answer::Status(status(view))
        }
        None => Answer::Error(format!("there is no worker of queue {queue}")),
    }
}

fn status(view: &View) -> Status {
    let (rules, totals) = (view.rules(), view.list_totals());
    let count = |counts: &[u64], list: ListId| counts.get(list.index()).copied().unwrap_or_default();
    let last = view.reloads.last();
    let list = |list: &synward_policy::ListSummary| ListStatus {
        name: list.name.clone(),
        entries: list.entries,
        refused: list.refused,
        hits: count(&totals.hits, list.id),
        decisions: count(&totals.decisions, list.id),
    };
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: view.started.elapsed().as_secs(),
        mode: match rules.mode {
            Mode::Monitor => "monitor".to_owned(),
            Mode::Enforce => "enforce".to_owned(),
        },
        generation: rules.generation,
        ports: (0..PORTS.len()).filter_map(|place| port(view, place)).collect(),
        lists: rules.lists.iter().map(list).collect(),
        drops: Reason::all()
            .map(|reason| drops(view, reason))
            .filter(|d| d.dropped + d.would_drop > 0)
            .collect(),
        bans: bans::in_force(view),
        hardening: view
            .hardening()
            .into_iter()
            .flat_map(|hardening| hardening.parts())
            .map(hardened)
            .collect(),
        reloads: ReloadStatus {
            successes: view.reloads.successes.load(Ordering::Relaxed),
            failures: view.reloads.failures.load(Ordering::Relaxed),
            last_succeeded: last.succeeded,
            last_error: last.error,
        },
    }
}

fn hardened(part: Part) -> HardeningStatus {
    let Part { name, in_force, detail } = part;
    HardeningStatus { part: name.to_owned(), in_force, detail }
}

fn port(view: &View, place: usize) -> Option<PortStatus> {
    let monitor = view.ports.get(place)?;
    let queue = |(queue, worker): (&QueueMonitor, &WorkerView)| {
        let ShimCounts { bypassed, dropped, blocked, .. } = monitor.shim.of_queue(queue.queue);
        QueueStatus {
            queue: queue.queue,
            xdp: queue.mode.name().to_owned(),
            generation: worker.stats.generation.get(),
            served: queue.is_served(),
            bypassed,
            dropped,
            blocked,
            replacements: worker.replacements.load(Ordering::Relaxed),
        }
    };
    Some(PortStatus {
        port: (*PORTS.get(place)?).to_owned(),
        interface: monitor.nic.current_name().unwrap_or_else(|| monitor.nic.name().to_owned()),
        link: *view.links().get(place)?,
        held_down: view.links.get(place)?.held_down.load(Ordering::Relaxed),
        mtu: view.links.get(place)?.mtu.load(Ordering::Relaxed),
        rx_frames: view.sum(|stats| stats.ports.get(place).map_or(0, |port| port.rx_frames.get())),
        tx_frames: view.sum(|stats| stats.ports.get(place).map_or(0, |port| port.tx_frames.get())),
        queues: monitor.queues.iter().zip(&view.workers).map(queue).collect(),
    })
}

fn drops(view: &View, reason: Reason) -> DropStatus {
    DropStatus {
        reason: reason.name().to_owned(),
        dropped: view.sum(|stats| stats.dropped(reason)),
        would_drop: view.sum(|stats| stats.would_have_dropped(reason)),
    }
}
