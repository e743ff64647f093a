//! A BPF program with an LPM trie, run by the kernel as often as asked for (BPF_PROG_TEST_RUN). No port, no traffic.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle, Object, ObjectBuilder, ProgramInput};
use synward_bench::prefixes::{Prefix, Set};

/// Addresses that the program goes round, as in its source.
pub(crate) const ADDRESSES: usize = 1 << 20;

/// Look-ups in one run, as in its source.
const BATCH: usize = 64;

const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lpm.bpf.o"));

pub(crate) struct Lpm {
    object: Object,
}

impl Lpm {
    pub(crate) const NAME: &str = "kernel's LPM trie";

    pub(crate) fn of(set: &Set<u32>) -> io::Result<Self> {
        let open = ObjectBuilder::default().open_memory(OBJECT).map_err(io::Error::other)?;
        let lpm = Self { object: open.load().map_err(io::Error::other)? };
        let keys: Vec<u8> = set.iter().flat_map(|(prefix, _)| key(prefix)).collect();
        let values: Vec<u8> = set.iter().flat_map(|(_, value)| value.to_ne_bytes()).collect();
        lpm.fill("prefixes", &keys, &values, set.len())?;
        Ok(lpm)
    }

    fn map(&self, name: &str) -> io::Result<MapHandle> {
        let map = self.object.maps().find(|map| map.name() == name);
        MapHandle::try_from(&map.ok_or_else(|| io::Error::other(format!("no map {name}")))?)
            .map_err(io::Error::other)
    }

    fn fill(&self, map: &str, keys: &[u8], values: &[u8], count: usize) -> io::Result<()> {
        let map = self.map(map)?;
        let count = u32::try_from(count).map_err(io::Error::other)?;
        map.update_batch(keys, values, count, MapFlags::ANY, MapFlags::ANY).map_err(io::Error::other)
    }

    /// MiB that the kernel says the trie holds.
    pub(crate) fn memory(&self) -> io::Result<f64> {
        let map = self.map("prefixes")?;
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd()))?;
        let bytes = info.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse::<usize>().ok());
        bytes
            .map(synward_bench::memory::mebibytes)
            .ok_or_else(|| io::Error::other("the kernel does not tell"))
    }

    /// The addresses of the runs that follow: [`ADDRESSES`] of them.
    pub(crate) fn ask(&self, addresses: &[u32]) -> io::Result<()> {
        let keys: Vec<u8> = (0..ADDRESSES as u32).flat_map(u32::to_ne_bytes).collect();
        let values: Vec<u8> = addresses.iter().flat_map(|address| address.to_be_bytes()).collect();
        self.fill("addresses", &keys, &values, addresses.len())
    }

    /// Runs a program over all addresses. Nanoseconds for each.
    pub(crate) fn pass(&self, program: &str) -> io::Result<f64> {
        let mut programs = self.object.progs_mut();
        let program =
            programs.find(|found| found.name() == program).ok_or_else(|| io::Error::other("no program"))?;
        let repeat = (ADDRESSES / BATCH) as u32;
        let frame = ProgramInput { data_in: Some(&[0; 64]), repeat, ..ProgramInput::default() };
        let output = program.test_run(frame).map_err(io::Error::other)?;
        Ok(output.duration.as_nanos() as f64 / BATCH as f64)
    }

    /// How many of the addresses the trie holds, by a pass.
    pub(crate) fn hits(&self) -> io::Result<u64> {
        let found = self.map("found")?;
        let zero = 0u32.to_ne_bytes();
        found.update(&zero, &0u64.to_ne_bytes(), MapFlags::ANY).map_err(io::Error::other)?;
        self.pass("look_up")?;
        let sum = found.lookup(&zero, MapFlags::ANY).map_err(io::Error::other)?.unwrap_or_default();
        Ok(u64::from_ne_bytes(sum.as_slice().try_into().map_err(io::Error::other)?))
    }
}

/// The kernel's form of a prefix.
fn key((first, length): Prefix<u32>) -> impl Iterator<Item = u8> {
    u32::from(length).to_ne_bytes().into_iter().chain(first.to_be_bytes())
}
