//! The program under test, as a process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Namespace;
use super::wait::eventually;

/// The real program.
pub(crate) const SYNWARD: &str = env!("CARGO_BIN_EXE_synward");

/// A running `synward run`; killed when dropped.
pub(crate) struct Program {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it in a namespace. `prefix` are words to put before its name, such as `setpriv` and its options.
    pub(crate) fn start(namespace: &Namespace, prefix: &str, config: &Path) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace.name()])
            .args(prefix.split_whitespace())
            .args([SYNWARD, "run", "-c"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *written.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, log, reader: Some(reader) }
    }

    /// Waits for a word in the log.
    pub(crate) fn wait_for(&self, word: &str) {
        let look = || self.log().contains(word).then_some(());
        eventually(&format!("{word:?} in the log"), look, || self.log());
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Sends SIGSTOP, and waits until every thread has stopped.
    pub(crate) fn halt(&self) {
        self.signal(Signal::SIGSTOP);
        let stat = |task: fs::DirEntry| fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let tasks = || fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // The state is the first letter behind the name in parentheses (proc_pid_stat(5)).
        let stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
        let look = || tasks().all(|task| stopped(stat(task.unwrap()))).then_some(());
        eventually("all threads to stop", look, || self.log());
    }

    /// Waits for its end, and answers how it ended and all that it logged.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let log = Arc::clone(&self.log);
        let tasks = format!("/proc/{}/task", self.child.id());
        let explain = || format!("{}{}", log.lock().unwrap(), places(&tasks));
        let status = eventually("the end of the program", || self.child.try_wait().unwrap(), explain);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.log())
    }
}

/// Where the threads of a folder of /proc stand: the name, state and place in the kernel of each.
fn places(tasks: &str) -> String {
    let of = |task: &Path, file| fs::read_to_string(task.join(file)).unwrap_or_default();
    let place = |task: fs::DirEntry| {
        let (stat, place) = (of(&task.path(), "stat"), of(&task.path(), "wchan"));
        format!("{}: {place}\n", stat.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
    };
    fs::read_dir(tasks).into_iter().flatten().flatten().map(place).collect()
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the log of synward\n{}---", self.log());
        }
    }
}
