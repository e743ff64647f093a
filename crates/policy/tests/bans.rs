//! The set of bans against a map.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails by panicking is a test that works"
)]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use synward_policy::{BanKeeper, Bans, Full, MAX_BANS, Moment};

/// What may happen to a set. Times are in milliseconds.
#[derive(Debug, Clone)]
enum Change {
    Ban(IpAddr, u64),
    Unban(IpAddr),
    Purge,
    Wait(u64),
}

/// Few addresses of both families, so that they meet again.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0_u32..40).prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        (0_u128..40).prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (address(), 1_u64..50).prop_map(|(address, time)| Change::Ban(address, time)),
        2 => address().prop_map(Change::Unban),
        1 => Just(Change::Purge),
        2 => (0_u64..30).prop_map(Change::Wait),
    ]
}

/// A set, and what must be in it: when each ban ends.
struct Twins {
    keeper: BanKeeper,
    model: HashMap<IpAddr, u64>,
    now: u64,
}

impl Twins {
    fn apply(&mut self, change: &Change) -> Result<(), TestCaseError> {
        let now = Moment::from_millis(self.now);
        let is_banned =
            |model: &HashMap<_, u64>, address| model.get(address).is_some_and(|end| *end > self.now);
        match change {
            Change::Ban(address, time) => {
                self.model.retain(|other, end| other == address || *end > self.now);
                let fits = self.model.contains_key(address) || self.model.len() < CAPACITY as usize;
                let banned = self.keeper.ban(*address, now, Duration::from_millis(*time));
                prop_assert_eq!(banned.is_ok(), fits, "{:?}", banned);
                if fits {
                    prop_assert_eq!(banned, Ok(Moment::from_millis(self.now + time)));
                    self.model.insert(*address, self.now + time);
                }
            }
            Change::Unban(address) => {
                prop_assert_eq!(self.keeper.unban(*address, now), is_banned(&self.model, address));
                self.model.remove(address);
            }
            Change::Purge => {
                self.keeper.purge(now);
                self.model.retain(|_, end| *end > self.now);
                prop_assert_eq!(self.keeper.len(), self.model.len());
            }
            Change::Wait(time) => self.now += time,
        }
        Ok(())
    }

    fn agree(&self) -> Result<(), TestCaseError> {
        let now = Moment::from_millis(self.now);
        let v4 = (0..40).map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
        for address in v4.chain((0..40).map(|bits| Ipv6Addr::from_bits(bits).into())) {
            let banned = self.model.get(&address).is_some_and(|end| *end > self.now);
            prop_assert_eq!(self.keeper.bans().is_banned(address, now), banned, "{}", address);
        }
        let in_force: HashMap<_, _> = self.keeper.in_force(now).collect();
        let ends = self.model.iter().filter(|(_, end)| **end > self.now);
        prop_assert_eq!(in_force, ends.map(|(address, end)| (*address, Moment::from_millis(*end))).collect());
        Ok(())
    }
}

const CAPACITY: u32 = 16;

proptest! {
    #[test]
    fn a_set_is_what_a_map_with_ends_is(changes in prop::collection::vec(change(), 0..200)) {
        let mut twins = Twins { keeper: BanKeeper::new(CAPACITY), model: HashMap::new(), now: 0 };
        for change in &changes {
            twins.apply(change)?;
            twins.agree()?;
        }
    }
}

#[test]
fn a_full_set_says_so_and_forgets_nobody() {
    let mut keeper = BanKeeper::new(2);
    let address = |last| IpAddr::from([192, 0, 2, last]);
    let hour = Duration::from_secs(3600);
    for last in [1, 2] {
        keeper.ban(address(last), Moment::START, hour).unwrap();
    }
    let full = keeper.ban(address(3), Moment::START, hour).unwrap_err();
    assert_eq!(full, Full { len: 2, capacity: 2 });
    assert!(full.to_string().contains("2 of at most 2"));
    // One that is banned already can be given another end.
    keeper.ban(address(1), Moment::START, hour * 2).unwrap();
    assert!(keeper.bans().is_banned(address(2), Moment::START));
    assert!(keeper.unban(address(2), Moment::START) && !keeper.unban(address(2), Moment::START));
    keeper.ban(address(3), Moment::START, hour).unwrap();
    let changes = keeper.changes();
    assert_eq!((changes.added, changes.renewed, changes.removed, changes.expired), (3, 1, 1, 0));
}

#[test]
fn the_bounds_hold() {
    let mut none = BanKeeper::new(0);
    assert!(none.ban([192, 0, 2, 1].into(), Moment::START, Duration::from_secs(1)).is_err());
    assert!(!none.bans().is_banned([192, 0, 2, 1].into(), Moment::START));
    assert_eq!(BanKeeper::new(u32::MAX).capacity(), MAX_BANS);
    let mut keeper = BanKeeper::new(1);
    let longest = keeper.ban([192, 0, 2, 1].into(), Moment::START, Duration::MAX).unwrap();
    assert!(longest.since(Moment::START) > Duration::from_secs(34 * 365 * 86_400));
    let shortest = keeper.ban([192, 0, 2, 1].into(), Moment::START, Duration::ZERO).unwrap();
    assert_eq!(shortest, Moment::from_millis(1));
    let per_ban = BanKeeper::new(65_536).bans().memory_usage() / 65_536;
    assert!((48..=96).contains(&per_ban), "{per_ban}");
    let set = Bans::default();
    assert_eq!(set.moment(Instant::now() - Duration::from_secs(1)), Moment::START);
}
