//! Synward itself.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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

/// How often its rules are swapped, where they are.
const SWAP: Duration = Duration::from_secs(1);

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
        let swaps = (self.load == Load::Swapped).then(|| Swaps::start(process.pid()));
        Ok(Box::new(AtWork { wire: bed.wire.name().to_owned(), process, swaps: swaps.transpose()? }))
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
            fs::write(bed.folder().join("prefixes.txt"), rules.prefix_list(rules.count()))?;
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
}

impl Running for AtWork {
    fn taken(&mut self) -> Result<Option<u64>> {
        let page = enter(&self.wire, metrics)?;
        let lines =
            page.lines().filter_map(|line| line.strip_prefix("synward_rx_frames_total{port=\"outside\""));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(Some(counts.sum::<f64>() as u64))
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

/// Has a process read its rules anew, again and again, while it is at work.
struct Swaps {
    at_work: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Swaps {
    fn start(pid: Pid) -> Result<Self> {
        let (at_work, ended) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicBool>::default());
        let (works, ends) = (Arc::clone(&at_work), Arc::clone(&ended));
        let work = move || {
            while !ends.load(Ordering::Relaxed) {
                if works.load(Ordering::Relaxed) {
                    let _ = kill(pid, Signal::SIGHUP);
                }
                thread::sleep(SWAP);
            }
        };
        let thread = Some(thread::Builder::new().name("swaps".into()).spawn(work)?);
        Ok(Self { at_work, ended, thread })
    }
}

impl Drop for Swaps {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}
