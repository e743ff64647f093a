//! `synward fingerprint`: what each SYN of a capture, or of an interface, shows.

mod lines;
mod live;
mod progress;
mod seen;
mod summary;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use pcap_parser::Linktype;

use crate::capture;
use crate::cli::FingerprintOptions;
use crate::ignore_closed_pipe;
use lines::Lines;
use progress::Progress;
use seen::Seen;
use summary::Summary;

/// What is made of the SYNs.
trait Report {
    /// Takes note of one.
    fn tell(&mut self, seen: &Seen) -> Result<()>;
    /// Says what is still to be said.
    fn end(&mut self) -> Result<()>;
}

pub(crate) fn fingerprint(options: &FingerprintOptions) -> Result<()> {
    let out = BufWriter::new(io::stdout().lock());
    let mut report: Box<dyn Report> = match options.summary {
        true => Box::new(Summary::new(out, options.json)),
        false => Box::new(Lines { out, json: options.json, at_once: is_live(options) }),
    };
    let read = read(options, &mut *report);
    // What was seen before a fault is told before the fault.
    let told = report.end();
    read.and(told).or_else(ignore_closed_pipe)
}

/// Whether somebody waits for each line: a pipe may come from a program that captures.
fn is_live(options: &FingerprintOptions) -> bool {
    options.live.is_some() || options.capture.as_deref().is_some_and(is_stdin)
}

fn is_stdin(capture: &Path) -> bool {
    capture == "-"
}

fn read(options: &FingerprintOptions, report: &mut dyn Report) -> Result<()> {
    match (&options.live, &options.capture) {
        (Some(interface), _) => live::read(interface, options.count, |frame| {
            let seen = Seen::of(frame, options.syn_ack);
            seen.as_ref().map_or(Ok(()), |seen| report.tell(seen)).map(|()| seen.is_some())
        }),
        (None, Some(capture)) => {
            let named = || capture.display().to_string();
            open(capture, options.summary)
                .and_then(|input| read_capture(input, options.syn_ack, report))
                .with_context(named)
        }
        (None, None) => bail!("name a capture, or an interface with --live"),
    }
}

fn open(capture: &Path, summary: bool) -> Result<Box<dyn Read + Send>> {
    if is_stdin(capture) {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(capture)?;
    let len = file.metadata()?.len();
    // Lines that appear on the terminal are progress enough.
    let quiet = summary || !io::stdout().is_terminal();
    Ok(match quiet && io::stderr().is_terminal() && len >= progress::LARGE {
        true => Box::new(Progress::new(file, len)),
        false => Box::new(file),
    })
}

fn read_capture(input: impl Read + Send, syn_ack: bool, report: &mut dyn Report) -> Result<()> {
    let mut unread = None;
    capture::for_each_frame(input, |frame| {
        if let Err(link_type) = frame.link {
            let (_, frames) = unread.get_or_insert((link_type, 0_u64));
            *frames += 1;
        }
        Seen::of(frame, syn_ack).map_or(Ok(()), |seen| report.tell(&seen))
    })?;
    unread.map_or(Ok(()), |(link_type, frames)| refuse(link_type, frames))
}

/// A capture may be of several interfaces: what can be read is read, but not as if it were all.
fn refuse(Linktype(first): Linktype, frames: u64) -> Result<()> {
    bail!(
        "{frames} frames were not read: their link type is {first} or another unknown one; Ethernet, raw IP, Linux \
         cooked and loopback are known"
    )
}
