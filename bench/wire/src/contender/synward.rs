//! Synward itself.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::process::Process;
use super::{Contender, Role, Running};
use crate::bed::{Bed, Receiver, enter};
use crate::traffic::{Rules, short};

/// Where its metrics are.
const LISTEN: &str = "127.0.0.1:9469";

/// How often its rules are swapped, where they are, and how long after it goes on for the first time: within a turn.
const SWAP: Duration = Duration::from_secs(1);
const FIRST_SWAP: Duration = Duration::from_millis(300);

/// A turn in which some swaps are.
const TURN_OF_SWAPS: Duration = Duration::from_secs(3);

/// The file of its list of prefixes.
const PREFIXES: &str = "prefixes.txt";

/// What its workers do while no frame comes: its setting `wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    Adaptive,
    Busy,
    Poll,
}

impl Wait {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Busy => "busy",
            Self::Poll => "poll",
        }
    }
}

/// What it has in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    NoRules,
    AllRules,
    /// All rules, read anew every second.
    Swapped,
}

/// The program, with rules and a way to wait.
#[derive(Debug, Clone)]
pub(crate) struct Synward {
    /// Path of the program.
    pub(crate) program: String,
    pub(crate) load: Load,
    pub(crate) wait: Wait,
    /// Who receives for it in the kernel.
    pub(crate) receiver: Receiver,
}

impl Contender for Synward {
    fn name(&self, rules: &Rules) -> String {
        let all =
            || format!("{} prefixes, {} signatures", short(rules.count()), short(rules.signatures.len()));
        let load = match self.load {
            Load::NoRules => "no rules".to_owned(),
            Load::AllRules => all(),
            Load::Swapped => format!("{}, swapped every second", all()),
        };
        let cores = if self.receiver == Receiver::Thread { ", one core for all" } else { "" };
        format!("Synward {}, {load}{cores}", self.wait.name())
    }

    fn receiver(&self) -> Receiver {
        self.receiver
    }

    fn role(&self) -> Role {
        if self.load == Load::NoRules { Role::Forwards } else { Role::DropsBlocked }
    }

    fn start(&self, bed: &Bed, rules: &Rules) -> Result<Box<dyn Running>> {
        let config = bed.folder().join("synward.toml");
        fs::write(&config, self.config(bed, rules)?)?;
        let config = config.to_str().context("the temporary folder has a name that is no text")?;
        let mut process = Process::start(bed, &[&self.program, "run", "-c", config])?;
        process.wait_for("forwarding")?;
        let prefixes = bed.folder().join(PREFIXES);
        let swaps = (self.load == Load::Swapped).then(|| Swaps::start(process.pid(), prefixes));
        let wire = bed.wire.name().to_owned();
        Ok(Box::new(AtWork { wire, process, swaps: swaps.transpose()?, reloads: 0 }))
    }
}

impl Synward {
    fn config(&self, bed: &Bed, rules: &Rules) -> Result<String> {
        let [outside, inside] = bed.ports();
        let wait = self.wait.name();
        let mut config = format!(
            "[bridge]\noutside = \"{outside}\"\ninside = \"{inside}\"\nmode = \"enforce\"\nwait = \"{wait}\"\nlink_loss = \"ignore\"\n\
             [control]\nlisten = \"{LISTEN}\"\nsocket = \"control.sock\"\n"
        );
        if self.load != Load::NoRules {
            fs::write(bed.folder().join(PREFIXES), rules.prefix_list(rules.count()))?;
            fs::write(bed.folder().join("signatures.txt"), rules.signatures.join("\n"))?;
            config += &list("prefixes", "ip");
            config += &list("signatures", "fingerprint");
        }
        Ok(config)
    }
}

/// The rules are there to be many, not to be careful: they block what real lists would not.
fn list(name: &str, kind: &str) -> String {
    format!("[[list]]\nname = \"{name}\"\nkind = \"{kind}\"\naction = \"block\"\nfile = \"{name}.txt\"\n")
}

struct AtWork {
    // Before the process: no signal goes to another that may have its number.
    swaps: Option<Swaps>,
    process: Process,
    wire: String,
    /// Successful ones up to the turn before.
    reloads: u64,
}

impl AtWork {
    /// The sum of its metrics whose names and labels begin so.
    fn metric(&self, prefix: &str) -> Result<u64> {
        let page = enter(&self.wire, metrics)?;
        let lines = page.lines().filter_map(|line| line.strip_prefix(prefix));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(counts.sum::<f64>() as u64)
    }
}

impl Running for AtWork {
    fn taken(&mut self) -> Result<Option<u64>> {
        self.metric("synward_rx_frames_total{port=\"outside\"").map(Some)
    }

    fn least_turn(&self) -> Duration {
        if self.swaps.is_some() { TURN_OF_SWAPS } else { Duration::ZERO }
    }

    fn fault(&mut self) -> Result<Option<String>> {
        if self.swaps.is_none() {
            return Ok(None);
        }
        let reloads = self.metric("synward_reloads_total{result=\"success\"}")?;
        let before = std::mem::replace(&mut self.reloads, reloads);
        Ok((self.reloads < before + 2).then(|| format!("swapped its rules {} times", self.reloads - before)))
    }

    fn pause(&mut self) -> Result<()> {
        self.swaps.iter().for_each(|swaps| swaps.at_work.store(false, Ordering::Relaxed));
        self.process.pause()
    }

    fn resume(&mut self) -> Result<()> {
        self.swaps.iter().for_each(|swaps| swaps.at_work.store(true, Ordering::Relaxed));
        self.process.resume()
    }
}

/// The page of metrics of the program in this namespace.
fn metrics() -> Result<String> {
    let mut stream = TcpStream::connect(LISTEN).context("Synward does not answer")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: synward\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Has a process read its prefixes anew, again and again, while it is at work: their file looks changed each time.
struct Swaps {
    at_work: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Swaps {
    fn start(pid: Pid, prefixes: PathBuf) -> Result<Self> {
        let (at_work, ended) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicBool>::default());
        let (works, ends) = (Arc::clone(&at_work), Arc::clone(&ended));
        let work = move || {
            let mut due = None;
            while !ends.load(Ordering::Relaxed) {
                let now = Instant::now();
                due = works.load(Ordering::Relaxed).then(|| due.unwrap_or(now + FIRST_SWAP));
                if due.is_some_and(|at| at <= now) {
                    // What fails shows: too few swaps are counted.
                    let _ = touch(&prefixes).and_then(|()| Ok(kill(pid, Signal::SIGHUP)?));
                    due = Some(now + SWAP);
                }
                thread::sleep(Duration::from_millis(10));
            }
        };
        let thread = Some(thread::Builder::new().name("swaps".into()).spawn(work)?);
        Ok(Self { at_work, ended, thread })
    }
}

fn touch(file: &Path) -> Result<()> {
    Ok(fs::File::options().append(true).open(file)?.set_modified(SystemTime::now())?)
}

impl Drop for Swaps {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}
