//! The tables.

use std::fmt::Write as _;

use synward_bench::machine::Machine;

use crate::bed::Receiver;
use crate::contender::{BareVeth, Xdp};
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
    let Machine { date, command, processor, cores, memory, kernel, rustc, commit } = machine;
    let plots = plots.iter().fold(String::new(), |text, plot| text + &format!("![]({plot})\n\n"));
    format!(
        "# Throughput and latency beside the peers, {date}\n\n\
         `{command}` on {processor}, {cores} cores, {memory} GiB, Linux {kernel}, {rustc}, commit {commit}, driver mode: **{driver_mode}**.\n\n\
         Figures of one run are compared with one another, never with those of another \
         machine or another day. [bench/README.md](../README.md) tells how to read and repeat them.\n\n\
         {plots}## Targets\n\n{}\n{}## Throughput\n\n{}\n{}## Without loss\n\n{}\n{}\n{}\n## Latency\n\n{}",
        targets_table(targets),
        control(results),
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
    for target in targets {
        let Target { case, against, bound, reached, spread, limited_by_generator } = target;
        let (bound_text, unit) = match bound {
            Bound::Least(bound) => (format!("at least {bound} x"), "x"),
            Bound::Most(bound) => (format!("at most {bound} x"), "x"),
            Bound::Microseconds(bound) => (format!("at most {bound} µs"), "µs"),
        };
        let met = match target.is_met() {
            Some(true) if *limited_by_generator => "met, as far as the generator sends",
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "absent, or void",
        };
        let spread = spread.map_or_else(String::new, |(least, most)| format!(" [{least:.2}-{most:.2}]"));
        let reached =
            reached.map_or_else(|| "-".to_owned(), |reached| format!("{reached:.2} {unit}{spread}"));
        let _ = writeln!(table, "| {case} | {against} | {bound_text} | {reached} | {met} |");
    }
    table
}

/// What the same program makes of it against itself: differences within that mean nothing.
fn control(results: &Results) -> String {
    let rows = |name| results.throughput.iter().filter(move |row: &&Row| row.contender == name);
    let pairs = rows(Xdp::WIRE.name).zip(rows(Xdp::WIRE_AGAIN.name));
    pairs.fold(String::new(), |text, (one, other)| {
        let [least, median, most] = other.ratios(one);
        text + &format!(
            "The same program twice ({}; {}): {median:.2} x [{least:.2}-{most:.2}]. What differs by less was not decided.\n\n",
            one.contender, one.workload
        )
    })
}

/// Frames a second under as many as can be sent.
pub(crate) fn throughput_table(results: &Results) -> String {
    let mut table = "| workload | contender | kframes/s, median [least-most] | lost | ns of the core for a frame | ratio to the first |\n\
                     |---|---|---|---|---|---|\n"
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
        return format!("| {workload} | {contender} | void: {} | | | |\n", faults.join("; "));
    }
    let [least, median, most] = row.spread(|turn| turn.rate / 1e3);
    let [_, nanoseconds, _] = row.spread(|turn| turn.nanoseconds);
    let star = if *receiver == Receiver::Sender { " *" } else { "" };
    let plus = plus(row.limited_by_generator());
    let [_, loss, _] = row.spread(|turn| 100.0 * turn.loss);
    let [_, ratio, _] = row.ratios(first);
    format!(
        "| {workload} | {contender}{star} | {median:.0} [{least:.0}-{most:.0}]{plus} | {loss:.0} % | {nanoseconds:.0} | {ratio:.2} |\n"
    )
}

/// The mark of a figure that a faster generator might raise.
fn plus(limited_by_generator: bool) -> &'static str {
    if limited_by_generator { " +" } else { "" }
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
        let bits = wire_bytes(&row.workload).map(|bytes| row.rate as f64 * bytes * 8.0 / 1e6);
        let bits = bits.map_or_else(String::new, |bits| format!("{bits:.0}"));
        let rate = || format!("{:.0}{} | {bits}", row.rate as f64 / 1e3, plus(row.limited_by_generator));
        let _ = writeln!(
            table,
            "| {} | {} | {} |",
            row.workload,
            row.contender,
            unless_void(&row.faults, 2, rate)
        );
    }
    table
}

/// What was measured, in so many cells, or what was wrong: then it does not count.
fn unless_void(faults: &[String], cells: usize, measured: impl FnOnce() -> String) -> String {
    if faults.is_empty() {
        measured()
    } else {
        format!("void: {}{}", faults.join("; "), " |".repeat(cells - 1))
    }
}

/// Bytes that a frame of a workload of one length takes on a wire, with preamble and gap (IEEE 802.3).
fn wire_bytes(workload: &str) -> Option<f64> {
    Some(workload.strip_suffix("-byte frames")?.parse::<f64>().ok()? + 20.0)
}

fn bursts(results: &Results) -> String {
    let mut table = "| contender | longest burst without loss, frames |\n|---|---|\n".to_owned();
    for row in &results.bursts {
        let frames = || format!("{}{}", row.frames, plus(row.limited_by_generator));
        let frames = unless_void(&row.faults, 1, frames);
        let _ = writeln!(table, "| {} | {frames} |", row.contender);
    }
    table
}

fn loss(results: &Results) -> String {
    let loads = LOADS.map(|load| format!("{load} %")).join(" | ");
    let mut table = format!(
        "Loss in per cent, and at how many kframes/s as they left, at per cent of what the contender forwarded without a limit. Where the generator cannot part \
         so many, there is none:\n\n| contender | {loads} |\n|---|"
    );
    table += &"---|".repeat(LOADS.len());
    table.push('\n');
    for curve in &results.loss {
        let point = |(rate, loss): &(u64, f64)| format!("{:.2} at {:.0}", 100.0 * loss, *rate as f64 / 1e3);
        let point = |place| curve.points.get(place).map_or_else(String::new, point);
        let losses = || (0..LOADS.len()).map(point).collect::<Vec<_>>().join(" | ");
        let losses = unless_void(&curve.faults, LOADS.len(), losses);
        let _ = writeln!(table, "| {} | {losses} |", curve.contender);
    }
    table
}

fn latency(results: &Results) -> String {
    let mut table = "One way from the generator to the sink, in µs. *Added* is what is left without that of the bare veth pair at the rate that is closest. The sending core \
                     receives for all but the bridge on its own core. Shares are of the rate without loss.\n\n\
                     | contender | load | frames/s | p50 | p99 | p99.9 | max | added: p50 | p99 | p99.9 | lost |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in &results.latency {
        let Latency { p50, p99, p999, max, .. } = row;
        let times = || format!("{p50:.1} | {p99:.1} | {p999:.1} | {max:.0} | {}", added(results, row));
        let times = unless_void(&row.faults, 7, times);
        let _ =
            writeln!(table, "| {} | {} | {} | {times} | {} |", row.contender, row.load, row.rate, row.lost);
    }
    table
}

/// How much longer than on a bare wire frames are under way.
fn added(results: &Results, row: &Latency) -> String {
    let is_bare = |other: &&Latency| other.contender == BareVeth::NAME && other.faults.is_empty();
    let closest = results.latency.iter().filter(is_bare).min_by_key(|other| other.rate.abs_diff(row.rate));
    closest.map_or_else(
        || " | | ".to_owned(),
        |bare| format!("{:.1} | {:.1} | {:.1}", row.p50 - bare.p50, row.p99 - bare.p99, row.p999 - bare.p999),
    )
}
