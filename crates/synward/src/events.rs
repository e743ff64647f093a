//! The event log: a JSON line for each drop and would-drop, so many a second.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use serde::Serialize;
use synward_bridge::{Event, Flow};
use synward_fingerprint::Fingerprint;
use synward_policy::{Events, ListNames, RuleDescription};

use crate::control::view::EventCounts;

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    port: &'static str,
    queue: u32,
    verdict: &'static str,
    reason: &'static str,
    list: Option<&'a str>,
    entry: Option<&'a str>,
    line: Option<u32>,
    #[serde(flatten)]
    flow: Option<FlowFields>,
    /// What a tunnel carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<FlowFields>,
    #[serde(flatten)]
    fingerprint: Option<FingerprintFields>,
}

#[derive(Debug, Serialize)]
struct FlowFields {
    source: String,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_port: Option<u16>,
    protocol: u8,
}

#[derive(Debug, Serialize)]
struct FingerprintFields {
    muonfp: String,
    #[cfg(feature = "ja4t")]
    ja4t: String,
}

/// Says that lines were left out.
#[derive(Debug, Serialize)]
struct Suppressed {
    time: String,
    suppressed: u64,
}

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct EventLog {
    path: PathBuf,
    file: BufWriter<File>,
    per_second: u32,
    second: Instant,
    written: u32,
    suppressed: u64,
}

impl EventLog {
    /// Opens the file, and makes it if there is none. Only owner and group may read it: it names who was dropped.
    pub(crate) fn open(settings: &Events) -> io::Result<Self> {
        Ok(Self {
            path: settings.file.clone(),
            file: BufWriter::new(open(&settings.file)?),
            per_second: settings.per_second.get(),
            second: Instant::now(),
            written: 0,
            suppressed: 0,
        })
    }

    /// Writes an event, if this second has room for it.
    pub(crate) fn write(
        &mut self,
        event: &Event,
        rule: Option<&RuleDescription>,
        names: &ListNames,
        counts: &EventCounts,
    ) {
        self.begin_second(counts);
        if self.written >= self.per_second {
            self.suppressed += 1;
            counts.suppressed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.written += 1;
        let written = self.append(&line(event, rule, names));
        let counter = if written.is_ok() { &counts.written } else { &counts.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets readers see what was written; also says what a second that is over has left out, and looks whether the file is still there.
    pub(crate) fn flush(&mut self, counts: &EventCounts) {
        self.begin_second(counts);
        let flushed = self.file.flush();
        if flushed.and(self.follow()).is_err() {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says what is still to be said, before another log takes over.
    pub(crate) fn end(&mut self, counts: &EventCounts) {
        self.tell_suppressed(counts);
        self.flush(counts);
    }

    fn begin_second(&mut self, counts: &EventCounts) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.written = 0;
            self.tell_suppressed(counts);
        }
    }

    /// Begins a new file where the old one was moved away, as logrotate(8) does it. What the old one has no room for is lost: it may be gone because of that.
    fn follow(&mut self) -> io::Result<()> {
        if !is_at(self.file.get_ref(), &self.path)? {
            self.file = BufWriter::new(open(&self.path)?);
        }
        Ok(())
    }

    fn tell_suppressed(&mut self, counts: &EventCounts) {
        let suppressed = std::mem::take(&mut self.suppressed);
        if suppressed > 0 && self.append(&Suppressed { time: timestamp(Duration::ZERO), suppressed }).is_err()
        {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn append(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        self.file.write_all(b"\n")
    }
}

/// Opens a file to append to, and makes it if there is none.
fn open(path: &Path) -> io::Result<File> {
    // Without waiting: a pipe that nobody reads would hold up the control thread.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// Whether a path leads to this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match fs::metadata(path) {
        Ok(found) => Ok(identity(found) == identity(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn line<'a>(event: &Event, rule: Option<&'a RuleDescription>, names: &'a ListNames) -> Line<'a> {
    Line {
        time: timestamp(event.at.elapsed()),
        port: event.direction.port(),
        queue: event.queue,
        verdict: if event.told.enforced { "drop" } else { "would-drop" },
        reason: event.told.decision.reason.name(),
        list: rule.map(|rule| names.name(rule.list)),
        entry: rule.map(|rule| rule.entry.as_str()),
        line: rule.map(|rule| rule.line),
        flow: event.flow.map(FlowFields::from),
        inner: event.inner.map(FlowFields::from),
        fingerprint: event.syn.as_ref().map(|syn| FingerprintFields::from(&Fingerprint::of(syn))),
    }
}

impl From<Flow> for FlowFields {
    fn from(flow: Flow) -> Self {
        let (source_port, destination_port) = flow.ports.unzip();
        Self {
            source: flow.source.to_string(),
            destination: flow.destination.to_string(),
            source_port,
            destination_port,
            protocol: flow.protocol,
        }
    }
}

impl From<&Fingerprint> for FingerprintFields {
    fn from(fingerprint: &Fingerprint) -> Self {
        Self {
            muonfp: fingerprint.muonfp.to_string(),
            #[cfg(feature = "ja4t")]
            ja4t: fingerprint.ja4t.to_string(),
        }
    }
}

/// The time of day `ago`, in RFC 3339 with microseconds. Events carry a monotonic time: a worker reads one clock only.
fn timestamp(ago: Duration) -> String {
    let then = SystemTime::now() - ago;
    Timestamp::try_from(then).map_or_else(|_| String::new(), |time| format!("{time:.6}"))
}

/// What to say when the log cannot be opened.
pub(crate) fn cannot_open(file: &Path, error: &io::Error) -> String {
    format!(
        "cannot write the event log {}: {error}; make its folder, or change [events] file",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;

    use serde_json::{Value, json};
    use synward_policy::{Decision, Direction, Noteworthy, Reason};

    use super::*;

    fn event() -> Event {
        let decision =
            Decision { action: synward_policy::Action::Drop, reason: Reason::BlockList, rule: None };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        Event {
            at: Instant::now(),
            queue: 1,
            direction: Direction::In,
            told: Noteworthy { decision, enforced: true },
            generation: 1,
            flow: Some(Flow {
                source: address("2001:db8::1"),
                destination: address("2001:db8::2"),
                ports: Some((40000, 22)),
                protocol: 6,
            }),
            inner: None,
            syn: None,
        }
    }

    fn log(per_second: u32) -> (EventLog, std::path::PathBuf) {
        let file = std::env::temp_dir().join(format!("synward-events-{}-{per_second}", std::process::id()));
        let per_second = NonZeroU32::new(per_second).unwrap();
        (EventLog::open(&Events { file: file.clone(), per_second }).unwrap(), file)
    }

    #[test]
    fn an_event_is_one_json_line() {
        let (mut log, file) = log(10);
        let counts = EventCounts::default();
        log.write(&event(), None, &ListNames::default(), &counts);
        log.flush(&counts);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        let mut line: Value = serde_json::from_str(&text).unwrap();
        let time = line.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().parse::<Timestamp>().is_ok());
        let expected = json!({
            "port": "outside", "queue": 1, "verdict": "drop", "reason": "block_list", "list": null, "entry": null,
            "line": null, "source": "2001:db8::1", "destination": "2001:db8::2", "source_port": 40000,
            "destination_port": 22, "protocol": 6,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_is_over_the_rate_is_counted_and_told_when_the_second_is_over() {
        let (mut log, file) = log(3);
        let counts = EventCounts::default();
        for _ in 0..8 {
            log.write(&event(), None, &ListNames::default(), &counts);
        }
        log.second -= Duration::from_secs(1);
        log.flush(&counts);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        assert_eq!(text.lines().count(), 4);
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["suppressed"], 5);
        assert_eq!((counts.written.into_inner(), counts.suppressed.into_inner()), (3, 5));
    }

    #[test]
    fn a_file_that_is_moved_away_gets_a_successor() {
        let (mut log, file) = log(4);
        let counts = EventCounts::default();
        let moved = file.with_extension("1");
        log.write(&event(), None, &ListNames::default(), &counts);
        log.flush(&counts);
        fs::rename(&file, &moved).unwrap();
        log.flush(&counts);
        log.write(&event(), None, &ListNames::default(), &counts);
        log.flush(&counts);
        for file in [moved, file] {
            assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1, "{}", file.display());
            fs::remove_file(file).unwrap();
        }
        assert_eq!(counts.failed.into_inner(), 0);
    }

    #[test]
    fn a_file_on_a_full_disk_gets_one_too() {
        let (mut log, file) = log(5);
        let counts = EventCounts::default();
        log.file = BufWriter::new(File::options().write(true).open("/dev/full").unwrap());
        log.write(&event(), None, &ListNames::default(), &counts);
        log.flush(&counts);
        assert_eq!(counts.failed.load(Ordering::Relaxed), 1);
        log.write(&event(), None, &ListNames::default(), &counts);
        log.flush(&counts);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
        fs::remove_file(file).unwrap();
    }
}
