//! A set of nftables in a network namespace of its own, which goes with all that is in it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, id};
use std::time::Instant;

use synward_bench::memory::kibibytes;
use synward_bench::prefixes::Set;
use synward_bench::record::record;

const NAME: &str = "nft";

struct Namespace(String);

impl Namespace {
    fn new() -> io::Result<Self> {
        let name = format!("synward-bench-{}", id());
        run("ip", &["netns", "add", &name])?;
        Ok(Self(name))
    }

    fn nft(&self, file: &str) -> io::Result<()> {
        run("ip", &["netns", "exec", &self.0, "nft", "-f", file])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run("ip", &["netns", "delete", &self.0]) {
            eprintln!("the namespace {} is left over: {error}", self.0);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    let status = Command::new(program).args(arguments).status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("{program} {arguments:?}: {status}")))
}

/// Records how long nft takes to load the prefixes, and by how much the kernel's unreclaimable slabs grow.
pub(crate) fn load(set: &Set<u32>) -> io::Result<()> {
    let file = env::temp_dir().join(format!("synward-bench-{}.nft", id()));
    fs::write(&file, rules(set).map_err(io::Error::other)?)?;
    let measured = measure(&file.to_string_lossy());
    fs::remove_file(file)?;
    measured
}

fn measure(file: &str) -> io::Result<()> {
    let namespace = Namespace::new()?;
    let (before, start) = (slabs()?, Instant::now());
    namespace.nft(file)?;
    record("nft, 1 M, loading", NAME, start.elapsed().as_secs_f64(), "s")?;
    record("nft, 1 M, memory", NAME, slabs()?.saturating_sub(before) as f64 / 1024.0, "MiB")
}

fn slabs() -> io::Result<usize> {
    kibibytes("/proc/meminfo", "SUnreclaim:")
}

/// The disjoint ranges: of prefixes that overlap nft takes none, unless it may merge them itself.
fn rules(set: &Set<u32>) -> Result<String, std::fmt::Error> {
    let mut text =
        "table ip bench {\n set blocked { type ipv4_addr; flags interval; elements = {\n".to_owned();
    for range in set.ranges() {
        writeln!(text, "{}-{},", Ipv4Addr::from_bits(range.start), Ipv4Addr::from_bits(range.end))?;
    }
    text.push_str(
        " } }\n chain input { type filter hook prerouting priority raw; ip saddr @blocked drop; }\n}\n",
    );
    Ok(text)
}
