//! How often there is each fingerprint.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::Report;
use super::seen::{Notations, Seen, Shown};

/// Fingerprints that are told apart. An attacker may send as many as there are SYNs; these take 100 MB at the most.
const ROOM: usize = 200_000;

/// Counts SYNs by fingerprint, and writes the counts at the end.
pub(super) struct Summary<W> {
    out: W,
    json: bool,
    tallies: HashMap<Shown, Tally>,
    /// SYNs whose fingerprint came when there was no room any more.
    rest: u64,
}

struct Tally {
    count: u64,
    first_frame: u64,
}

#[derive(Serialize)]
struct Line {
    count: u64,
    kind: &'static str,
    #[serde(flatten)]
    notations: Notations,
    first_frame: u64,
}

/// The last line, if there were too many fingerprints.
#[derive(Serialize)]
struct Rest {
    rest: u64,
}

impl<W: Write> Summary<W> {
    pub(super) fn new(out: W, json: bool) -> Self {
        Self { out, json, tallies: HashMap::new(), rest: 0 }
    }

    fn write(&mut self, shown: &Shown, tally: &Tally) -> Result<()> {
        let Tally { count, first_frame } = *tally;
        let (kind, notations) = (shown.kind(), Notations::from(shown));
        if self.json {
            let line = Line { count, kind, notations, first_frame };
            writeln!(self.out, "{}", serde_json::to_string(&line)?)?;
        } else {
            writeln!(self.out, "{count:>8}  {first_frame:>8}  {kind:<7}  {}", notations.text())?;
        }
        Ok(())
    }

    fn write_rest(&mut self) -> Result<()> {
        let rest = self.rest;
        if self.json {
            writeln!(self.out, "{}", serde_json::to_string(&Rest { rest })?)?;
        } else {
            writeln!(self.out, "{rest:>8}  of other fingerprints than the first {ROOM}")?;
        }
        Ok(())
    }
}

impl<W: Write> Report for Summary<W> {
    fn tell(&mut self, seen: &Seen) -> Result<()> {
        let shown = Shown::from(&seen.fingerprint);
        let full = self.tallies.len() >= ROOM;
        match self.tallies.get_mut(&shown) {
            Some(tally) => tally.count += 1,
            None if full => self.rest += 1,
            None => {
                self.tallies.insert(shown, Tally { count: 1, first_frame: seen.frame });
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let mut tallies: Vec<_> = std::mem::take(&mut self.tallies).into_iter().collect();
        tallies.sort_unstable_by_key(|(_, tally)| (Reverse(tally.count), tally.first_frame));
        tallies.iter().try_for_each(|(shown, tally)| self.write(shown, tally))?;
        if self.rest > 0 {
            self.write_rest()?;
        }
        Ok(self.out.flush()?)
    }
}
