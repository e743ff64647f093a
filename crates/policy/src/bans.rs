//! Addresses that are blocked for a time: a set that changes while workers read it.
//!
//! Tables are frozen when they are built; a ban must not wait for the next build. So bans lie in a hash table of their own, of
//! fixed size, made of atomics. One [`BanKeeper`] writes; any number of threads read through [`Bans`]. A reader takes no lock,
//! allocates nothing, and never waits for the writer, even if that is stopped in the middle of a change.
//!
//! * **An address has sixteen places**: two buckets of eight slots, chosen by its hash. A look-up reads two cache lines of states,
//!   and the address behind a state only where twelve bits of hash and family agree. Eight slots in two buckets, half of them empty,
//!   are enough: with balanced choices (a ban goes into the emptier bucket) it takes more than 10^10 bans of a full set until sixteen
//!   places are taken, and then the set says that it is full.
//! * **The hash is keyed** (SipHash-1-3, the key drawn from the operating system at the start). Who is banned is an attacker's choice. He cannot
//!   slow a look-up down, whatever the hash, but without a key he could choose addresses of the same sixteen places, and the
//!   seventeenth could not be banned.
//! * **One word decides.** A slot's state holds the end of the ban, and a change of it is the one moment at which the ban begins, ends, or
//!   ends at another time. See [`slot`].
//! * **The reader looks at the end**, by a time that it reads once for many frames. A ban ends in time even if the writer hangs.

mod slot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use slot::{Bucket, SLOTS, Slot};

/// The most bans that a set can be made for.
pub const MAX_BANS: u32 = 1 << 20;

/// A coarse time: milliseconds since a set of bans was made. Later ones than 2^40 - 1, in 34 years, are taken for that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// When the set was made: every ban in it ends later.
    pub const START: Self = Self(0);
    const LAST: u64 = (1 << 40) - 1;

    /// So many milliseconds after the set was made.
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis < Self::LAST { millis } else { Self::LAST })
    }

    /// The time from `earlier` to this moment; none if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment so much later, in whole milliseconds.
    pub fn after(self, time: Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(Self::LAST);
        Self::from_millis(millis.saturating_add(self.0))
    }
}

/// The set as workers see it.
pub struct Bans {
    /// A power of two of them, two at least; or none, in a set for no bans.
    buckets: Box<[Bucket]>,
    /// Slots that are taken: counted before one is, and after it is no more, so that 0 means that there is no ban.
    taken: AtomicUsize,
    hasher: RandomState,
    epoch: Instant,
}

/// Where an address may lie, and what it is known by there.
struct Place {
    buckets: [usize; 2],
    /// Eleven bits of hash, and the family.
    tag: u64,
    bits: u128,
}

impl Bans {
    fn with_capacity(capacity: u32) -> Self {
        let count = match capacity as usize {
            0 => 0,
            // Two slots for each ban.
            some => (2 * some).div_ceil(SLOTS).next_power_of_two().max(2),
        };
        Self {
            buckets: (0..count).map(|_| Bucket::default()).collect(),
            taken: AtomicUsize::new(0),
            hasher: RandomState::new(),
            epoch: Instant::now(),
        }
    }

    /// The moment of a time: to be asked for once for many frames.
    pub fn moment(&self, time: Instant) -> Moment {
        Moment::START.after(time.saturating_duration_since(self.epoch))
    }

    /// Whether an address is banned at a moment.
    #[inline]
    pub fn is_banned(&self, address: IpAddr, now: Moment) -> bool {
        self.until(address).is_some_and(|until| until > now)
    }

    /// When the ban of an address ends, or has ended, if the set holds one.
    #[inline]
    pub fn until(&self, address: IpAddr) -> Option<Moment> {
        if self.taken.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let place = self.place(address);
        let buckets = place.buckets.map(|bucket| self.buckets.get(bucket));
        // Most addresses are not banned: that is found out without a branch for each slot.
        if !buckets.iter().flatten().any(|bucket| bucket.has(place.tag)) {
            return None;
        }
        self.slots(&place).find_map(|slot| slot.until(place.tag, place.bits))
    }

    /// Bytes of heap held by the set.
    pub fn memory_usage(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    fn place(&self, address: IpAddr) -> Place {
        let (bits, family) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 0),
            IpAddr::V6(address) => (address.to_bits(), 1),
        };
        let hash = self.hasher.hash_one(bits);
        let mask = self.buckets.len().saturating_sub(1);
        let first = hash as usize & mask;
        // An odd number, so that it is another one.
        let second = first ^ ((hash >> 24) as usize | 1) & mask;
        Place { buckets: [first, second], tag: (hash >> 53) << 1 | family, bits }
    }

    fn slots<'a>(&'a self, place: &Place) -> impl Iterator<Item = Slot<'a>> {
        place.buckets.into_iter().filter_map(|bucket| self.buckets.get(bucket)).flat_map(Bucket::slots)
    }
}

/// A set for no bans.
impl Default for Bans {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl fmt::Debug for Bans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { buckets, taken, epoch, .. } = self;
        let (slots, taken) = (buckets.len() * SLOTS, taken.load(Ordering::Relaxed));
        f.debug_struct("Bans").field("slots", &slots).field("taken", &taken).field("epoch", epoch).finish()
    }
}

/// The one end that changes the set.
#[derive(Debug)]
pub struct BanKeeper {
    bans: Arc<Bans>,
    capacity: u32,
    len: usize,
    changes: BanChanges,
}

/// What was changed since the set was made, in addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BanChanges {
    /// That were not banned, and then were.
    pub added: u64,
    /// Whose ban was given another end.
    pub renewed: u64,
    /// Whose ban was lifted.
    pub removed: u64,
    /// Whose ban came to its end, as far as that was noticed.
    pub expired: u64,
}

/// There is no place for another ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no place for another ban: the set has {len} of at most {capacity}")]
pub struct Full {
    /// Bans in the set.
    pub len: usize,
    /// How many it was made for.
    pub capacity: u32,
}

impl BanKeeper {
    /// An empty set for at most so many bans: more than [`MAX_BANS`] are taken for that. It takes 48 to 96 bytes for each, at once and for
    /// good.
    pub fn new(capacity: u32) -> Self {
        let capacity = capacity.min(MAX_BANS);
        let bans = Arc::new(Bans::with_capacity(capacity));
        Self { bans, capacity, len: 0, changes: BanChanges::default() }
    }

    /// The set, for workers to read.
    pub fn bans(&self) -> &Arc<Bans> {
        &self.bans
    }

    /// Bans an address from now on, for a time: a millisecond at least. If it is banned already, the new end counts, sooner or later than the
    /// old. Answers when the ban ends.
    ///
    /// # Errors
    /// When there is no place for it. No other ban makes room for it, but those that have ended.
    pub fn ban(&mut self, address: IpAddr, now: Moment, time: Duration) -> Result<Moment, Full> {
        let until = now.after(time.max(Duration::from_millis(1)));
        if self.bans.until(address).is_some_and(|until| until <= now) {
            self.clear(address);
            self.changes.expired += 1;
        }
        if self.renew(address, until) || self.add(address, until) {
            return Ok(until);
        }
        if self.purge(now) > 0 && self.add(address, until) {
            return Ok(until);
        }
        Err(Full { len: self.len, capacity: self.capacity })
    }

    /// Lifts the ban of an address. Answers whether there was one that had not ended.
    pub fn unban(&mut self, address: IpAddr, now: Moment) -> bool {
        let Some(until) = self.clear(address) else { return false };
        let was_banned = until > now;
        let change = if was_banned { &mut self.changes.removed } else { &mut self.changes.expired };
        *change += 1;
        was_banned
    }

    /// Takes the bans out that have ended, and answers how many those were. Nothing but their places hangs on it.
    pub fn purge(&mut self, now: Moment) -> usize {
        let ended = |slot: &Slot<'_>| slot.held().is_some_and(|held| held.until <= now);
        let bans = Arc::clone(&self.bans);
        let purged =
            bans.buckets.iter().flat_map(Bucket::slots).filter(ended).map(|slot| self.free(slot)).count();
        self.changes.expired += purged as u64;
        purged
    }

    /// The bans in force at a moment, in no order: each address and when its ban ends.
    pub fn in_force(&self, now: Moment) -> impl Iterator<Item = (IpAddr, Moment)> {
        let held = self.bans.buckets.iter().flat_map(Bucket::slots).filter_map(|slot| slot.held());
        held.filter(move |held| held.until > now).map(|held| (address(held.tag, held.bits), held.until))
    }

    /// Bans in the set, with those that have ended and were not taken out yet.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bans the set was made for.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// What was changed since the set was made.
    pub fn changes(&self) -> BanChanges {
        self.changes
    }

    fn renew(&mut self, address: IpAddr, until: Moment) -> bool {
        let place = self.bans.place(address);
        let renewed = self.bans.slots(&place).any(|slot| slot.renew(place.tag, place.bits, until));
        self.changes.renewed += u64::from(renewed);
        renewed
    }

    /// Adds an address that the set does not hold. Answers whether there was place for it.
    fn add(&mut self, address: IpAddr, until: Moment) -> bool {
        if self.len >= self.capacity as usize {
            return false;
        }
        let place = self.bans.place(address);
        let buckets = place.buckets.into_iter().filter_map(|bucket| self.bans.buckets.get(bucket));
        let emptier = buckets.max_by_key(|bucket| bucket.free_slots().count());
        let Some(slot) = emptier.and_then(|bucket| bucket.free_slots().next()) else { return false };
        self.len += 1;
        self.bans.taken.store(self.len, Ordering::Relaxed);
        slot.take(place.tag, place.bits, until);
        self.changes.added += 1;
        true
    }

    /// Takes an address out, and answers when its ban was to end.
    fn clear(&mut self, address: IpAddr) -> Option<Moment> {
        let bans = Arc::clone(&self.bans);
        let place = bans.place(address);
        let holds = |slot: &Slot<'_>| slot.until(place.tag, place.bits).is_some();
        let slot = bans.slots(&place).find(holds)?;
        let until = slot.until(place.tag, place.bits);
        self.free(slot);
        until
    }

    fn free(&mut self, slot: Slot<'_>) {
        slot.free();
        self.len -= 1;
        self.bans.taken.store(self.len, Ordering::Release);
    }
}

/// The address of a tag and its bits.
fn address(tag: u64, bits: u128) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if tag & 1 == 0 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(bits).into(),
    }
}
