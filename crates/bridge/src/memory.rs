//! A port in memory: frames in, frames out, buffers counted as on a real one. For tests of the worker.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::port::{Census, Pool, Port};

/// A pool of buffers in memory.
#[derive(Debug)]
pub struct MemoryPool {
    free: Vec<MemoryFrame>,
    size: usize,
}

/// A frame in a buffer of a [`MemoryPool`], or a piece of one.
#[derive(Debug, Default)]
pub struct MemoryFrame {
    bytes: Vec<u8>,
    continues: bool,
}

impl MemoryPool {
    /// A pool of empty buffers.
    pub fn new(size: usize) -> Self {
        Self { free: (0..size).map(|_| MemoryFrame::default()).collect(), size }
    }
}

impl Pool for MemoryPool {
    type Frame = MemoryFrame;

    fn bytes<'a>(&'a self, frame: &'a MemoryFrame) -> &'a [u8] {
        &frame.bytes
    }

    fn continues(&self, frame: &MemoryFrame) -> bool {
        frame.continues
    }

    fn release(&mut self, frame: MemoryFrame) {
        self.free.push(frame);
    }

    fn free(&self) -> usize {
        self.free.len()
    }

    fn size(&self) -> usize {
        self.size
    }
}

/// A port in memory. Its fields are what lies on its wire, and how it behaves.
#[derive(Debug)]
pub struct MemoryPort {
    /// Frames that will arrive.
    pub arriving: VecDeque<Vec<u8>>,
    /// Frames that were sent.
    pub sent: Vec<Vec<u8>>,
    /// How many buffers it can have under way at once, in each direction.
    pub capacity: usize,
    /// Bytes that it puts into one buffer.
    pub piece: usize,
    /// Whether it sends what it is given: when not, its tx ring fills up.
    pub sends: bool,
    /// Whether it says that its link is down.
    pub link_down: bool,
    /// What its clock says, in ms.
    pub clock: Arc<AtomicU64>,
    /// When the worker last told that it lives, and the generation of its rules.
    pub beat: Option<(Duration, u64)>,
    /// The sources that it was told of, with the generation of the rules that block them.
    pub blocked: Vec<(IpAddr, u64)>,
    fill: Vec<MemoryFrame>,
    tx: VecDeque<MemoryFrame>,
}

impl MemoryPort {
    /// A port with an empty wire.
    pub fn new(capacity: usize) -> Self {
        Self {
            arriving: VecDeque::new(),
            sent: Vec::new(),
            capacity,
            piece: usize::MAX,
            sends: true,
            link_down: false,
            clock: Arc::default(),
            beat: None,
            blocked: Vec::new(),
            fill: Vec::new(),
            tx: VecDeque::new(),
        }
    }
}

impl Port for MemoryPort {
    type Frame = MemoryFrame;
    type Pool = MemoryPool;

    fn refill(&mut self, pool: &mut MemoryPool) {
        let wanted = self.capacity.saturating_sub(self.fill.len()).min(pool.free.len());
        self.fill.extend(pool.free.drain(..wanted));
    }

    fn receive(&mut self, frames: &mut Vec<MemoryFrame>, limit: usize) {
        let mut count = 0;
        while count < limit {
            let Some(bytes) = self.arriving.pop_front() else { return };
            let pieces = bytes.len().div_ceil(self.piece);
            if pieces > self.fill.len() {
                return self.arriving.push_front(bytes);
            }
            self.fill.truncate(self.fill.len() - pieces);
            let piece = |(number, bytes): (usize, &[u8])| MemoryFrame {
                bytes: bytes.to_vec(),
                continues: number + 1 < pieces,
            };
            frames.extend(bytes.chunks(self.piece).enumerate().map(piece));
            count += pieces;
        }
    }

    fn transmit(&mut self, frames: &mut Vec<MemoryFrame>) {
        let room = self.capacity.saturating_sub(self.tx.len()).min(frames.len());
        let ends = |place: &usize| frames.get(place - 1).is_some_and(|frame| !frame.continues);
        let whole = (1..=room).rev().find(ends).unwrap_or(0);
        self.tx.extend(frames.drain(..whole));
    }

    fn reclaim(&mut self, pool: &mut MemoryPool) {
        if !self.sends {
            return;
        }
        let mut frame = Vec::new();
        for piece in self.tx.drain(..) {
            frame.extend_from_slice(&piece.bytes);
            if !piece.continues {
                self.sent.push(std::mem::take(&mut frame));
            }
            pool.free.push(piece);
        }
    }

    fn take_refused(&mut self) -> usize {
        0
    }

    fn is_unsent(&self) -> bool {
        !self.tx.is_empty()
    }

    fn link_is_down(&self) -> bool {
        self.link_down
    }

    fn census(&self) -> Census {
        Census { fill: self.fill.len(), tx: self.tx.len(), ..Census::default() }
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.clock.load(Ordering::Relaxed))
    }

    fn beat(&mut self, now: Duration, generation: u64) {
        self.beat = Some((now, generation));
    }

    fn remember_blocked(&mut self, source: IpAddr, generation: u64) {
        self.blocked.push((source, generation));
    }

    fn wait(_: [&Self; 2], timeout: Duration) {
        std::thread::sleep(timeout);
    }
}
