//! The memory that frames live in, and the tokens that own its pieces.
//!
//! ```text
//! UMEM   ├── buffer 0 ──┼── buffer 1 ──┼─ … ─┤     each FRAME_SIZE bytes
//! buffer ├─ headroom ─┼─ the frame (offset, length) ─┼─ unused ─┤
//! ```
//!
//! The kernel writes into a buffer while its offset is in a fill ring, and reads it while its offset is in a tx
//! ring. A [`Frame`] exists only while neither is true, and there is one for each buffer: that is what makes
//! [`Umem::bytes`] sound.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, slice};

use rustix::fd::BorrowedFd;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::net::{sockopt, xdp};
use synward_bridge::Pool;

/// Bytes of one buffer. Drivers lose long frames in zero-copy mode with less (igb with 2048).
pub const FRAME_SIZE: usize = 4096;

/// Bytes before a received frame that the kernel keeps free (`XDP_PACKET_HEADROOM`, linux/bpf.h).
pub const HEADROOM: usize = 256;

/// The longest frame that one buffer holds.
pub const MAX_FRAME: usize = FRAME_SIZE - HEADROOM;

/// Owns one buffer of a [`Umem`], and knows where in it the frame is. Neither `Copy` nor `Clone`, and made only
/// by this crate: whoever holds it is the only one who may touch the buffer.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a token that is dropped loses its buffer"]
pub struct Frame {
    offset: u64,
    length: u32,
    /// Whether the frame goes on in the buffer of the next token.
    continues: bool,
    umem: UmemId,
}

impl Frame {
    fn free(offset: u64, umem: UmemId) -> Self {
        Self { offset, length: 0, continues: false, umem }
    }

    /// Whether the frame goes on in the buffer of the next token.
    pub(crate) fn continues(&self) -> bool {
        self.continues
    }
}

/// Whether the frame goes on in the buffer of the next descriptor.
pub(crate) fn continues(descriptor: &xdp::XdpDesc) -> bool {
    descriptor.options.contains(xdp::XdpDescOptions::XDP_PKT_CONTD)
}

/// Tells the memory of one worker from that of another, so that a token cannot be used on the wrong one. A process makes a few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UmemId(u16);

/// What a socket needs to know of its memory to check what the kernel and the worker hand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    id: UmemId,
    length: u64,
}

impl Bounds {
    /// The descriptor of a tx ring for `frame`; the frame comes back when it belongs to another memory.
    pub(crate) fn descriptor(self, frame: Frame) -> Result<xdp::XdpDesc, Frame> {
        if frame.umem != self.id {
            return Err(frame);
        }
        let mut options = xdp::XdpDescOptions::empty();
        options.set(xdp::XdpDescOptions::XDP_PKT_CONTD, frame.continues);
        Ok(xdp::XdpDesc { addr: frame.offset, len: frame.length, options })
    }

    /// The entry of a fill ring for a free buffer; the token comes back when it belongs to another memory.
    pub(crate) fn fill_entry(self, frame: Frame) -> Result<u64, Frame> {
        if frame.umem == self.id { Ok(frame.offset) } else { Err(frame) }
    }

    /// The token of a frame that the kernel put into the rx ring. `None` when the descriptor does not lie inside
    /// one buffer, which no kernel does.
    pub(crate) fn received(self, descriptor: &xdp::XdpDesc) -> Option<Frame> {
        let room = FRAME_SIZE as u64 - descriptor.addr % FRAME_SIZE as u64;
        let whole = descriptor.addr < self.length && u64::from(descriptor.len) <= room;
        whole.then_some(Frame {
            offset: descriptor.addr,
            length: descriptor.len,
            continues: continues(descriptor),
            umem: self.id,
        })
    }

    /// The token of a buffer that the kernel put into the completion ring.
    pub(crate) fn completed(self, offset: u64) -> Option<Frame> {
        let start = offset - offset % FRAME_SIZE as u64;
        (offset < self.length).then_some(Frame::free(start, self.id))
    }
}

/// A piece of anonymous memory, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn anonymous(length: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new private mapping at an address of the kernel's choice touches no memory that exists.
        let start = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), length, protection, MapFlags::PRIVATE)
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = Self { start, length };
        mapping.keep_out_of_core_dumps()?;
        Ok(mapping)
    }

    /// Frames are other people's words: a core dump, should there ever be one, goes without them.
    fn keep_out_of_core_dumps(&self) -> io::Result<()> {
        let start = self.start.as_ptr().cast();
        // SAFETY: the mapping is ours and `length` bytes long; the advice changes none of its bytes.
        Ok(unsafe { rustix::mm::madvise(start, self.length, Advice::LinuxDontDump) }?)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, is `length` bytes long, and nothing refers to it any more.
        let result = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(result.is_ok(), "munmap: {result:?}");
    }
}

/// The memory of one worker's frames, with the list of those that are free.
///
/// It must be dropped after the sockets that it is registered with: the kernel holds a reference to the pages,
/// so that a late write cannot touch foreign memory, but a socket that is still open might hand out its tokens.
#[derive(Debug)]
pub struct Umem {
    id: UmemId,
    memory: Mapping,
    free: Vec<Frame>,
    size: usize,
}

// SAFETY: the mapping is plain memory that belongs to this value alone; it has no tie to the thread that made it.
unsafe impl Send for Umem {}

impl Umem {
    /// Maps memory for `frames` frames.
    ///
    /// # Errors
    /// When the memory cannot be had.
    pub(crate) fn new(frames: u32) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = UmemId(NEXT.fetch_add(1, Ordering::Relaxed) as u16);
        let size = frames as usize;
        let memory = Mapping::anonymous(size * FRAME_SIZE)?;
        let starts = (0..u64::from(frames)).map(|n| n * FRAME_SIZE as u64);
        let free = starts.map(|offset| Frame::free(offset, id)).collect();
        Ok(Self { id, memory, free, size })
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { id: self.id, length: self.memory.length as u64 }
    }

    /// Registers the memory with the first socket that uses it (`XDP_UMEM_REG`).
    pub(crate) fn register(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let registration = xdp::XdpUmemReg {
            addr: self.memory.start.as_ptr().expose_provenance() as u64,
            len: self.memory.length as u64,
            chunk_size: FRAME_SIZE as u32,
            headroom: 0,
            flags: xdp::XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        };
        Ok(sockopt::set_xdp_umem_reg(socket, registration)?)
    }

    /// Takes a free buffer.
    pub(crate) fn take(&mut self) -> Option<Frame> {
        self.free.pop()
    }
}

impl Pool for Umem {
    type Frame = Frame;

    fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        if frame.umem != self.id {
            return &[];
        }
        // SAFETY: a token of this memory lies inside the mapping (see `Bounds`), so the pointer stays within it.
        let start = unsafe { self.memory.start.as_ptr().add(frame.offset as usize) };
        // SAFETY: the bytes are mapped and initialised (anonymous memory is zeroed), and the token proves that
        // neither the kernel nor another owner writes them while it is borrowed.
        unsafe { slice::from_raw_parts(start, frame.length as usize) }
    }

    fn release(&mut self, frame: Frame) {
        debug_assert_eq!(frame.umem, self.id, "a frame was released to a memory that it does not belong to");
        if frame.umem == self.id {
            let offset = frame.offset - frame.offset % FRAME_SIZE as u64;
            self.free.push(Frame::free(offset, self.id));
        }
    }

    fn continues(&self, frame: &Frame) -> bool {
        frame.continues()
    }

    fn free(&self) -> usize {
        self.free.len()
    }

    fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_frame_keeps_its_mark_until_it_is_free() {
        let mut umem = Umem::new(2).unwrap();
        let (_first, _second) = (umem.take(), umem.take());
        let marked = xdp::XdpDesc { options: xdp::XdpDescOptions::XDP_PKT_CONTD, ..descriptor(256, 3840) };
        let frame = umem.bounds().received(&marked).unwrap();
        assert!(umem.continues(&frame));
        let again = umem.bounds().descriptor(frame).unwrap();
        assert_eq!((again.addr, again.len, again.options), (256, 3840, marked.options));
        let frame = umem.bounds().received(&marked).unwrap();
        umem.release(frame);
        assert!(!umem.continues(&umem.free[0]));
    }

    fn descriptor(addr: u64, len: u32) -> xdp::XdpDesc {
        xdp::XdpDesc { addr, len, options: xdp::XdpDescOptions::empty() }
    }

    #[test]
    fn every_buffer_is_free_at_first_and_has_one_token() {
        let mut umem = Umem::new(8).unwrap();
        let mut offsets: Vec<u64> = std::iter::from_fn(|| umem.take()).map(|frame| frame.offset).collect();
        offsets.sort_unstable();
        assert_eq!(offsets, (0..8).map(|n| n * 4096).collect::<Vec<u64>>());
        assert_eq!((umem.free(), umem.size()), (0, 8));
    }

    #[test]
    fn frames_are_kept_out_of_core_dumps() {
        let umem = Umem::new(8).unwrap();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", umem.memory.start.as_ptr().addr());
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
        let flags = lines.find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
        assert!(flags.split_whitespace().any(|flag| flag == "dd"), "{flags}");
    }

    #[test]
    fn a_received_frame_is_released_to_the_start_of_its_buffer() {
        let mut umem = Umem::new(2).unwrap();
        let (_first, _second) = (umem.take(), umem.take());
        let frame = umem.bounds().received(&descriptor(4096 + 256, 60)).unwrap();
        assert_eq!(umem.bytes(&frame), [0; 60]);
        umem.release(frame);
        assert_eq!(umem.take().map(|frame| frame.offset), Some(4096));
    }

    #[test]
    fn descriptors_outside_a_buffer_are_refused() {
        let bounds = Umem::new(2).unwrap().bounds();
        assert_eq!(bounds.received(&descriptor(2 * 4096, 1)), None);
        assert_eq!(bounds.received(&descriptor(4096 + 4000, 97)), None);
        assert!(bounds.received(&descriptor(4096 + 4000, 96)).is_some());
        assert_eq!(bounds.completed(2 * 4096), None);
        assert_eq!(bounds.completed(4096 + 256).map(|frame| frame.offset), Some(4096));
    }

    #[test]
    fn a_token_opens_no_other_memory() {
        let (mut here, mut there) = (Umem::new(1).unwrap(), Umem::new(1).unwrap());
        let foreign = there.bounds().received(&descriptor(256, 60)).unwrap();
        assert!(here.bytes(&foreign).is_empty());
        let foreign = here.bounds().descriptor(foreign).unwrap_err();
        there.release(foreign);
        let own = here.take().unwrap();
        assert_eq!(here.bounds().fill_entry(own), Ok(0));
    }
}
