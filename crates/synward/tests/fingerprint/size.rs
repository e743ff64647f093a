//! Large captures, and readers that have seen enough.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::{env, fs, io, process, thread};

use crate::files::{MICRO, Order, pcap, pcap_frame, pcap_head};
use crate::packets::{ethernet, linux};

const SYNWARD: &str = env!("CARGO_BIN_EXE_synward");

/// Writes a capture of so many megabytes, of SYNs with 60,000 bytes of data.
fn write_large(mut out: impl Write, megabytes: usize) -> io::Result<()> {
    let mut packet = linux();
    packet.extend(vec![0; 60_000]);
    let frame = pcap_frame(Order::Little, [0, 0], &ethernet(&packet), 0);
    out.write_all(&pcap_head(Order::Little, MICRO, 1))?;
    (0..megabytes * 1_000_000 / frame.len()).try_for_each(|_| out.write_all(&frame))
}

#[test]
fn a_large_capture_takes_no_more_memory_than_a_small_one() {
    let mut child = Command::new("prlimit")
        .args(["--data=67108864", SYNWARD, "fingerprint", "-", "--summary", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input: ChildStdin = child.stdin.take().unwrap();
    let writer = thread::spawn(|| write_large(input, 500));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    writer.join().unwrap().unwrap();
    assert!(str::from_utf8(&output.stdout).unwrap().starts_with(r#"{"count":8320,"#), "{output:?}");
}

/// A file that goes when this is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, write: impl FnOnce(&File) -> io::Result<()>) -> Self {
        let path = env::temp_dir().join(format!("synward-{}-{name}", process::id()));
        let temporary = Self(path);
        write(&File::create(&temporary.0).unwrap()).unwrap();
        temporary
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What appears on a terminal on which the program reads a capture.
fn on_a_terminal(capture: &Path, options: &str) -> String {
    let line = format!("{SYNWARD} fingerprint {} {options}", capture.display());
    let output =
        Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn progress_is_shown_of_a_large_capture_on_a_terminal() {
    let large = Temporary::new("large.pcap", |file| write_large(file, 40));
    let small = Temporary::new("small.pcap", |mut file| file.write_all(&pcap(&[ethernet(&linux())])));
    let shown = on_a_terminal(&large.0, "--summary");
    assert!(shown.matches(" % read").count() > 10 && shown.contains("\r100 % read"), "{shown:?}");
    assert!(!on_a_terminal(&large.0, "").contains("% read"), "lines are progress enough");
    assert!(!on_a_terminal(&small.0, "--summary").contains("% read"), "it is over before anybody wonders");
    let elsewhere = Command::new(SYNWARD).args(["fingerprint", "--summary"]).arg(&large.0).output().unwrap();
    assert!(elsewhere.stderr.is_empty(), "there is no terminal: {elsewhere:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let frames = vec![ethernet(&linux()); 10_000];
    let capture = Temporary::new("pipe.pcap", |mut file| file.write_all(&pcap(&frames)));
    let mut child = Command::new(SYNWARD)
        .arg("fingerprint")
        .arg(&capture.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(100, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    assert!(line.starts_with("       1  "), "{line}");
}
