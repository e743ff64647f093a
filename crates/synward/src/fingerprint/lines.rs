//! A line for each SYN.

use std::io::Write;
use std::net::IpAddr;

use anyhow::Result;
use serde::Serialize;
use synward_fingerprint::Malformed;

use super::Report;
use super::seen::{Notations, Seen, Shown, or_dash};

/// Writes a line for each SYN.
pub(super) struct Lines<W> {
    pub(super) out: W,
    pub(super) json: bool,
    /// Whether each line is to be seen as soon as it is written.
    pub(super) at_once: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    frame: u64,
    time: Option<&'a str>,
    src: IpAddr,
    sport: u16,
    dst: IpAddr,
    dport: u16,
    kind: &'static str,
    #[serde(flatten)]
    notations: Notations,
    malformed: Option<MalformedFields>,
}

#[derive(Serialize)]
struct MalformedFields {
    kind: u8,
    offset: u8,
    how: &'static str,
}

impl From<Malformed> for MalformedFields {
    fn from(Malformed { kind, offset, fault }: Malformed) -> Self {
        Self { kind, offset, how: fault.name() }
    }
}

impl<W: Write> Report for Lines<W> {
    fn tell(&mut self, seen: &Seen) -> Result<()> {
        let line = if self.json { json(seen)? } else { text(seen) };
        writeln!(self.out, "{line}")?;
        if self.at_once {
            self.out.flush()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}

fn json(seen: &Seen) -> serde_json::Result<String> {
    let shown = Shown::from(&seen.fingerprint);
    serde_json::to_string(&Line {
        frame: seen.frame,
        time: seen.time.as_deref(),
        src: seen.source.ip(),
        sport: seen.source.port(),
        dst: seen.destination.ip(),
        dport: seen.destination.port(),
        kind: shown.kind(),
        notations: Notations::from(&shown),
        malformed: seen.fingerprint.malformed().map(MalformedFields::from),
    })
}

fn text(seen: &Seen) -> String {
    let Seen { frame, source, destination, .. } = seen;
    let shown = Shown::from(&seen.fingerprint);
    let (kind, time, notations) =
        (shown.kind(), or_dash(seen.time.as_deref()), Notations::from(&shown).text());
    let malformed = seen.fingerprint.malformed().map(|malformed| malformed.to_string());
    let malformed = or_dash(malformed.as_deref());
    format!("{frame:>8}  {time}  {source} > {destination}  {kind:<7}  {notations}  {malformed}")
}
