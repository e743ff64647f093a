//! The worker between two ports in memory.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails by panicking is a test that works"
)]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use etherparse::PacketBuilder;
use synward_bridge::{
    Desk, Event, MemoryPool, MemoryPort, Port, Publisher, Stats, Worker, events, loop_times,
};
use synward_policy::{BanKeeper, Bans, Config, ListNames, Reason, RuleSet, Snapshot, Wait};

const BUFFERS: usize = 256;

/// How long the worker may be silent, in ms.
const STALE_AFTER: u64 = 250;

struct Bench {
    publisher: Publisher,
    stats: Arc<Stats>,
    told: Receiver<Event>,
    desk: Option<Desk>,
}

impl Bench {
    /// Rules that block 192.0.2.0/24.
    fn new() -> Self {
        let (publisher, mut subscriptions) = Publisher::new(blocking("192.0.2.0/24", 1), 1);
        let (sender, told) = events();
        let (timer, _) = loop_times().unwrap();
        let stats = Arc::new(Stats::default());
        let rules = subscriptions.pop().unwrap();
        let desk = Desk {
            queue: 0,
            rules,
            stats: Arc::clone(&stats),
            events: sender,
            timer,
            stale_after: Duration::from_millis(STALE_AFTER),
            wait: Wait::Adaptive,
        };
        Self { publisher, stats, told, desk: Some(desk) }
    }

    fn worker(&mut self, outside: MemoryPort, inside: MemoryPort) -> Worker<MemoryPort> {
        Worker::new(self.desk.take().unwrap(), outside, inside, MemoryPool::new(BUFFERS))
    }
}

fn blocking(prefix: &str, generation: u64) -> Snapshot {
    let name =
        format!("synward-worker-{}-{generation}-{:?}", std::process::id(), std::thread::current().id());
    let list = std::env::temp_dir().join(name);
    fs::write(&list, prefix).unwrap();
    let text = format!(
        "[bridge]\noutside = 'a'\ninside = 'b'\nmode = 'enforce'\n\
         [[list]]\nname = 'bad'\nfile = '{}'\nkind = 'ip'\naction = 'block'\n",
        list.display()
    );
    let config = Config::parse(&list, &text).unwrap();
    let rules = RuleSet::compile(&config, &mut ListNames::default()).unwrap().rules;
    fs::remove_file(list).unwrap();
    Snapshot { rules: Arc::new(rules), generation, ..Snapshot::default() }
}

fn ping(source: [u8; 4], payload: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4(source, [198, 51, 100, 1], 64)
        .icmpv4_echo_request(1, 1)
        .write(&mut frame, &vec![7; payload])
        .unwrap();
    frame
}

/// The places of all buffers of a worker that has just looked.
fn places(stats: &Stats) -> u64 {
    let buffers = &stats.buffers;
    [&buffers.free, &buffers.fill, &buffers.rx, &buffers.hand, &buffers.tx, &buffers.completion]
        .into_iter()
        .map(|place| place.get())
        .sum()
}

/// Lets a worker take its last look, as at the end of the program.
fn census<P: Port>(worker: &mut Worker<P>) {
    worker.run(&true.into());
}

#[test]
fn frames_cross_both_ways_unchanged_and_in_order_but_for_the_blocked() {
    let mut bench = Bench::new();
    let (mut outside, mut inside) = (MemoryPort::new(32), MemoryPort::new(32));
    let passing: Vec<Vec<u8>> = (0..20).map(|n| ping([203, 0, 113, n], n.into())).collect();
    for frame in &passing {
        outside.arriving.push_back(frame.clone());
        outside.arriving.push_back(ping([192, 0, 2, 1], 9));
        inside.arriving.push_back(frame.clone());
    }
    let mut worker = bench.worker(outside, inside);
    while worker.turn(Instant::now()) > 0 {}
    let (outside, inside) = worker.ports();
    assert_eq!(inside.sent, passing);
    assert_eq!(outside.sent, passing);
    let bytes: usize = passing.iter().map(Vec::len).sum();
    let [outer, inner] = &bench.stats.ports;
    assert_eq!((outer.rx_frames.get(), inner.tx_frames.get()), (40, 20));
    assert_eq!((inner.rx_bytes.get(), outer.tx_bytes.get()), (bytes as u64, bytes as u64));
    assert_eq!(bench.stats.dropped(Reason::BlockList), 20);
    let totals = bench.publisher.ledger().totals();
    assert_eq!((totals.hits[0], totals.decisions[0]), (20, 20));
    assert_eq!(bench.told.len(), 20);
    let event = bench.told.recv().unwrap();
    assert_eq!(event.flow.unwrap().source.to_string(), "192.0.2.1");
    let rules = bench.publisher.generation(event.generation).unwrap();
    let entry =
        rules.rules.describe(event.told.decision.rule.unwrap(), event.judged_addresses().next()).unwrap();
    assert_eq!((entry.line, entry.entry.as_str()), (1, "192.0.2.0/24"));
}

#[test]
fn buffers_are_conserved_when_the_peer_takes_nothing() {
    let mut bench = Bench::new();
    let (mut outside, inside) = (MemoryPort::new(64), MemoryPort::new(8));
    inside.sends.store(false, Ordering::Relaxed);
    outside.arriving.extend((0..100).map(|_| ping([203, 0, 113, 1], 9)));
    let mut worker = bench.worker(outside, inside);
    while worker.turn(Instant::now()) > 0 {}
    census(&mut worker);
    assert_eq!(places(&bench.stats), BUFFERS as u64);
    assert_eq!(bench.stats.buffers.tx.get(), 8);
    assert_eq!(bench.stats.dropped(Reason::TxFull), 92);
    assert_eq!(bench.stats.ports[1].tx_frames.get(), 8);
}

#[test]
fn while_no_completion_comes_the_other_way_goes_on_and_when_they_come_all_does() {
    let mut bench = Bench::new();
    let (mut outside, mut inside) = (MemoryPort::new(64), MemoryPort::new(8));
    let sends = Arc::clone(&inside.sends);
    sends.store(false, Ordering::Relaxed);
    outside.arriving.extend((0..200).map(|_| ping([203, 0, 113, 1], 9)));
    inside.arriving.extend((0..16).map(|_| ping([203, 0, 113, 2], 9)));
    let mut worker = bench.worker(outside, inside);
    for _ in 0..3 {
        worker.turn(Instant::now());
    }
    assert_eq!((worker.ports().1.sent.len(), worker.ports().0.sent.len()), (0, 16));
    assert_eq!(bench.stats.dropped(Reason::TxFull), 3 * 64 - 8);
    // By the port that they arrived at.
    assert_eq!(bench.stats.ports[1].drops.get(Reason::TxFull.index()), 0);
    sends.store(true, Ordering::Relaxed);
    while worker.turn(Instant::now()) > 0 {}
    census(&mut worker);
    // What waited, and what had not come yet.
    assert_eq!(worker.ports().1.sent.len(), 8 + 8);
    assert_eq!(places(&bench.stats), BUFFERS as u64);
    assert_eq!(bench.stats.buffers.tx.get(), 0);
}

#[test]
fn a_port_that_finds_no_buffers_receives_again_as_soon_as_there_are_some() {
    let mut bench = Bench::new();
    // The inside port can hold all buffers there are on their way out.
    let (mut outside, mut inside) = (MemoryPort::new(BUFFERS / 2), MemoryPort::new(BUFFERS));
    let sends = Arc::clone(&inside.sends);
    sends.store(false, Ordering::Relaxed);
    outside.arriving.extend((0..2 * BUFFERS).map(|_| ping([203, 0, 113, 1], 9)));
    inside.arriving.extend((0..100).map(|_| ping([203, 0, 113, 2], 9)));
    let mut worker = bench.worker(outside, inside);
    while worker.turn(Instant::now()) > 0 {}
    census(&mut worker);
    assert_eq!(bench.stats.buffers.free.get(), 0);
    let (outside, inside) = worker.ports();
    assert!(outside.census().fill == 0 && !outside.arriving.is_empty(), "frames come and find no buffer");
    assert_eq!((inside.sent.len(), outside.sent.len()), (0, 100));
    sends.store(true, Ordering::Relaxed);
    while worker.turn(Instant::now()) > 0 {}
    census(&mut worker);
    assert_eq!(worker.ports().1.sent.len(), 2 * BUFFERS);
    assert_eq!(places(&bench.stats), BUFFERS as u64);
}

#[test]
fn a_dead_link_has_a_reason_of_its_own() {
    let mut bench = Bench::new();
    let (mut outside, mut inside) = (MemoryPort::new(64), MemoryPort::new(0));
    inside.link_down = true;
    outside.arriving.extend((0..5).map(|_| ping([203, 0, 113, 1], 9)));
    let mut worker = bench.worker(outside, inside);
    worker.turn(Instant::now());
    census(&mut worker);
    assert_eq!(bench.stats.dropped(Reason::LinkDown), 5);
    assert_eq!(places(&bench.stats), BUFFERS as u64);
}

#[test]
fn new_rules_are_taken_up_at_the_next_turn() {
    let mut bench = Bench::new();
    let mut outside = MemoryPort::new(64);
    // More than one batch, so that the second turn finds the rest.
    outside.arriving.extend((0..65).map(|_| ping([203, 0, 113, 1], 9)));
    let mut worker = bench.worker(outside, MemoryPort::new(64));
    assert_eq!(worker.turn(Instant::now()), 64);
    bench.publisher.publish(blocking("203.0.113.0/24", 2));
    assert_eq!(worker.turn(Instant::now()), 1);
    assert_eq!(bench.stats.dropped(Reason::BlockList), 1);
    assert_eq!((bench.publisher.reap(), bench.publisher.reap()), (1, 0));
    assert_eq!(bench.stats.generation.get(), 2);
}

#[test]
fn a_full_channel_loses_events_and_counts_them_but_no_frame_waits() {
    let mut bench = Bench::new();
    let mut outside = MemoryPort::new(64);
    outside.arriving.extend((0..5000).map(|_| ping([192, 0, 2, 1], 9)));
    let mut worker = bench.worker(outside, MemoryPort::new(64));
    while worker.turn(Instant::now()) > 0 {}
    assert_eq!(bench.stats.dropped(Reason::BlockList), 5000);
    assert_eq!(bench.told.len() as u64 + bench.stats.events_lost.get(), 5000);
    assert!(bench.stats.events_lost.get() > 0);
}

/// The control thread does nothing any more: nobody takes out what has ended.
#[test]
fn a_ban_ends_by_itself_while_nobody_keeps_it() {
    let mut keeper = BanKeeper::new(10);
    let began = Instant::now();
    let now = keeper.bans().moment(began);
    keeper.ban([203, 0, 113, 1].into(), now, Duration::from_secs(10)).unwrap();
    let mut bench = Bench::new();
    bench.publisher.publish(Snapshot { bans: Arc::clone(keeper.bans()), ..blocking("192.0.2.0/24", 2) });
    let mut outside = MemoryPort::new(64);
    outside.arriving.extend((0..3 * 64).map(|_| ping([203, 0, 113, 1], 9)));
    let mut worker = bench.worker(outside, MemoryPort::new(128));
    let banned = || bench.stats.dropped(Reason::Ban);
    // A batch each turn.
    for (seconds, dropped) in [(0.0, 64), (9.99, 128), (10.01, 128)] {
        assert_eq!(worker.turn(began + Duration::from_secs_f64(seconds)), 64);
        assert_eq!(banned(), dropped, "after {seconds} s");
    }
    assert_eq!(keeper.len(), 1, "the set still holds it");
}

#[test]
fn a_ban_counts_from_the_next_turn_on_and_outlives_new_rules() {
    let mut keeper = BanKeeper::new(10);
    let mut bench = Bench::new();
    let with_bans = |generation, bans: &Arc<Bans>| Snapshot {
        bans: Arc::clone(bans),
        ..blocking("192.0.2.0/24", generation)
    };
    bench.publisher.publish(with_bans(2, keeper.bans()));
    let mut outside = MemoryPort::new(64);
    outside.arriving.extend((0..4 * 64).map(|_| ping([203, 0, 113, 1], 9)));
    let mut worker = bench.worker(outside, MemoryPort::new(128));
    let mut dropped_of_turn = |bench: &Bench| {
        let before = bench.stats.dropped(Reason::Ban);
        assert_eq!(worker.turn(Instant::now()), 64);
        bench.stats.dropped(Reason::Ban) - before
    };
    assert_eq!(dropped_of_turn(&bench), 0);
    let now = keeper.bans().moment(Instant::now());
    keeper.ban([203, 0, 113, 1].into(), now, Duration::from_secs(3600)).unwrap();
    assert_eq!(dropped_of_turn(&bench), 64);
    bench.publisher.publish(with_bans(3, keeper.bans()));
    assert_eq!(dropped_of_turn(&bench), 64);
    assert!(keeper.unban([203, 0, 113, 1].into(), now));
    assert_eq!(dropped_of_turn(&bench), 0);
}

#[test]
fn what_has_waited_while_the_worker_was_halted_is_dropped_and_not_sent_late() {
    let mut bench = Bench::new();
    let (mut outside, mut inside) = (MemoryPort::new(160), MemoryPort::new(64));
    let clock = Arc::clone(&outside.clock);
    inside.clock = Arc::clone(&clock);
    let frames = (0..200).map(|n| ping([203, 0, 113, 1], n));
    outside.arriving.extend(frames);
    inside.arriving.push_back(ping([198, 51, 100, 1], 1));
    let mut worker = bench.worker(outside, inside);

    assert_eq!(worker.turn(Instant::now()), 65);
    assert_eq!(worker.ports().0.beat, Some((Duration::ZERO, 0)));
    // As late as can be, and still in time.
    clock.store(STALE_AFTER, Ordering::Relaxed);
    assert_eq!(worker.turn(Instant::now()), 64);
    let dropped = || bench.stats.dropped(Reason::Stale);
    assert_eq!(dropped(), 0);

    clock.fetch_add(STALE_AFTER + 1, Ordering::Relaxed);
    assert_eq!(worker.turn(Instant::now()), 0);
    assert_eq!(dropped(), 200 - 2 * 64);
    census(&mut worker);
    let (outside, inside) = worker.ports();
    assert_eq!((inside.sent.len(), outside.sent.len()), (128, 1));
    // Both fallbacks know that it lives, and which rules it judges by.
    let beat = Some((Duration::from_millis(2 * STALE_AFTER + 1), 1));
    assert_eq!((outside.beat, inside.beat), (beat, beat));
    assert_eq!(places(&bench.stats), BUFFERS as u64);
}

#[test]
fn a_batch_that_was_held_up_in_the_hand_is_dropped() {
    let mut bench = Bench::new();
    let (mut outside, inside) = (MemoryPort::new(64), MemoryPort::new(64));
    // The clock of the port that the frames leave through is read last: it stands where the worker was held up.
    inside.clock.store(STALE_AFTER + 1, Ordering::Relaxed);
    outside.arriving.extend((0..10).map(|n| ping([203, 0, 113, 1], n)));
    let mut worker = bench.worker(outside, inside);
    assert_eq!(worker.turn(Instant::now()), 10);
    assert_eq!(bench.stats.dropped(Reason::Stale), 10);
    census(&mut worker);
    assert!(worker.ports().1.sent.is_empty());
    assert_eq!(places(&bench.stats), BUFFERS as u64);
}

#[test]
fn the_fallback_is_told_of_blocked_sources_and_of_no_others() {
    let mut bench = Bench::new();
    let (mut outside, mut inside) = (MemoryPort::new(64), MemoryPort::new(64));
    outside.arriving.extend([ping([192, 0, 2, 7], 1), ping([203, 0, 113, 1], 1)]);
    inside.arriving.push_back(ping([192, 0, 2, 8], 1));
    let mut worker = bench.worker(outside, inside);
    worker.turn(Instant::now());
    let (outside, inside) = worker.ports();
    assert_eq!(outside.blocked, [([192, 0, 2, 7].into(), 1)]);
    assert!(inside.blocked.is_empty());
}

#[test]
fn a_frame_in_pieces_is_forwarded_or_dropped_whole() {
    let mut bench = Bench::new();
    let (mut outside, mut inside) = (MemoryPort::new(150), MemoryPort::new(9));
    outside.piece = 100;
    // Five, three and one buffers; of the second only that it is blocked.
    let frames = [ping([203, 0, 113, 1], 400), ping([192, 0, 2, 1], 250), ping([203, 0, 113, 2], 20)];
    outside.arriving.extend(frames.iter().cloned());
    let bytes: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
    inside.piece = 100;
    let mut worker = bench.worker(outside, inside);
    assert_eq!(worker.turn(Instant::now()), 3);
    let [outer, inner] = &bench.stats.ports;
    assert_eq!((outer.rx_frames.get(), outer.rx_bytes.get()), (3, bytes));
    assert_eq!((inner.tx_frames.get(), inner.tx_bytes.get()), (2, bytes - frames[1].len() as u64));
    assert_eq!(bench.stats.dropped(Reason::BlockList), 1);
    census(&mut worker);
    assert_eq!(worker.ports().1.sent, [frames[0].clone(), frames[2].clone()]);
    assert_eq!(places(&bench.stats), BUFFERS as u64);
}

#[test]
fn of_a_frame_in_pieces_no_part_enters_a_ring_that_has_no_room_for_the_rest() {
    let mut bench = Bench::new();
    let (mut outside, inside) = (MemoryPort::new(150), MemoryPort::new(7));
    outside.piece = 100;
    inside.sends.store(false, Ordering::Relaxed);
    let frames = [ping([203, 0, 113, 1], 400), ping([203, 0, 113, 1], 401)];
    outside.arriving.extend(frames.iter().cloned());
    let mut worker = bench.worker(outside, inside);
    assert_eq!(worker.turn(Instant::now()), 2);
    assert_eq!(bench.stats.dropped(Reason::TxFull), 1);
    assert_eq!(bench.stats.ports[1].tx_frames.get(), 1);
    assert_eq!(bench.stats.ports[1].tx_bytes.get(), frames[0].len() as u64);
}
