//! What needs a look inside: addresses that share places and tags, which are hard to find from outside.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::*;

/// Passes some time, another one each time, for other threads to come in between.
pub(super) fn interleave() {
    thread_local!(static STATE: Cell<u32> = const { Cell::new(0x9e37_79b9) });
    // xorshift32 (Marsaglia 2003)
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    STATE.set(state);
    match state % 256 {
        0 => thread::yield_now(),
        spins => (0..spins / 16).for_each(|_| std::hint::spin_loop()),
    }
}

fn seconds(count: u64) -> Moment {
    Moment::START.after(Duration::from_secs(count))
}

/// Addresses that share both buckets and the tag with others of this list: what the hash calls the same.
fn alike(bans: &Bans, candidates: impl Iterator<Item = IpAddr>, count: usize) -> Vec<IpAddr> {
    let mut by_place = std::collections::HashMap::<_, Vec<IpAddr>>::new();
    for address in candidates {
        let place = bans.place(address);
        let alike = by_place.entry((place.buckets, place.tag)).or_default();
        alike.push(address);
        if alike.len() == count {
            return alike.clone();
        }
    }
    panic!("there are not {count} addresses alike");
}

fn ipv6(high: u64, low: u64) -> IpAddr {
    Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
}

#[test]
fn addresses_that_hash_alike_are_told_apart() {
    let mut keeper = BanKeeper::new(8);
    let alike = alike(keeper.bans(), (0..).map(|low| ipv6(1, low)), 9);
    for (number, address) in (1..).zip(&alike[..8]) {
        keeper.ban(*address, Moment::START, Duration::from_secs(number)).unwrap();
    }
    for (number, address) in (1..).zip(&alike[..8]) {
        assert_eq!(keeper.bans().until(*address), Some(seconds(number)));
    }
    assert_eq!(keeper.bans().until(alike[8]), None);
    assert!(keeper.unban(alike[3], Moment::START));
    assert_eq!(keeper.bans().until(alike[3]), None);
    assert_eq!(keeper.bans().until(alike[7]), Some(seconds(8)));
}

#[test]
fn families_with_the_same_bits_are_two_addresses() {
    let mut keeper = BanKeeper::new(8);
    let (v4, v6) = (IpAddr::from(Ipv4Addr::from_bits(7)), ipv6(0, 7));
    keeper.ban(v6, Moment::START, Duration::from_secs(1)).unwrap();
    assert_eq!((keeper.bans().until(v4), keeper.bans().until(v6)), (None, Some(seconds(1))));
    keeper.ban(v4, Moment::START, Duration::from_secs(2)).unwrap();
    let mut all: Vec<_> = keeper.in_force(Moment::START).collect();
    all.sort();
    assert_eq!(all, [(v4, seconds(2)), (v6, seconds(1))]);
}

#[test]
fn a_set_takes_all_that_it_was_made_for() {
    for capacity in [1, 2, 7, 8, 9, 100, 1000, 65_536] {
        let mut keeper = BanKeeper::new(capacity);
        for number in 0..capacity {
            let address = Ipv4Addr::from_bits(0x0a00_0000 + number).into();
            keeper.ban(address, Moment::START, Duration::from_secs(9)).unwrap();
        }
        let another = ipv6(1, 1);
        let full = Full { len: capacity as usize, capacity };
        assert_eq!(keeper.ban(another, Moment::START, Duration::from_secs(9)), Err(full));
        assert_eq!(keeper.bans().until(another), None);
        // Those that have ended make room.
        assert_eq!(keeper.ban(another, seconds(9), Duration::from_secs(9)), Ok(seconds(18)));
        assert_eq!((keeper.len(), keeper.changes().expired), (1, u64::from(capacity)));
    }
}

/// Whether `mixed` is what a reader would see that takes half of one address and half of the other.
fn halves(one: (u64, u64), other: (u64, u64)) -> [IpAddr; 2] {
    [ipv6(one.0, other.1), ipv6(other.0, one.1)]
}

/// Pairs of addresses that take turns in one slot, and a mix of their halves that the tag cannot tell from them.
fn mixed(bans: &Bans) -> ([IpAddr; 2], IpAddr) {
    // Their places and tags are equal, so that a reader who is too late takes one's state for the other's.
    let tag = |address| {
        let place = bans.place(address);
        (place.buckets, place.tag)
    };
    let one = (1, 1);
    let same_tag = |other: &(u64, u64)| tag(ipv6(other.0, other.1)) == tag(ipv6(one.0, one.1));
    let others = (2..100_000_000).map(|number| (number, number * 3)).filter(same_tag);
    let find_mix = |other: (u64, u64)| {
        let mix = halves(one, other).into_iter().find(|mix| tag(*mix) == tag(ipv6(one.0, one.1)))?;
        Some(([ipv6(one.0, one.1), ipv6(other.0, other.1)], mix))
    };
    others.into_iter().find_map(find_mix).unwrap()
}

#[test]
fn nobody_sees_half_of_an_address() {
    let mut keeper = BanKeeper::new(1);
    let (turns, mix) = mixed(keeper.bans());
    let stop = AtomicBool::new(false);
    let looks = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (bans, stop, looks) = (Arc::clone(keeper.bans()), &stop, &looks);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(bans.until(mix), None, "half of one and half of the other");
                    // Each has an end of its own.
                    for (address, end) in turns.into_iter().zip([seconds(1), seconds(2)]) {
                        assert!(bans.until(address).is_none_or(|until| until == end), "another's end");
                    }
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..10_000 {
            for (address, end) in turns.into_iter().zip([1, 2]) {
                keeper.ban(address, Moment::START, Duration::from_secs(end)).unwrap();
                assert!(keeper.unban(address, Moment::START));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(looks.into_inner() > 100);
}

/// What one address went through: change number `n` bans it until `n`, or lifts the ban where [`lifts`] says so.
struct History {
    address: IpAddr,
    begun: AtomicU64,
    done: AtomicU64,
}

/// Whether a change takes the address out.
fn lifts(number: u64) -> bool {
    number.is_multiple_of(3)
}

/// Change number `number` of all addresses. No reader can tell the moment of one, only the times around it.
fn go_on(histories: &[History], keeper: &mut BanKeeper, number: u64) {
    if number % 6 == 3 {
        // All bans ended at the number of the change before.
        histories.iter().for_each(|history| history.begun.store(number, Ordering::SeqCst));
        assert_eq!(keeper.purge(Moment::from_millis(number - 1)), histories.len());
        return histories.iter().for_each(|history| history.done.store(number, Ordering::SeqCst));
    }
    // In another order each time, so that they take each other's slots.
    let turn = number as usize % histories.len();
    for History { address, begun, done } in histories.iter().cycle().skip(turn).take(histories.len()) {
        begun.store(number, Ordering::SeqCst);
        if lifts(number) {
            assert!(keeper.unban(*address, Moment::START));
        } else {
            keeper.ban(*address, Moment::START, Duration::from_millis(number)).unwrap();
        }
        done.store(number, Ordering::SeqCst);
    }
}

impl History {
    /// Looks, and compares with what was true between the last change that was over before and the last that had begun after.
    fn look(&self, bans: &Bans) {
        let first = self.done.load(Ordering::SeqCst);
        let seen = bans.until(self.address);
        let last = self.begun.load(Ordering::SeqCst);
        let was_true = match seen {
            Some(until) => {
                let number = until.since(Moment::START).as_millis() as u64;
                (first..=last).contains(&number) && !lifts(number)
            }
            None => (first..=last).any(lifts),
        };
        assert!(was_true, "{}: {seen:?} between {first} and {last}", self.address);
    }
}

/// The addresses hash alike, so that each takes slots that others had, and a state does not tell whose it is.
#[test]
fn whatever_a_reader_sees_was_true_at_some_moment() {
    const CHANGES: u64 = 6000;
    let mut keeper = BanKeeper::new(8);
    let addresses = alike(keeper.bans(), (0..).map(|low| ipv6(1, low)), 6);
    let history = |address| History { address, begun: AtomicU64::new(0), done: AtomicU64::new(0) };
    let histories: Vec<_> = addresses.into_iter().map(history).collect();
    let (stop, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get() {
            let (bans, histories, stop, looks) = (Arc::clone(keeper.bans()), &histories, &stop, &looks);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    histories.iter().for_each(|history| history.look(&bans));
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        (1..=CHANGES).for_each(|number| go_on(&histories, &mut keeper, number));
        stop.store(true, Ordering::Relaxed);
    });
    assert!(looks.into_inner() > 100);
    assert_eq!(keeper.len(), 0, "the last change of each, {CHANGES}, is one that lifts");
}
