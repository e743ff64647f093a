//! The Linux bridge, alone or with a filter of netfilter's.

use std::fs;

use anyhow::Result;

use super::{Contender, Role, Running};
use crate::bed::{Bed, is_installed, run};
use crate::traffic::{FEW, Rules, short};

/// What filters on the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    Nothing,
    /// A set of nftables in the family of bridges, with the first few prefixes.
    NftFew,
    /// The same with all.
    NftAll,
    /// Rules of iptables, each a program of the classic BPF machine for a signature; the path is that of the `synward` that makes them.
    Iptables(String),
}

/// Rules of iptables.
const IPTABLES_RULES: usize = 10;

/// The bridge.
#[derive(Debug, Clone)]
pub(crate) struct Bridge(pub(crate) Filter);

/// The bridge alone, which works on a core of its own where others are received for by the core that sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BridgeOnItsOwnCore;

impl Contender for BridgeOnItsOwnCore {
    fn name(&self, rules: &Rules) -> String {
        format!("{}, on its own core", Bridge(Filter::Nothing).name(rules))
    }

    fn role(&self) -> Role {
        Role::Forwards
    }

    fn start(&self, bed: &Bed, rules: &Rules) -> Result<Box<dyn Running>> {
        Bridge(Filter::Nothing).start(bed, rules)
    }
}

impl Contender for Bridge {
    fn name(&self, rules: &Rules) -> String {
        match self.0 {
            Filter::Nothing => "Linux bridge".into(),
            Filter::NftFew => format!("bridge + nft set, {} prefixes", short(FEW)),
            Filter::NftAll => format!("bridge + nft set, {} prefixes", short(rules.count())),
            Filter::Iptables(_) => "bridge + iptables, 10 BPF rules".into(),
        }
    }

    fn role(&self) -> Role {
        match self.0 {
            Filter::Nothing => Role::Forwards,
            Filter::NftFew => Role::DropsFew,
            Filter::NftAll => Role::DropsSources,
            Filter::Iptables(_) => Role::DropsSyns,
        }
    }

    fn missing(&self) -> Option<String> {
        match self.0 {
            Filter::Nothing => None,
            Filter::NftFew | Filter::NftAll => {
                (!is_installed("nft")).then(|| "no nft: install the package nftables".into())
            }
            Filter::Iptables(_) if !is_installed("iptables") => {
                Some("no iptables: install the package iptables".into())
            }
            Filter::Iptables(_) => (!fs::exists("/proc/sys/net/bridge").unwrap_or(false))
                .then(|| "the kernel's bridge does not ask iptables: load br_netfilter".into()),
        }
    }

    fn start(&self, bed: &Bed, rules: &Rules) -> Result<Box<dyn Running>> {
        bed.receive_in_batches()?;
        bed.wire.ip("link add br0 type bridge mcast_snooping 0")?;
        for port in bed.ports() {
            bed.wire.ip(&format!("link set {port} master br0"))?;
        }
        self.ask_iptables(bed)?;
        match &self.0 {
            Filter::Nothing => {}
            Filter::NftFew => load_set(bed, &rules.prefix_list(FEW))?,
            Filter::NftAll => load_set(bed, &rules.prefix_list(rules.count()))?,
            Filter::Iptables(synward) => add_rules(bed, rules, synward)?,
        }
        bed.wire.ip("link set br0 up")?;
        Ok(Box::new(InKernel))
    }
}

impl Bridge {
    /// Has the bridge ask iptables, or not, where the kernel can.
    fn ask_iptables(&self, bed: &Bed) -> Result<()> {
        let switch = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        let is_asked = matches!(self.0, Filter::Iptables(_));
        if fs::exists(switch)? { bed.wire.write(switch, if is_asked { "1" } else { "0" }) } else { Ok(()) }
    }
}

/// What needs no process, and goes with the namespace.
struct InKernel;

impl Running for InKernel {}

fn load_set(bed: &Bed, list: &str) -> Result<()> {
    let elements: Vec<&str> = list.lines().collect();
    let script = format!(
        "table bridge filter {{
            set blocked {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {} }} }}
            chain forward {{ type filter hook forward priority 0; ip saddr @blocked drop; }}
        }}",
        elements.join(", ")
    );
    let file = bed.folder().join("rules.nft");
    fs::write(&file, script)?;
    bed.wire.run(&format!("nft -f {}", file.display()))?;
    fs::remove_file(file)?;
    Ok(())
}

fn add_rules(bed: &Bed, rules: &Rules, synward: &str) -> Result<()> {
    for signature in rules.signatures.iter().take(IPTABLES_RULES) {
        let bytecode = run(&format!("{synward} convert --to bpf --form iptables {signature}"))?;
        let bytecode = bytecode.trim();
        bed.wire.shell(&format!("iptables -A FORWARD -m bpf --bytecode '{bytecode}' -j DROP"))?;
    }
    Ok(())
}
