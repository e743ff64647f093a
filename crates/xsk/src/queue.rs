//! One AF_XDP socket: one queue of one port, with its four rings.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, SocketAddrXdpWithSharedUmem, XdpDesc, XdpMmapOffsets, XdpOptionsFlags,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use synward_bridge::{BATCH, Census, Pool, Port};

use crate::busy_poll;
use crate::ring::{Consumer, Kind, Producer, Ring};
use crate::shim::{self, Line};
use crate::umem::{self, Bounds, Frame, Umem};

/// Slots of the rx ring, and of the tx ring.
pub const RING: u32 = 2048;

/// Slots of the fill ring: twice the rx ring, so that the driver finds buffers while the rx ring is full.
pub const FILL_RING: u32 = 2 * RING;

/// Buffers of one worker: both ports' fill rings full, and both rx and tx rings full beside them.
pub const FRAMES: u32 = 2 * (FILL_RING + RING + RING);

/// The most buffers that the kernel cuts a frame into: the head and the fragments of an skb (`MAX_SKB_FRAGS`, linux/skbuff.h).
pub(crate) const MAX_PIECES: usize = 18;

/// How often one call asks the kernel to send more. In copy mode it takes 32 frames each time (`TX_BATCH_SIZE`,
/// net/xdp/xsk.c), so this covers two batches of the worker; what remains is sent in the next turn.
const KICKS: usize = 4;

/// How many frames one call lets the kernel throw away, which ends its work each time.
const REFUSALS: usize = 64;

/// How long a queue is waited for that a closed socket still holds: the kernel frees it some time after the close.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the shim may try whether frames arrive, until the first has.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How a socket is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bind {
    /// The driver works on the UMEM itself.
    ZeroCopy,
    /// The kernel copies between the driver's buffers and the UMEM.
    Copy,
}

/// A socket whose rings are mapped and whose fill ring is full, before it is bound. Most drivers take the
/// buffers at the bind, and some never recover from finding too few.
#[derive(Debug)]
pub(crate) struct Unbound(Queue);

/// A bound socket.
#[derive(Debug)]
pub struct Queue {
    rx: Ring<XdpDesc>,
    rx_at: Consumer,
    tx: Ring<XdpDesc>,
    tx_at: Producer,
    fill: Ring<u64>,
    fill_at: Producer,
    completion: Ring<u64>,
    completion_at: Consumer,
    socket: Arc<OwnedFd>,
    bounds: Bounds,
    /// Whether the kernel copies: then it sends within the call that asks it to.
    copies: bool,
    /// Whether the worker does the kernel's work of receiving (see [`Queue::poll_busily`]).
    polls: bool,
    /// Buffers given to the fill ring and not yet received.
    filling: usize,
    /// Frames given to the tx ring and not yet completed.
    sending: usize,
    /// Frames that the kernel took and threw away, not yet told.
    refused: usize,
    link_down: bool,
    /// Where the worker and the shim of the port tell each other what they know.
    line: Option<Line>,
    /// Whether a frame was received.
    confirmed: bool,
    /// When the shim was last told to try whether frames arrive.
    probed: Duration,
}

impl Unbound {
    /// Makes the first socket of a UMEM, which is registered with it.
    ///
    /// # Errors
    /// When the kernel refuses the socket, the UMEM or a ring.
    pub(crate) fn first(umem: &mut Umem) -> io::Result<Self> {
        let socket = new_socket()?;
        umem.register(socket.as_fd())?;
        Self::with_rings(socket, umem)
    }

    /// Makes a further socket for a UMEM that is registered with another.
    ///
    /// # Errors
    /// When the kernel refuses the socket or a ring.
    pub(crate) fn further(umem: &mut Umem) -> io::Result<Self> {
        Self::with_rings(new_socket()?, umem)
    }

    fn with_rings(socket: OwnedFd, umem: &mut Umem) -> io::Result<Self> {
        sockopt::set_xdp_umem_fill_ring_size(&socket, FILL_RING)?;
        sockopt::set_xdp_umem_completion_ring_size(&socket, RING)?;
        sockopt::set_xdp_rx_ring_size(&socket, RING)?;
        sockopt::set_xdp_tx_ring_size(&socket, RING)?;
        let offsets = sockopt::xdp_mmap_offsets(&socket)?;
        let mut queue = Queue::map(socket, &offsets, umem.bounds())?;
        queue.refill(umem);
        Ok(Self(queue))
    }

    /// Binds the first socket of a UMEM to a queue. With `pieces`, frames may be longer than a buffer.
    ///
    /// # Errors
    /// `EOPNOTSUPP` when the driver cannot do `mode`, `EBUSY` when another socket holds the queue, `ENETDOWN` when
    /// the port is down, `EINVAL` when it has no such queue.
    pub(crate) fn bind(self, interface: u32, queue: u32, mode: Bind, pieces: bool) -> io::Result<Queue> {
        let copy = match mode {
            Bind::ZeroCopy => SocketAddrXdpFlags::XDP_ZEROCOPY,
            Bind::Copy => SocketAddrXdpFlags::XDP_COPY,
        };
        let mut flags = copy | SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
        flags.set(SocketAddrXdpFlags::XDP_USE_SG, pieces);
        self.bind_to(&SocketAddrXdp::new(flags, interface, queue))
    }

    /// Binds a further socket to a queue of another port. The mode is that of `first`, with which it shares the
    /// UMEM: no other flag than `XDP_SHARED_UMEM` may be given.
    ///
    /// # Errors
    /// As for [`Unbound::bind`]; and `EINVAL` when the two were not made of the same UMEM.
    pub(crate) fn bind_shared(self, interface: u32, queue: u32, first: &Queue) -> io::Result<Queue> {
        if self.0.bounds != first.bounds {
            return Err(Errno::INVAL.into());
        }
        self.bind_to(&SocketAddrXdpWithSharedUmem {
            addr: SocketAddrXdp::new(SocketAddrXdpFlags::XDP_SHARED_UMEM, interface, queue),
            shared_umem_fd: first.socket.as_fd(),
        })
    }

    fn bind_to(self, address: &impl SocketAddrArg) -> io::Result<Queue> {
        let Self(mut queue) = self;
        let patience = Instant::now() + PATIENCE;
        while let Err(error) = rustix::net::bind(queue.socket.as_fd(), address) {
            if error != Errno::BUSY || Instant::now() > patience {
                return Err(error.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        queue.copies = queue.bound_as()? == Bind::Copy;
        Ok(queue)
    }
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(AddressFamily::XDP, SocketType::RAW, flags, None)?)
}

impl Queue {
    fn map(socket: OwnedFd, offsets: &XdpMmapOffsets, bounds: Bounds) -> io::Result<Self> {
        let fd = socket.as_fd();
        Ok(Self {
            rx: Ring::map(fd, Kind::Rx, RING, offsets)?,
            rx_at: Consumer::new(0),
            tx: Ring::map(fd, Kind::Tx, RING, offsets)?,
            tx_at: Producer::new(RING, 0),
            fill: Ring::map(fd, Kind::Fill, FILL_RING, offsets)?,
            fill_at: Producer::new(FILL_RING, 0),
            completion: Ring::map(fd, Kind::Completion, RING, offsets)?,
            completion_at: Consumer::new(0),
            socket: Arc::new(socket),
            bounds,
            copies: false,
            polls: false,
            filling: 0,
            sending: 0,
            refused: 0,
            link_down: false,
            line: None,
            confirmed: false,
            probed: Duration::ZERO,
        })
    }

    /// Has the worker and the shim of the port tell each other what they know, anew.
    pub(crate) fn talk_on(&mut self, line: Line) {
        line.begin();
        self.line = Some(line);
    }

    /// Has each look at the socket do the kernel's work of receiving first, on the core of who looks, where the driver tells which of its
    /// queues feeds the socket.
    ///
    /// # Errors
    /// When the kernel is older than 5.11, or the process may not.
    pub(crate) fn poll_busily(&mut self) -> io::Result<()> {
        busy_poll::prefer(self.socket.as_fd())?;
        self.polls = busy_poll::is_possible(self.socket.as_fd())?;
        Ok(())
    }

    /// Whether it does.
    pub(crate) fn polls(&self) -> bool {
        self.polls
    }

    /// The socket, for the XSKMAP and for reading its statistics.
    pub(crate) fn socket(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket)
    }

    /// The mode that the kernel really gave the socket (`XDP_OPTIONS`).
    ///
    /// # Errors
    /// When the kernel is too old to tell.
    pub(crate) fn bound_as(&self) -> io::Result<Bind> {
        let zero_copy = sockopt::xdp_options(&*self.socket)?.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY);
        Ok(if zero_copy { Bind::ZeroCopy } else { Bind::Copy })
    }

    /// Asks the kernel to send what is in the tx ring.
    fn kick(&mut self) {
        if !self.tx.needs_wakeup() {
            return;
        }
        let (mut more, mut refusals) = (0, 0);
        while more < KICKS && refusals < REFUSALS {
            match rustix::net::send(&*self.socket, &[], SendFlags::DONTWAIT) {
                Ok(_) => {
                    // The link is back, unless the call ended because the last frame was thrown away.
                    self.link_down = refusals > 0;
                    return;
                }
                // A batch is sent, and there is more.
                Err(Errno::AGAIN) => {
                    self.link_down = false;
                    more += 1;
                }
                // In copy mode: the port threw one frame away, as it does without carrier.
                Err(Errno::BUSY) if self.copies => {
                    self.link_down = true;
                    self.refused += 1;
                    refusals += 1;
                }
                Err(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => {
                    self.link_down = true;
                    return;
                }
                // BUSY: the driver's queue is full. NOBUFS: no memory, or the completion ring is full. Both pass,
                // and the next turn tries again; so it does after whatever else the kernel may say.
                Err(_) => return,
            }
        }
    }

    fn take_completions(&mut self, umem: &mut Umem) {
        let count = self.completion_at.available(RING, self.completion.producer());
        for _ in 0..count {
            let offset = self.completion.read(self.completion_at.advance());
            // More completions than frames were sent would make a second token for a buffer.
            if let (Some(frame), Some(left)) = (self.bounds.completed(offset), self.sending.checked_sub(1)) {
                umem.release(frame);
                self.sending = left;
            }
        }
        if count > 0 {
            self.completion_at.publish(self.completion.consumer());
        }
    }

    /// Wakes the driver up when it waits for buffers; and has the kernel receive, where that is left to the worker and less than a batch is
    /// there: more would only fill the ring.
    fn wake_receiver(&self) {
        let polls = self.polls && (self.rx_at.pending(self.rx.producer()) as usize) < BATCH;
        if polls || self.fill.needs_wakeup() {
            // The answer says nothing that the rings do not say: an empty message is all that is asked for.
            let _ = rustix::net::recv(&*self.socket, &mut [0_u8; 0], RecvFlags::DONTWAIT);
        }
    }
}

impl Port for Queue {
    type Frame = Frame;
    type Pool = Umem;

    fn refill(&mut self, umem: &mut Umem) {
        for _ in 0..self.fill_at.reserve(FILL_RING, self.fill.consumer()) {
            let Some(frame) = umem.take() else { break };
            match self.bounds.fill_entry(frame) {
                Ok(entry) => self.fill.write(self.fill_at.advance(), entry),
                Err(frame) => return umem.release(frame),
            }
            self.filling += 1;
        }
        self.fill_at.publish(self.fill.producer());
        // Asked in every turn: the driver may have run dry after the ring was filled to the brim.
        self.wake_receiver();
    }

    fn receive(&mut self, frames: &mut Vec<Frame>, limit: usize) {
        let wanted = u32::try_from(limit + MAX_PIECES).unwrap_or(RING);
        let available = self.rx_at.available(wanted, self.rx.producer());
        let mut count = 0;
        // The kernel publishes all pieces of a frame at once: what is there ends with a whole one.
        let mut goes_on = false;
        while count < available && (goes_on || (count as usize) < limit) {
            let descriptor = self.rx.read(self.rx_at.advance());
            (count, goes_on) = (count + 1, umem::continues(&descriptor));
            if let (Some(frame), Some(left)) =
                (self.bounds.received(&descriptor), self.filling.checked_sub(1))
            {
                frames.push(frame);
                self.filling = left;
            }
        }
        if count > 0 {
            self.rx_at.publish(self.rx.consumer());
            self.confirm();
        }
    }

    fn transmit(&mut self, frames: &mut Vec<Frame>) {
        if frames.is_empty() || (self.link_down && self.sending > 0) {
            return;
        }
        let wanted = u32::try_from(frames.len()).unwrap_or(RING);
        let room = self.tx_at.reserve(wanted, self.tx.consumer()) as usize;
        for frame in frames.drain(..whole_prefix(frames, room)) {
            if let Ok(descriptor) = self.bounds.descriptor(frame) {
                self.tx.write(self.tx_at.advance(), descriptor);
                self.sending += 1;
            }
        }
        self.tx_at.publish(self.tx.producer());
        self.kick();
    }

    fn reclaim(&mut self, umem: &mut Umem) {
        if self.sending == 0 {
            return;
        }
        self.take_completions(umem);
        if self.is_unsent() {
            self.kick();
        }
    }

    fn take_refused(&mut self) -> usize {
        std::mem::take(&mut self.refused)
    }

    fn is_unsent(&self) -> bool {
        // A kernel that copies has nothing left to do once it has read the ring; a driver may have to be asked
        // for the completion, too.
        if self.copies { self.tx_at.pending(self.tx.consumer()) > 0 } else { self.sending > 0 }
    }

    fn link_is_down(&self) -> bool {
        self.link_down
    }

    fn census(&self) -> Census {
        let rx = self.rx_at.pending(self.rx.producer()) as usize;
        let completion = self.completion_at.pending(self.completion.producer()) as usize;
        Census {
            fill: self.filling.saturating_sub(rx),
            rx,
            tx: self.sending.saturating_sub(completion),
            completion,
        }
    }

    fn now(&self) -> Duration {
        shim::now()
    }

    fn beat(&mut self, now: Duration, generation: u64) {
        let Some(line) = &self.line else { return };
        line.beat(now, generation);
        if !self.confirmed && now.saturating_sub(self.probed) > PROBE_INTERVAL {
            line.probe_again();
            self.probed = now;
        }
    }

    fn remember_blocked(&mut self, source: IpAddr, generation: u64) {
        if let Some(line) = &self.line {
            line.remember_blocked(source, generation);
        }
    }

    fn wait(ports: [&Self; 2], timeout: Duration) {
        let mut waiting = ports.map(|port| PollFd::from_borrowed_fd(port.fd(), PollFlags::IN));
        let timeout = Timespec::try_from(timeout).ok();
        // Interrupted or not: the turn that follows looks at the rings.
        let _ = rustix::event::poll(&mut waiting, timeout.as_ref());
    }
}

/// The most of these frames' tokens, up to `room`, that do not end in the middle of a frame.
fn whole_prefix(frames: &[Frame], room: usize) -> usize {
    match frames.get(..room.min(frames.len())) {
        Some(prefix) => prefix.iter().rposition(|frame| !frame.continues()).map_or(0, |last| last + 1),
        None => 0,
    }
}

impl Queue {
    /// Tells the shim once that frames arrive.
    fn confirm(&mut self) {
        if !self.confirmed {
            self.confirmed = true;
            self.line.iter().for_each(Line::confirm);
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Indices shortly before they wrap.
    const START: u32 = u32::MAX - 100;

    /// A queue whose rings are plain memory; the test is the kernel.
    fn queue(umem: &Umem) -> Queue {
        Queue {
            rx: Ring::anonymous(RING, START),
            rx_at: Consumer::new(START),
            tx: Ring::anonymous(RING, START),
            tx_at: Producer::new(RING, START),
            fill: Ring::anonymous(FILL_RING, START),
            fill_at: Producer::new(FILL_RING, START),
            completion: Ring::anonymous(RING, START),
            completion_at: Consumer::new(START),
            socket: Arc::new(new_socket().unwrap()),
            bounds: umem.bounds(),
            copies: false,
            polls: false,
            filling: 0,
            sending: 0,
            refused: 0,
            link_down: false,
            line: None,
            confirmed: false,
            probed: Duration::ZERO,
        }
    }

    /// The kernel's side of the rings.
    struct Kernel {
        fill: Consumer,
        rx: Producer,
        tx: Consumer,
        completion: Producer,
    }

    impl Kernel {
        fn new() -> Self {
            Self {
                fill: Consumer::new(START),
                rx: Producer::new(RING, START),
                tx: Consumer::new(START),
                completion: Producer::new(RING, START),
            }
        }

        fn receives(&mut self, queue: &mut Queue, count: u32) {
            let count = self.rx.reserve(count, queue.rx.consumer());
            let count = self.fill.available(count, queue.fill.producer());
            for _ in 0..count {
                let addr = queue.fill.read(self.fill.advance()) + 256;
                let options = rustix::net::xdp::XdpDescOptions::empty();
                queue.rx.write(self.rx.advance(), XdpDesc { addr, len: 60, options });
            }
            self.fill.publish(queue.fill.consumer());
            self.rx.publish(queue.rx.producer());
        }

        fn sends(&mut self, queue: &mut Queue) {
            let count = self.tx.available(RING, queue.tx.producer());
            for _ in 0..self.completion.reserve(count, queue.completion.consumer()) {
                let addr = queue.tx.read(self.tx.advance()).addr;
                queue.completion.write(self.completion.advance(), addr);
            }
            self.tx.publish(queue.tx.consumer());
            self.completion.publish(queue.completion.producer());
        }
    }

    fn total(umem: &Umem, queue: &Queue, hand: usize) -> usize {
        let census = queue.census();
        umem.free() + hand + census.fill + census.rx + census.tx + census.completion
    }

    #[test]
    fn frames_are_conserved_while_the_indices_wrap() {
        let mut umem = Umem::new(FRAMES).unwrap();
        let (mut queue, mut kernel) = (queue(&umem), Kernel::new());
        let mut hand = Vec::new();
        for round in 0..500 {
            queue.reclaim(&mut umem);
            queue.refill(&mut umem);
            kernel.receives(&mut queue, 1 + round % 97);
            assert_eq!(total(&umem, &queue, hand.len()), FRAMES as usize);
            queue.receive(&mut hand, 64);
            assert_eq!(total(&umem, &queue, hand.len()), FRAMES as usize);
            queue.transmit(&mut hand);
            kernel.sends(&mut queue);
            assert_eq!(total(&umem, &queue, hand.len()), FRAMES as usize);
        }
        queue.reclaim(&mut umem);
        assert!(hand.is_empty());
        assert_eq!((queue.sending, queue.census().tx), (0, 0));
    }

    #[test]
    fn a_full_tx_ring_leaves_the_rest_in_hand() {
        let mut umem = Umem::new(FRAMES).unwrap();
        let mut queue = queue(&umem);
        let mut hand: Vec<Frame> = (0..RING + 5).map(|_| umem.take().unwrap()).collect();
        queue.transmit(&mut hand);
        assert_eq!((hand.len(), queue.census().tx), (5, RING as usize));
        queue.transmit(&mut hand);
        assert_eq!(hand.len(), 5);
    }

    #[test]
    fn a_frame_that_is_completed_twice_has_one_token() {
        let mut umem = Umem::new(FRAMES).unwrap();
        let (mut queue, mut kernel) = (queue(&umem), Kernel::new());
        let mut hand = vec![umem.take().unwrap()];
        queue.transmit(&mut hand);
        kernel.sends(&mut queue);
        let offset = queue.completion.read(START);
        queue.completion.write(kernel.completion.advance(), offset);
        kernel.completion.publish(queue.completion.producer());
        queue.reclaim(&mut umem);
        assert_eq!((umem.free(), queue.sending), (FRAMES as usize, 0));
    }

    #[test]
    fn sockets_of_two_memories_are_not_bound_together() {
        let (mut one, mut other) = (Umem::new(1).unwrap(), Umem::new(1).unwrap());
        let (first, further) = (Unbound::first(&mut one), Unbound::further(&mut other));
        let refused = further.unwrap().bind_shared(1, 0, &first.unwrap().0).unwrap_err();
        assert_eq!(Errno::from_io_error(&refused), Some(Errno::INVAL));
    }

    #[test]
    fn a_descriptor_that_lies_outside_the_umem_is_no_frame() {
        let mut umem = Umem::new(4).unwrap();
        let (mut queue, mut kernel) = (queue(&umem), Kernel::new());
        queue.refill(&mut umem);
        kernel.receives(&mut queue, 1);
        let options = rustix::net::xdp::XdpDescOptions::empty();
        let beyond = XdpDesc { addr: 4 * 4096, len: 60, options };
        queue.rx.write(kernel.rx.advance(), beyond);
        kernel.rx.publish(queue.rx.producer());
        let mut hand = Vec::new();
        queue.receive(&mut hand, 64);
        assert_eq!(hand.len(), 1);
    }
}
