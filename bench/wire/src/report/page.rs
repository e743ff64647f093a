//! The tables.

use std::fmt::Write as _;

use synward_bench::machine::Machine;

use crate::bed::Receiver;
use crate::contender::{BareVeth, Xdp};
use crate::latency::LatencyRow;
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
fn targets_table(targets: &[Target]) -> String {
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
fn throughput_table(results: &Results) -> String {
    let mut table = "| workload | contender | kframes/s, median [least-most] | sent | lost | ns of the core for a frame | ratio to the first [least-most] |\n\
                     |---|---|---|---|---|---|---|\n"
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
        return format!("| {workload} | {contender} | void: {} | | | | |\n", faults.join("; "));
    }
    let [least, median, most] = row.spread(|turn| turn.rate / 1e3);
    let [_, nanoseconds, _] = row.spread(|turn| turn.nanoseconds);
    let name = name(contender, *receiver);
    let plus = plus(row.limited_by_generator());
    let [_, sent, _] = row.spread(|turn| turn.sent / 1e3);
    let [_, loss, _] = row.spread(|turn| 100.0 * turn.loss);
    let [lowest, ratio, highest] = row.ratios(first);
    format!(
        "| {workload} | {name} | {median:.0} [{least:.0}-{most:.0}]{plus} | {sent:.0} | {loss:.0} % | {nanoseconds:.0} | {ratio:.2} [{lowest:.2}-{highest:.2}] |\n"
    )
}

/// A contender, marked where another core receives for it.
fn name(contender: &str, receiver: Receiver) -> String {
    format!("{contender}{}", if receiver == Receiver::Sender { " *" } else { "" })
}

/// The mark of a figure that a faster generator might raise.
fn plus(limited_by_generator: bool) -> &'static str {
    if limited_by_generator { " +" } else { "" }
}

fn absent(results: &Results) -> String {
    let mut text = "Frames that no rule blocks, counted behind the contender; of floods and of who drops all, the frames that it says it \
                    took. Sent: thousand frames a second, blocked ones with them. `*`: another core receives for it, the one that sends: the more it receives, the less is sent. `+`: it took all that \
                    the generator sent, and might take more.\n\n"
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
        let rate = unless_void(&row.faults, 2, rate);
        let _ = writeln!(table, "| {} | {} | {rate} |", row.workload, name(&row.contender, row.receiver));
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
        let _ = writeln!(table, "| {} | {frames} |", name(&row.contender, row.receiver));
    }
    table
}

fn loss(results: &Results) -> String {
    let loads = LOADS.map(|load| format!("{load} %")).join(" | ");
    let mut table = format!(
        "Loss in per cent, and at how many kframes/s as they left, at per cent of what the contender took without a limit. Where the generator cannot part \
         so many, there is none:\n\n| contender | {loads} |\n|---|"
    );
    table += &"---|".repeat(LOADS.len());
    table.push('\n');
    for curve in &results.loss {
        let point = |(rate, loss): &(u64, f64)| format!("{:.2} at {:.0}", 100.0 * loss, *rate as f64 / 1e3);
        let point = |place| curve.points.get(place).map_or_else(String::new, point);
        let losses = || (0..LOADS.len()).map(point).collect::<Vec<_>>().join(" | ");
        let losses = unless_void(&curve.faults, LOADS.len(), losses);
        let _ = writeln!(table, "| {} | {losses} |", name(&curve.contender, curve.receiver));
    }
    table
}

fn latency(results: &Results) -> String {
    let mut table = "One way from the generator to the sink, in µs; of what each turn shows, the median; most and lost of all turns. *Added* is what is left without that of the bare veth pair at the rate that is closest. The sending core \
                     receives for all but the bridge on its own core. Shares are of the rate without loss of these frames, received so.\n\n\
                     | contender | load | frames/s | p50 | p99 | p99.9 | max | added: p50 | p99 | p99.9 | lost |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in &results.latency {
        let percentiles = percentiles(row);
        let most = row.turns.iter().fold(0.0, |most: f64, turn| most.max(turn.max));
        let times = || format!("{} | {most:.0} | {}", cells(percentiles), added(results, row));
        let times = unless_void(&row.faults(), 7, times);
        let (rate, lost) = (rate(row), row.turns.iter().map(|turn| turn.lost).sum::<u64>());
        let _ = writeln!(table, "| {} | {} | {rate:.0} | {times} | {lost} |", row.contender, row.load);
    }
    table
}

/// How much longer than on a bare wire frames are under way.
fn added(results: &Results, row: &LatencyRow) -> String {
    let is_bare = |other: &&LatencyRow| other.contender == BareVeth::NAME && other.faults().is_empty();
    let distance = |other: &LatencyRow| (rate(other) - rate(row)).abs();
    let closest =
        results.latency.iter().filter(is_bare).min_by(|one, other| distance(one).total_cmp(&distance(other)));
    let Some(bare) = closest.map(percentiles) else { return " | | ".to_owned() };
    let [p50, p99, p999] = percentiles(row);
    cells([p50 - bare[0], p99 - bare[1], p999 - bare[2]])
}

fn rate(row: &LatencyRow) -> f64 {
    row.median(|turn| turn.rate as f64)
}

/// Of the time under way, in µs: p50, p99, p99.9.
fn percentiles(row: &LatencyRow) -> [f64; 3] {
    [row.median(|turn| turn.p50), row.median(|turn| turn.p99), row.median(|turn| turn.p999)]
}

fn cells(values: [f64; 3]) -> String {
    values.map(|value| format!("{value:.1}")).join(" | ")
}
