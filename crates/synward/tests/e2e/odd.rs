//! Odd frames, as `docs/odd-frames.md` says: its tables are what is tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::bed::{Bed, Case, Config, Fate, Metrics, Side, Wire, run};

/// A frame that `frames.py` made.
#[derive(Debug, Clone, Deserialize)]
struct Made {
    row: String,
    family: String,
    encapsulation: String,
    frame: String,
}

impl Made {
    fn frame(&self) -> Vec<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
        self.frame.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }
}

/// The frames of each row.
fn made() -> BTreeMap<String, Vec<Made>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/odd/frames.py");
    let mut rows: BTreeMap<_, Vec<Made>> = BTreeMap::new();
    for line in run(script).lines() {
        let made: Made = serde_json::from_str(line).unwrap();
        rows.entry(made.row.clone()).or_default().push(made);
    }
    rows
}

/// The profiles, in the order of the columns.
const PROFILES: [&str; 3] = ["transparent", "balanced", "strict"];

/// A row of a table: what becomes of frames in each profile.
#[derive(Debug)]
struct Row {
    frames: Vec<String>,
    reason: &'static str,
    fates: [Fate; 3],
}

pub(crate) fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/odd-frames.md");
    fs::read_to_string(path).unwrap()
}

/// The words of a cell that stand between backticks.
pub(crate) fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

impl Row {
    /// None for what is no row, or the head of a table.
    fn read(line: &str) -> Option<Self> {
        let cells: Vec<_> = line.strip_prefix("| `")?.trim_end_matches('|').split('|').collect();
        let [frames, _, reason, fates @ ..] = &*cells else { panic!("{line}") };
        let reason: &str = quoted(reason).next().unwrap().to_owned().leak();
        let fate = |cell: &&str| match cell.trim() {
            "forward" => Fate::Passes,
            "drop" => Fate::Dropped(reason),
            other => Fate::Dropped(quoted(other).next().unwrap().to_owned().leak()),
        };
        let fates: Vec<_> = fates.iter().map(fate).collect();
        let frames = quoted(&format!("`{frames}")).map(str::to_owned).collect();
        Some(Self { frames, reason, fates: fates.try_into().unwrap() })
    }

    /// All in a part of the document.
    fn all(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::read).collect()
    }
}

/// The tables with `tunnels = "outer"`, and the one with `"inner"`.
fn tables() -> (Vec<Row>, Vec<Row>) {
    let text = document();
    let (outer, inner) = text.split_once("With `tunnels = \"inner\"`").unwrap();
    let (inner, _) = inner.split_once("## Evasions tried").unwrap();
    (Row::all(outer), Row::all(inner))
}

/// What the frames are judged by; the addresses are those of `frames.py`.
fn config(profile: &str, tunnels: &str) -> Config {
    Config::enforce()
        .bridge(&format!("profile = \"{profile}\"\ntunnels = \"{tunnels}\""))
        .bridge("protect = [\"192.0.2.0/24\", \"2001:db8:0:2::/64\"]")
        .block("blocked", "203.0.113.0/24\n2001:db8:bad::/48\n")
        .block_syns("scanners", "1024:::\n")
}

/// Frames forwarded although odd or not looked at to the end, by reason.
fn uninspected(metrics: &Metrics) -> BTreeMap<String, u64> {
    let samples = metrics.all("synward_uninspected_frames_total", &[]);
    samples.map(|sample| (sample.labels["reason"].clone(), sample.value as u64)).collect()
}

/// Sends the frames of a row: each has the fate that the document says, its counter grows by as many, and no other does.
fn check(wire: &Wire<'_>, row: &Row, profile: usize, frames: &[&Made]) {
    let fate = row.fates[profile];
    let name =
        |made: &Made| format!("{} {} {} {}", PROFILES[profile], made.row, made.family, made.encapsulation);
    let cases: Vec<_> = frames.iter().map(|made| Case::new(name(made), made.frame(), fate)).collect();
    let before = uninspected(&wire.metrics());
    wire.judge(Side::Outside, &cases);
    let mut grown = uninspected(&wire.metrics());
    grown.retain(|reason, count| {
        *count -= before[reason];
        *count > 0
    });
    let counted = fate == Fate::Passes && row.reason != "clean";
    let expected = counted.then(|| (row.reason.to_owned(), cases.len() as u64));
    assert_eq!(grown, expected.into_iter().collect(), "{} in {}", row.frames.join(" "), PROFILES[profile]);
}

/// Holds every row of a table against the wire, in each profile.
fn check_table(table: &[Row], tunnels: &str) {
    let made = made();
    let bed = Bed::new();
    let wire = bed.start(&config(PROFILES[0], tunnels));
    for (number, profile) in PROFILES.into_iter().enumerate() {
        wire.reload(&config(profile, tunnels));
        for row in table {
            let frames: Vec<_> = row.frames.iter().flat_map(|name| &made[name]).collect();
            check(&wire, row, number, &frames);
        }
    }
    wire.stop();
}

#[test]
fn every_odd_frame_has_the_fate_and_the_counter_that_the_document_says() {
    check_table(&tables().0, "outer");
}

#[test]
fn what_tunnels_carry_has_the_fate_and_the_counter_that_the_document_says() {
    check_table(&tables().1, "inner");
}

/// Neither can lag behind the other: all frames are in the document, all of the document are made, and all oddities are in it.
#[test]
fn the_document_and_the_frames_are_about_the_same() {
    let (outer, inner) = tables();
    let made: BTreeSet<_> = made().into_keys().collect();
    let documented: Vec<_> = outer.iter().flat_map(|row| row.frames.clone()).collect();
    assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), made);
    assert_eq!(documented.len(), made.len(), "a row is there twice");
    let tunnels: BTreeSet<_> = made.into_iter().filter(|name| name.starts_with("tunnel_")).collect();
    assert_eq!(inner.iter().flat_map(|row| row.frames.clone()).collect::<BTreeSet<_>>(), tunnels);
    let reasons: BTreeSet<_> = outer.iter().chain(&inner).map(|row| row.reason).collect();
    let oddities = uninspected_reasons();
    assert!(oddities.iter().all(|reason| reasons.contains(&**reason)), "{reasons:?} of {oddities:?}");
}

/// All that the program counts so.
fn uninspected_reasons() -> BTreeSet<String> {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    let reasons = uninspected(&wire.metrics()).into_keys().collect();
    wire.stop();
    reasons
}
