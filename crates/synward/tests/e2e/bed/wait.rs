//! Waiting for something to happen, but not for ever.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(8);

/// Looks again and again until there is an answer; `explain` tells what was there instead when none comes.
pub(crate) fn eventually<T>(
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    explain: impl FnOnce() -> String,
) -> T {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(answer) = look() {
            return answer;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}\n{}", explain())
}
