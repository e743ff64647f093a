//! What the service manager hears (sd_notify(3)): systemd, or whoever else has set `NOTIFY_SOCKET`. Where nobody has, nothing is said.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sd_notify::NotifyState;

use super::view::View;

/// The most messages that are kept for a manager which does not read; of more, the oldest are forgotten.
const MOST_UNSAID: usize = 64;

/// What the manager is told while nothing is wrong.
const WELL: &str = "forwarding";

/// The manager's ear.
///
/// Connected once, at the start: the sandbox lets nobody connect later, so the library's own `notify`, which connects each time, is of no use.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Watchdog>,
    /// What it was last told of the state of the bridge.
    status: String,
    /// Messages that found its queue full, the oldest first.
    unsaid: VecDeque<String>,
}

/// How often the manager wants to hear that the program lives, and when it last has.
#[derive(Debug)]
struct Watchdog {
    period: Duration,
    fed: Option<Instant>,
}

impl Manager {
    /// # Errors
    /// When `NOTIFY_SOCKET` names a socket that nobody listens on.
    pub(super) fn connect() -> Result<Self> {
        let socket = std::env::var_os("NOTIFY_SOCKET").map(|name| connect(&name)).transpose()?;
        // Half of the time, as sd_watchdog_enabled(3) advises: a message that is a little late is not too late.
        let watchdog = sd_notify::watchdog_enabled().map(|limit| Watchdog { period: limit / 2, fed: None });
        Ok(Self { socket, watchdog, status: String::new(), unsaid: VecDeque::new() })
    }

    /// The workers are armed, or a reload is over.
    pub(super) fn ready(&mut self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// A reload begins.
    pub(super) fn reloading(&mut self) {
        // systemd takes a READY=1 for the end of this reload if it came after this time.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "cannot read the clock for the service manager"),
        }
    }

    /// The end begins.
    pub(super) fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// Tells how it goes, if that has changed, and feeds the watchdog while this thread and at least one worker move. A worker that hangs is
    /// no reason for a restart: its queue is degraded, and the kernel holds its wire.
    pub(super) fn look(&mut self, view: &View) {
        if !self.catch_up() {
            return;
        }
        let wrong = view.wrong();
        let status = if wrong.is_empty() { WELL.to_owned() } else { wrong.join(", ") };
        if status != self.status {
            self.tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        if view.any_worker_lives() && self.watchdog.as_mut().is_some_and(Watchdog::is_hungry) {
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    fn tell(&mut self, states: &[NotifyState<'_>]) {
        if self.socket.is_some() {
            if self.unsaid.len() >= MOST_UNSAID {
                self.unsaid.pop_front();
            }
            self.unsaid.push_back(states.iter().map(|state| format!("{state}\n")).collect());
            self.catch_up();
        }
    }

    /// Says what is still to be said, in order. Whether there is a manager, and it has heard all of it: one that is busy is told again later, or it would wait
    /// for the end of a start or a reload that is over.
    fn catch_up(&mut self) -> bool {
        let Some(socket) = &self.socket else { return false };
        while let Some(message) = self.unsaid.front() {
            match socket.send(message.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    tracing::warn!(%error, message = message.trim(), "the service manager does not hear")
                }
                Ok(_) => {}
            }
            self.unsaid.pop_front();
        }
        true
    }
}

impl Watchdog {
    /// Whether it is time to feed it again. Who asks must feed it then.
    fn is_hungry(&mut self) -> bool {
        let hungry = self.fed.is_none_or(|fed| fed.elapsed() >= self.period);
        if hungry {
            self.fed = Some(Instant::now());
        }
        hungry
    }
}

fn connect(name: &OsString) -> Result<UnixDatagram> {
    let connected = address(name).and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // A manager that does not read must not stop the bridge.
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    connected.with_context(|| {
        format!(
            "cannot reach the service manager at {}; unset NOTIFY_SOCKET if there is none",
            name.display()
        )
    })
}

/// A name that begins with `@` is of the abstract namespace (unix(7)).
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}
