//! `synward status`: what the running program says of itself.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use synward_policy::Control;

use crate::bans::{BanList, Banned};
use crate::cli::{Reach, StatusOptions};
use crate::print_out;
use crate::reload::Reloaded;

/// How long the running program may take to answer, but for a reload.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line on the socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Status,
    /// Answered when the reload is over.
    Reload,
    Ban {
        address: IpAddr,
        seconds: u64,
    },
    Unban {
        address: IpAddr,
    },
    Bans,
    /// Has the worker of a queue panic.
    #[cfg(feature = "fault-injection")]
    Panic {
        queue: u32,
    },
    /// Keeps buffers from the ports of a queue, or no longer.
    #[cfg(feature = "fault-injection")]
    Starve {
        queue: u32,
        starve: bool,
    },
}

/// The answer to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Status(Status),
    Reloaded(Reloaded),
    Banned(Banned),
    Unbanned,
    Bans(BanList),
    Error(String),
}

/// What the running program says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) uptime_seconds: u64,
    pub(crate) mode: String,
    pub(crate) generation: u64,
    pub(crate) ports: Vec<PortStatus>,
    pub(crate) lists: Vec<ListStatus>,
    pub(crate) drops: Vec<DropStatus>,
    /// Number of the bans in force.
    pub(crate) bans: usize,
    pub(crate) hardening: Vec<HardeningStatus>,
    pub(crate) reloads: ReloadStatus,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PortStatus {
    pub(crate) port: String,
    pub(crate) interface: String,
    pub(crate) link: bool,
    /// Whether the port is held down because the other has no link.
    pub(crate) held_down: bool,
    pub(crate) mtu: u32,
    pub(crate) rx_frames: u64,
    pub(crate) tx_frames: u64,
    pub(crate) queues: Vec<QueueStatus>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct QueueStatus {
    pub(crate) queue: u32,
    pub(crate) xdp: String,
    pub(crate) generation: u64,
    /// Whether a worker takes the frames; if not, the kernel holds the wire.
    pub(crate) served: bool,
    /// Frames that the kernel sent on, dropped, and dropped for their source, while no worker took them.
    pub(crate) bypassed: u64,
    pub(crate) dropped: u64,
    pub(crate) blocked: u64,
    /// How often the worker was replaced, for it had panicked.
    pub(crate) replacements: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListStatus {
    pub(crate) name: String,
    pub(crate) entries: usize,
    pub(crate) refused: usize,
    pub(crate) hits: u64,
    pub(crate) decisions: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DropStatus {
    pub(crate) reason: String,
    pub(crate) dropped: u64,
    pub(crate) would_drop: u64,
}

/// A part of what the program has given up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HardeningStatus {
    pub(crate) part: String,
    pub(crate) in_force: bool,
    /// How far it goes, or why it is missing.
    pub(crate) detail: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReloadStatus {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) last_succeeded: bool,
    pub(crate) last_error: Option<String>,
}

pub(crate) fn print(options: &StatusOptions) -> Result<()> {
    match ask(&options.reach, &Request::Status)? {
        Answer::Status(status) if options.json => print_out(&(serde_json::to_string(&status)? + "\n")),
        Answer::Status(status) => print_out(&text(&status)),
        other => bail!(unexpected(&other)),
    }
}

/// Asks the running program. Where it answers that something is wrong, that is the error.
pub(crate) fn ask(reach: &Reach, request: &Request) -> Result<Answer> {
    let socket = socket(reach)?;
    match converse(&socket, request).with_context(|| format!("cannot ask {}", socket.display()))? {
        Answer::Error(error) => bail!("the running synward says: {error}"),
        answer => Ok(answer),
    }
}

/// What to say of an answer that nobody asked for: the program that runs is not of this version.
pub(crate) fn unexpected(answer: &Answer) -> String {
    format!("the running synward is of another version: it answers {answer:?}")
}

fn socket(reach: &Reach) -> Result<PathBuf> {
    match (&reach.socket, &reach.config) {
        (Some(socket), _) => Ok(socket.clone()),
        (None, Some(config)) => Ok(Control::load(config)?.socket),
        (None, None) => Ok(Control::default().socket),
    }
}

fn converse(socket: &Path, request: &Request) -> Result<Answer> {
    let mut stream =
        UnixStream::connect(socket).context("is synward running, and may you reach its socket?")?;
    stream.set_read_timeout(patience(request))?;
    writeln!(stream, "{}", serde_json::to_string(request)?)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() {
        bail!("it has ended, or hung up, without an answer");
    }
    serde_json::from_str(&answer).context("the answer cannot be understood")
}

/// A list of millions takes its time to be read, and whoever gives up waiting can press Ctrl-C.
fn patience(request: &Request) -> Option<Duration> {
    (!matches!(request, Request::Reload)).then_some(PATIENCE)
}

/// The status for a person.
fn text(status: &Status) -> String {
    let Status {
        version,
        pid,
        uptime_seconds,
        mode,
        generation,
        ports,
        lists,
        drops,
        bans,
        hardening,
        reloads,
    } = status;
    let mut lines = vec![
        format!("synward {version}, process {pid}, up {uptime_seconds} s"),
        format!("mode {mode}, rules of generation {generation}"),
    ];
    for PortStatus { port, interface, link, held_down, mtu, rx_frames, tx_frames, queues } in ports {
        let link = match (link, held_down) {
            (_, true) => "held DOWN, because the other port has none",
            (true, false) => "up",
            (false, false) => "DOWN",
        };
        lines.push(format!(
            "{port:<8} {interface}: link {link}, MTU {mtu}, {rx_frames} frames in, {tx_frames} out"
        ));
        lines.extend(queues.iter().flat_map(queue_lines));
    }
    for ListStatus { name, entries, refused, hits, decisions } in lists {
        lines.push(format!("list     {name}: {entries} entries, {hits} hits, {decisions} decisions"));
        if *refused > 0 {
            lines.push(format!("         warning: {refused} lines are refused: see `synward check`"));
        }
    }
    for DropStatus { reason, dropped, would_drop } in drops {
        lines.push(format!("drops    {reason}: {dropped} dropped, {would_drop} would have been"));
    }
    lines.push(format!("bans     {bans} in force"));
    lines.extend(hardening.iter().map(|HardeningStatus { part, in_force, detail }| {
        let missing = if *in_force { "" } else { "NOT IN FORCE: " };
        format!("hardened {part}: {missing}{detail}")
    }));
    lines.push(format!("reloads  {} succeeded, {} failed", reloads.successes, reloads.failures));
    if let Some(error) = &reloads.last_error {
        lines.push(format!("the last reload failed, the rules before it are in force:\n{error}"));
    }
    lines.join("\n") + "\n"
}

/// What there is to say of a queue, and of its fallback if it was ever needed.
fn queue_lines(status: &QueueStatus) -> Vec<String> {
    let QueueStatus { queue, xdp, generation, served, bypassed, dropped, blocked, replacements } = status;
    let mut lines = vec![format!("         queue {queue}: {xdp}, rules of generation {generation}")];
    if !served {
        lines.push("                  NO WORKER takes its frames: the kernel holds the wire".to_owned());
    }
    if bypassed + dropped + blocked > 0 {
        lines.push(format!(
            "                  without a worker: {bypassed} frames forwarded unjudged, {dropped} dropped, {blocked} of blocked sources dropped"
        ));
    }
    if *replacements > 0 {
        lines
            .push(format!("                  the worker has panicked and was replaced {replacements} times"));
    }
    lines
}
