//! DPDK's testpmd, which forwards whatever comes from one port to the other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::process::Process;
use super::{Contender, Role, Running};
use crate::bed::{Bed, Receiver, cores, is_installed};
use crate::traffic::Rules;

/// Which of DPDK's drivers has the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    AfXdp,
    AfPacket,
}

/// The program with a driver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Testpmd(pub(crate) Driver);

impl Testpmd {
    /// The argument that makes a port of an interface.
    fn device(self, number: usize, port: &str) -> String {
        match self.0 {
            Driver::AfXdp => format!("net_af_xdp{number},iface={port}"),
            Driver::AfPacket => format!("net_af_packet{number},iface={port},qdisc_bypass=1"),
        }
    }
}

impl Contender for Testpmd {
    fn name(&self, _rules: &Rules) -> String {
        match self.0 {
            Driver::AfXdp => "DPDK testpmd, net_af_xdp".into(),
            Driver::AfPacket => "DPDK testpmd, net_af_packet".into(),
        }
    }

    fn role(&self) -> Role {
        Role::Forwards
    }

    fn missing(&self) -> Option<String> {
        (!is_installed("dpdk-testpmd")).then(|| {
            "no dpdk-testpmd: install the packages dpdk-dev, librte-net-af-xdp23 and librte-net-af-packet23".into()
        })
    }

    fn receiver(&self) -> Receiver {
        // It spins, and would let nobody else receive on its core.
        Receiver::Sender
    }

    fn start(&self, bed: &Bed, _rules: &Rules) -> Result<Box<dyn Running>> {
        if self.0 == Driver::AfPacket {
            bed.receive_in_batches()?;
        }
        for port in bed.ports() {
            bed.wire.ip(&format!("link set {port} promisc on"))?;
        }
        let [outside, inside] = bed.ports();
        let devices = [self.device(0, outside), self.device(1, inside)];
        let lcores = format!("{},{}", cores::WORKER, cores::SENDER);
        let main = format!("--main-lcore={}", cores::SENDER);
        let prefix = format!("--file-prefix={}", bed.wire.name());
        let words = [
            "stdbuf",
            "-o0",
            "dpdk-testpmd",
            "-l",
            &lcores,
            &main,
            "--no-huge",
            "-m",
            "512",
            "--no-pci",
            &prefix,
            "--vdev",
            &devices[0],
            "--vdev",
            &devices[1],
            "--",
            "--forward-mode=io",
            "--nb-cores=1",
            "--total-num-mbufs=65536",
            "--rxd=2048",
            "--txd=2048",
            "--no-mlockall",
        ];
        let folder = Folder(Path::new("/run/dpdk").join(bed.wire.name()));
        let mut process = Process::start(bed, &words)?;
        process.wait_for("Press enter to exit")?;
        Ok(Box::new(AtWork { process, _folder: folder }))
    }
}

/// Where DPDK keeps what its processes share; it leaves it behind when it is killed.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct AtWork {
    // Before its folder: it writes there.
    process: Process,
    _folder: Folder,
}

impl Running for AtWork {
    fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    fn resume(&mut self) -> Result<()> {
        self.process.resume()
    }
}
