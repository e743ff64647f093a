//! Memory, disk and file systems that are missing or full.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::bed::{Config, attempt, eventually, run};
use crate::deaths::{NOTICED, STALE};
use crate::sender::clock;
use crate::stage::{Situation, Stage, WATCH, perform};
use crate::table::{Outcome, Row, Target};

/// Lines of a list that takes more memory than there is.
const MANY: usize = 2_000_000;

/// A budget for rules that such a list exceeds.
const BUDGET: &str = "memory = \"32 MiB\"";

/// Memory that a process is left with beyond what it has, in bytes.
const LEFT: u64 = 64 << 20;

/// A file system for the event log.
const DISK: &str = "64k";

pub(crate) fn rows() -> Vec<Row> {
    let one = Situation::open(1);
    let missing = Situation { bpffs: false, ..one };
    let row = |fault: &str, situation: Situation, target, act: fn(&mut Stage<'_>, &mut Outcome)| {
        Row::new(fault, situation.text(), target, move || perform(situation, |config| config, act))
    };
    vec![
        Row::new("reload beyond the budget of memory", one.text(), Target::NothingLost, beyond_budget)
            .short(),
        Row::new("reload, and the system has no memory", one.text(), Target::Correct, out_of_memory),
        row("no bpffs: hang", missing, Target::Within(STALE + NOTICED), without_bpffs),
        row("no bpffs: kill -9, then restart", missing, Target::Correct, killed_without_bpffs),
        Row::new("the disk of the event log is full", one.text(), Target::NothingLost, disk_full).short(),
        Row::new(
            "kill -9",
            one.also(", 10 M prefixes loaded").text(),
            Target::Within(Duration::from_millis(120)),
            || killed_with_millions(Situation::open(1)),
        ),
    ]
}

/// Random prefixes, the same each time.
fn prefixes(lines: usize) -> String {
    let mut list = Vec::new();
    synward_bench::prefixes::write_list(&mut list, lines).unwrap();
    String::from_utf8(list).unwrap()
}

/// A file of the list that is reloaded, ready before frames flow.
struct Many(PathBuf);

impl Many {
    fn write() -> Self {
        let path = std::env::temp_dir().join(format!("synward-many-{}", std::process::id()));
        fs::write(&path, prefixes(MANY)).unwrap();
        Self(path)
    }

    /// Puts it in place of the list, and has it read.
    fn reload(&self, stage: &mut Stage<'_>) {
        fs::rename(&self.0, stage.bed.folder().join("many.txt")).unwrap();
        stage.config = stage.plain.clone();
        stage.began = clock();
        stage.signal(Signal::SIGHUP);
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// With a list that is to become long.
fn with_list(config: Config) -> Config {
    config.block("many", "203.0.113.200\n")
}

fn beyond_budget() -> Outcome {
    let many = Many::write();
    perform(Situation { control: BUDGET, ..Situation::open(1) }, with_list, |stage, outcome| {
        many.reload(stage);
        let failures = || stage.wire().metrics().get("synward_reloads_total", &[("result", "failure")]);
        let refused = || (failures() == 1).then_some(());
        eventually("the reload to be refused", refused, || stage.wire().program.log());
        let generations = stage.wire().generations();
        outcome.check(generations.iter().all(|generation| *generation == 1), || {
            format!("rules that were refused are in force: {generations:?}")
        });
        thread::sleep(WATCH);
    })
}

/// The kernel gives the process no more memory: it ends, as when nothing is left at all.
fn out_of_memory() -> Outcome {
    let many = Many::write();
    perform(Situation::open(1), with_list, |stage, outcome| {
        let pid = stage.wire().status()["pid"].as_u64().unwrap();
        run(&format!("prlimit --pid {pid} --as={}", address_space(pid) + LEFT));
        many.reload(stage);
        let (status, log) = stage.bury();
        let last_words = log.lines().find(|line| line.contains("memory allocation"));
        outcome.note(format!("the process ends: {status}; {}", last_words.unwrap_or(&log)));
        thread::sleep(WATCH);
    })
}

/// Bytes of address space that a process has (proc_pid_statm(5)).
fn address_space(pid: u64) -> u64 {
    const PAGE: u64 = 4096;
    let sizes = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    sizes.split(' ').next().unwrap().parse::<u64>().unwrap() * PAGE
}

fn without_bpffs(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    let log = stage.wire().program.log();
    outcome.check(log.contains("no bpffs"), || format!("nothing is said of the missing bpffs: {log}"));
    stage.signal(Signal::SIGSTOP);
    thread::sleep(WATCH);
    stage.signal(Signal::SIGCONT);
    thread::sleep(WATCH);
}

fn killed_without_bpffs(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    stage.signal(Signal::SIGKILL);
    stage.bury();
    thread::sleep(Duration::from_millis(200));
    stage.start("");
    outcome.note("nothing can hold the wire: it is cut until the next start".to_owned());
    thread::sleep(WATCH);
}

/// A small file system, unmounted when this is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount() -> Self {
        let path = std::env::temp_dir().join(format!("synward-disk-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        run(&format!("mount -t tmpfs -o size={DISK} tmpfs {}", path.display()));
        Self(path)
    }

    fn fill(&self) {
        // The write that does not fit is the one that is wanted.
        let _ = fs::write(self.0.join("filler"), vec![0; 1 << 20]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        attempt(&format!("umount {}", self.0.display()));
        let _ = fs::remove_dir(&self.0);
    }
}

fn disk_full() -> Outcome {
    let disk = Disk::mount();
    let log = disk.0.join("events.json");
    perform(
        Situation::open(1),
        |config| config.events_in(log.to_str().unwrap()),
        |stage, outcome| {
            disk.fill();
            let failed = || stage.wire().metrics().get("synward_events_failed_total", &[]);
            eventually(
                "an event that cannot be written",
                || (failed() > 0).then_some(()),
                || stage.wire().program.log(),
            );
            thread::sleep(WATCH);
            outcome.note(format!("{} events could not be written, and were counted", failed()));
        },
    )
}

/// What the kernel has to take down first takes its time.
fn killed_with_millions(situation: Situation) -> Outcome {
    perform(
        situation,
        |config| config.block("millions", &prefixes(10_000_000)),
        |stage, outcome| {
            let entries = stage.wire().metrics().get("synward_rules_entries", &[]);
            outcome.note(format!("{entries} entries in force"));
            stage.config = stage.plain.clone();
            stage.began = clock();
            stage.signal(Signal::SIGKILL);
            stage.bury();
            thread::sleep(WATCH);
        },
    )
}
