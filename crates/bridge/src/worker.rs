//! The worker: queue `n` of both ports, and the frames between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use synward_policy::{Action, BATCH, Direction, Moment, Noteworthy, Reason, Snapshot, Verdict, Wait};
use synward_wire::{Head, Located, locate};

use crate::event::{EventSender, Occasion};
use crate::loop_time::LoopTimer;
use crate::port::{Pool, Port};
use crate::publish::{InForce, Subscription};
use crate::stats::{Counting, Stats};
use crate::tally::Tally;

/// Turns without a frame before the worker sleeps, or lets others have its core for a moment: a few microseconds, so that a busy wire
/// is never waited for and an idle one costs nothing.
const IDLE_TURNS: u32 = 64;

/// The longest sleep. A worker that sees no frame still takes up new rules and the request to stop, and tells that it lives.
const SLEEP: Duration = Duration::from_millis(50);

/// The longest sleep while a port has not sent everything: it may need another push.
const SLEEP_UNSENT: Duration = Duration::from_millis(1);

/// The most tokens in the worker's hand: those of a batch, the last frame of which may be in pieces.
const TOKENS: usize = 2 * BATCH;

/// Turns between two looks at where the buffers are.
const CENSUS_INTERVAL: u64 = 1024;

/// How long nothing may come and nothing may be under way before a worker that is told to stop has brought all to its end.
const QUIET: Duration = Duration::from_millis(5);

/// The longest that a worker takes to stop, for a port that never gets rid of its frames.
const LONGEST_DRAIN: Duration = Duration::from_millis(500);

/// What a worker needs beside its ports.
#[derive(Debug)]
pub struct Desk {
    /// Number of the queue that it serves.
    pub queue: u32,
    /// The rules.
    pub rules: Subscription,
    /// Its counters.
    pub stats: Arc<Stats>,
    /// Where it tells of drops.
    pub events: EventSender,
    /// Where it records how long its turns take.
    pub timer: LoopTimer,
    /// How long it may say nothing before its ports' fallback takes over: frames that have waited longer are not sent any more.
    pub stale_after: Duration,
    /// What it does while no frame comes.
    pub wait: Wait,
    /// What a test asks for.
    #[cfg(feature = "fault-injection")]
    pub faults: Arc<Faults>,
}

/// Faults of a worker that a test asks for.
#[cfg(feature = "fault-injection")]
#[derive(Debug, Default)]
pub struct Faults {
    /// The next turn panics.
    pub panic: AtomicBool,
    /// While it is set, the ports get no buffers to receive into.
    pub starve: AtomicBool,
}

impl Desk {
    fn is_starved(&self) -> bool {
        #[cfg(feature = "fault-injection")]
        return self.faults.starve.load(Ordering::Relaxed);
        #[cfg(not(feature = "fault-injection"))]
        false
    }
}

/// One thread's work: it owns its queue of both ports, their buffers and its counters, and shares nothing.
#[derive(Debug)]
pub struct Worker<P: Port> {
    // The ports lie before the pool: they are dropped first, and with them what uses its memory.
    outside: P,
    inside: P,
    pool: P::Pool,
    received: Vec<P::Frame>,
    verdicts: Vec<Verdict>,
    leaving: Vec<P::Frame>,
    desk: Desk,
    idle_turns: u32,
    /// When it last told that it lives, by the clock of the ports.
    last_beat: Duration,
    /// Whether it ever told.
    has_begun: bool,
}

impl<P: Port> Worker<P> {
    /// A worker for one queue of two ports that take their buffers from `pool`.
    pub fn new(desk: Desk, outside: P, inside: P, pool: P::Pool) -> Self {
        desk.stats.buffers.size.set(pool.size() as u64);
        let (received, leaving) = (Vec::with_capacity(TOKENS), Vec::with_capacity(TOKENS));
        let verdicts = Vec::with_capacity(BATCH);
        Self {
            outside,
            inside,
            pool,
            received,
            verdicts,
            leaving,
            desk,
            idle_turns: 0,
            last_beat: Duration::ZERO,
            has_begun: false,
        }
    }

    /// Moves frames until told to stop, and then brings to its end what has arrived.
    pub fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let moved = self.turn_in_time();
            if moved == 0 {
                self.pause();
            }
        }
        self.drain();
        self.take_census();
    }

    /// A turn with all that belongs around it.
    fn turn_in_time(&mut self) -> usize {
        #[cfg(feature = "fault-injection")]
        assert!(!self.desk.faults.panic.swap(false, Ordering::Relaxed), "a fault was asked for");
        let began = Instant::now();
        let moved = self.turn(began);
        self.account(began, moved);
        moved
    }

    /// One turn: a batch each way, by one snapshot. Answers how many frames were received.
    pub fn turn(&mut self, began: Instant) -> usize {
        self.beat();
        let Self { outside, inside, pool, received, verdicts, leaving, desk, last_beat, .. } = self;
        let is_starved = desk.is_starved();
        let Desk { queue, rules, stats, events, stale_after, .. } = desk;
        let Some(InForce { snapshot, tally }) = rules.load() else { return 0 };
        stats.generation.set(snapshot.generation);
        let occasion =
            |direction| Occasion { at: began, queue: *queue, direction, generation: snapshot.generation };
        let now = snapshot.bans.moment(began);
        let deadline = last_beat.saturating_add(*stale_after);
        let mut way = Way {
            snapshot,
            now,
            deadline,
            is_starved,
            tally,
            stats,
            events,
            pool,
            received,
            verdicts,
            leaving,
        };
        way.relay(occasion(Direction::In), outside, inside)
            + way.relay(occasion(Direction::Out), inside, outside)
    }

    /// Tells the fallback of both ports that the worker lives. If it has been silent for too long, the fallback has let later frames pass:
    /// what has waited since then is dropped first, while the fallback still keeps further frames away.
    fn beat(&mut self) {
        let now = self.outside.now();
        let silent = now.saturating_sub(std::mem::replace(&mut self.last_beat, now));
        if self.has_begun && silent > self.desk.stale_after {
            self.discard_waiting();
        }
        self.has_begun = true;
        let generation = self.desk.stats.generation.get();
        self.outside.beat(now, generation);
        self.inside.beat(now, generation);
    }

    fn discard_waiting(&mut self) {
        let Self { outside, inside, pool, received, desk, .. } = self;
        for (direction, port) in [(Direction::In, outside), (Direction::Out, inside)] {
            loop {
                port.receive(received, BATCH);
                if received.is_empty() {
                    break;
                }
                desk.stats.count_lost(direction, Reason::Stale, count_frames(pool, received));
                received.drain(..).for_each(|frame| pool.release(frame));
            }
        }
    }

    /// Goes on until nothing comes and nothing is under way any more.
    fn drain(&mut self) {
        let began = Instant::now();
        let mut busy = began;
        while busy.elapsed() < QUIET && began.elapsed() < LONGEST_DRAIN {
            let moved = self.turn_in_time();
            if moved > 0 || self.outside.is_unsent() || self.inside.is_unsent() {
                busy = Instant::now();
            } else {
                std::thread::yield_now();
            }
        }
    }

    /// The two ports: outside, inside.
    pub fn ports(&self) -> (&P, &P) {
        (&self.outside, &self.inside)
    }

    fn account(&mut self, began: Instant, moved: usize) {
        let Desk { stats, timer, .. } = &mut self.desk;
        stats.loops.add(1);
        if moved == 0 {
            stats.idle_loops.add(1);
        } else {
            self.idle_turns = 0;
            timer.record(began.elapsed());
        }
        if stats.loops.get() % CENSUS_INTERVAL == 0 {
            self.take_census();
        }
    }

    /// Looks again for a while, then sleeps until a frame comes; or lets others have the core for a moment, where it never sleeps: the
    /// kernel's own receiver of a port, which may have begun there, is one of them.
    fn pause(&mut self) {
        self.idle_turns = self.idle_turns.saturating_add(1);
        if self.desk.wait != Wait::Poll && self.idle_turns < IDLE_TURNS {
            return std::hint::spin_loop();
        }
        self.take_census();
        self.desk.timer.exchange();
        if self.desk.wait == Wait::Busy {
            self.idle_turns = 0;
            return std::thread::yield_now();
        }
        let unsent = self.outside.is_unsent() || self.inside.is_unsent();
        P::wait([&self.outside, &self.inside], if unsent { SLEEP_UNSENT } else { SLEEP });
    }

    fn take_census(&self) {
        let hand = self.received.len() + self.leaving.len();
        let ports = [self.outside.census(), self.inside.census()];
        self.desk.stats.buffers.note(self.pool.free(), hand, ports);
    }
}

/// The way of the frames of one turn.
struct Way<'a, P: Port> {
    snapshot: &'a Snapshot,
    /// When the turn began, by the clock of the bans.
    now: Moment,
    /// When the fallback takes over, by the clock of the ports: the frames of this turn are late then.
    deadline: Duration,
    /// Whether a test keeps buffers from the ports.
    is_starved: bool,
    tally: &'a Tally,
    stats: &'a Stats,
    events: &'a EventSender,
    pool: &'a mut P::Pool,
    received: &'a mut Vec<P::Frame>,
    verdicts: &'a mut Vec<Verdict>,
    leaving: &'a mut Vec<P::Frame>,
}

impl<P: Port> Way<'_, P> {
    /// Takes a batch from one port and hands what may pass to the other. Answers how many frames were received.
    fn relay(&mut self, occasion: Occasion, from: &mut P, to: &mut P) -> usize {
        to.reclaim(self.pool);
        if !self.is_starved {
            from.refill(self.pool);
        }
        from.receive(self.received, BATCH);
        if self.received.is_empty() {
            // The port may have tried again what it had.
            self.count_refused(occasion.direction, to);
            return 0;
        }
        self.judge_all(occasion.direction);
        let count = self.verdicts.len();
        let (bytes_in, bytes_out) = self.sort(occasion, from);
        self.send(occasion.direction, to, bytes_out);
        let (rx, _) = self.stats.route(occasion.direction);
        rx.rx_frames.add(count as u64);
        rx.rx_bytes.add(bytes_in);
        count
    }

    /// Judges the batch as one: a verdict for each frame, in the same order.
    fn judge_all(&mut self, direction: Direction) {
        let Self { snapshot, now, stats, tally, pool, received, verdicts, .. } = self;
        let mut counting = Counting { stats, tally };
        let heads = heads(*pool, received);
        snapshot.judge_batch(direction, heads, *now, &mut counting, |verdict| verdicts.push(verdict));
    }

    /// Sorts the batch by its verdicts: what may pass is left in `leaving`, the rest is freed. Answers the bytes of both.
    fn sort(&mut self, occasion: Occasion, from: &mut P) -> (u64, u64) {
        let (mut bytes_in, mut bytes_out) = (0, 0);
        let (mut action, mut is_piece) = (Action::Drop, false);
        let mut verdicts = self.verdicts.drain(..);
        for token in self.received.drain(..) {
            let bytes = self.pool.bytes(&token);
            let length = bytes.len() as u64;
            // The pieces of a frame share the fate of its head.
            if !is_piece && let Some(verdict) = verdicts.next() {
                action = verdict.action;
                self.stats.count(occasion.direction, &verdict, &self.snapshot.rules);
                if let Some(told) = verdict.noteworthy() {
                    self.events.tell(occasion, told, bytes, self.stats);
                    remember(self.snapshot, occasion, told, bytes, from);
                }
            }
            is_piece = self.pool.continues(&token);
            bytes_in += length;
            match action {
                Action::Forward => {
                    bytes_out += length;
                    self.leaving.push(token);
                }
                Action::Drop => self.pool.release(token),
            }
        }
        (bytes_in, bytes_out)
    }

    /// Hands the frames over. What the port does not take is dropped: a frame that waits here would keep a
    /// buffer from being received into.
    fn send(&mut self, direction: Direction, to: &mut P, mut bytes: u64) {
        let wanted = count_frames(self.pool, self.leaving);
        let late = to.now() > self.deadline;
        if !late {
            to.transmit(self.leaving);
        }
        let left = count_frames(self.pool, self.leaving);
        if !self.leaving.is_empty() {
            let reason = match late {
                true => Reason::Stale,
                false if to.link_is_down() => Reason::LinkDown,
                false => Reason::TxFull,
            };
            self.stats.count_lost(direction, reason, left);
            for frame in self.leaving.drain(..) {
                bytes -= self.pool.bytes(&frame).len() as u64;
                self.pool.release(frame);
            }
        }
        let refused = self.count_refused(direction, to);
        let (_, tx) = self.stats.route(direction);
        tx.tx_frames.add((wanted - left).saturating_sub(refused) as u64);
        tx.tx_bytes.add(bytes);
    }

    /// Counts what the port took and then threw away, and answers how many frames that were.
    fn count_refused(&self, direction: Direction, to: &mut P) -> usize {
        let refused = to.take_refused();
        if refused > 0 {
            self.stats.count_lost(direction, Reason::LinkDown, refused);
        }
        refused
    }
}

/// The heads of the frames that these tokens are of.
fn heads<'a, P: Pool>(pool: &'a P, tokens: &'a [P::Frame]) -> impl Iterator<Item = Head<'a>> {
    let mut tokens = tokens.iter();
    std::iter::from_fn(move || {
        let head = tokens.next()?;
        let (mut goes_on, mut beyond) = (pool.continues(head), 0);
        while goes_on && let Some(piece) = tokens.next() {
            beyond += pool.bytes(piece).len();
            goes_on = pool.continues(piece);
        }
        Some(Head { bytes: pool.bytes(head), beyond })
    })
}

/// Number of the frames that these tokens are of.
fn count_frames<P: Pool>(pool: &P, tokens: &[P::Frame]) -> usize {
    tokens.iter().filter(|token| !pool.continues(token)).count()
}

/// Tells the fallback of a source that a list blocks, whatever the frame: not one that only carries the packets of such a source. Bans end
/// at a time of their own, and are not told.
fn remember<P: Port>(snapshot: &Snapshot, occasion: Occasion, told: Noteworthy, frame: &[u8], from: &mut P) {
    if told.enforced
        && told.decision.reason == Reason::BlockList
        && occasion.direction == Direction::In
        && let Located::Packet(packet) = locate(frame)
        && snapshot.blocks(packet.source)
    {
        from.remember_blocked(packet.source, occasion.generation);
    }
}
