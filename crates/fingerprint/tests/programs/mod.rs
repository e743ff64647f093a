//! Captures, and what other programs read from them.
#![allow(dead_code, reason = "each test uses its share")]

pub(crate) mod capture;
pub(crate) mod p0f;
#[cfg(feature = "ja4t")]
pub(crate) mod tshark;
