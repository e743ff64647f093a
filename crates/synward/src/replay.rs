//! `synward replay`: the judgement of live traffic, over a capture.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError};
use serde::Serialize;
use synward_policy::{Faults, ListNames, Snapshot, Verdict};

use crate::cli::ReplayOptions;
use crate::reload;

/// Bytes read at once: a block of a capture must fit.
const BUFFER: usize = 1 << 20;

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
    if let Err(faults) = Faults::check(loaded.refused) {
        eprintln!("{faults}\n\nthese lines are refused, all others are in force");
    }
    let snapshot = Snapshot { rules: loaded.rules, ..Snapshot::default() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut number = 0;
    let judged = for_each_frame(&options.capture, |frame| {
        number += 1;
        let verdict = snapshot.judge(options.from.direction(), frame);
        let line = line(number, &verdict, &snapshot, &loaded.names);
        write_line(&mut out, &line, options.json)
    });
    // What was judged before a fault in the capture is told before the fault.
    out.flush()?;
    judged.with_context(|| format!("{}: behind frame {number}", options.capture.display()))
}

fn line<'a>(frame: u64, verdict: &Verdict, snapshot: &Snapshot, names: &'a ListNames) -> Line<'a> {
    let told = verdict.noteworthy().map(|told| told.decision);
    let (reason, rule) = told.map_or((verdict.reason, verdict.rule), |told| (told.reason, told.rule));
    let list = rule.and_then(|rule| snapshot.rules.list_of(rule)).map(|list| names.name(list));
    Line { frame, verdict: verdict.name(), reason: reason.name(), list }
}

fn write_line(out: &mut impl Write, line: &Line<'_>, json: bool) -> Result<()> {
    if json {
        serde_json::to_writer(&mut *out, line)?;
        writeln!(out)?;
    } else {
        let Line { frame, verdict, reason, list } = line;
        writeln!(out, "{frame:>8}  {verdict:<10}  {reason:<20}  {}", list.unwrap_or("-"))?;
    }
    Ok(())
}

/// Calls `judge` with the bytes of each frame of a capture, in its order.
fn for_each_frame(capture: &Path, mut judge: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let file = File::open(capture)?;
    let mut reader = match pcap_parser::create_reader(BUFFER, file) {
        Ok(reader) => reader,
        Err(error) => bail!("this is no pcap or pcapng file ({error:?})"),
    };
    let mut interfaces = Vec::new();
    loop {
        match reader.next() {
            Ok((size, block)) => {
                if let Some(frame) = frame_of(&block, &mut interfaces)? {
                    judge(frame)?;
                }
                reader.consume(size);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => refill(&mut *reader)?,
            Err(error) => bail!("the capture is damaged ({error:?})"),
        }
    }
}

fn refill(reader: &mut dyn PcapReaderIterator) -> Result<()> {
    if reader.reader_exhausted() {
        bail!("the capture ends in the middle of a frame");
    }
    match reader.refill() {
        Ok(()) => Ok(()),
        Err(error) => bail!("the capture cannot be read ({error:?})"),
    }
}

/// The frame in a block, if it holds one. `interfaces` collects what a pcapng section captured on.
fn frame_of<'a>(block: &'a PcapBlockOwned<'_>, interfaces: &mut Vec<Linktype>) -> Result<Option<&'a [u8]>> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => ethernet(header.network).map(|()| None),
        PcapBlockOwned::Legacy(block) => captured(block.data, block.caplen),
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            Ok(None)
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            interfaces.push(description.linktype);
            Ok(None)
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
            let interface = interfaces.get(block.if_id as usize).copied();
            ethernet(interface.context("a frame of an interface that the capture does not describe")?)?;
            captured(block.data, block.caplen)
        }
        PcapBlockOwned::NG(_) => Ok(None),
    }
}

fn captured(data: &[u8], length: u32) -> Result<Option<&[u8]>> {
    data.get(..length as usize).map(Some).context("a frame is shorter than it says")
}

fn ethernet(link: Linktype) -> Result<()> {
    match link {
        Linktype::ETHERNET => Ok(()),
        other => bail!("the capture is of link type {other}, and frames of Ethernet are needed"),
    }
}
