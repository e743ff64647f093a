//! A worker panics. Needs a program with the feature `fault-injection`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crate::bed::eventually;
use crate::deaths::{NOTICED, STALE};
use crate::stage::{Situation, Stage, WATCH, perform};
use crate::table::{Outcome, Row, Target};

/// How often a worker is replaced.
const REPLACEMENTS: u64 = 3;

pub(crate) fn rows() -> Vec<Row> {
    let target = Target::Within(STALE + NOTICED);
    let row = |fault: &str, situation: Situation, act: fn(&mut Stage<'_>, &mut Outcome)| {
        Row::new(fault, situation.text(), target, move || perform(situation, |config| config, act))
    };
    vec![
        row("panic of the worker of queue 0", Situation::open(2), one).short(),
        row("panic of the worker of queue 0", Situation::open(1), one),
        row("four panics: the process ends", Situation::open(2), four),
        Row::new("panic of the worker of queue 0", Situation::closed(2).text(), Target::Correct, || {
            perform(Situation::closed(2), |config| config, one)
        }),
    ]
}

/// One panic; the flows of the other queue are not to notice.
fn one(stage: &mut Stage<'_>, _: &mut Outcome) {
    panic(stage);
    replaced(stage, 1);
    thread::sleep(WATCH);
    stage.untouched_queues = 1..stage.situation.queues;
}

fn four(stage: &mut Stage<'_>, outcome: &mut Outcome) {
    for number in 1..=REPLACEMENTS {
        panic(stage);
        replaced(stage, number);
        thread::sleep(Duration::from_millis(100));
    }
    panic(stage);
    let (status, log) = stage.bury();
    outcome.check(!status.success(), || "the process ended well after the fourth panic".to_owned());
    outcome.check(log.contains("for the fourth time"), || format!("nothing is said of the panics: {log}"));
    thread::sleep(WATCH);
}

/// Has the worker of the first queue panic.
fn panic(stage: &Stage<'_>) {
    let mut socket = UnixStream::connect(stage.bed.folder().join("control.sock")).unwrap();
    writeln!(socket, "{{\"panic\":{{\"queue\":0}}}}").unwrap();
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).unwrap();
    assert!(answer.contains("status"), "no program with the feature fault-injection: {answer}");
}

/// Waits until so many workers of the first queue have been replaced.
fn replaced(stage: &Stage<'_>, number: u64) {
    let seen = || stage.wire().metrics().get("synward_worker_replacements_total", &[]);
    eventually("the worker to be replaced", || (seen() >= number).then_some(()), || seen().to_string());
    stage.favour_workers();
}
