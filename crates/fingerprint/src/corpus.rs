//! What the TCP of stock systems sends: whom a signature must not mean by mistake.
//!
//! Each entry of `corpus/stock-clients.jsonl` is one SYN with its source, as it leaves its sender: captured by us, or
//! published by others. What a source does not tell is left open.
//!
//! The option bytes matter, and whether the IP identification is zero; a timestamp is any that is not zero.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use serde::Deserialize;
use synward_wire::{OptionBytes, SynFacts, TcpFlags};

use crate::p0f::MAX_DISTANCE;
use crate::{Direction, Fingerprint, P0f, Signature};

/// One SYN of a stock system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockClient {
    /// The system, and what is special about its SYN.
    pub name: String,
    /// Where this is known from.
    pub source: String,
    /// How well.
    pub certainty: Certainty,
    /// The SYN, with zeros for all that is different in each.
    pub syn: SynFacts,
    /// Whether DF is set; `None`: the source does not tell, or it is IPv6.
    pub dont_fragment: Option<bool>,
    /// Whether the IP identification is zero; `None`: the source does not tell, or it is IPv6.
    pub ip_id_zero: Option<bool>,
}

/// How well a [`StockClient`] is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Captured by this project.
    Captured,
    /// Published by the source.
    Published,
    /// Not seen, but concluded from the source code of the system.
    Concluded,
}

/// All stock clients, in the order of the file.
pub fn stock_clients() -> &'static [StockClient] {
    static CLIENTS: LazyLock<Vec<StockClient>> =
        LazyLock::new(|| CORPUS.lines().filter_map(|line| read(line).ok()).collect());
    &CLIENTS
}

const CORPUS: &str = include_str!("../corpus/stock-clients.jsonl");

/// A line of the corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    source: String,
    certainty: Certainty,
    ip_version: u8,
    /// As it is sent.
    ttl: u8,
    window: u16,
    /// In hexadecimal.
    options: String,
    /// `S`, or `SEC` to ask for ECN.
    flags: Flags,
    /// Of IPv4, if the source tells it.
    df: Option<bool>,
    /// Of IPv4, if the source tells it.
    ip_id_zero: Option<bool>,
    /// Of IPv6: whether the flow label is not zero.
    #[serde(default)]
    flow_label: bool,
}

#[derive(Clone, Copy, Deserialize)]
enum Flags {
    S,
    #[serde(rename = "SEC")]
    Sec,
}

impl From<Flags> for TcpFlags {
    fn from(flags: Flags) -> TcpFlags {
        match flags {
            Flags::S => TcpFlags::SYN,
            Flags::Sec => TcpFlags::SYN | TcpFlags::ECE | TcpFlags::CWR,
        }
    }
}

fn read(line: &str) -> Result<StockClient, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let options = hexadecimal(&line.options).and_then(|bytes| OptionBytes::new(&bytes));
    let syn = SynFacts {
        window: line.window,
        options: options.ok_or("the options are no hexadecimal bytes, 40 at most")?,
        flags: line.flags.into(),
        ip_version: line.ip_version,
        ttl: line.ttl,
        ip_header_len: if line.ip_version == 6 { 40 } else { 20 },
        flow_label: line.flow_label,
        ..SynFacts::default()
    };
    Ok(StockClient {
        name: line.name,
        source: line.source,
        certainty: line.certainty,
        syn,
        dont_fragment: line.df,
        ip_id_zero: line.ip_id_zero,
    })
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let is_whole = digits.len().is_multiple_of(2);
    digits.as_bytes().chunks(2).map(byte).collect::<Option<_>>().filter(|_| is_whole)
}

impl StockClient {
    /// Whether the signature matches this client somewhere: at some distance, with some address and port as its
    /// destination, and with some IP identification that the client may choose.
    pub fn is_matched_by(&self, signature: &Signature) -> bool {
        signature.traits.direction == Direction::Syn
            && signature.notation.window().is_none_or(|window| window == self.syn.window)
            && self.choices(signature).any(|syn| {
                let seen = Fingerprint::of(&syn);
                (0..=MAX_DISTANCE).any(|hops| signature.matches(&at_distance(seen, hops)))
            })
    }

    /// The SYNs of this client that differ in what it may choose, and in which the signature may find what it
    /// asks for.
    fn choices(&self, signature: &Signature) -> impl Iterator<Item = SynFacts> {
        let traits = &signature.traits;
        let ports = traits.destination_ports.as_ref().and_then(|ports| ports.intervals().first());
        let asked = traits.destination.map(|network| network.first());
        let is_v4 = self.syn.ip_version == 4;
        let destination = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let syn = SynFacts {
            destination: asked.filter(|asked| asked.is_ipv4() == is_v4).unwrap_or(destination),
            destination_port: ports.map_or(0, |ports| ports.first),
            ..self.syn
        };
        let id = traits.ip_id.map_or(1, |asked| asked.last.max(1));
        let fragment = open(self.dont_fragment, is_v4);
        let zero = open(self.ip_id_zero, is_v4);
        fragment.into_iter().flat_map(move |dont_fragment| {
            zero.clone().into_iter().map(move |zero| SynFacts {
                dont_fragment,
                ip_id: is_v4.then_some(if zero { 0 } else { id }),
                ..syn
            })
        })
    }
}

/// The same, so many hops away.
fn at_distance(seen: Fingerprint, hops: u8) -> Fingerprint {
    let ttl = seen.syn.ttl.saturating_sub(hops);
    let syn = SynFacts { ttl, ..seen.syn };
    Fingerprint { syn, p0f: seen.p0f.map(|p0f| P0f { ttl, ..p0f }), ..seen }
}

/// What a bit may be: of IPv6, where there is none, it is false.
fn open(bit: Option<bool>, is_v4: bool) -> Vec<bool> {
    match bit {
        Some(bit) => vec![bit],
        None if is_v4 => vec![false, true],
        None => vec![false],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_names_its_source() {
        let all: Vec<_> =
            CORPUS.lines().map(|line| read(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect();
        assert_eq!(all, stock_clients());
        for client in &all {
            assert!(synward_wire::options_well_formed(client.syn.options.as_slice()), "{}", client.name);
            let said = client.source.split_once(|c: char| !c.is_alphabetic()).unwrap().0;
            assert_eq!(said, format!("{:?}", client.certainty).to_lowercase(), "{}", client.name);
        }
    }

    #[test]
    fn names_are_unique_and_all_kinds_of_systems_are_there() {
        let mut names: Vec<&str> = stock_clients().iter().map(|client| client.name.as_str()).collect();
        for system in ["Linux", "Windows", "macOS", "iOS", "Android", "FreeBSD", "OpenBSD", "NetBSD"] {
            assert!(names.iter().any(|name| name.starts_with(system)), "{system}");
        }
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn what_a_client_may_choose_is_not_held_against_a_signature() {
        let linux =
            stock_clients().iter().find(|client| client.name.starts_with("Linux 6.18, curl")).unwrap();
        let matches = |text: &str| linux.is_matched_by(&text.parse().unwrap());
        assert!(matches("64240:2-4-8-1-3:1460:10;ttl=40..45;ipid=7;dport=22,80;dst=192.0.2.0/24"));
        assert!(!matches("64240:2-4-8-1-3:1460:10;ttl=65.."));
        assert!(!matches("64240:2-4-8-1-3:1460:10;df=0"));
        assert!(!matches("64240:2-4-8-1-3:1460:10;ipid=0"));
        assert!(!matches("64240:2-4-8-1-3:1460:10;dst=2001:db8::/32"));
        assert!(!matches("64240:2-4-8-1-3:1460:10;dir=SA"));
        assert!(matches("*:64:0:*:mss*44,*:mss,sok,ts,nop,ws:df,id+:0"));
    }
}
