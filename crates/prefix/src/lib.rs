//! Immutable tables from IP addresses to 32-bit values.
//!
//! A table is built once from disjoint address ranges and never changes; a look-up is infallible and allocates
//! nothing. What a value means is the caller's business: the overlap of lists and their precedence are resolved
//! before a table is built, so that the table answers one question only: *in which range is this address?*
//!
//! ```
//! use std::net::IpAddr;
//! use synward_prefix::{IpTable, Ipv4Table, Ipv6Table, Range};
//!
//! let documentation = Range { start: 0xc000_0200, end: 0xc000_02ff, value: 7 };
//! let table = IpTable::new(Ipv4Table::build([documentation])?, Ipv6Table::default());
//! assert_eq!(table.get("192.0.2.1".parse::<IpAddr>()?), Some(7));
//! assert_eq!(table.get("192.0.3.0".parse::<IpAddr>()?), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod slot;
mod table;
mod v4;
mod v6;

use std::net::IpAddr;

pub use slot::MAX_VALUE;
pub use table::{Address, BuildError, Range, Table};

/// IPv4 addresses, as the number that [`std::net::Ipv4Addr::to_bits`] gives.
pub type Ipv4Table = Table<u32>;

/// IPv6 addresses, as the number that [`std::net::Ipv6Addr::to_bits`] gives.
pub type Ipv6Table = Table<u128>;

/// One table for each IP version behind one look-up.
#[derive(Debug, Default, Clone)]
pub struct IpTable {
    v4: Ipv4Table,
    v6: Ipv6Table,
}

impl IpTable {
    /// Puts the two tables together.
    pub fn new(v4: Ipv4Table, v6: Ipv6Table) -> Self {
        Self { v4, v6 }
    }

    /// The value of the range that covers `address`.
    #[inline]
    pub fn get(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(address) => self.v4.get(address.to_bits()),
            IpAddr::V6(address) => self.v6.get(address.to_bits()),
        }
    }

    /// [`Table::get_all`] of the IPv4 table.
    #[inline]
    pub fn get_v4_all(&self, addresses: &[u32], found: &mut [Option<u32>]) {
        self.v4.get_all(addresses, found);
    }

    /// [`Table::get_all`] of the IPv6 table.
    #[inline]
    pub fn get_v6_all(&self, addresses: &[u128], found: &mut [Option<u32>]) {
        self.v6.get_all(addresses, found);
    }

    /// Number of ranges in both tables.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether no address is in the table.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap held by the tables.
    pub fn memory_usage(&self) -> usize {
        self.v4.memory_usage() + self.v6.memory_usage()
    }
}
