//! How much memory rules may take, told before it is taken.

use std::fs;

use bytesize::ByteSize;

use super::read::Source;
use crate::config::{Kind, List, ListDirection};
use crate::diagnostic::{Diagnostic, Faults};
use crate::entry::{Addresses, SignatureEntry, Span};

/// What a new rule set may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resources {
    /// How many lists are read at a time beside the first.
    pub more_threads: usize,
    /// The most bytes of heap for rules: for those in force and those being made together. No limit, when it is not given.
    pub memory: Option<u64>,
}

/// Bytes for each byte of a file while it is read: the file itself and its entries, of which 12 bytes stand for a line of 8 or more
/// with an IPv4 address, and 256 for one of 8 or more with a signature.
const READING_ADDRESSES: u64 = 3;
const READING_SIGNATURES: u64 = 33;

/// Bytes for each signature while a table is made of it: the rule, and its places in tables that grow by doubling. `synward check` of a million
/// distinct ones peaks at 590 for a line, its reading included.
const TABLE_SIGNATURE: usize = 400;

/// Bytes for each entry while a table is made of it: its range, and its part of the table. Measured by `bench/benches/reload.rs`
/// with addresses at random, the worst case: 30 for IPv4.
const TABLE_V4: usize = 12 + 36;
const TABLE_V6: usize = 48 + 64;

/// Bytes of the widest index of a table of IPv4 addresses, and from how many entries it can have that.
const INDEX_V4: usize = 64 << 20;
const INDEXED_V4: usize = 16_384;

/// A limit and what is taken already.
pub(super) struct Budget {
    limit: u64,
    held: u64,
}

impl Budget {
    pub(super) fn new(resources: Resources, held: usize) -> Self {
        Self { limit: resources.memory.unwrap_or(u64::MAX), held: held as u64 }
    }

    /// Before any file is read. A file that is not there is told of by who reads it.
    pub(super) fn check_files(&self, lists: &[List]) -> Result<(), Faults> {
        let size = |list: &List| fs::metadata(&list.file).map_or(0, |file| file.len());
        let reading = |list: &List| match list.kind {
            Kind::Ip => READING_ADDRESSES,
            Kind::Fingerprint => READING_SIGNATURES,
        };
        self.check(lists.iter().map(|list| (list, reading(list).saturating_mul(size(list)))), 0)
    }

    /// Before the entries of a file are read: what its lines come to, where they are shorter or wider than is usual.
    pub(super) fn check_text(&self, list: &List, text: &[u8]) -> Result<(), Faults> {
        let entry = match list.kind {
            Kind::Ip if text.contains(&b':') => size_of::<Span<u128>>(),
            Kind::Ip => size_of::<Span<u32>>(),
            Kind::Fingerprint => size_of::<SignatureEntry>(),
        };
        let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
        self.check([(list, (text.len() + lines * entry) as u64)].into_iter(), 0)
    }

    /// Before any table is made.
    pub(super) fn check_tables(&self, lists: &[List], sources: &[Source]) -> Result<(), Faults> {
        let needs = |(list, source)| (list, tables(list, source) as u64 + entries(source));
        self.check(lists.iter().zip(sources).map(needs), indexes(lists, sources))
    }

    /// What each list needs, and what they need together.
    fn check<'a>(&self, needs: impl Iterator<Item = (&'a List, u64)>, together: u64) -> Result<(), Faults> {
        let mut largest: Option<(&List, u64)> = None;
        let mut total = self.held.saturating_add(together);
        for (list, bytes) in needs {
            total = total.saturating_add(bytes);
            largest = largest.filter(|(_, most)| *most >= bytes).or(Some((list, bytes)));
        }
        match largest {
            Some((list, bytes)) if total > self.limit => Err(self.refuse(list, bytes, total).into()),
            _ => Ok(()),
        }
    }

    fn refuse(&self, list: &List, bytes: u64, total: u64) -> Diagnostic {
        let message = format!(
            "list {} would take {} of memory, which makes {} with the other lists and the rules in force; rules may take {}",
            list.name,
            ByteSize(bytes),
            ByteSize(total),
            ByteSize(self.limit)
        );
        let enough = ByteSize::mib(total.div_ceil(1 << 20));
        Diagnostic::file(&list.file, message)
            .with_help(format!("shorten the list, or write `memory = \"{enough}\"` into [control]"))
    }
}

/// Bytes of entries that are not those of the rules in force.
fn entries(source: &Source) -> u64 {
    if source.is_reused { 0 } else { source.memory_usage() as u64 }
}

fn tables(list: &List, source: &Source) -> usize {
    let Some(Addresses { v4, v6 }) = source.addresses() else {
        return source.entries().content.len() * TABLE_SIGNATURE;
    };
    let tables = if list.direction() == ListDirection::Both { 2 } else { 1 };
    tables * (v4.len() * TABLE_V4 + v6.len() * TABLE_V6)
}

/// Bytes of the indexes of both directions, each of which all its lists share.
fn indexes(lists: &[List], sources: &[Source]) -> u64 {
    let lists = || lists.iter().zip(sources).filter_map(|(list, source)| Some((list, source.addresses()?)));
    let entries = |other: ListDirection| -> usize {
        let applying = lists().filter(|(list, _)| list.direction() != other);
        applying.map(|(_, addresses)| addresses.v4.len()).sum()
    };
    let directions = [ListDirection::Out, ListDirection::In].map(entries);
    directions.into_iter().filter(|entries| *entries > INDEXED_V4).map(|_| INDEX_V4 as u64).sum()
}
