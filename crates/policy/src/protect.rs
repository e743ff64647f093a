//! The LAN's own networks: who claims to be of one and comes from outside, lies.

use std::fmt;
use std::net::IpAddr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use synward_prefix::{BuildError, IpTable, Table};

use crate::entry::{Addresses, Block, read_network};
use crate::sweep::sweep;

/// A network, as it is written: a prefix, an address or a range of addresses. Not all addresses there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(Block);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// Reads it where its place is still known, so that a fault is shown there and not at the whole array.
struct Written;

impl Visitor<'_> for Written {
    type Value = Network;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network such as \"192.0.2.0/24\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Network, E> {
        read_network(text).map(Network).map_err(E::custom)
    }
}

/// Shows the canonical text: an address, a prefix, or a range `a-b`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.entry())
    }
}

/// All networks to protect. Nearly nobody names any, and then nothing is looked up.
#[derive(Debug, Default)]
pub(crate) struct Protected(Option<Box<IpTable>>);

impl Protected {
    pub(crate) fn build(networks: &[Network]) -> Result<Self, BuildError> {
        if networks.is_empty() {
            return Ok(Self::default());
        }
        let mut addresses = Addresses::default();
        networks.iter().for_each(|Network(block)| block.add_to(&mut addresses, 0));
        let Addresses { v4, v6 } = addresses.tidy();
        let v4 = Table::build(sweep([(0, &*v4)], |_| 0))?;
        let v6 = Table::build(sweep([(0, &*v6)], |_| 0))?;
        Ok(Self(Some(Box::new(IpTable::new(v4, v6)))))
    }

    /// Whether an address is of one of the networks.
    #[inline]
    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        self.0.as_ref().is_some_and(|table| table.get(address).is_some())
    }

    /// Bytes of heap.
    pub(crate) fn memory_usage(&self) -> usize {
        self.0.as_ref().map_or(0, |table| size_of::<IpTable>() + table.memory_usage())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected(networks: &[&str]) -> Protected {
        let networks: Vec<_> = networks.iter().map(|text| Network(read_network(text).unwrap())).collect();
        Protected::build(&networks).unwrap()
    }

    #[test]
    fn the_networks_and_no_other_address_are_covered_however_they_overlap() {
        let networks =
            ["198.51.100.9", "192.0.2.0/24", "192.0.2.128/25", "10.0.0.250-10.0.1.3", "2001:db8::/32"];
        let protected = protected(&networks);
        let covers = |address: &str| protected.covers(address.parse().unwrap());
        for inside in
            ["192.0.2.0", "192.0.2.255", "198.51.100.9", "10.0.0.250", "10.0.1.3", "2001:db8:ffff::1"]
        {
            assert!(covers(inside), "{inside}");
        }
        for outside in
            ["192.0.1.255", "192.0.3.0", "198.51.100.8", "10.0.0.249", "10.0.1.4", "2001:db9::", "::1"]
        {
            assert!(!covers(outside), "{outside}");
        }
        assert!(protected.memory_usage() > 0);
    }

    #[test]
    fn without_networks_nothing_is_covered() {
        let none = protected(&[]);
        assert!(!none.covers("192.0.2.1".parse().unwrap()) && none.memory_usage() == 0);
    }
}
