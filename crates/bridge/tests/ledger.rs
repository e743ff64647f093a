//! What lists did is counted to the last frame, over any number of reloads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails by panicking is a test that works"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use synward_bridge::{
    Desk, Ledger, MemoryPool, MemoryPort, Publisher, Stats, Subscription, Worker, events, loop_times,
};
use synward_policy::{Config, ListNames, Reason, RuleSet, Snapshot, Wait};

/// A folder of its own, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("synward-ledger-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Compiles lists of addresses. Each has a name, what else its section says, and its lines.
    fn compile(&self, lists: &[(&str, &str, &str)], names: &mut ListNames) -> Arc<RuleSet> {
        let mut text = "[bridge]\noutside = 'a'\ninside = 'b'\nmode = 'enforce'\n".to_owned();
        for (name, section, lines) in lists {
            fs::write(self.0.join(name), lines).unwrap();
            text += &format!("[[list]]\nname = '{name}'\nfile = '{name}'\nkind = 'ip'\n{section}\n");
        }
        let config = Config::parse(&self.0.join("synward.toml"), &text).unwrap();
        Arc::new(RuleSet::compile(&config, names).unwrap().rules)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const BLOCK: &str = "action = 'block'";
const ALLOW: &str = "action = 'allow'";
const QUIET: &str = "action = 'block'\nmode = 'monitor'";

fn ping(last: u8) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([192, 0, 2, last], [198, 51, 100, 1], 64)
        .icmpv4_echo_request(1, 1)
        .write(&mut frame, &[7; 8])
        .unwrap();
    frame
}

fn snapshot(rules: &Arc<RuleSet>, generation: u64) -> Snapshot {
    Snapshot { rules: Arc::clone(rules), generation, ..Snapshot::default() }
}

/// A worker to whom frames from 192.0.2.1 to 192.0.2.8 arrive over and over, `frames` in all.
fn worker(rules: Subscription, stats: &Arc<Stats>, frames: usize) -> Worker<MemoryPort> {
    let (events, _) = events();
    let (timer, _) = loop_times().unwrap();
    let stale_after = Duration::from_millis(250);
    let desk =
        Desk { queue: 0, rules, stats: Arc::clone(stats), events, timer, stale_after, wait: Wait::Adaptive };
    let mut outside = MemoryPort::new(64);
    outside.arriving.extend((1..=8).cycle().take(frames).map(ping));
    Worker::new(desk, outside, MemoryPort::new(64), MemoryPool::new(256))
}

/// Hits and decisions of lists.
fn told(ledger: &Ledger, names: &mut ListNames, lists: &[&str]) -> Vec<(u64, u64)> {
    let totals = ledger.totals();
    let of = |name: &&str| {
        names.id(name).map(|id| (totals.hits[id.index()], totals.decisions[id.index()])).unwrap()
    };
    lists.iter().map(of).collect()
}

#[test]
fn every_list_that_covers_is_hit_and_the_first_of_the_strongest_decides() {
    let (folder, mut names) = (Folder::new("sets"), ListNames::default());
    let lists = [
        ("trial", QUIET, "192.0.2.0/29"),
        ("wide", BLOCK, "192.0.0.0/16"),
        ("narrow", BLOCK, "192.0.2.1\n192.0.2.2"),
        ("good", ALLOW, "192.0.2.2/31"),
    ];
    let rules = folder.compile(&lists, &mut names);
    let (publisher, mut subscriptions) = Publisher::new(snapshot(&rules, 1), 1);
    let stats = Arc::new(Stats::default());
    let mut worker = worker(subscriptions.pop().unwrap(), &stats, 8);
    worker.turn(Instant::now());
    let told = told(publisher.ledger(), &mut names, &["trial", "wide", "narrow", "good"]);
    // 192.0.2.1 to .7 are in trial, all in wide. The two that good covers it decides, on both sides.
    assert_eq!(told, [(7, 5), (8, 6), (2, 0), (2, 2)]);
    assert_eq!(Reason::all().map(|reason| stats.dropped(reason)).sum::<u64>(), 6);
}

/// The lists of every other rule set are in another order, and one of them has other entries: its sets have other numbers.
#[test]
fn no_count_is_lost_or_doubled_or_goes_back_over_a_thousand_reloads() {
    const WORKERS: usize = 2;
    const RELOADS: u64 = 1000;
    let (folder, mut names) = (Folder::new("reloads"), ListNames::default());
    let all = ("all", BLOCK, "192.0.2.0/24");
    let one = folder.compile(&[all, ("odd", BLOCK, "192.0.2.1\n192.0.2.3")], &mut names);
    let other = folder.compile(&[("odd", BLOCK, "192.0.2.1\n192.0.2.5\n192.0.2.7"), all], &mut names);
    let (mut publisher, subscriptions) = Publisher::new(snapshot(&one, 1), WORKERS);
    let ledger = publisher.ledger().clone();
    let (stop, frames) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for rules in subscriptions {
            let (stop, frames) = (&stop, &frames);
            scope.spawn(move || {
                let stats = Arc::new(Stats::default());
                let mut worker = worker(rules, &stats, 300_000);
                while !stop.load(Ordering::Relaxed) {
                    worker.turn(Instant::now());
                }
                frames.fetch_add(stats.ports[0].rx_frames.get(), Ordering::Relaxed);
            });
        }
        while ledger.totals().hits.iter().sum::<u64>() == 0 {
            thread::yield_now();
        }
        let mut last = told(&ledger, &mut names, &["all", "odd"]);
        for generation in 2..=RELOADS {
            publisher.publish(snapshot(if generation % 2 == 0 { &other } else { &one }, generation));
            thread::sleep(Duration::from_micros(50));
            publisher.reap();
            let now = told(&ledger, &mut names, &["all", "odd"]);
            assert!(
                last.iter().zip(&now).all(|(last, now)| last.0 <= now.0 && last.1 <= now.1),
                "{last:?} {now:?}"
            );
            last = now;
        }
        stop.store(true, Ordering::Relaxed);
    });
    while publisher.reap() > 0 {}
    let frames = frames.into_inner();
    let [all, odd] = told(&ledger, &mut names, &["all", "odd"])[..] else { panic!("two lists") };
    // Each frame is in "all", and exactly one list decides about it.
    assert!(frames > 0);
    assert_eq!((all.0, all.1 + odd.1), (frames, frames));
    assert!(odd.0 <= frames / 2 && odd.1 <= odd.0);
}
