//! The view as Prometheus metrics, read at the moment of the scrape.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType, Quantile, Summary};
use synward_bridge::{Counters, LoopSummary, PortStats, Stats};
use synward_policy::{BanChanges, ListAction, ListSummary, Mode, Reason, Xdp};
use synward_xsk::{PortMonitor, QueueMonitor, ShimCounts, XdpStatistics};

use super::view::{Link, PORTS, RulesView, View, WorkerView};

/// Reads the view when Prometheus asks.
pub(crate) struct Metrics(pub(crate) Arc<View>);

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        // The label sets depend on ports and lists; the registry asks for none in advance.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let view = &*self.0;
        [
            frames(view),
            verdicts(view),
            lists(view),
            bans(view),
            rules(view),
            loops(view),
            sockets(view),
            shims(view),
            buffers(view),
            events(view),
            hardening(view),
        ]
        .concat()
    }
}

/// One value of a metric, with its labels.
struct Sample {
    labels: Vec<LabelPair>,
    value: f64,
}

impl Sample {
    fn new<const N: usize>(labels: [(&str, &str); N], value: impl Into<Value>) -> Self {
        let Value(value) = value.into();
        Self { labels: labels.into_iter().map(pair).collect(), value }
    }
}

/// A number of a metric. Counters beyond 2^53 lose their last digits, as they do in Prometheus itself.
struct Value(f64);

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self(number as f64)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self(number as f64)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self(f64::from(u8::from(yes)))
    }
}

impl From<&AtomicU64> for Value {
    fn from(number: &AtomicU64) -> Self {
        Self::from(number.load(Ordering::Relaxed))
    }
}

fn pair((name, value): (&str, &str)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn counter(name: &str, help: &str, samples: impl IntoIterator<Item = Sample>) -> MetricFamily {
    let metric = |sample: Sample| {
        let mut counter = Counter::default();
        counter.set_value(sample.value);
        let mut metric = Metric::from_label(sample.labels);
        metric.set_counter(counter);
        metric
    };
    family(name, help, MetricType::COUNTER, samples.into_iter().map(metric).collect())
}

fn gauge(name: &str, help: &str, samples: impl IntoIterator<Item = Sample>) -> MetricFamily {
    let metric = |sample: Sample| {
        let mut gauge = Gauge::default();
        gauge.set_value(sample.value);
        let mut metric = Metric::from_label(sample.labels);
        metric.set_gauge(gauge);
        metric
    };
    family(name, help, MetricType::GAUGE, samples.into_iter().map(metric).collect())
}

/// What went through the ports.
fn frames(view: &View) -> Vec<MetricFamily> {
    let by_port = |name: &str, help: &str, number: fn(&PortStats) -> u64| {
        let samples = view.workers.iter().flat_map(|worker| {
            let queue = worker.queue.to_string();
            let of_port =
                move |(port, stats)| Sample::new([("port", port), ("queue", &queue)], number(stats));
            PORTS.into_iter().zip(worker.stats.ports.iter().map(|stats| &**stats)).map(of_port)
        });
        counter(name, help, samples)
    };
    let links = PORTS.into_iter().zip(view.links()).map(|(port, up)| Sample::new([("port", port)], up));
    vec![
        gauge("synward_port_up", "Whether a port has a link.", links),
        gauge(
            "synward_port_held_down",
            "Whether a port is held down because the other has no link.",
            by_link(view, |link| link.held_down.load(Ordering::Relaxed).into()),
        ),
        counter(
            "synward_link_propagations_total",
            "How often a port was taken down because the other had lost its link.",
            by_link(view, |link| (&link.propagations).into()),
        ),
        gauge(
            "synward_port_mtu_bytes",
            "The MTU of a port: frames cross while both are the same.",
            by_link(view, |link| u64::from(link.mtu.load(Ordering::Relaxed)).into()),
        ),
        by_port("synward_rx_frames_total", "Frames received from a port.", |stats| stats.rx_frames.get()),
        by_port("synward_rx_bytes_total", "Bytes received from a port.", |stats| stats.rx_bytes.get()),
        by_port("synward_tx_frames_total", "Frames sent through a port.", |stats| stats.tx_frames.get()),
        by_port("synward_tx_bytes_total", "Bytes sent through a port.", |stats| stats.tx_bytes.get()),
    ]
}

/// A value of the link of each port.
fn by_link(view: &View, value: fn(&Link) -> Value) -> impl Iterator<Item = Sample> {
    PORTS.into_iter().zip(&view.links).map(move |(port, link)| Sample::new([("port", port)], value(link).0))
}

/// What was decided.
fn verdicts(view: &View) -> Vec<MetricFamily> {
    let uninspected = Reason::all().filter(|reason| reason.is_uninspected()).map(|reason| {
        Sample::new([("reason", reason.name())], view.sum(|stats| stats.uninspected.get(reason.index())))
    });
    vec![
        counter(
            "synward_drops_total",
            "Frames dropped (mode enforce), or forwarded because of monitor mode (mode monitor), by the port that they arrived at.",
            drops(view),
        ),
        counter(
            "synward_uninspected_frames_total",
            "Frames forwarded although odd, or without being looked at to the end of their headers.",
            uninspected,
        ),
        counter(
            "synward_syns_total",
            "SYNs from outside that were judged by their fingerprint.",
            [Sample::new([], view.sum(|stats| stats.syns.get()))],
        ),
    ]
}

/// For each port and reason, what was dropped and what would have been.
fn drops(view: &View) -> impl Iterator<Item = Sample> {
    let reasons = || Reason::all().filter(|reason| reason.can_drop());
    PORTS.into_iter().enumerate().flat_map(move |(place, port)| {
        reasons().flat_map(move |reason| {
            let sample = |mode, table: fn(&PortStats) -> &Counters| {
                let labels = [("port", port), ("reason", reason.name()), ("mode", mode)];
                let count =
                    |stats: &Stats| stats.ports.get(place).map_or(0, |port| table(port).get(reason.index()));
                Sample::new(labels, view.sum(count))
            };
            [sample("enforce", |port| &port.drops), sample("monitor", |port| &port.would_drops)]
        })
    })
}

/// What the lists did.
fn lists(view: &View) -> Vec<MetricFamily> {
    let (lists, totals) = (view.rules().lists, view.list_totals());
    let by_list = |counts: &[u64]| {
        let count = |list: &ListSummary| counts.get(list.id.index()).copied().unwrap_or_default();
        lists.iter().map(|list| Sample::new([("list", list.name.as_str())], count(list))).collect::<Vec<_>>()
    };
    let number = |number: fn(&ListSummary) -> usize| {
        lists.iter().map(move |list| Sample::new([("list", list.name.as_str())], number(list)))
    };
    vec![
        counter("synward_list_hits_total", "Frames that a list matches.", by_list(&totals.hits)),
        counter(
            "synward_list_decisions_total",
            "Frames that a list decided about, or would have in enforce mode.",
            by_list(&totals.decisions),
        ),
        gauge(
            "synward_list_info",
            "What a list does, and whether that is carried out: 1.",
            list_info(&lists),
        ),
        gauge("synward_list_entries", "Entries of a list.", number(|list| list.entries)),
        gauge(
            "synward_list_refused_lines",
            "Lines of a list that are not in force, because they cannot be understood.",
            number(|list| list.refused),
        ),
        gauge(
            "synward_list_modified_timestamp_seconds",
            "When the file of a list was last changed, as the last reload found it, in seconds since 1970.",
            modified(&view.rules()),
        ),
    ]
}

/// What the lists are for. Apart from their counters, which go on when that changes.
fn list_info(lists: &[ListSummary]) -> Vec<Sample> {
    let sample = |list: &ListSummary| {
        let action = match list.action {
            ListAction::Block => "block",
            ListAction::Allow => "allow",
        };
        let mode = if list.enforced { "enforce" } else { "monitor" };
        Sample::new([("list", list.name.as_str()), ("action", action), ("mode", mode)], true)
    };
    lists.iter().map(sample).collect()
}

/// When the files of lists were changed, where that is known.
fn modified(rules: &RulesView) -> Vec<Sample> {
    let sample = |(list, modified): (&ListSummary, &Option<SystemTime>)| {
        let seconds = modified.as_ref()?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        Some(Sample::new([("list", list.name.as_str())], seconds))
    };
    rules.lists.iter().zip(&rules.modified).filter_map(sample).collect()
}

/// Addresses that are blocked for a time.
fn bans(view: &View) -> Vec<MetricFamily> {
    let in_force = super::bans::in_force(view);
    let keeper = view.bans();
    let BanChanges { added, renewed, removed, expired } = keeper.changes();
    let changes = [("added", added), ("renewed", renewed), ("removed", removed), ("expired", expired)];
    vec![
        gauge("synward_bans", "Bans in force.", [Sample::new([], in_force)]),
        gauge(
            "synward_bans_capacity",
            "The most bans at a time.",
            [Sample::new([], u64::from(keeper.capacity()))],
        ),
        counter(
            "synward_ban_changes_total",
            "Bans that were made, given another end, lifted, or came to their end.",
            changes.map(|(change, count)| Sample::new([("change", change)], count)),
        ),
    ]
}

/// The rules in force, and how they came there.
fn rules(view: &View) -> Vec<MetricFamily> {
    let (rules, reloads) = (view.rules(), &view.reloads);
    let last = reloads.last();
    let success = last.last_success.duration_since(UNIX_EPOCH).unwrap_or_default();
    let generations = view
        .workers
        .iter()
        .map(|worker| Sample::new([("worker", &worker.queue.to_string())], worker.stats.generation.get()));
    let results = [
        Sample::new([("result", "success")], &reloads.successes),
        Sample::new([("result", "failure")], &reloads.failures),
    ];
    let one = |name, help, value: Value| gauge(name, help, [Sample::new([], value.0)]);
    vec![
        gauge("synward_rules_generation", "Generation of the rules that a worker judges by.", generations),
        one(
            "synward_rule_table_bytes",
            "Memory of the tables that frames are judged by.",
            rules.table_bytes.into(),
        ),
        one(
            "synward_rules_memory_bytes",
            "Memory of the rules: tables, and the entries that they were made of.",
            rules.memory_bytes.into(),
        ),
        gauge(
            "synward_rules_memory_limit_bytes",
            "The most memory that rules may take: those in force and, during a reload, the new ones together.",
            rules.memory_limit.map(|limit| Sample::new([], limit)),
        ),
        one(
            "synward_rules_entries",
            "Entries of all lists.",
            rules.lists.iter().map(|list| list.entries).sum::<usize>().into(),
        ),
        one(
            "synward_rules_list_sets",
            "Distinct sets of lists that cover some address.",
            rules.list_sets.into(),
        ),
        counter("synward_reloads_total", "Reloads since the start, by result.", results),
        one(
            "synward_last_reload_successful",
            "Whether the last reload was put in force.",
            last.succeeded.into(),
        ),
        one(
            "synward_last_reload_success_timestamp_seconds",
            "When rules were last put in force, in seconds since 1970.",
            success.as_secs_f64().into(),
        ),
        one(
            "synward_last_reload_duration_seconds",
            "How long it took to read and compile the rules in force.",
            last.took.as_secs_f64().into(),
        ),
        one(
            "synward_last_reload_adoption_seconds",
            "How long after that the last worker judged by them.",
            last.adoption.into(),
        ),
        gauge("synward_mode", "The mode of the bridge: 1.", bridge_mode(rules.mode)),
        gauge(
            "synward_build_info",
            "The version of the program.",
            [Sample::new([("version", env!("CARGO_PKG_VERSION"))], true)],
        ),
    ]
}

/// Both modes of the bridge, and which of them it is.
fn bridge_mode(mode: Mode) -> [Sample; 2] {
    [("monitor", Mode::Monitor), ("enforce", Mode::Enforce)]
        .map(|(name, each)| Sample::new([("mode", name)], each == mode))
}

/// What the workers do.
fn loops(view: &View) -> Vec<MetricFamily> {
    let by_worker = |number: fn(&Stats) -> u64| {
        view.workers
            .iter()
            .map(move |worker| Sample::new([("worker", &worker.queue.to_string())], number(&worker.stats)))
    };
    vec![
        counter(
            "synward_worker_loops_total",
            "Turns of a worker's loop.",
            by_worker(|stats| stats.loops.get()),
        ),
        counter(
            "synward_worker_idle_loops_total",
            "Turns of a worker's loop that moved no frame.",
            by_worker(|stats| stats.idle_loops.get()),
        ),
        counter(
            "synward_worker_replacements_total",
            "Workers that were replaced because they had panicked.",
            view.workers
                .iter()
                .map(|worker| Sample::new([("worker", &worker.queue.to_string())], &worker.replacements)),
        ),
        family(
            "synward_worker_loop_seconds",
            "How long turns of a worker's loop took that moved frames; quantiles of the last minutes.",
            MetricType::SUMMARY,
            view.workers.iter().map(loop_times).collect(),
        ),
    ]
}

fn loop_times(worker: &WorkerView) -> Metric {
    let LoopSummary { recent, turns, total } = worker.loop_times();
    let quantile = |rank: f64| {
        let mut quantile = Quantile::default();
        quantile.set_quantile(rank);
        quantile.set_value(recent.value_at_quantile(rank) as f64 / 1e9);
        quantile
    };
    let mut summary = Summary::default();
    summary.set_quantile([0.5, 0.9, 0.99, 0.999, 1.0].map(quantile).to_vec());
    summary.set_sample_count(turns);
    summary.set_sample_sum(total.as_secs_f64());
    let mut metric = Metric::from_label(vec![pair(("worker", &worker.queue.to_string()))]);
    metric.set_summary(summary);
    metric
}

/// What the kernel says of the sockets.
fn sockets(view: &View) -> Vec<MetricFamily> {
    let sockets: Vec<_> = queues(view)
        .filter_map(|(port, _, queue, number)| Some((port, number, queue.statistics().ok()?, queue.mode)))
        .collect();
    let statistic = |name: &str, help: &str, number: fn(&XdpStatistics) -> u64| {
        let sample = |(port, queue, statistics, _): &(&str, String, XdpStatistics, _)| {
            Sample::new([("port", port), ("queue", queue)], number(statistics))
        };
        counter(name, help, sockets.iter().map(sample))
    };
    let modes = sockets.iter().map(|(port, queue, _, mode)| {
        Sample::new([("port", port), ("queue", queue), ("mode", mode.name())], true)
    });
    vec![
        statistic(
            "synward_xdp_rx_dropped_total",
            "Frames the kernel dropped for a reason of its own.",
            |s| s.rx_dropped,
        ),
        statistic("synward_xdp_rx_invalid_descs_total", "Invalid entries in a fill ring.", |s| {
            s.rx_invalid_descs
        }),
        statistic("synward_xdp_tx_invalid_descs_total", "Invalid entries in a tx ring.", |s| {
            s.tx_invalid_descs
        }),
        statistic("synward_xdp_rx_ring_full_total", "Frames dropped because the worker was too slow.", |s| {
            s.rx_ring_full.unwrap_or(0)
        }),
        statistic(
            "synward_xdp_rx_fill_ring_empty_descs_total",
            "Frames that found no buffer to be received into.",
            |s| s.rx_fill_ring_empty_descs.unwrap_or(0),
        ),
        statistic(
            "synward_xdp_tx_ring_empty_descs_total",
            "Attempts to send that found nothing to send.",
            |s| s.tx_ring_empty_descs.unwrap_or(0),
        ),
        gauge("synward_xdp_mode", "The mode that the socket of a queue really got: 1.", modes),
        gauge(
            "synward_xdp_mode_configured",
            "The mode that the configuration asks for: 1.",
            [Sample::new([("mode", configured(view.rules().xdp))], true)],
        ),
    ]
}

/// The name of a mode in the configuration.
fn configured(xdp: Xdp) -> &'static str {
    match xdp {
        Xdp::Auto => "auto",
        Xdp::Zerocopy => "zerocopy",
        Xdp::Copy => "copy",
        Xdp::Skb => "skb",
    }
}

/// The queues of both ports: the name of the port, the port, the queue, and its number as a label.
fn queues(view: &View) -> impl Iterator<Item = (&'static str, &PortMonitor, &QueueMonitor, String)> {
    PORTS.into_iter().zip(&view.ports).flat_map(|(port, monitor)| {
        monitor.queues.iter().map(move |queue| (port, monitor, queue, queue.queue.to_string()))
    })
}

/// What the shims do.
fn shims(view: &View) -> Vec<MetricFamily> {
    let queues: Vec<_> = queues(view).collect();
    let frames = queues.iter().flat_map(|(port, of_port, monitor, queue)| {
        let ShimCounts { redirected, bypassed, dropped, blocked } = of_port.shim.of_queue(monitor.queue);
        let actions =
            [("redirected", redirected), ("bypassed", bypassed), ("dropped", dropped), ("blocked", blocked)];
        actions.map(|(action, count)| {
            Sample::new([("port", port), ("queue", queue.as_str()), ("action", action)], count)
        })
    });
    let active = queues.iter().map(|(port, _, monitor, queue)| {
        Sample::new([("port", port), ("queue", queue.as_str())], !monitor.is_served())
    });
    vec![
        counter(
            "synward_shim_frames_total",
            "Frames that the XDP program on a port saw, by what it did: redirected to a worker; while there was none, bypassed to the \
             other port, dropped, or dropped because of their blocked source. Restarts do not reset it.",
            frames,
        ),
        gauge(
            "synward_fallback_active",
            "Whether the XDP program on a port holds the wire of a queue itself, because no worker does.",
            active,
        ),
    ]
}

/// Where the frame buffers are.
fn buffers(view: &View) -> Vec<MetricFamily> {
    let places = view.workers.iter().flat_map(|worker| {
        let (queue, buffers) = (worker.queue.to_string(), &worker.stats.buffers);
        let places = [
            ("free", &buffers.free),
            ("fill", &buffers.fill),
            ("rx", &buffers.rx),
            ("hand", &buffers.hand),
            ("tx", &buffers.tx),
            ("completion", &buffers.completion),
        ];
        places.map(|(place, count)| Sample::new([("worker", queue.as_str()), ("place", place)], count.get()))
    });
    let sizes = view
        .workers
        .iter()
        .map(|worker| Sample::new([("worker", &worker.queue.to_string())], worker.stats.buffers.size.get()));
    vec![
        gauge("synward_umem_frames", "Frame buffers of a worker by the place where they are.", places),
        gauge("synward_umem_size_frames", "Frame buffers of a worker in all: the sum of all places.", sizes),
    ]
}

/// What the program has given up.
fn hardening(view: &View) -> Vec<MetricFamily> {
    let parts = view.hardening().into_iter().flat_map(|hardening| hardening.parts());
    let samples = parts.map(|part| Sample::new([("part", part.name)], part.in_force)).collect::<Vec<_>>();
    vec![gauge("synward_hardening", "Whether a part of the hardening is in force.", samples)]
}

/// What became of the events.
fn events(view: &View) -> Vec<MetricFamily> {
    let events = &view.events;
    let one = |name, help, value: Value| counter(name, help, [Sample::new([], value.0)]);
    vec![
        one("synward_events_total", "Events written to the event log.", (&events.written).into()),
        one(
            "synward_events_suppressed_total",
            "Events left out by the rate limit.",
            (&events.suppressed).into(),
        ),
        one("synward_events_failed_total", "Events that could not be written.", (&events.failed).into()),
        one(
            "synward_events_lost_total",
            "Events that never reached the control thread, because the channel was full.",
            view.sum(|stats| stats.events_lost.get()).into(),
        ),
    ]
}
