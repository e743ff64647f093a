//! A port whose driver leaves the polling to the worker.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Nic;

/// For how many looks that find nothing the driver does not turn its interrupt on again: two, as the kernel's documentation has it
/// (Documentation/networking/napi.rst).
const HARD_IRQS: u32 = 2;

/// After how many ns without a look of the worker's the kernel looks by itself: long enough for a busy worker's turn, short enough that
/// a hung worker costs no more latency than an interrupt of an idle machine.
const FLUSH_TIMEOUT: u64 = 200_000;

/// What a port had of these before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interrupts {
    hard_irqs: u32,
    flush_timeout: u64,
}

/// A port on which interrupts wait while somebody polls (`napi_defer_hard_irqs` and `gro_flush_timeout`,
/// Documentation/ABI/testing/sysfs-class-net). Its drop gives it back.
#[derive(Debug)]
#[must_use = "dropped, it gives the interrupts back"]
pub(crate) struct Deferred {
    port: String,
    before: Option<Interrupts>,
}

impl Deferred {
    /// Has interrupts wait.
    ///
    /// # Errors
    /// When the kernel is older than 5.8 and has no such setting, or /sys cannot be written.
    pub(crate) fn apply(nic: &Nic) -> io::Result<Self> {
        let port = nic.name().to_owned();
        let before = Interrupts { hard_irqs: read(&port, HARD)?, flush_timeout: read(&port, FLUSH)? };
        let deferred = Self { port, before: Some(before) };
        deferred.set(Interrupts { hard_irqs: HARD_IRQS, flush_timeout: FLUSH_TIMEOUT })?;
        Ok(deferred)
    }

    /// The port for which somebody else has done so.
    pub(crate) fn done_to(nic: &Nic, before: Interrupts) -> Self {
        Self { port: nic.name().to_owned(), before: Some(before) }
    }

    /// Leaves it as it is; what there was before.
    pub(crate) fn keep(mut self) -> Option<Interrupts> {
        self.before.take()
    }

    fn set(&self, interrupts: Interrupts) -> io::Result<()> {
        fs::write(path(&self.port, HARD), interrupts.hard_irqs.to_string())?;
        fs::write(path(&self.port, FLUSH), interrupts.flush_timeout.to_string())
    }
}

const HARD: &str = "napi_defer_hard_irqs";
const FLUSH: &str = "gro_flush_timeout";

fn path(port: &str, file: &str) -> PathBuf {
    PathBuf::from(format!("/sys/class/net/{port}/{file}"))
}

fn read<T: std::str::FromStr>(port: &str, file: &str) -> io::Result<T> {
    let text = fs::read_to_string(path(port, file))?;
    text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

impl Drop for Deferred {
    fn drop(&mut self) {
        let Some(before) = self.before.take() else { return };
        if let Err(error) = self.set(before) {
            tracing::warn!(port = self.port, %error, "cannot give back how long interrupts wait");
        }
    }
}
