//! Suricata as an IPS between two packet sockets, without rules.

use std::fs;

use anyhow::{Context, Result};

use super::process::Process;
use super::{Contender, Role, Running};
use crate::bed::{Bed, cores, is_installed};
use crate::traffic::Rules;

/// The program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suricata;

impl Contender for Suricata {
    fn name(&self, _rules: &Rules) -> String {
        "Suricata, AF_PACKET IPS, no rules".into()
    }

    fn role(&self) -> Role {
        Role::Forwards
    }

    fn missing(&self) -> Option<String> {
        (!is_installed("suricata")).then(|| "no suricata: install it from Debian's backports".into())
    }

    fn start(&self, bed: &Bed, _rules: &Rules) -> Result<Box<dyn Running>> {
        bed.receive_in_batches()?;
        let config = bed.folder().join("suricata.yaml");
        fs::write(&config, configuration(bed))?;
        let config = config.to_str().context("the temporary folder has a name that is no text")?;
        let folder = bed.folder().to_str().context("the temporary folder has a name that is no text")?;
        let words = ["suricata", "-c", config, "--af-packet", "-l", folder, "-S", "/dev/null", "-k", "none"];
        let mut process = Process::start(bed, &words)?;
        process.wait_for("Engine started")?;
        Ok(Box::new(process))
    }
}

fn configuration(bed: &Bed) -> String {
    let [outside, inside] = bed.ports();
    let port = |from: &str, to: &str, cluster: u32| {
        format!(
            "  - interface: {from}
    threads: 1
    cluster-id: {cluster}
    cluster-type: cluster_flow
    copy-mode: ips
    copy-iface: {to}
    ring-size: 4096
    use-mmap: yes
"
        )
    };
    format!(
        "%YAML 1.1
---
logging:
  default-log-level: notice
  outputs:
  - console: {{ enabled: yes }}
outputs: []
# Segments of connections that it has not seen the start of would be dropped.
exception-policy: ignore
stream:
  midstream-policy: ignore
# Without GRO, a veth's receiver is none that could be given a core.
capture:
  disable-offloading: no
af-packet:
{}{}threading:
  set-cpu-affinity: yes
  cpu-affinity:
  - management-cpu-set: {{ cpu: [ {} ] }}
  - worker-cpu-set: {{ cpu: [ {} ], mode: exclusive }}
runmode: workers
",
        port(outside, inside, 98),
        port(inside, outside, 99),
        cores::SENDER,
        cores::WORKER,
    )
}
