//! What the benchmarks of Synward work with: rule sets of a given size, and frames.

pub mod machine;
pub mod memory;
pub mod prefixes;
pub mod race;
pub mod record;
pub mod signatures;
pub mod traffic;

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use etherparse::PacketBuilder;
use synward_policy::{Config, Faults, ListNames, RuleSet, Snapshot};

/// How many entries the lists have.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Blocked IPv4 addresses.
    pub addresses: u32,
    /// Blocked signatures without wildcards.
    pub signatures: u32,
}

/// The first address that [`snapshot`] blocks. Those that follow are [`STRIDE`] apart.
pub const FIRST_BLOCKED: Ipv4Addr = Ipv4Addr::new(16, 0, 0, 0);

/// Distance between two blocked addresses: a million of them spread over half of the address space.
pub const STRIDE: u32 = 2003;

/// Compiles an enforcing rule set of a size, by way of list files in a folder of its own.
///
/// # Errors
/// When the temporary folder cannot be written.
pub fn snapshot(size: Size) -> io::Result<Snapshot> {
    let mut addresses = String::new();
    for n in 0..size.addresses {
        let address = Ipv4Addr::from_bits(FIRST_BLOCKED.to_bits() + n * STRIDE);
        writeln!(addresses, "{address}").map_err(io::Error::other)?;
    }
    let mut signatures = String::new();
    for n in 0..size.signatures {
        // Windows and MSS of no common client, in a layout that one has.
        writeln!(signatures, "{}:2-4-8-1-3:{}:7", n % 65536, 2000 + n / 65536).map_err(io::Error::other)?;
    }
    snapshot_of(&addresses, &signatures)
}

/// Compiles an enforcing rule set that blocks the addresses and the signatures of these lists, as [`snapshot`] does.
///
/// # Errors
/// When the temporary folder cannot be written, or a list cannot be understood.
pub fn snapshot_of(addresses: &str, signatures: &str) -> io::Result<Snapshot> {
    let folder = std::env::temp_dir().join(format!("synward-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let config = write_lists(&folder, addresses, signatures);
    let compiled = config.and_then(|config| compile(&config).map_err(io::Error::other));
    fs::remove_dir_all(&folder)?;
    Ok(Snapshot { rules: Arc::new(compiled?), generation: 1, ..Snapshot::default() })
}

fn write_lists(folder: &Path, addresses: &str, signatures: &str) -> io::Result<PathBuf> {
    fs::write(folder.join("addresses"), addresses)?;
    fs::write(folder.join("signatures"), signatures)?;
    let config = folder.join("synward.toml");
    let list = |name, kind| {
        format!("[[list]]\nname = '{name}'\nkind = '{kind}'\naction = 'block'\nfile = '{name}'\n")
    };
    let bridge = "[bridge]\noutside = 'a'\ninside = 'b'\nmode = 'enforce'\n";
    fs::write(&config, [bridge, &list("addresses", "ip"), &list("signatures", "fingerprint")].concat())?;
    Ok(config)
}

fn compile(config: &Path) -> Result<RuleSet, Faults> {
    let config = Config::load(config)?;
    Ok(RuleSet::compile(&config, &mut ListNames::default())?.rules)
}

/// A segment of an established connection with 10 bytes of data.
///
/// # Errors
/// None with these arguments.
pub fn established(source: Ipv4Addr) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4(source.octets(), [198, 51, 100, 1], 64)
        .tcp(40000, 443, 1, 501)
        .ack(1)
        .write(&mut frame, &[0; 10])
        .map_err(io::Error::other)?;
    Ok(frame)
}

/// The SYN of a Linux client: options MSS, SACK permitted, timestamps, NOP, window scale.
///
/// # Errors
/// None with these arguments.
pub fn linux_syn(source: Ipv4Addr) -> io::Result<Vec<u8>> {
    let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4(source.octets(), [198, 51, 100, 1], 64)
        .tcp(40000, 443, 1, 64240)
        .syn()
        .options_raw(&options)
        .map_err(io::Error::other)?
        .write(&mut frame, &[])
        .map_err(io::Error::other)?;
    Ok(frame)
}
