//! Nothing passes that is blocked: not on an idle wire, and not in a flood.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Bed, DEVICE};
use crate::kernel::Kernel;
use crate::meter::Meter;
use crate::sender::stay_on;
use crate::stage::{Counts, Nuisance, Situation, hostile_syn};
use crate::table::{Outcome, Row, Target, ms};

/// The core of the worker of the first queue, and the one that is left.
const WORKER: usize = 0;
const OTHER: usize = 1;

/// Who is kept from a core for longer shares it with more than a worker and a hog.
const STARVED: Duration = Duration::from_millis(100);

/// How long it takes, and how long if there is no time.
const LONG: u64 = 60;
const SHORT: u64 = 5;

pub(crate) fn rows() -> Vec<Row> {
    let idle = |seconds: u64| {
        let conditions = format!("open, 1 queue, {seconds} s, nothing else");
        Row::new("none: one blocked SYN a second", conditions, Target::Correct, move || {
            idle(Duration::from_secs(seconds))
        })
    };
    let flood = |on_failure: &'static str, seconds: u64| {
        let conditions = format!("{on_failure}, 1 queue, {seconds} s, a hog on the worker's core");
        Row::new("none: a flood of new SYNs", conditions, Target::Correct, move || {
            flood(on_failure, Duration::from_secs(seconds))
        })
    };
    vec![
        idle(LONG).once(),
        idle(SHORT).short_only(),
        flood("open", LONG).once(),
        flood("open", SHORT).short_only(),
    ]
}

/// The program on a bed, watched while something goes on: no blocked SYN arrives, and the fallback takes over no frame.
fn watch(situation: Situation, work: impl FnOnce(&Bed) -> String) -> Outcome {
    let bed = situation.bed();
    let bpffs = bed.bpffs();
    let wire = bed.start(&situation.config(&bpffs));
    let mut meter = Meter::between(&bed.outside.namespace, &bed.inside.namespace);
    // A worker must have taken a frame before it is trusted.
    meter.choose_flows(situation.queues);
    let counts = || Counts::of(&wire.metrics(), situation.queues);
    let before = counts();
    let note = work(&bed);
    let after = counts();
    let mut outcome = Outcome::default();
    let (worked, bypassed) = (after.workers() - before.workers(), after.bypassed - before.bypassed);
    let (dropped, passed) = (after.dropped - before.dropped, meter.hostile().count);
    outcome.note(format!("{note}; {worked} were judged by the worker"));
    outcome.check(worked > 0, || "the worker judged none".to_owned());
    outcome.check(passed == 0, || format!("{passed} blocked SYNs passed"));
    outcome.check(bypassed + dropped == 0, || {
        format!("the fallback took over: {bypassed} bypassed, {dropped} dropped")
    });
    (outcome.workers, outcome.bypassed) = (Some(worked), Some(bypassed));
    wire.conserved();
    outcome
}

fn idle(duration: Duration) -> Outcome {
    watch(Situation::open(1), |bed| {
        let nuisance = Nuisance::every(bed, Duration::from_secs(1));
        thread::sleep(duration);
        format!("{} SYNs were sent", nuisance.finish())
    })
}

fn flood(on_failure: &'static str, duration: Duration) -> Outcome {
    let situation = Situation { on_failure, ..Situation::open(1) };
    let mut starved = Duration::ZERO;
    let mut outcome = watch(situation, |bed| {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let hog = scope.spawn(|| hog(WORKER, &over));
            let sent = scope.spawn(|| pour(bed, duration)).join();
            over.store(true, Ordering::Relaxed);
            starved = hog.join().unwrap();
            let sent = sent.unwrap();
            let rate = sent as f64 / duration.as_secs_f64() / 1e6;
            format!(
                "{sent} SYNs were sent, {rate:.2} million a second; the hog waited for its core for up to {}",
                ms(starved)
            )
        })
    });
    if starved > STARVED {
        outcome.void = Some(format!("others kept the hog from its core for {}", ms(starved)));
        outcome.wrong.clear();
    }
    outcome
}

/// Does nothing, all the time. Answers how long it was kept from it at the worst: its turn comes as often as the worker's.
fn hog(core: usize, over: &AtomicBool) -> Duration {
    stay_on(core);
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let now = Instant::now();
        longest = longest.max(now - last);
        last = now;
    }
    longest
}

/// Sends SYNs as fast as a core can, and answers how many.
fn pour(bed: &Bed, duration: Duration) -> u64 {
    let mut kernel = Kernel::load();
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < duration {
        sent += u64::from(kernel.flood(&bed.outside.namespace, DEVICE, OTHER, &hostile_syn()));
    }
    sent
}
