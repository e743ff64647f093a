//! Crates that look up the longest prefix of an address.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use ip_network_table_deps_treebitmap::IpLookupTable;
use ip_network_table_deps_treebitmap::address::Address;
use prefix_trie::PrefixMap;
use synward_bench::prefixes::{Number, Set};

use crate::LookUp;

/// The crate `prefix-trie`, with prefixes as it takes them fastest: a number and a length.
pub(crate) type PrefixTrie<A> = PrefixMap<(A, u8), u32>;

macro_rules! prefix_trie {
    ($number:ty) => {
        impl LookUp<$number> for PrefixTrie<$number> {
            const NAME: &str = "prefix-trie";

            fn build(set: &Set<$number>) -> io::Result<Self> {
                Ok(set.iter().collect())
            }

            #[inline]
            fn get(&self, address: $number) -> Option<u32> {
                self.get_lpm(&(address, <$number>::BITS as u8)).map(|(_, value)| *value)
            }
        }
    };
}

prefix_trie!(u32);
prefix_trie!(u128);

/// The crate `ip_network_table-deps-treebitmap`.
pub(crate) struct Treebitmap<A: Std>(IpLookupTable<A::Address, u32>);

/// The address of the standard library that a number stands for.
pub(crate) trait Std: Number {
    type Address: Address;

    fn address(self) -> Self::Address;
}

impl Std for u32 {
    type Address = Ipv4Addr;

    fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self)
    }
}

impl Std for u128 {
    type Address = Ipv6Addr;

    fn address(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self)
    }
}

impl<A: Std> LookUp<A> for Treebitmap<A> {
    const NAME: &str = "treebitmap";

    fn build(set: &Set<A>) -> io::Result<Self> {
        let mut table = IpLookupTable::with_capacity(set.len());
        for ((first, length), value) in set.iter() {
            table.insert(first.address(), length.into(), value);
        }
        Ok(Self(table))
    }

    #[inline]
    fn get(&self, address: A) -> Option<u32> {
        self.0.longest_match(address.address()).map(|(.., value)| *value)
    }
}
