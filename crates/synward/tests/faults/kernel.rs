//! The instrument's programs in the kernel: compiled, attached to interfaces, read.

use std::path::Path;
use std::sync::LazyLock;

use libbpf_cargo::SkeletonBuilder;
use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder, ProgramInput};
use nix::net::if_::if_nametoindex;

use crate::bed::Namespace;

/// What a numbered frame carries before its number (`MAGIC` in the program).
pub(crate) const MAGIC: u32 = 0x5359_4e57;

/// The window of SYNs that every scenario blocks (`HOSTILE_WINDOW` in the program), and the signature that does it.
pub(crate) const HOSTILE: &str = "1024:::\n";

/// Records that are read with one system call.
const BATCH: u32 = 1 << 16;

/// Live frames of one call: with less, what each call costs shows.
const LIVE_FRAMES: u32 = 1 << 20;

/// `BPF_F_TEST_XDP_LIVE_FRAMES` (linux/bpf.h): what the program redirects really leaves.
const LIVE: u32 = 1 << 1;

/// What became of the frame of one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// When it first arrived, in ns of CLOCK_MONOTONIC; 0 if it did not.
    pub(crate) arrived: u64,
    /// How often it arrived.
    pub(crate) times: u32,
    /// On which queue of the host it first did.
    pub(crate) queue: u32,
}

/// SYNs that ought not to have arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hostile {
    pub(crate) count: u64,
    /// When the last did, in ns of CLOCK_MONOTONIC.
    pub(crate) last: u64,
}

/// The programs with maps of their own, and where they are attached.
pub(crate) struct Kernel {
    // Before the object: what is attached leaves first.
    links: Vec<Link>,
    object: Object,
}

impl Kernel {
    pub(crate) fn load() -> Self {
        static OBJECT: LazyLock<Vec<u8>> = LazyLock::new(compile);
        let object = ObjectBuilder::default().open_memory(&OBJECT).unwrap().load().unwrap();
        Self { links: Vec::new(), object }
    }

    /// Attaches a program to an interface of a namespace, for as long as this lives.
    pub(crate) fn attach(&mut self, namespace: &Namespace, device: &str, program: &str) {
        let Self { object, links } = self;
        let link = namespace.enter(move || {
            let program = object.progs_mut().find(|known| known.name() == program).unwrap();
            program.attach_xdp(index(device) as i32).unwrap()
        });
        links.push(link);
    }

    /// Takes all programs off their interfaces.
    pub(crate) fn detach(&mut self) {
        self.links.clear();
    }

    /// Makes a wire of two interfaces of a namespace.
    pub(crate) fn connect(&mut self, namespace: &Namespace, devices: [&str; 2]) {
        let object = &mut self.object;
        // The map of devices takes a number for one of the namespace of who writes it.
        namespace.enter(move || {
            let [one, other] = devices.map(index);
            for (from, to) in [(one, other), (other, one)] {
                set(object, "peers", from, &to.to_ne_bytes());
            }
        });
        for device in devices {
            self.attach(namespace, device, "wire");
        }
    }

    /// What became of the frames of the first numbers.
    pub(crate) fn records(&self, count: u32) -> Vec<Record> {
        let map = self.object.maps().find(|map| map.name() == "records").unwrap();
        let read = map.lookup_batch(BATCH, MapFlags::ANY, MapFlags::ANY).unwrap();
        read.take(count as usize).map(|(_, value)| record(&value)).collect()
    }

    pub(crate) fn hostile(&self) -> Hostile {
        let map = self.object.maps().find(|map| map.name() == "hostile").unwrap();
        let value = map.lookup(&0_u32.to_ne_bytes(), MapFlags::ANY).unwrap().unwrap();
        Hostile { count: word(&value, 0), last: word(&value, 8) }
    }

    /// Sends a SYN through an interface a million times, each from another address, as fast as one core can.
    pub(crate) fn flood(&mut self, namespace: &Namespace, device: &str, syn: &[u8]) -> u32 {
        let object = &mut self.object;
        namespace.enter(move || {
            set(object, "target", 0, &index(device).to_ne_bytes());
            let program = object.progs_mut().find(|known| known.name() == "flood").unwrap();
            let input = ProgramInput {
                data_in: Some(syn),
                flags: LIVE,
                repeat: LIVE_FRAMES,
                ..ProgramInput::default()
            };
            program.test_run(input).unwrap();
        });
        LIVE_FRAMES
    }
}

fn set(object: &Object, map: &str, key: u32, value: &[u8]) {
    let map = object.maps().find(|known| known.name() == map).unwrap();
    map.update(&key.to_ne_bytes(), value, MapFlags::ANY).unwrap();
}

/// The number of an interface of the namespace that this thread is in.
fn index(device: &str) -> u32 {
    if_nametoindex(device).unwrap_or_else(|error| panic!("{device}: {error}"))
}

fn record(value: &[u8]) -> Record {
    let queue_and_times = word(value, 8);
    Record { arrived: word(value, 0), times: queue_and_times as u32, queue: (queue_and_times >> 32) as u32 }
}

/// Eight bytes at a place.
fn word(value: &[u8], place: usize) -> u64 {
    u64::from_le_bytes(*value[place..].first_chunk().unwrap())
}

fn compile() -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/meter.bpf.c");
    let object = std::env::temp_dir().join(format!("synward-meter-{}.o", std::process::id()));
    // Debian keeps <asm/types.h> in the folder of the host's architecture, where clang does not look for BPF.
    let headers = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let mut builder = SkeletonBuilder::new();
    // Version 3 has an addition that answers what was there before.
    builder
        .source(source)
        .obj(&object)
        .clang_args(["-Wall", "-Werror", "-mcpu=v3", &headers])
        .build()
        .unwrap();
    let compiled = std::fs::read(&object).unwrap();
    std::fs::remove_file(object).unwrap();
    compiled
}
