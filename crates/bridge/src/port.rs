//! What the worker needs of a port: the AF_XDP one lives in `synward-xsk`, the one in memory beside this file.

use std::net::IpAddr;
use std::time::Duration;

/// The frame buffers of one worker, shared by its two ports.
///
/// A [`Pool::Frame`] is a move-only token: it has exactly one owner, and dropping one instead of giving it back
/// loses a buffer, which the census of the worker shows.
pub trait Pool {
    /// The token that owns one buffer.
    type Frame;

    /// The frame in the buffer, from its destination MAC to its last byte, without frame check sequence; or the piece of one that is in
    /// this buffer.
    fn bytes<'a>(&'a self, frame: &'a Self::Frame) -> &'a [u8];

    /// Whether the frame goes on in another buffer, that of the next token: one longer than a buffer comes and leaves in pieces.
    fn continues(&self, frame: &Self::Frame) -> bool;

    /// Takes a buffer back.
    fn release(&mut self, frame: Self::Frame);

    /// Number of buffers that are free now.
    fn free(&self) -> usize;

    /// Number of buffers in all.
    fn size(&self) -> usize;
}

/// One queue of one port.
///
/// No call blocks, but for [`Port::wait`]; every loop behind a call is bounded.
pub trait Port: Sized {
    /// The token of a frame.
    type Frame;
    /// Where the buffers come from.
    type Pool: Pool<Frame = Self::Frame>;

    /// Gives the port free buffers until it has as many as it can hold. Called first in every turn: a port that
    /// has no buffer loses frames.
    fn refill(&mut self, pool: &mut Self::Pool);

    /// Appends the tokens of received frames to `frames`, in the order of their arrival: about `limit`, but never a part of a frame.
    fn receive(&mut self, frames: &mut Vec<Self::Frame>, limit: usize);

    /// Sends frames in order, as many whole ones as the port takes at once. What it does not take stays in `frames`.
    fn transmit(&mut self, frames: &mut Vec<Self::Frame>);

    /// Takes back the buffers of frames that were sent, and wakes the port up while any may not be.
    fn reclaim(&mut self, pool: &mut Self::Pool);

    /// Number of frames that the port took to send and then threw away, since the last call.
    fn take_refused(&mut self) -> usize;

    /// Whether frames wait in the port that it must be asked for to send: see [`Port::reclaim`].
    fn is_unsent(&self) -> bool;

    /// Whether the port said at the last attempt to send that its link is down.
    fn link_is_down(&self) -> bool;

    /// Where the buffers are that this port holds.
    fn census(&self) -> Census;

    /// The time of the clock by which the port's fallback goes, since some start of its own.
    fn now(&self) -> Duration;

    /// Tells the port's fallback, which holds the wire while no worker does, that the worker lives at this time of its clock, and judges
    /// by rules of this generation.
    fn beat(&mut self, now: Duration, generation: u64);

    /// Tells the fallback of a source whose frames are dropped by rules of this generation.
    fn remember_blocked(&mut self, source: IpAddr, generation: u64);

    /// Sleeps until one of the two ports has received a frame, or the time is over.
    fn wait(ports: [&Self; 2], timeout: Duration);
}

/// Number of buffers by the place where they are, as seen from one port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Given to the port to receive into: in the fill ring or in the driver's hands.
    pub fill: usize,
    /// Received, not yet taken by the worker.
    pub rx: usize,
    /// Given to the port to send, not yet sent.
    pub tx: usize,
    /// Sent, not yet taken back.
    pub completion: usize,
}
