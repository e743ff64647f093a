//! The four rings of a socket: single producer, single consumer, in memory shared with the kernel.
//!
//! A ring has a power-of-two number of slots and two indices that only ever grow and wrap at 2^32: the producer's
//! (slots written so far) and the consumer's (slots read so far). [`Producer`] and [`Consumer`] hold that
//! arithmetic and know nothing of the memory, so that it is tested without a NIC; [`Ring`] holds the memory.
//! An index of the other side is read (`Acquire`) only when the copy at hand says that there is too little, and our own is
//! published (`Release`) once for a batch: the cost is for the batch, not for the frame.

use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fd::BorrowedFd;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::xdp;

/// The producer's view of the two indices.
#[derive(Debug)]
pub(crate) struct Producer {
    size: u32,
    written: u32,
    read: u32,
}

impl Producer {
    /// Starts where the ring stands: with a fresh ring, `at` is 0.
    pub(crate) fn new(size: u32, at: u32) -> Self {
        Self { size, written: at, read: at }
    }

    /// Number of slots that can be written, as far as known.
    fn room(&self) -> u32 {
        self.size.saturating_sub(self.written.wrapping_sub(self.read))
    }

    /// Number of slots that can be written, at most `wanted`; looks at the consumer's index when it must.
    pub(crate) fn reserve(&mut self, wanted: u32, consumer: &AtomicU32) -> u32 {
        if self.room() < wanted {
            self.read = consumer.load(Ordering::Acquire);
        }
        self.room().min(wanted)
    }

    /// The slot to write next. There must be room: see [`Producer::reserve`].
    pub(crate) fn advance(&mut self) -> u32 {
        debug_assert!(self.room() > 0, "the ring is full");
        let slot = self.written;
        self.written = slot.wrapping_add(1);
        slot
    }

    /// Lets the consumer see all that was written.
    pub(crate) fn publish(&self, producer: &AtomicU32) {
        producer.store(self.written, Ordering::Release);
    }

    /// Number of slots written and not yet read by the consumer.
    pub(crate) fn pending(&self, consumer: &AtomicU32) -> u32 {
        self.written.wrapping_sub(consumer.load(Ordering::Acquire))
    }
}

/// The consumer's view of the two indices.
#[derive(Debug)]
pub(crate) struct Consumer {
    written: u32,
    read: u32,
}

impl Consumer {
    /// Starts where the ring stands: with a fresh ring, `at` is 0.
    pub(crate) fn new(at: u32) -> Self {
        Self { written: at, read: at }
    }

    /// Number of slots that can be read, at most `wanted`; looks at the producer's index when it must.
    pub(crate) fn available(&mut self, wanted: u32, producer: &AtomicU32) -> u32 {
        if self.written.wrapping_sub(self.read) < wanted {
            self.written = producer.load(Ordering::Acquire);
        }
        self.written.wrapping_sub(self.read).min(wanted)
    }

    /// The slot to read next. There must be one: see [`Consumer::available`].
    pub(crate) fn advance(&mut self) -> u32 {
        debug_assert!(self.written != self.read, "the ring is empty");
        let slot = self.read;
        self.read = slot.wrapping_add(1);
        slot
    }

    /// Gives the slots that were read back to the producer.
    pub(crate) fn publish(&self, consumer: &AtomicU32) {
        consumer.store(self.read, Ordering::Release);
    }

    /// Number of slots written by the producer and not yet read.
    pub(crate) fn pending(&self, producer: &AtomicU32) -> u32 {
        producer.load(Ordering::Acquire).wrapping_sub(self.read)
    }
}

/// What a slot holds: `u64` in fill and completion rings, `struct xdp_desc` in rx and tx rings. Plain numbers
/// only, for which every bit pattern that the kernel may write is valid.
pub(crate) trait Slot: Copy {}
impl Slot for u64 {}
impl Slot for xdp::XdpDesc {}

/// Which of the rings of a socket to map: the offset for mmap (linux/if_xdp.h).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Rx,
    Tx,
    Fill,
    Completion,
}

impl Kind {
    fn page_offset(self) -> u64 {
        match self {
            Self::Rx => xdp::XDP_PGOFF_RX_RING,
            Self::Tx => xdp::XDP_PGOFF_TX_RING,
            Self::Fill => xdp::XDP_UMEM_PGOFF_FILL_RING,
            Self::Completion => xdp::XDP_UMEM_PGOFF_COMPLETION_RING,
        }
    }

    fn offsets(self, all: &xdp::XdpMmapOffsets) -> xdp::XdpRingOffset {
        match self {
            Self::Rx => all.rx,
            Self::Tx => all.tx,
            Self::Fill => all.fr,
            Self::Completion => all.cr,
        }
    }
}

/// The memory of one ring: `size` slots of `T`, two indices and a word of flags, shared with the kernel.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    start: NonNull<u8>,
    length: usize,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    slots: NonNull<T>,
    mask: u32,
    slot: PhantomData<T>,
}

// SAFETY: the mapping belongs to this value alone on our side, and has no tie to the thread that made it.
unsafe impl<T: Slot> Send for Ring<T> {}

impl<T: Slot> Ring<T> {
    /// Maps a ring of `size` slots of a socket, on which its size was set before.
    ///
    /// # Errors
    /// When the kernel refuses the mapping, or is older than 5.4 and has no ring flags.
    pub(crate) fn map(
        socket: BorrowedFd<'_>,
        kind: Kind,
        size: u32,
        offsets: &xdp::XdpMmapOffsets,
    ) -> io::Result<Self> {
        let offsets = kind.offsets(offsets);
        let flags = offsets.flags.ok_or(io::ErrorKind::Unsupported)?;
        let length = offsets.desc as usize + size as usize * size_of::<T>();
        let (protection, mode) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
        let start = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), length, protection, mode, socket, kind.page_offset())
        }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self::over(
            start,
            length,
            size,
            Layout {
                producer: offsets.producer as usize,
                consumer: offsets.consumer as usize,
                flags: flags as usize,
                slots: offsets.desc as usize,
            },
        ))
    }

    /// Lays a ring over a mapping of `length` bytes whose parts lie at the offsets of `at`, as the kernel said.
    fn over(start: NonNull<u8>, length: usize, size: u32, at: Layout) -> Self {
        debug_assert!(size.is_power_of_two() && at.slots + size as usize * size_of::<T>() <= length);
        Self {
            start,
            length,
            producer: Self::part(start, at.producer),
            consumer: Self::part(start, at.consumer),
            flags: Self::part(start, at.flags),
            slots: Self::part(start, at.slots),
            mask: size - 1,
            slot: PhantomData,
        }
    }

    fn part<U>(start: NonNull<u8>, offset: usize) -> NonNull<U> {
        // SAFETY: the offset is the kernel's own (XDP_MMAP_OFFSETS) and lies inside the mapping.
        let part = unsafe { start.add(offset) };
        part.cast()
    }

    /// The producer's index.
    pub(crate) fn producer(&self) -> &AtomicU32 {
        // SAFETY: points into the mapping, which lives as long as `self`; both sides use it as an atomic.
        unsafe { self.producer.as_ref() }
    }

    /// The consumer's index.
    pub(crate) fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer's index.
        unsafe { self.consumer.as_ref() }
    }

    /// Whether the kernel asks to be woken up (`XDP_RING_NEED_WAKEUP`).
    pub(crate) fn needs_wakeup(&self) -> bool {
        // SAFETY: as for the producer's index.
        let flags = unsafe { self.flags.as_ref() };
        flags.load(Ordering::Relaxed) & xdp::XdpRingFlags::XDP_RING_NEED_WAKEUP.bits() != 0
    }

    fn slot(&self, index: u32) -> NonNull<T> {
        // SAFETY: the masked index is below the number of slots, so the pointer stays inside the mapping.
        unsafe { self.slots.add((index & self.mask) as usize) }
    }

    /// Writes a slot. The caller is the producer and has reserved it; a wrong index would overwrite another slot's
    /// number, never memory outside the ring.
    pub(crate) fn write(&mut self, index: u32, value: T) {
        // SAFETY: `slot` points into the mapping and is aligned for T; until the index is published the kernel
        // does not look at the slot.
        unsafe { self.slot(index).write(value) }
    }

    /// Reads a slot. The caller is the consumer, and the producer has published it.
    pub(crate) fn read(&self, index: u32) -> T {
        // SAFETY: `slot` points into the mapping and is aligned for T, whose every bit pattern is valid; the
        // kernel writes no slot that is not given back yet.
        unsafe { self.slot(index).read() }
    }
}

/// Byte offsets of the parts of a ring in its mapping.
struct Layout {
    producer: usize,
    consumer: usize,
    flags: usize,
    slots: usize,
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, is `length` bytes long, and nothing refers to it any more.
        let result = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(result.is_ok(), "munmap: {result:?}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Indices one step before they wrap.
    const LAST: u32 = u32::MAX - 1;

    impl<T: Slot> Ring<T> {
        /// A ring in anonymous memory: the test plays the kernel.
        pub(crate) fn anonymous(size: u32, at: u32) -> Self {
            let layout = Layout { producer: 0, consumer: 64, flags: 128, slots: 192 };
            let length = layout.slots + size as usize * size_of::<T>();
            let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
            let start =
                unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), length, protection, flags) };
            let ring = Self::over(NonNull::new(start.unwrap().cast()).unwrap(), length, size, layout);
            ring.producer().store(at, Ordering::Relaxed);
            ring.consumer().store(at, Ordering::Relaxed);
            ring
        }
    }

    #[test]
    fn a_producer_fills_the_ring_across_the_wrap_and_no_further() {
        let (producer, consumer) = (AtomicU32::new(LAST), AtomicU32::new(LAST));
        let mut ours = Producer::new(4, LAST);
        assert_eq!(ours.reserve(9, &consumer), 4);
        let slots: Vec<u32> = (0..4).map(|_| ours.advance()).collect();
        assert_eq!(slots, [u32::MAX - 1, u32::MAX, 0, 1]);
        assert_eq!(ours.reserve(1, &consumer), 0);
        ours.publish(&producer);
        assert_eq!((producer.load(Ordering::Relaxed), ours.pending(&consumer)), (2, 4));
        consumer.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(ours.reserve(9, &consumer), 1);
    }

    #[test]
    fn a_consumer_reads_across_the_wrap_what_was_published_and_no_more() {
        let (producer, consumer) = (AtomicU32::new(LAST), AtomicU32::new(LAST));
        let mut ours = Consumer::new(LAST);
        assert_eq!(ours.available(9, &producer), 0);
        producer.store(1, Ordering::Relaxed);
        assert_eq!(ours.available(2, &producer), 2);
        assert_eq!(ours.available(9, &producer), 3);
        let slots: Vec<u32> = (0..3).map(|_| ours.advance()).collect();
        assert_eq!(slots, [u32::MAX - 1, u32::MAX, 0]);
        ours.publish(&consumer);
        assert_eq!((consumer.load(Ordering::Relaxed), ours.pending(&producer)), (1, 0));
    }

    #[test]
    fn slots_keep_what_was_written_when_the_index_wraps() {
        let mut ring = Ring::<u64>::anonymous(4, LAST);
        for index in [u32::MAX - 1, u32::MAX, 0, 1] {
            ring.write(index, u64::from(index));
        }
        let read = [u32::MAX - 1, u32::MAX, 0, 1].map(|index| ring.read(index));
        assert_eq!(read, [u64::from(u32::MAX - 1), u64::from(u32::MAX), 0, 1]);
        assert!(!ring.needs_wakeup());
    }

    proptest! {
        /// Both sides together behave as a bounded queue, wherever the indices stand.
        #[test]
        fn the_ring_is_a_bounded_queue(at: u32, steps in prop::collection::vec((any::<bool>(), 0u32..7), 0..200)) {
            let mut ring = Ring::<u64>::anonymous(8, at);
            let (mut writer, mut reader) = (Producer::new(8, at), Consumer::new(at));
            let mut model = VecDeque::new();
            let mut next = 0;
            for (write, count) in steps {
                if write {
                    let granted = writer.reserve(count, ring.consumer());
                    prop_assert_eq!(granted as usize, (count as usize).min(8 - model.len()));
                    for _ in 0..granted {
                        ring.write(writer.advance(), next);
                        model.push_back(next);
                        next += 1;
                    }
                    writer.publish(ring.producer());
                } else {
                    let granted = reader.available(count, ring.producer());
                    prop_assert_eq!(granted as usize, (count as usize).min(model.len()));
                    for _ in 0..granted {
                        prop_assert_eq!(Some(ring.read(reader.advance())), model.pop_front());
                    }
                    reader.publish(ring.consumer());
                }
                prop_assert_eq!(writer.pending(ring.consumer()) as usize, model.len());
                prop_assert_eq!(reader.pending(ring.producer()) as usize, model.len());
            }
        }
    }
}
