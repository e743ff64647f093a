//! What the worker of a queue and the shim tell each other, in memory that both see: the heartbeat, and the sources that the
//! worker drops.

use std::io;
use std::net::IpAddr;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libbpf_rs::MapCore;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::time::{ClockId, clock_gettime};

/// Words of `struct queue_state` in the program, and their places.
const STATE_WORDS: usize = 8;
const HEARTBEAT: usize = 0;
const TAKEN: usize = 1;
const PROBES: usize = 2;
const GENERATION: usize = 3;

/// Words of `struct blocked_source` in the program: the address, then the generation.
const SOURCE_WORDS: usize = 4;

/// Frames that a worker is tried with before it has taken the first (`PROBES` in the program).
const MAX_PROBES: u64 = 256;

/// Sources that a queue remembers (`SLOTS` in the program).
const SLOTS: usize = 1024;

/// The memory of an array map, as words. Both sides read and write them as they please: none can be torn.
#[derive(Debug)]
struct Words {
    start: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the memory is used as atomics only, and belongs to no thread.
unsafe impl Send for Words {}

// SAFETY: as above: atomics may be shared.
unsafe impl Sync for Words {}

impl Words {
    fn of(map: &impl MapCore) -> io::Result<Self> {
        let count = map.max_entries() as usize * map.value_size() as usize / size_of::<u64>();
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        let length = count * size_of::<u64>();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
        let start =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, protection, flags, map.as_fd(), 0) }?;
        Ok(Self { start: NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?, count })
    }

    fn all(&self) -> &[AtomicU64] {
        // SAFETY: the mapping holds `count` words, is aligned to a page, lives as long as `self`, and is used as atomics only.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let length = self.count * size_of::<u64>();
        // SAFETY: the mapping is ours, is `length` bytes long, and nothing refers to it any more.
        let result = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), length) };
        debug_assert!(result.is_ok(), "munmap: {result:?}");
    }
}

/// The memory that the shim of a port shares with user space.
#[derive(Debug)]
pub(crate) struct Board {
    states: Words,
    blocked: Words,
    /// What is added to the generations of this process, so that none is that of another, which has left sources here.
    epoch: u64,
}

impl Board {
    pub(super) fn of(states: &impl MapCore, blocked: &impl MapCore) -> io::Result<Arc<Self>> {
        let epoch = now().as_nanos() as u64;
        Ok(Arc::new(Self { states: Words::of(states)?, blocked: Words::of(blocked)?, epoch }))
    }

    /// The part of one queue.
    pub(crate) fn line(self: &Arc<Self>, queue: u32) -> Line {
        Line { board: Arc::clone(self), queue: queue as usize }
    }
}

/// The part of one queue.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    board: Arc<Board>,
    queue: usize,
}

/// The time by the clock that the shim goes by: `bpf_ktime_get_coarse_ns`, which ticks every few milliseconds.
pub(crate) fn now() -> Duration {
    // Of a clock that counts from the boot, neither part is ever negative.
    clock_gettime(ClockId::MonotonicCoarse).try_into().unwrap_or_default()
}

impl Line {
    /// Starts anew: there is a worker that has taken nothing yet. The sources of the one before it are forgotten with its first
    /// heartbeat.
    pub(crate) fn begin(&self) {
        for place in [TAKEN, PROBES, HEARTBEAT] {
            self.set(place, 0);
        }
    }

    /// Tells the shim that the worker lives, and which rules it judges by: what others block is forgotten.
    ///
    /// The shim reads these words for each frame, mostly on another core, and a worker that waits beats millions of times a second: so
    /// they are written only where they change, every few milliseconds.
    pub(crate) fn beat(&self, now: Duration, generation: u64) {
        for (place, word) in [(GENERATION, self.tag(generation)), (HEARTBEAT, now.as_nanos() as u64)] {
            if self.get(place) != word {
                self.set(place, word);
            }
        }
    }

    /// When the worker last told that it lives.
    pub(crate) fn last_beat(&self) -> Duration {
        Duration::from_nanos(self.get(HEARTBEAT))
    }

    /// Tells the shim that frames arrive where it sends them.
    pub(crate) fn confirm(&self) {
        self.set(TAKEN, 1);
    }

    /// Whether the shim sends frames here, and does not wait any more for the first to be taken. It does not wait where it is not to
    /// fail open.
    pub(crate) fn is_trusted(&self) -> bool {
        self.get(TAKEN) != 0 || self.get(PROBES) < MAX_PROBES
    }

    fn tag(&self, generation: u64) -> u64 {
        self.board.epoch.wrapping_add(generation)
    }

    /// Lets the shim try again whether frames arrive.
    pub(crate) fn probe_again(&self) {
        self.set(PROBES, 0);
    }

    /// Tells the shim that rules of this generation block a source. A reader in between finds the slot without a generation.
    pub(crate) fn remember_blocked(&self, source: IpAddr, generation: u64) {
        let (address, generation) = (words_of(source), self.tag(generation));
        let place = slot_of(address) * SOURCE_WORDS;
        let Some([high, low, tag, _]) = self.sources().get(place..place + SOURCE_WORDS) else { return };
        if tag.load(Ordering::Relaxed) == generation
            && [high, low].map(|word| word.load(Ordering::Relaxed)) == address
        {
            return;
        }
        tag.store(0, Ordering::Relaxed);
        for (word, value) in [high, low].into_iter().zip(address) {
            word.store(value, Ordering::Release);
        }
        tag.store(generation, Ordering::Release);
    }

    fn get(&self, place: usize) -> u64 {
        self.state(place).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn set(&self, place: usize, value: u64) {
        if let Some(word) = self.state(place) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn state(&self, place: usize) -> Option<&AtomicU64> {
        self.board.states.all().get(self.queue * STATE_WORDS + place)
    }

    fn sources(&self) -> &[AtomicU64] {
        const SEGMENT: usize = SLOTS * SOURCE_WORDS;
        self.board.blocked.all().get(self.queue * SEGMENT..(self.queue + 1) * SEGMENT).unwrap_or_default()
    }
}

/// An address as the shim reads it from a frame.
fn words_of(address: IpAddr) -> [u64; 2] {
    let octets = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let (words, _) = octets.as_chunks::<8>();
    let word = |place: usize| words.get(place).map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    [word(0), word(1)]
}

/// The slot of an address: the same as in the program. The multiplier is that of Fibonacci hashing, 2^64 by the golden ratio.
fn slot_of([high, low]: [u64; 2]) -> usize {
    ((high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}
