//! The tables.

use std::fmt::Write as _;

use synward_bench::machine::Machine;

use crate::bed::Receiver;
use crate::latency::Latency;
use crate::rfc2544::LOADS;
use crate::suite::{Absent, Results};
use crate::targets::{Bound, Target};
use crate::throughput::Row;

/// All of it.
pub(crate) fn page(
    machine: &Machine,
    driver_mode: &str,
    targets: &[Target],
    results: &Results,
    plots: &[String],
) -> String {
    let Machine { date, command, processor, cores, memory, kernel, rustc } = machine;
    let plots = plots.iter().fold(String::new(), |text, plot| text + &format!("![]({plot})\n\n"));
    format!(
        "# Throughput and latency beside the peers, {date}\n\n\
         `{command}` on {processor}, {cores} cores, {memory} GiB, Linux {kernel}, {rustc}, driver mode: **{driver_mode}**.\n\n\
         Figures of one run are compared with one another, never with those of another \
         machine or another day. [bench/README.md](../README.md) tells how to read and repeat them.\n\n\
         {plots}## Targets\n\n{}\n## Throughput\n\n{}\n{}## Without loss\n\n{}\n{}\n{}\n## Latency\n\n{}",
        targets_table(targets),
        throughput_table(results),
        absent(results),
        without_loss(results),
        bursts(results),
        loss(results),
        latency(results),
    )
}

/// What was to be reached.
pub(crate) fn targets_table(targets: &[Target]) -> String {
    let mut table = "| case | against | must reach | reached | |\n|---|---|---|---|---|\n".to_owned();
    for Target { case, against, bound, reached } in targets {
        let (bound_text, unit) = match bound {
            Bound::Least(bound) => (format!("at least {bound} x"), "x"),
            Bound::Most(bound) => (format!("at most {bound} x"), "x"),
            Bound::Microseconds(bound) => (format!("at most {bound} µs"), "µs"),
        };
        let target =
            Target { case: case.clone(), against: against.clone(), bound: *bound, reached: *reached };
        let met = match target.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let reached = reached.map_or_else(|| "-".to_owned(), |reached| format!("{reached:.2} {unit}"));
        let _ = writeln!(table, "| {case} | {against} | {bound_text} | {reached} | {met} |");
    }
    table
}

/// Frames a second under as many as can be sent.
pub(crate) fn throughput_table(results: &Results) -> String {
    let mut table = "| workload | contender | kframes/s, median [least-most] | ns of the core for a frame | ratio to the first |\n\
                     |---|---|---|---|---|\n"
        .to_owned();
    for row in &results.throughput {
        let first = results.throughput.iter().find(|first| first.workload == row.workload);
        table += &throughput_row(row, first.unwrap_or(row));
    }
    table
}

fn throughput_row(row: &Row, first: &Row) -> String {
    let Row { workload, contender, receiver, .. } = row;
    let faults = row.faults();
    if !faults.is_empty() {
        return format!("| {workload} | {contender} | void: {} | | |\n", faults.join("; "));
    }
    let [least, median, most] = row.spread(|turn| turn.rate / 1e3);
    let [_, nanoseconds, _] = row.spread(|turn| turn.nanoseconds);
    let star = if *receiver == Receiver::Sender { " *" } else { "" };
    let plus = if row.turns.iter().any(|turn| turn.limited_by_generator) { " +" } else { "" };
    let ratio = row.ratio(first);
    format!(
        "| {workload} | {contender}{star} | {median:.0} [{least:.0}-{most:.0}]{plus} | {nanoseconds:.0} | {ratio:.2} |\n"
    )
}

fn absent(results: &Results) -> String {
    let mut text = "Frames that no rule blocks, counted behind the contender; of floods and of who drops all, the frames that it says it \
                    took. `*`: another core receives for it. `+`: it took all that the generator sent, and might take more.\n\n"
        .to_owned();
    for Absent { contender, reason, is_installed } in &results.absent {
        let what = if *is_installed { "Failed" } else { "Missing" };
        let _ = writeln!(text, "{what}: {contender}: {reason}\n");
    }
    text
}

fn without_loss(results: &Results) -> String {
    let mut table =
        "| frames | contender | kframes/s without loss | Mbit/s on the wire |\n|---|---|---|---|\n"
            .to_owned();
    for row in &results.without_loss {
        let rate = unless_void(&row.faults, || format!("{:.0}", row.rate as f64 / 1e3));
        let bits = wire_bytes(&row.workload).map(|bytes| row.rate as f64 * bytes * 8.0 / 1e6);
        let bits = bits.map_or_else(String::new, |bits| format!("{bits:.0}"));
        let _ = writeln!(table, "| {} | {} | {rate} | {bits} |", row.workload, row.contender);
    }
    table
}

/// What was measured, or what was wrong: then it does not count.
fn unless_void(faults: &[String], measured: impl FnOnce() -> String) -> String {
    if faults.is_empty() { measured() } else { format!("void: {}", faults.join("; ")) }
}

/// Bytes that a frame of a workload of one length takes on a wire, with preamble and gap (IEEE 802.3).
fn wire_bytes(workload: &str) -> Option<f64> {
    Some(workload.strip_suffix("-byte frames")?.parse::<f64>().ok()? + 20.0)
}

fn bursts(results: &Results) -> String {
    let mut table = "| contender | longest burst without loss, frames |\n|---|---|\n".to_owned();
    for row in &results.bursts {
        let frames = unless_void(&row.faults, || row.frames.to_string());
        let _ = writeln!(table, "| {} | {frames} |", row.contender);
    }
    table
}

fn loss(results: &Results) -> String {
    let loads = LOADS.map(|load| format!("{load} %")).join(" | ");
    let mut table = format!(
        "Loss in per cent, at per cent of the rate without a limit:\n\n| contender | {loads} |\n|---|"
    );
    table += &"---|".repeat(LOADS.len());
    table.push('\n');
    for curve in &results.loss {
        let losses = || curve.points.iter().map(|(_, loss)| format!("{:.2}", 100.0 * loss));
        let losses = unless_void(&curve.faults, || losses().collect::<Vec<_>>().join(" | "));
        let _ = writeln!(table, "| {} | {losses} |", curve.contender);
    }
    table
}

fn latency(results: &Results) -> String {
    let mut table = "One way from the generator to the sink, in µs; the sending core receives for all of them. Shares are of the rate \
                     without loss.\n\n| contender | load | frames/s | p50 | p99 | p99.9 | max | lost |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in &results.latency {
        let Latency { p50, p99, p999, max, .. } = row;
        let times = unless_void(&row.faults, || format!("{p50:.1} | {p99:.1} | {p999:.1} | {max:.0}"));
        let _ =
            writeln!(table, "| {} | {} | {} | {times} | {} |", row.contender, row.load, row.rate, row.lost);
    }
    table
}
