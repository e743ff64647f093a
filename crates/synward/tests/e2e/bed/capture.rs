//! What arrives at an end of the wire, to the byte.
//!
//! tcpdump, because a packet socket alone does not show a frame as it was: the kernel takes the outermost VLAN tag out
//! before, and only libpcap puts it back.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use super::Namespace;

/// Frames as they arrive at an interface, until this is dropped.
pub(crate) struct Capture {
    program: Child,
    frames: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Capture {
    /// Captures what arrives from outside the namespace.
    pub(crate) fn start(namespace: &Namespace, device: &str) -> Self {
        let mut program = Command::new("ip")
            .args(["netns", "exec", namespace.name(), "tcpdump", "-i", device])
            // A buffer for thousands of frames, each of which is handed over at once and without an end cut off.
            .args(["-Q", "in", "-U", "--immediate-mode", "-s", "16384", "-B", "32768", "-w", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (output, errors) = (program.stdout.take().unwrap(), program.stderr.take().unwrap());
        let frames = Arc::default();
        let capture = Self { program, frames: Arc::clone(&frames) };
        let mut errors = BufReader::new(errors).lines();
        assert!(errors.any(|line| line.unwrap().contains("listening on")), "tcpdump does not start");
        // What tcpdump still has to say must find a reader, lest it waits.
        thread::spawn(move || errors.for_each(drop));
        thread::spawn(move || {
            let mut records = Records::new(BufReader::new(output));
            while let Ok(frame) = records.next_frame() {
                frames.lock().unwrap().push(frame);
            }
        });
        capture
    }

    /// How many frames have arrived and were not taken.
    pub(crate) fn count(&self) -> usize {
        self.frames.lock().unwrap().len()
    }

    /// Takes what has arrived, in its order.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.frames.lock().unwrap())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The frames of a pcap file of this machine's byte order.
pub(crate) struct Records<R> {
    reader: R,
    header_read: bool,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, header_read: false }
    }

    /// The next frame; an error at the end.
    pub(crate) fn next_frame(&mut self) -> io::Result<Vec<u8>> {
        if !self.header_read {
            let [a, b, c, d, ..] = self.read::<24>()?;
            assert_eq!(u32::from_ne_bytes([a, b, c, d]), 0xa1b2_c3d4, "no pcap file");
            self.header_read = true;
        }
        let [_, _, _, _, _, _, _, _, c0, c1, c2, c3, l0, l1, l2, l3] = self.read::<16>()?;
        assert_eq!([c0, c1, c2, c3], [l0, l1, l2, l3], "a frame was cut");
        let mut frame = vec![0; u32::from_ne_bytes([c0, c1, c2, c3]) as usize];
        self.reader.read_exact(&mut frame)?;
        Ok(frame)
    }

    fn read<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
