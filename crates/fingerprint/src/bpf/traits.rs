//! What a signature asks beside its notation.

use std::net::IpAddr;

use super::BpfError;
use super::assembler::{Condition, Test, Width};
use super::draft::Draft;
use crate::{Direction, Network, Traits};

/// Asks of the IP header what the traits ask of it.
pub(super) fn ask_ip(draft: &mut Draft, traits: &Traits) -> Result<(), BpfError> {
    if traits.direction == Direction::SynAck {
        return Err(BpfError::Unsupported("`dir=SA`: a program tests for the SYN of a client"));
    }
    if let Some(ttl) = traits.ttl {
        draft.ask_ttl(ttl.first.into()..=ttl.last.into())?;
    }
    if let Some(df) = traits.dont_fragment {
        draft.ask_ip(6, Width::Half, 0x4000, u32::from(df) << 14)?;
    }
    if let Some(id) = traits.ip_id {
        draft.ask_ip_within(4, Width::Half, id.first.into()..=id.last.into())?;
    }
    traits.destination.map_or(Ok(()), |network| ask_destination(draft, network))
}

fn ask_destination(draft: &mut Draft, network: Network) -> Result<(), BpfError> {
    let (offset, address) = match network.first() {
        IpAddr::V4(v4) => (16, v4.octets().to_vec()),
        IpAddr::V6(v6) => (24, v6.octets().to_vec()),
    };
    let length = u32::from(network.length());
    for (place, byte) in (0..).zip(address) {
        let bits = length.saturating_sub(8 * place).min(8);
        let mask = 0xff << (8 - bits) & 0xff;
        draft.ask_ip(offset + place, Width::Byte, mask, byte.into())?;
    }
    Ok(())
}

/// Asks of the TCP header what the traits ask of it.
pub(super) fn ask_tcp(draft: &mut Draft, traits: &Traits) -> Result<(), BpfError> {
    if let Some(flags) = traits.flags {
        draft.ask(draft.tcp_at(12), Width::Half, 0x0fff, flags.bits().into())?;
    }
    if let Some(ecn) = traits.ecn {
        draft.ask_ecn(ecn)?;
    }
    if let Some(ports) = &traits.destination_ports {
        let port = draft.tcp_at(2);
        let ranges = ports.intervals().iter();
        let ranges: Vec<_> = ranges.map(|range| u32::from(range.first)..=u32::from(range.last)).collect();
        match ranges.as_slice() {
            [only] => draft.ask_within(port, Width::Half, only.clone())?,
            _ => draft.check(Test { value: vec![port.load(Width::Half)], is: Condition::Within(ranges) }),
        }
    }
    Ok(())
}
