//! What the machine says of memory.

use std::{fs, io};

/// Bytes of memory that this process has in RAM.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn resident() -> io::Result<usize> {
    kibibytes("/proc/self/status", "VmRSS:").map(|kibibytes| kibibytes * 1024)
}

/// The figure behind a name in a file of `/proc`, in KiB.
///
/// # Errors
/// When the file cannot be read, or the name is not in it.
pub fn kibibytes(path: &str, name: &str) -> io::Result<usize> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().next()).and_then(|figure| figure.parse().ok());
    figure.ok_or_else(|| io::Error::other(format!("no figure for {name} in {path}")))
}

/// What a thing takes in RAM, in MiB, and the thing. Memory that its making needs and gives back does not count.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn of<T>(make: impl FnOnce() -> T) -> io::Result<(f64, T)> {
    let before = resident()?;
    let thing = make();
    Ok((mebibytes(resident()?.saturating_sub(before)), thing))
}

/// Bytes as MiB.
pub fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
