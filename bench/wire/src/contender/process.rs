//! A contender's process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Running;
use crate::bed::Bed;
use crate::interrupt;

/// How long a contender may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process on the wire of a bed; ended when dropped. Its standard input stays open.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    answers: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts a program, with what it prints in a log.
    pub(crate) fn start(bed: &Bed, words: &[&str]) -> Result<Self> {
        Self::spawn(bed, words, false)
    }

    /// Starts a program that answers on its standard output.
    pub(crate) fn start_to_ask(bed: &Bed, words: &[&str]) -> Result<Self> {
        Self::spawn(bed, words, true)
    }

    fn spawn(bed: &Bed, words: &[&str], asks: bool) -> Result<Self> {
        let log = bed.folder().join("log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let output = if asks { Stdio::piped() } else { file.try_clone()?.into() };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", bed.wire.name()]).args(words);
        command.stdin(Stdio::piped()).stdout(output).stderr(file);
        // A signal from the terminal is for the harness: it ends them itself.
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {words:?}"))?;
        let input = child.stdin.take().context("no standard input")?;
        let answers = child.stdout.take().map(BufReader::new);
        Ok(Self { child, input, answers, log })
    }

    /// Sends a line, and waits for the one that answers it.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        let mut answer = String::new();
        let answers = self.answers.as_mut().context("the process was not started to be asked")?;
        if answers.read_line(&mut answer)? == 0 {
            bail!("the process has ended: {}", self.log());
        }
        Ok(answer.trim().to_owned())
    }

    /// Waits for a word in the log.
    pub(crate) fn wait_for(&mut self, word: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(word) {
            if let Some(status) = self.child.try_wait()? {
                bail!("the process ended with {status}: {}", self.log());
            }
            if Instant::now() > end {
                bail!("no {word:?} within {PATIENCE:?}: {}", self.log());
            }
            interrupt::sleep(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.pid()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killed: what it would undo goes with the namespaces.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running for Process {
    fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    fn resume(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }
}
