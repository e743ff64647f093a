//! `synward replay`: the judgement of live traffic, over a capture.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::{Context, Result, bail};
use pcap_parser::Linktype;
use serde::Serialize;
use synward_policy::{ListNames, Snapshot, Verdict};
use synward_wire::Link;

use crate::capture::{self, Frame};
use crate::cli::ReplayOptions;
use crate::{ignore_closed_pipe, reload};

/// What is said of one frame.
#[derive(Serialize)]
struct Line<'a> {
    frame: u64,
    verdict: &'static str,
    reason: &'static str,
    list: Option<&'a str>,
}

pub(crate) fn replay(options: &ReplayOptions) -> Result<()> {
    let loaded = reload::load(&options.config, ListNames::default())?;
    reload::complain_of_refused(loaded.refused);
    let snapshot = Snapshot { rules: loaded.rules, ..Snapshot::default() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let named = || options.capture.display().to_string();
    let capture = File::open(&options.capture).with_context(named)?;
    let judged = capture::for_each_frame(capture, |frame| {
        let verdict = snapshot.judge(options.from.direction(), whole(frame)?);
        let line = line(frame.number, &verdict, &snapshot, &loaded.names);
        write_line(&mut out, &line, options.json)
    });
    // What was judged before a fault in the capture is told before the fault.
    let told = out.flush();
    judged.with_context(named).and(told.map_err(anyhow::Error::from)).or_else(ignore_closed_pipe)
}

fn line<'a>(frame: u64, verdict: &Verdict, snapshot: &Snapshot, names: &'a ListNames) -> Line<'a> {
    let told = verdict.noteworthy().map(|told| told.decision);
    let (reason, rule) = told.map_or((verdict.reason, verdict.rule), |told| (told.reason, told.rule));
    let list = rule.and_then(|rule| snapshot.rules.list_of(rule)).map(|list| names.name(list));
    Line { frame, verdict: verdict.name(), reason: reason.name(), list }
}

fn write_line(out: &mut impl Write, line: &Line<'_>, json: bool) -> Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(line)?)?;
    } else {
        let Line { frame, verdict, reason, list } = line;
        writeln!(out, "{frame:>8}  {verdict:<10}  {reason:<20}  {}", list.unwrap_or("-"))?;
    }
    Ok(())
}

/// The bytes of a frame, of which all must be there: one that was not captured whole looks damaged, and would be
/// judged as that.
fn whole<'a>(frame: &Frame<'a>) -> Result<&'a [u8]> {
    let (captured, original) = (frame.bytes.len(), frame.original_len);
    match frame.link {
        Ok(Link::Ethernet) if captured == original => Ok(frame.bytes),
        Ok(Link::Ethernet) => bail!(
            "only {captured} of its {original} bytes were captured: capture whole frames (tcpdump -s 0)"
        ),
        Ok(other) => bail!("it is of another link layer ({other:?}), and frames of Ethernet are needed"),
        Err(Linktype(other)) => bail!("it is of link type {other}, and frames of Ethernet are needed"),
    }
}
