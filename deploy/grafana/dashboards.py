#!/usr/bin/env python3
"""Writes the dashboards of Synward as JSON: `dashboards.py FOLDER`.

`make dashboards` runs it with the version of the SDK that requirements.txt pins; `make test-deploy` fails when what is committed is not what it writes.
"""

import sys
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models

SOURCE = looks.DataSourceRef(type_val="prometheus", uid="${datasource}")

# Which time series a panel is about.
INSTANCE = 'instance=~"$instance"'
PORT = 'instance=~"$instance", port=~"$port"'

ENFORCED = ', mode="enforce"'
TX_FULL = ', reason="tx_full", mode="enforce"'
BY_FINGERPRINT = ', reason="fingerprint_block"'

HEIGHT = 8

# Of a rate of lines in the event log, for which Grafana has no unit.
EVENTS = "suffix:events/s"


def rate(metric, labels=INSTANCE, more=""):
    return f"rate({metric}{{{labels}{more}}}[$__rate_interval])"


def query(expression, legend):
    return prometheus.Dataquery().expr(expression).legend_format(legend).datasource(SOURCE)


def fields(panel, title, unit, width, empty, about):
    """What every panel has."""
    return panel.title(title).description(about).unit(unit).span(width).datasource(SOURCE).no_value(empty)


def graph(title, unit, width, queries, empty, about, stacked=False, most=None):
    """Lines over time, `queries` being pairs of an expression and a legend. `empty` is shown where there is no data."""
    panel = fields(timeseries.Panel(), title, unit, width, empty, about).height(HEIGHT).min(0).show_points(looks.VisibilityMode.NEVER)
    panel = panel.fill_opacity(30 if stacked else 10).color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    panel = panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .placement(looks.LegendPlacement.BOTTOM)
        .display_mode(looks.LegendDisplayMode.LIST)
        .calcs(["lastNotNull"])
    )
    panel = panel.tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    if most is not None:
        panel = panel.max(most)
    for expression, legend in queries:
        panel = panel.with_target(query(expression, legend))
    return panel


def figure(title, unit, width, expression, legend, empty, about, steps):
    """The last value, on a background that says whether it is well: `steps` are pairs of a colour and the value that it begins at."""
    panel = fields(stat.Panel(), title, unit, width, empty, about).height(4).color_mode(looks.BigValueColorMode.BACKGROUND)
    panel = panel.graph_mode(looks.BigValueGraphMode.NONE).color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).text_mode(looks.BigValueTextMode.VALUE_AND_NAME)
    thresholds = [models.Threshold(color=colour, value=value) for colour, value in steps]
    panel = panel.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds))
    return panel.with_target(query(expression, legend))


# Dark and far apart also for who does not see red and green alike.
GOOD, BAD, NEUTRAL = "semi-dark-blue", "dark-orange", "#44475a"
ANY_IS_BAD = [(GOOD, None), (BAD, 1)]
NONE_IS_BAD = [(BAD, None), (GOOD, 1)]

NO_SYNWARD = "No Synward answers: is it in the scrape configuration?"
NO_TRAFFIC = "No frames yet"
NO_DROPS = "Nothing was dropped, or would have been"
NO_LISTS = "No lists: add a [[list]] to synward.toml"


def choice(name, label, of):
    """A variable that is chosen among the values of a label."""
    values = {"query": f"label_values({of}, {name})", "refId": "A"}
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(values)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def new_dashboard(title, uid, about):
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    link = dashboard.DashboardLink("Synward").type(models.DashboardLinkType.DASHBOARDS).tags(["synward"]).include_vars(True).keep_time(True)
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["synward"])
        .refresh("30s")
        .time("now-6h", "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(link)
        .with_variable(source)
        .with_variable(choice("instance", "Instance", "synward_build_info"))
        .with_variable(choice("port", "Port", "synward_port_up"))
    )


def with_figures_of_operations(board):
    return (
        board.with_row(dashboard.Row("At a glance"))
        .with_panel(figure("Answers", "none", 4, f'up{{job="synward", {INSTANCE}}}', "{{instance}}", NO_SYNWARD, "1 while /metrics answers.", NONE_IS_BAD))
        .with_panel(figure("Links", "none", 4, f"synward_port_up{{{PORT}}}", "{{instance}} {{port}}", NO_SYNWARD, "1 where the port has a link.", NONE_IS_BAD))
        .with_panel(
            figure(
                "Queues without a worker", "none", 4, f"sum by (instance) (max by (instance, queue) (synward_fallback_active{{{PORT}}}))", "{{instance}}", NO_SYNWARD,
                "The kernel holds their wire: the worker is dead, or hangs.", ANY_IS_BAD,
            )
        )
        .with_panel(figure("Enforces", "none", 3, f'synward_mode{{{INSTANCE}, mode="enforce"}}', "{{instance}}", NO_SYNWARD, "0 in monitor mode: nothing is dropped.", [(NEUTRAL, None), (GOOD, 1)]))
        .with_panel(figure("Last reload", "none", 3, f"synward_last_reload_successful{{{INSTANCE}}}", "{{instance}}", NO_SYNWARD, "0: refused, the rules before it are in force.", NONE_IS_BAD))
        .with_panel(figure("XDP mode", "none", 3, f"count by (instance, mode) (synward_xdp_mode{{{PORT}}} == 1)", "{{instance}} {{mode}}", NO_SYNWARD, "Queues by the mode that they really got.", [(NEUTRAL, None)]))
        .with_panel(
            figure(
                "Hardening: parts off", "none", 3, f"sum by (instance) (synward_hardening{{{INSTANCE}}} == bool 0)", "{{instance}}", NO_SYNWARD,
                "Parts that are not in force: `synward status` says which, and why.", ANY_IS_BAD,
            )
        )
    )


def with_traffic(board):
    queue = "{{instance}} {{port}} {{queue}}"
    frames = [(f"sum by (instance, port, queue) ({rate('synward_rx_frames_total', PORT)})", f"{queue} in"), (f"-sum by (instance, port, queue) ({rate('synward_tx_frames_total', PORT)})", f"{queue} out")]
    bits = [(f"8 * sum by (instance, port, queue) ({rate('synward_rx_bytes_total', PORT)})", f"{queue} in"), (f"-8 * sum by (instance, port, queue) ({rate('synward_tx_bytes_total', PORT)})", f"{queue} out")]
    drops = [(f"sum by (instance, reason) ({rate('synward_drops_total', PORT, ENFORCED)}) > 0", "{{instance}} {{reason}}")]
    uninspected = [(f"sum by (instance, reason) ({rate('synward_uninspected_frames_total')}) > 0", "{{instance}} {{reason}}")]
    return (
        board.with_row(dashboard.Row("Traffic"))
        .with_panel(graph("Frames by port and queue", "pps", 12, frames, NO_TRAFFIC, "Out is drawn downwards.").min(None))
        .with_panel(graph("Bits by port and queue", "bps", 12, bits, NO_TRAFFIC, "Without frame check sequences; out is drawn downwards.").min(None))
        .with_panel(graph("Drops by reason", "pps", 12, drops, "Nothing was dropped", "Frames that did not pass. docs/odd-frames.md has the reasons.", stacked=True))
        .with_panel(graph("Not inspected, by reason", "pps", 12, uninspected, "Everything was inspected", "Forwarded although odd, or not looked at to the end.", stacked=True))
    )


def with_workers(board):
    worker, queue = "{{instance}} worker {{worker}}", "{{instance}} {{port}} {{queue}}"
    busy = [(rate("synward_worker_loop_seconds_sum"), worker)]
    turns = [(f"synward_worker_loop_seconds{{{INSTANCE}, quantile=~\"0.5|0.99|0.999\"}}", f"{worker}, {{{{quantile}}}}")]
    rings = [
        (f"sum by (instance, port, queue) ({rate('synward_xdp_rx_ring_full_total', PORT)})", f"{queue} rx ring full"),
        (f"sum by (instance, port, queue) ({rate('synward_xdp_rx_fill_ring_empty_descs_total', PORT)})", f"{queue} fill ring empty"),
        (f"sum by (instance, port, queue) ({rate('synward_xdp_rx_dropped_total', PORT)})", f"{queue} dropped by the kernel"),
        (f"sum by (instance) ({rate('synward_drops_total', INSTANCE, TX_FULL)})", "{{instance}} tx ring full"),
    ]
    buffers = [(f"sum by (instance, place) (synward_umem_frames{{{INSTANCE}}})", "{{instance}} {{place}}")]
    shim = [(f"sum by (instance, port, action) ({rate('synward_shim_frames_total', PORT)})", "{{instance}} {{port}} {{action}}")]
    replaced = [(f"sum by (instance, worker) (increase(synward_worker_replacements_total{{{INSTANCE}}}[1h]))", worker)]
    lost = [(rate("synward_events_lost_total"), "{{instance}} not told"), (rate("synward_events_failed_total"), "{{instance}} not written")]
    return (
        board.with_row(dashboard.Row("Workers and rings"))
        .with_panel(graph("Worker load", "percentunit", 8, busy, NO_SYNWARD, "The share of its time in which a worker has frames to move.", most=1))
        .with_panel(graph("Turn of a worker", "s", 8, turns, "No worker has moved a frame yet", "Of the last 5 to 10 minutes."))
        .with_panel(graph("Ring health", "pps", 8, rings, NO_SYNWARD, "All of it is loss: 0 is what to see."))
        .with_panel(graph("Frame buffers by place", "short", 6, buffers, NO_SYNWARD, "They sum to the size of the UMEM, always.", stacked=True))
        .with_panel(graph("What the kernel does with frames", "pps", 6, shim, NO_SYNWARD, "Anything but redirected: no worker took them."))
        .with_panel(graph("Workers replaced within an hour", "none", 6, replaced, NO_SYNWARD, "Each had panicked, which is a bug. Of the hour before each point; 0 is what to see.").decimals(0))
        .with_panel(graph("Events lost", EVENTS, 6, lost, NO_SYNWARD, "Not told: the channel to the control thread was full. Not written: the disk. 0 is what to see."))
    )


def with_rules(board):
    generations = [(f"synward_rules_generation{{{INSTANCE}}}", "{{instance}} worker {{worker}}")]
    times = [
        (f"synward_last_reload_duration_seconds{{{INSTANCE}}}", "{{instance}} read and compile"),
        (f"synward_last_reload_adoption_seconds{{{INSTANCE}}}", "{{instance}} be adopted"),
    ]
    reloads = [(f"sum by (instance, result) (increase(synward_reloads_total{{{INSTANCE}}}[1h]))", "{{instance}} {{result}}")]
    memory = [
        (f"process_resident_memory_bytes{{job=\"synward\", {INSTANCE}}}", "{{instance}} process"),
        (f"synward_rules_memory_bytes{{{INSTANCE}}}", "{{instance}} rules"),
        (f"synward_rules_memory_limit_bytes{{{INSTANCE}}}", "{{instance}} limit of rules"),
    ]
    return (
        board.with_row(dashboard.Row("Rules and memory"))
        .with_panel(graph("Generation of the rules", "none", 6, generations, NO_SYNWARD, "Workers that differ for long: one of them hangs."))
        .with_panel(graph("Last reload: time to", "s", 6, times, NO_SYNWARD, "Of the last one that was put in force."))
        .with_panel(graph("Reloads within an hour", "none", 6, reloads, NO_SYNWARD, "Of the hour before each point. A failure changes nothing.").decimals(0))
        .with_panel(graph("Memory", "bytes", 6, memory, NO_SYNWARD, "With rules above a quarter of the limit, a reload may be refused."))
    )


def operations():
    board = new_dashboard("Synward: operations", "synward-operations", "What the bridge does, and whether it is well.")
    return with_rules(with_workers(with_traffic(with_figures_of_operations(board))))


def with_verdicts(board):
    blocked = rate("synward_drops_total", INSTANCE, BY_FINGERPRINT)
    share = f"sum by (instance, mode) ({blocked}) / on (instance) group_left sum by (instance) ({rate('synward_syns_total')})"
    by_reason = [(f"sum by (instance, reason, mode) ({rate('synward_drops_total', PORT)}) > 0", "{{instance}} {{reason}}, {{mode}}")]
    by_direction = [(f"sum by (instance, port, mode) ({rate('synward_drops_total', PORT)})", "{{instance}} from {{port}}, {{mode}}")]
    return (
        board.with_row(dashboard.Row("What is blocked"))
        .with_panel(graph("Drops and would-drops by reason", "pps", 12, by_reason, NO_DROPS, "Mode monitor: forwarded only because of monitor mode.", stacked=True))
        .with_panel(graph("Drops and would-drops by direction", "pps", 6, by_direction, NO_SYNWARD, "By the port that the frames arrived at.", stacked=True))
        .with_panel(graph("Share of SYNs that fingerprints block", "percentunit", 6, [(share, "{{instance}} {{mode}}")], "No SYN was judged by its fingerprint", "Of those from outside that no list of addresses had decided about.", most=1))
    )


def with_lists(board):
    blocks = f'on (instance, list) group_left (mode) synward_list_info{{{INSTANCE}, action="block"}}'
    drops = [(f"sum by (instance, list, mode) ({rate('synward_list_decisions_total')} * {blocks}) > 0", "{{instance}} {{list}}, {{mode}}")]
    both = [
        (f"sum by (instance, list) ({rate('synward_list_hits_total')}) > 0", "{{instance}} {{list}} hits"),
        (f"sum by (instance, list) ({rate('synward_list_decisions_total')}) > 0", "{{instance}} {{list}} decides"),
    ]
    entries = [(f"synward_list_entries{{{INSTANCE}}}", "{{instance}} {{list}}")]
    refused = [(f"synward_list_refused_lines{{{INSTANCE}}}", "{{instance}} {{list}}")]
    age = [(f"time() - synward_list_modified_timestamp_seconds{{{INSTANCE}}}", "{{instance}} {{list}}")]
    bans = [(f"synward_bans{{{INSTANCE}}}", "{{instance}} in force"), (f"synward_bans_capacity{{{INSTANCE}}}", "{{instance}} at most")]
    return (
        board.with_row(dashboard.Row("Lists"))
        .with_panel(graph("Drops and would-drops by list", "pps", 12, drops, "No block list has decided about a frame", "Mode monitor: forwarded only because the list or the bridge is in monitor mode.", stacked=True))
        .with_panel(graph("Hits against decisions", "pps", 12, both, "No list matches a frame", "Allow lists, too. A list that hits and does not decide stands behind another."))
        .with_panel(graph("Entries", "short", 6, entries, NO_LISTS, "A fall: the feed is broken."))
        .with_panel(graph("Refused lines", "short", 6, refused, NO_LISTS, "synward check names each."))
        .with_panel(graph("Age of lists", "s", 6, age, NO_LISTS, "Since the file was last changed, as the last reload found it."))
        .with_panel(graph("Bans", "short", 6, bans, NO_SYNWARD, "Single addresses, for a time."))
    )


def with_events(board):
    events = [
        (rate("synward_events_total"), "{{instance}} written"),
        (rate("synward_events_suppressed_total"), "{{instance}} left out by the rate limit"),
        (f"{rate('synward_events_lost_total')} + {rate('synward_events_failed_total')}", "{{instance}} not told, or not written"),
    ]
    syns = [
        (f"sum by (instance) ({rate('synward_syns_total')})", "{{instance}} judged"),
        (f"sum by (instance, mode) ({rate('synward_drops_total', INSTANCE, BY_FINGERPRINT)})", "{{instance}} blocked, {{mode}}"),
    ]
    return (
        board.with_row(dashboard.Row("SYNs and events"))
        .with_panel(graph("SYNs judged by their fingerprint", "pps", 12, syns, NO_SYNWARD, "From outside, and not decided before by a list of addresses."))
        .with_panel(graph("Events", EVENTS, 12, events, NO_SYNWARD, "Lines of the event log, which says whose frames they were."))
    )


def threats():
    board = new_dashboard("Synward: threats", "synward-threats", "What is blocked, by which list, and why.")
    return with_events(with_lists(with_verdicts(board)))


def main():
    folder = Path(sys.argv[1])
    for board in [operations().build(), threats().build()]:
        text = JSONEncoder(sort_keys=True, indent=2).encode(board)
        (folder / f"{board.uid}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
