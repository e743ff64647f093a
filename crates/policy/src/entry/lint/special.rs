//! Addresses that are set aside: the registries of RFC 6890 and what came to them later.

use super::super::address::{Block, exactly};
use super::super::addresses::{Addresses, Number, Span};
use super::{Odd, What};

/// Addresses with a special use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Special {
    prefix: &'static str,
    use_: &'static str,
    /// What a rule about them does.
    pub(super) help: &'static str,
}

impl Special {
    const fn new(prefix: &'static str, use_: &'static str, help: &'static str) -> Self {
        Self { prefix, use_, help }
    }

    pub(super) fn message(&self) -> String {
        format!("{} is {}", self.prefix, self.use_)
    }
}

const LAN: &str = "it blocks your own LAN and its router, if they have such addresses";
const NOBODY: &str = "no frame that comes from afar has such a source: leave it out";
const EXAMPLE: &str = "no host has such an address: was it left from an example?";
const GROUPS: &str =
    "no frame has it as its source; with `direction = \"out\"` it stops what your LAN sends to groups";
const NEIGHBOURS: &str = "hosts of IPv6 find their neighbours and their router by such addresses";

const SPECIAL: &[Special] = &[
    Special::new(
        "0.0.0.0/8",
        "\"this network\" (RFC 791)",
        "0.0.0.0 is what a host asks for its address from (DHCP)",
    ),
    Special::new("10.0.0.0/8", "private (RFC 1918)", LAN),
    Special::new("100.64.0.0/10", "shared by providers (RFC 6598)", LAN),
    Special::new("127.0.0.0/8", "loopback (RFC 1122)", NOBODY),
    Special::new("169.254.0.0/16", "link-local (RFC 3927)", LAN),
    Special::new("172.16.0.0/12", "private (RFC 1918)", LAN),
    Special::new("192.0.0.0/24", "for protocols (RFC 6890)", NOBODY),
    Special::new("192.0.2.0/24", "for documentation (RFC 5737)", EXAMPLE),
    Special::new("192.168.0.0/16", "private (RFC 1918)", LAN),
    Special::new("198.18.0.0/15", "for benchmarks (RFC 2544)", NOBODY),
    Special::new("198.51.100.0/24", "for documentation (RFC 5737)", EXAMPLE),
    Special::new("203.0.113.0/24", "for documentation (RFC 5737)", EXAMPLE),
    Special::new("224.0.0.0/4", "multicast (RFC 5771)", GROUPS),
    Special::new("240.0.0.0/4", "reserved (RFC 1112)", NOBODY),
    Special::new(
        "::/128",
        "the unspecified address (RFC 4291)",
        "a host that makes sure of its address sends from it",
    ),
    Special::new("::1/128", "loopback (RFC 4291)", NOBODY),
    Special::new("64:ff9b:1::/48", "for local translation (RFC 8215)", LAN),
    Special::new("100::/64", "discard-only (RFC 6666)", NOBODY),
    Special::new("2001:2::/48", "for benchmarks (RFC 5180)", NOBODY),
    Special::new("2001:db8::/32", "for documentation (RFC 3849)", EXAMPLE),
    Special::new("3fff::/20", "for documentation (RFC 9637)", EXAMPLE),
    Special::new("fc00::/7", "private (RFC 4193)", LAN),
    Special::new("fe80::/10", "link-local (RFC 4291)", NEIGHBOURS),
    Special::new("ff00::/8", "multicast (RFC 4291)", GROUPS),
];

/// Tells the entries that have addresses with a special use.
pub(super) fn special(addresses: &Addresses, odd: &mut Vec<Odd>) {
    for special in SPECIAL {
        match exactly(special.prefix, &mut Vec::new()) {
            Ok(Block::V4(start, end)) => tell(special, start, end, &addresses.v4, odd),
            Ok(Block::V6(start, end)) => tell(special, start, end, &addresses.v6, odd),
            Err(_) => debug_assert!(false, "{}", special.prefix),
        }
    }
}

fn tell<A: Number>(special: &'static Special, start: A, end: A, spans: &[Span<A>], odd: &mut Vec<Odd>) {
    let meets = |span: &&Span<A>| span.start <= end && start <= span.end;
    let odd_one = |span: &Span<A>| Odd { line: span.line, what: What::Special(special) };
    odd.extend(spans.iter().filter(meets).map(odd_one));
}
