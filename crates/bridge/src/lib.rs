//! The worker loop between two ports, its counters, and the publication of rules to it.
//!
//! A [`Worker`] owns one queue of both ports and moves frames between them by the current
//! [`synward_policy::Snapshot`]. It knows nothing of AF_XDP: a [`Port`] is all it needs.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use synward_bridge::{Desk, MemoryPool, MemoryPort, Publisher, Stats, Worker, events, loop_times};
//! use synward_policy::{Snapshot, Wait};
//!
//! let (events, _told) = events();
//! let (timer, _times) = loop_times()?;
//! let (publisher, mut subscriptions) = Publisher::new(Snapshot::default(), 1);
//! let rules = subscriptions.pop().ok_or("no worker")?;
//! let stale_after = Duration::from_millis(250);
//! let desk = Desk { queue: 0, rules, stats: Default::default(), events, timer, stale_after, wait: Wait::Adaptive };
//! let mut outside = MemoryPort::new(8);
//! outside.arriving.push_back(vec![0xff; 60]);
//!
//! let mut worker = Worker::new(desk, outside, MemoryPort::new(8), MemoryPool::new(32));
//! assert_eq!(worker.turn(Instant::now()), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counter;
mod event;
mod loop_time;
mod memory;
mod port;
mod publish;
mod stats;
mod swap;
mod tally;
mod worker;

pub use counter::{Counter, Counters};
pub use event::{Event, EventSender, Flow, events};
pub use loop_time::{LoopSummary, LoopTimer, LoopTimes, loop_times};
pub use memory::{MemoryFrame, MemoryPool, MemoryPort};
pub use port::{Census, Pool, Port};
pub use publish::{InForce, Ledger, Publisher, Subscription};
pub use stats::{Buffers, PortStats, Stats};
pub use synward_policy::BATCH;
pub use tally::{ListTotals, Tally};
#[cfg(feature = "fault-injection")]
pub use worker::Faults;
pub use worker::{Desk, Worker};
