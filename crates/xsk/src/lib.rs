//! AF_XDP: sockets, rings and memory, the XDP shim, and the settings of a port.
//!
//! The only crate of the workspace with unsafe code. What it is for: mapping memory that is shared with the kernel
//! and reading and writing it ([`umem`](Umem), `ring`), ioctls and calls of packet sockets that no library offers ([`nic`]),
//! and one call of libbpf that its Rust bindings lack (`shim`). None of it can be misused from outside:
//!
//! * A [`Frame`] is a move-only token; whoever holds it is the only one to touch its buffer.
//! * A [`Queue`] keeps the four rings of a socket, and implements [`synward_bridge::Port`] on them.
//! * [`Ports`] opens two interfaces, and undoes on drop what it did to them.

mod busy_poll;
mod changes;
mod error;
mod held;
mod mode;
mod monitor;
pub mod nic;
mod pins;
mod ports;
mod queue;
mod ring;
mod shim;
mod umem;

pub use error::OpenError;
pub use mode::{XdpMode, XdpRequest};
pub use monitor::{PortMonitor, QueueMonitor, XdpStatistics};
pub use ports::{MAX_MTU, MAX_WHOLE_MTU, Opened, Ports, QueuePair, Setup};
pub use queue::{FILL_RING, FRAMES, Queue, RING};
pub use shim::{Fallback, MAX_QUEUES, ShimCounters, ShimCounts};
pub use umem::{FRAME_SIZE, Frame, HEADROOM, MAX_FRAME, Umem};
