//! What must be reached, row by row, and whether it is.

use synward_bench::record::Figure;

const US: &str = "synward";
const TRIE: &str = "prefix-trie";
const TREEBITMAP: &str = "treebitmap";
const KERNEL: &str = "kernel's LPM trie";

/// How a figure of ours is judged.
#[derive(Clone, Copy)]
enum Target {
    /// At most this, in this unit.
    AtMost(f64, &'static str),
    /// A peer takes at least so many times as much in the same run.
    Times(f64, &'static str),
    /// Nothing is asked of it but that it stands beside the peer's.
    Beside(&'static str),
    /// Nothing is asked of it but that it was measured.
    Told,
}

use Target::{AtMost, Beside, Times, Told};

const TARGETS: &[(&str, Target)] = &[
    ("IPv4, 1 M, random address", Times(4.0, TRIE)),
    ("IPv4, 10 M, random address", Times(4.0, TRIE)),
    ("IPv4, 1 M, random address", Times(8.0, TREEBITMAP)),
    ("IPv4, 10 M, random address", Times(8.0, TREEBITMAP)),
    ("IPv4, 1 M, inside a prefix", Times(3.0, TRIE)),
    ("IPv4, 10 M, inside a prefix", Times(3.0, TRIE)),
    ("IPv4 beside the kernel, 1 M, random address", Times(10.0, KERNEL)),
    ("IPv4 beside the kernel, 1 M, inside a prefix", Times(10.0, KERNEL)),
    ("IPv6, 1 M, miss", Times(1.5, TRIE)),
    ("IPv6, 1 M, inside a prefix", Times(3.0, TRIE)),
    ("IPv4 clustered, 1 M, random address", Times(4.0, TRIE)),
    ("IPv4 clustered, 10 M, random address", Times(4.0, TRIE)),
    ("IPv4 clustered, 1 M, random address", Times(8.0, TREEBITMAP)),
    ("IPv4 clustered, 10 M, random address", Times(8.0, TREEBITMAP)),
    ("IPv4 clustered, 1 M, inside a prefix", Times(3.0, TRIE)),
    ("IPv4 clustered, 10 M, inside a prefix", Times(3.0, TRIE)),
    ("IPv6 clustered, 1 M, miss", Times(1.5, TRIE)),
    ("IPv6 clustered, 1 M, inside a prefix", Times(3.0, TRIE)),
    ("IPv4, 1 M, memory", AtMost(110.0, "MiB")),
    ("IPv4, 10 M, memory", AtMost(400.0, "MiB")),
    ("judge, no SYN, 1 M prefixes", AtMost(40.0, "ns")),
    ("judge, no SYN, 1 M prefixes", Times(8.0, "etherparse + prefix-trie")),
    ("judge, SYN, 1 M prefixes + 10 k signatures", AtMost(110.0, "ns")),
    ("judge, SYN, 1 M prefixes + 10 k signatures", Times(8.0, "etherparse + prefix-trie + strings")),
    ("shuffled against sorted frames", AtMost(1.35, "x")),
    ("10 M lines to a snapshot", AtMost(3.0, "s")),
    ("10 M lines, peak memory", AtMost(1536.0, "MiB")),
    ("1 M lines to a snapshot", AtMost(0.4, "s")),
    ("10 M lines, peak of a reload against old and new rules", AtMost(1.3, "x")),
    ("10 M prefixes swapped in, frames lost", AtMost(0.0, "frames")),
    ("10 M prefixes swapped in, longest worker loop", Told),
    ("nft, 1 M, loading", Beside("nft")),
    ("nft, 1 M, memory", Beside("nft")),
];

/// A target and what was measured, as text.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) target: String,
    /// Nothing where a figure is missing.
    pub(crate) measured: Option<String>,
    /// Nothing where nothing is asked.
    pub(crate) met: Option<bool>,
}

impl Row {
    pub(crate) fn result(&self) -> &'static str {
        match (&self.measured, self.met) {
            (None, _) => "MISSING",
            (_, Some(true)) => "met",
            (_, Some(false)) => "MISSED",
            (_, None) => "told",
        }
    }
}

/// All targets, in the order of the table.
pub(crate) fn rows(figures: &[Figure]) -> Vec<Row> {
    TARGETS.iter().map(|(name, target)| row(name, *target, figures)).collect()
}

fn row(name: &'static str, target: Target, figures: &[Figure]) -> Row {
    let figure = |peer: &str| figures.iter().find(|figure| figure.row == name && figure.peer == peer);
    let ours = figure(US);
    let beside = |peer| ours.zip(figure(peer));
    let (target, measured, met) = match target {
        AtMost(most, unit) => (
            format!("at most {most} {unit}"),
            ours.map(text),
            ours.map(|ours| ours.unit == unit && ours.value <= most),
        ),
        Times(least, peer) => (
            format!("{least} times as fast as {peer}"),
            beside(peer).map(|(ours, peer)| {
                format!("{:.1} times ({} against {})", peer.value / ours.value, text(ours), text(peer))
            }),
            beside(peer).map(|(ours, peer)| peer.value >= least * ours.value),
        ),
        Beside(peer) => (
            format!("beside {peer}"),
            beside(peer).map(|(ours, other)| format!("{}, {peer} {}", text(ours), text(other))),
            None,
        ),
        Told => ("recorded".into(), ours.map(text), None),
    };
    Row { name, target, measured, met }
}

/// A figure with its unit.
pub(crate) fn text(figure: &Figure) -> String {
    let decimals = if figure.value < 10.0 { 2 } else { 1 };
    format!("{:.decimals$} {}", figure.value, figure.unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(peer: &str, value: f64) -> Figure {
        Figure { row: "a".into(), peer: peer.into(), value, unit: "ns".into() }
    }

    fn result(target: Target, figures: &[Figure]) -> &'static str {
        row("a", target, figures).result()
    }

    #[test]
    fn a_row_is_met_missed_told_or_missing() {
        let figures = [figure(US, 10.0), figure(TRIE, 40.0)];
        assert_eq!(result(AtMost(10.0, "ns"), &figures), "met");
        assert_eq!(result(AtMost(9.9, "ns"), &figures), "MISSED");
        assert_eq!(result(AtMost(10.0, "ms"), &figures), "MISSED");
        assert_eq!(result(Times(4.0, TRIE), &figures), "met");
        assert_eq!(result(Times(4.1, TRIE), &figures), "MISSED");
        assert_eq!(result(Times(4.0, KERNEL), &figures), "MISSING");
        assert_eq!(result(Beside(TRIE), &figures), "told");
        assert_eq!(result(Told, &[]), "MISSING");
        assert_eq!(result(Times(f64::NAN, TRIE), &figures), "MISSED");
    }
}
