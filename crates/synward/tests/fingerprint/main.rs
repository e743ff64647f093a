//! `synward fingerprint`, the real program, on captures of every form.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails by panicking is a test that works"
)]

mod damage;
mod files;
mod forms;
mod packets;
mod program;
mod size;
mod summary;
mod syns;
