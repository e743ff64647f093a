//! Frames of an interface.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use synward_xsk::nic::{Listener, Nic};

use crate::capture::{Frame, Time};
use crate::complain;

/// How long a signal may go unheard that comes just before the wait for a frame.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Calls `see` with each frame that passes the interface, until SIGINT or SIGTERM comes, or until it has answered `true`
/// so many times.
pub(super) fn read(
    interface: &str,
    count: Option<NonZeroU64>,
    mut see: impl FnMut(&Frame<'_>) -> Result<bool>,
) -> Result<()> {
    // Heard from here on: a summary must be written, however early the signal comes.
    let stop = stop_flag()?;
    let mut frames = Frames { listener: Listener::open(&Nic::open(interface)?)?, number: 0 };
    complain(&format!("synward: listening on {interface}"));
    let mut left = count.map_or(u64::MAX, NonZeroU64::get);
    while left > 0 && !stop.load(Ordering::Relaxed) {
        left -= u64::from(frames.see_next(&mut see)?);
    }
    frames.tell_lost()
}

/// Set by the first signal; the second one ends the program on the spot, for the output may be stuck.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

struct Frames {
    listener: Listener,
    /// Frames received.
    number: u64,
}

impl Frames {
    /// What `see` says of the next frame; `false` when none has come in a while.
    fn see_next(&mut self, see: &mut impl FnMut(&Frame<'_>) -> Result<bool>) -> Result<bool> {
        let link = Ok(self.listener.link());
        let Some(captured) = self.listener.receive()? else {
            self.listener.wait(LONGEST_WAIT)?;
            return Ok(false);
        };
        self.number += 1;
        see(&Frame {
            number: self.number,
            time: Some(Time::now()),
            link,
            bytes: captured.bytes,
            original_len: captured.original_len,
        })
    }

    fn tell_lost(&self) -> Result<()> {
        let lost = self.listener.lost()?;
        if lost > 0 {
            complain(&format!("synward: {lost} frames were lost: they came faster than they were read"));
        }
        Ok(())
    }
}
