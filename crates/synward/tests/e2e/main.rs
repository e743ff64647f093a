//! End to end: the real program between two hosts, in network namespaces that the tests make. Needs root.
//!
//! Run with `--test-threads=1`: the tests measure what is lost, and two cores have room for one wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails by panicking is a test that works"
)]

mod bans;
mod bed;
mod evasion;
mod events;
mod failsafe;
mod forwarding;
mod frames;
mod harden;
mod hosts;
mod life_cycle;
mod link;
mod listen;
mod load;
mod observe;
mod odd;
mod reload;
mod service;
mod verdicts;
mod wait;
