//! How far a large capture was read.

use std::io::{self, Read, Write};

/// Bytes of a capture that takes long enough for somebody to wonder.
pub(super) const LARGE: u64 = 1 << 25;

/// A capture that says on stderr how much of it was read, and takes it back at its end.
pub(super) struct Progress<R> {
    capture: R,
    len: u64,
    read: u64,
    told: Option<u64>,
}

impl<R> Progress<R> {
    /// Of a capture of so many bytes.
    pub(super) fn new(capture: R, len: u64) -> Self {
        Self { capture, len, read: 0, told: None }
    }

    fn tell(&mut self) {
        let percent = (self.read * 100).checked_div(self.len);
        if percent != self.told {
            self.told = percent;
            let _ = write!(io::stderr(), "\r{:>3} % read", percent.unwrap_or_default());
        }
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.capture.read(buffer)?;
        self.read += read as u64;
        self.tell();
        Ok(read)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        let _ = write!(io::stderr(), "\r{:10}\r", "");
    }
}
