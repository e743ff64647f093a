//! The trait `dst`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::signature::SignatureError;
use crate::signature::text::{Piece, Quantity, number};

/// An address, or all addresses with a prefix. Displayed as `192.0.2.7` or `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

impl Network {
    /// All addresses whose first `length` bits are those of `first`; `None` if `first` has a bit set behind them, or
    /// not as many bits.
    pub fn new(first: IpAddr, length: u8) -> Option<Network> {
        (length <= width(first) && masked(first, length) == first).then_some(Network { first, length })
    }

    /// The first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// How many bits count: 0 to 32, or to 128 for IPv6.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether the address is among these.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.length) == self.first
    }

    pub(super) fn read(piece: Piece<'_>) -> Result<Network, SignatureError> {
        let (address_piece, length_piece) = match piece.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (piece, None),
        };
        let address = read_address(address_piece)?;
        let length = length_piece.map_or(Ok(width(address)), |piece| read_length(piece, address))?;
        Network::new(address, length).ok_or_else(|| {
            let network = Network { first: masked(address, length), length };
            let message = "the address has bits set behind its prefix";
            let help = format!("write `{network}`, or the address alone if only it is meant");
            SignatureError::new(address_piece.span(), message, help)
        })
    }
}

fn read_address(piece: Piece<'_>) -> Result<IpAddr, SignatureError> {
    let fault = |message: String, help: String| SignatureError::new(piece.span(), message, help);
    let address: IpAddr = piece.text.parse().map_err(|_| {
        let help = "write an address such as 192.0.2.7, or a prefix such as 192.0.2.0/24 or 2001:db8::/32";
        fault(format!("`{}` is not an IP address", piece.text.escape_debug()), help.to_owned())
    })?;
    match mapped(address) {
        Some(v4) => {
            Err(fault("an IPv4-mapped address never appears in a packet".to_owned(), format!("write `{v4}`")))
        }
        None => Ok(address),
    }
}

/// The IPv4 address that an IPv6 address only wraps.
fn mapped(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => v6.to_ipv4_mapped(),
    }
}

fn read_length(piece: Piece<'_>, address: IpAddr) -> Result<u8, SignatureError> {
    let most = u16::from(width(address));
    number(piece, &Quantity { name: "prefix length", most, missing: "write how many leading bits count" })
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Network { first, length } = self;
        if *length == width(*first) { write!(f, "{first}") } else { write!(f, "{first}/{length}") }
    }
}
