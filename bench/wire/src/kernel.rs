//! The programs in the kernel: loaded, attached, told what to do, read.

use anyhow::{Context, Result, bail};
use libbpf_rs::{Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder};

use crate::bed::Namespace;

/// The object of the generator and the sink.
pub(crate) const METER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/meter.bpf.o"));

/// The object of the contenders that live in the kernel.
pub(crate) const CONTENDERS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contenders.bpf.o"));

/// A loaded object, and where its programs are attached.
#[derive(Debug)]
pub(crate) struct Kernel {
    // Before the object: what is attached leaves first.
    links: Vec<Link>,
    pub(crate) object: Object,
}

impl Kernel {
    pub(crate) fn load(object: &[u8]) -> Result<Self> {
        let open = ObjectBuilder::default().open_memory(object)?;
        let object = open.load().context("cannot load a BPF program: is this root?")?;
        Ok(Self { links: Vec::new(), object })
    }

    /// Attaches a program to an interface of a namespace, for as long as this lives.
    pub(crate) fn attach(&mut self, namespace: &Namespace, device: &str, program: &str) -> Result<()> {
        let index = i32::try_from(namespace.index(device)?)?;
        let Self { object, links } = self;
        let attach = move || {
            let found = object.progs_mut().find(|known| known.name() == program);
            let program = found.with_context(|| format!("no program {program}"))?;
            program.attach_xdp(index).with_context(|| format!("cannot attach to {device}"))
        };
        links.push(namespace.enter(attach)?);
        Ok(())
    }

    /// One of its maps.
    pub(crate) fn map(&self, name: &str) -> Result<MapHandle> {
        let map = self.object.maps().find(|map| map.name() == name);
        Ok(MapHandle::try_from(&map.with_context(|| format!("no map {name}"))?)?)
    }

    /// Writes an entry of an array.
    pub(crate) fn set(&self, map: &str, key: u32, value: &[u8]) -> Result<()> {
        Ok(self.map(map)?.update(&key.to_ne_bytes(), value, MapFlags::ANY)?)
    }

    /// Reads an entry of an array.
    pub(crate) fn get(&self, map: &str, key: u32) -> Result<Vec<u8>> {
        let value = self.map(map)?.lookup(&key.to_ne_bytes(), MapFlags::ANY)?;
        value.with_context(|| format!("{map} has no entry {key}"))
    }

    /// Reads an entry of an array that each core has for itself, and adds the cores' words up.
    pub(crate) fn sum<const WORDS: usize>(&self, map: &str, key: u32) -> Result<[u64; WORDS]> {
        let cores = self.map(map)?.lookup_percpu(&key.to_ne_bytes(), MapFlags::ANY)?;
        let mut sum = [0; WORDS];
        for core in cores.with_context(|| format!("{map} has no entry {key}"))? {
            sum.iter_mut().zip(words(&core)).for_each(|(sum, word)| *sum += word);
        }
        Ok(sum)
    }

    /// Clears an entry of an array that each core has for itself.
    pub(crate) fn clear(&self, map: &str, key: u32) -> Result<()> {
        let map = self.map(map)?;
        let size = (map.value_size() as usize).next_multiple_of(8);
        let zeros = vec![vec![0; size]; libbpf_rs::num_possible_cpus()?];
        Ok(map.update_percpu(&key.to_ne_bytes(), &zeros, MapFlags::ANY)?)
    }

    /// Reads the first entries of an array of words, with few system calls.
    pub(crate) fn words(&self, map: &str, count: usize) -> Result<Vec<u64>> {
        let map = self.map(map)?;
        let read = map.lookup_batch(1 << 16, MapFlags::ANY, MapFlags::ANY)?;
        Ok(read.take(count).filter_map(|(_, value)| words(&value).next()).collect())
    }

    /// Writes the first entries of an array.
    pub(crate) fn fill(&self, map: &str, values: &[u8]) -> Result<()> {
        let map = self.map(map)?;
        let size = map.value_size() as usize;
        if !values.len().is_multiple_of(size) {
            bail!("values of another size");
        }
        let count = u32::try_from(values.len() / size)?;
        let keys: Vec<u8> = (0..count).flat_map(u32::to_ne_bytes).collect();
        Ok(map.update_batch(&keys, values, count, MapFlags::ANY, MapFlags::ANY)?)
    }
}

/// The eight-byte words of a value.
pub(crate) fn words(value: &[u8]) -> impl Iterator<Item = u64> + '_ {
    value.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()))
}

/// A wire of the kernel's own between two interfaces, or another program of [`CONTENDERS`] on them.
pub(crate) fn connect(
    kernel: &mut Kernel,
    namespace: &Namespace,
    ports: [&str; 2],
    program: &str,
) -> Result<()> {
    let [one, other] = [namespace.index(ports[0])?, namespace.index(ports[1])?];
    let shared: &Kernel = kernel;
    // The map of devices takes a number for one of the namespace of who writes it.
    namespace.enter(|| {
        shared.set("peers", one, &other.to_ne_bytes())?;
        shared.set("peers", other, &one.to_ne_bytes())
    })?;
    ports.into_iter().try_for_each(|port| kernel.attach(namespace, port, program))
}
