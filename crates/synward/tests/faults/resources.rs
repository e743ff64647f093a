//! Memory, disk and file systems that are missing or full.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::bed::{attempt, eventually, run};
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
    let budget = Situation { control: BUDGET, ..one };
    let missing = Situation { bpffs: false, ..one };
    let row = |fault: &str, situation: Situation, target, act: fn(&mut Stage<'_>, &mut Outcome)| {
        Row::new(fault, situation.text(), target, move || perform(situation, |config| config, act))
    };
    vec![
        row("reload beyond the budget of memory", budget, Target::NothingLost, beyond_budget).short(),
        row("reload, and the system has no memory", one, Target::Correct, out_of_memory),
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

/// Gives the program a long list, and has it read.
fn reload_many(stage: &mut Stage<'_>) {
    stage.config = stage.config.clone().block("many", &prefixes(MANY));
    stage.config.write(stage.bed.folder());
    stage.began = clock();
    stage.signal(Signal::SIGHUP);
}

fn beyond_budget(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    reload_many(stage);
    let failures = || stage.wire().metrics().get("synward_reloads_total", &[("result", "failure")]);
    eventually("the reload to be refused", || (failures() == 1).then_some(()), || stage.wire().program.log());
    let generations = stage.wire().generations();
    outcome.check(generations.iter().all(|generation| *generation == 1), || {
        format!("rules that were refused are in force: {generations:?}")
    });
    stage.config = stage.plain.clone();
    thread::sleep(WATCH);
}

/// The kernel gives the process no more memory: it ends, as when nothing is left at all.
fn out_of_memory(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    let pid = stage.wire().status()["pid"].as_u64().unwrap();
    let has: u64 = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap().split(' ').next().unwrap().parse().unwrap();
    run(&format!("prlimit --pid {pid} --as={}", has * 4096 + LEFT));
    reload_many(stage);
    let (status, log) = stage.bury();
    outcome.note(format!("the process ends: {status}; {}", log.lines().last().unwrap_or_default()));
    stage.config = stage.plain.clone();
    thread::sleep(WATCH);
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
    perform(Situation::open(1), |config| config.events_in(log.to_str().unwrap()), |stage, outcome| {
        disk.fill();
        let failed = || stage.wire().metrics().get("synward_events_failed_total", &[]);
        eventually("an event that cannot be written", || (failed() > 0).then_some(()), || stage.wire().program.log());
        thread::sleep(WATCH);
        outcome.note(format!("{} events could not be written, and were counted", failed()));
    })
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
