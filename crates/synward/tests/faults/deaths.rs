//! The process dies or hangs, or is replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::bed::{SYNWARD, Side};
use crate::hosts::iperf;
use crate::sender::clock;
use crate::stage::{Situation, Stage, WATCH, perform};
use crate::table::{Outcome, Row, Target, ms};

/// `stale_after` by default, and what noticing it may take.
pub(crate) const STALE: Duration = Duration::from_millis(250);
pub(crate) const NOTICED: Duration = Duration::from_millis(20);

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (queues, limit) in [(1, 20), (2, 60)] {
        let open = Situation::open(queues);
        rows.push(row("SIGTERM, then restart", open, Target::NothingLost, restart).short());
        rows.push(row("upgrade: another binary, SIGTERM", open, Target::NothingLost, upgrade));
        let limit = Target::Within(Duration::from_millis(limit));
        rows.push(row("kill -9", open, limit, kill).short());
        rows.push(row("hang (SIGSTOP, SIGCONT)", open, Target::Within(STALE + NOTICED), hang).short());
    }
    for rate in [10_000, 50_000] {
        let limit = Target::Within(Duration::from_millis(20));
        rows.push(row("kill -9", Situation { rate, ..Situation::open(1) }, limit, kill));
    }
    for queues in [1, 2] {
        let closed = Situation::closed(queues);
        rows.push(row("kill -9", closed, Target::Correct, kill).short());
        rows.push(row("hang (SIGSTOP, SIGCONT)", closed, Target::Correct, hang));
        rows.push(row("SIGTERM, then restart", closed, Target::Correct, restart));
    }
    let beside = Situation { rate: 10_000, ..Situation::open(2) }.also(" beside iperf3");
    rows.push(row("SIGTERM, then restart", beside, Target::NothingLost, |stage, outcome| {
        beside_iperf(stage, outcome, restart);
    }));
    rows.push(row("kill -9", beside, Target::Within(Duration::from_millis(60)), |stage, outcome| {
        beside_iperf(stage, outcome, kill);
    }));
    rows.push(row("hang (SIGSTOP, SIGCONT)", beside, Target::Within(STALE + NOTICED), |stage, outcome| {
        beside_iperf(stage, outcome, hang);
    }));
    rows.push(row("restart while the old one lives", Situation::open(2), Target::NothingLost, overlap));
    rows
}

fn row(fault: &str, situation: Situation, target: Target, act: fn(&mut Stage<'_>, &mut Outcome)) -> Row {
    Row::new(fault, situation.text(), target, move || {
        let mut outcome = perform(situation, |config| config, act);
        let late = outcome.measured.late;
        outcome.expect(late == 0, || format!("{late} frames arrived late"));
        outcome
    })
}

/// In `closed`, nothing passes as long as nobody judges.
fn expect_silence(stage: &mut Stage<'_>) {
    stage.silent_for = Some(WATCH);
}

/// `kill -9`, and nobody who starts the program again while it is watched.
fn kill(stage: &mut Stage<'_>, _: &mut Outcome) {
    stage.signal(Signal::SIGKILL);
    stage.bury();
    expect_silence(stage);
    thread::sleep(WATCH);
}

/// Stopped as by a debugger, and let go.
fn hang(stage: &mut Stage<'_>, _: &mut Outcome) {
    stage.signal(Signal::SIGSTOP);
    expect_silence(stage);
    thread::sleep(WATCH);
    stage.signal(Signal::SIGCONT);
    thread::sleep(WATCH);
}

fn restart(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    stage.signal(Signal::SIGTERM);
    stage.bury();
    let ended = clock();
    stage.start("");
    let (took, starting) = (since(stage.began), since(ended));
    outcome.note(format!("the end and the start took {}, of that the start {}", ms(took), ms(starting)));
    thread::sleep(WATCH);
}

/// The new binary is started as soon as the old one is told to end, and has to wait for it.
fn upgrade(stage: &mut Stage<'_>, _: &mut Outcome) {
    let (binary, starter) = (stage.bed.folder().join("synward-new"), stage.bed.folder().join("start"));
    fs::copy(SYNWARD, &binary).unwrap();
    // It is given the name of the old binary, and runs the new one.
    fs::write(&starter, format!("#!/bin/sh\nshift\nexec {} \"$@\"\n", binary.display())).unwrap();
    fs::set_permissions(&starter, fs::Permissions::from_mode(0o755)).unwrap();
    stage.signal(Signal::SIGTERM);
    stage.bury();
    stage.start(starter.to_str().unwrap());
    thread::sleep(WATCH);
}

/// The new process is started when the old one has been told to end and has not yet ended.
fn overlap(stage: &mut Stage<'_>, _: &mut Outcome) {
    stage.signal(Signal::SIGTERM);
    if let Some(old) = stage.start("") {
        old.program.end();
    }
    thread::sleep(WATCH);
}

/// Has a connection carry bulk data all the while: it must live through the fault.
fn beside_iperf(stage: &mut Stage<'_>, outcome: &mut Outcome, act: fn(&mut Stage<'_>, &mut Outcome)) {
    let bed = stage.bed;
    thread::scope(|scope| {
        let transfer = scope.spawn(|| iperf(bed, Side::Outside, "-t 3 -b 200M"));
        thread::sleep(Duration::from_secs(1));
        stage.began = clock();
        act(stage, outcome);
        let rate = transfer.join().unwrap();
        outcome.note(format!("iperf3 carried {:.0} Mbit/s over the whole time", rate / 1e6));
        outcome.check(rate > 0.0, || "the connection of iperf3 died".to_owned());
    });
}

fn since(began: u64) -> Duration {
    Duration::from_nanos(clock() - began)
}
