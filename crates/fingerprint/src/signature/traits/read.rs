//! From text to traits.

use synward_wire::TcpFlags;

use super::flags::{self, ECN_FLAGS};
use super::name::{self, Quotes};
use super::number::{IP_ID, TTL, decimal_or_hex};
use super::{Direction, Interval, Network, Ports, Traits};
use crate::signature::SignatureError;
use crate::signature::text::{Piece, number};

/// The name of a trait, and how its value is written.
struct Key {
    name: &'static str,
    forms: &'static str,
    set: fn(&mut Traits, Piece<'_>) -> Result<(), SignatureError>,
}

const KEYS: [Key; 11] = [
    Key {
        name: "dir",
        forms: "`dir=S` for a SYN, `dir=SA` for a SYN-ACK",
        set: |traits, value| direction(value).map(|direction| traits.direction = direction),
    },
    Key {
        name: "ttl",
        forms: "`ttl=64`, `ttl=..64` or `ttl=65..128`",
        set: |traits, value| Interval::read(value, &TTL, number).map(|ttl| traits.ttl = Some(ttl)),
    },
    Key {
        name: "df",
        forms: "`df=0` or `df=1`",
        set: |traits, value| bit(value, "df").map(|df| traits.dont_fragment = Some(df)),
    },
    Key {
        name: "ipid",
        forms: "`ipid=0`, `ipid=0xd431` or `ipid=1..`",
        set: |traits, value| Interval::read(value, &IP_ID, decimal_or_hex).map(|id| traits.ip_id = Some(id)),
    },
    Key {
        name: "flags",
        forms: "`flags=S`, or `flags=SEC` with ECE and CWR",
        set: |traits, value| flags::read(value).map(|flags| traits.flags = Some(flags)),
    },
    Key {
        name: "ecn",
        forms: "`ecn=0` or `ecn=1`",
        set: |traits, value| bit(value, "ecn").map(|ecn| traits.ecn = Some(ecn)),
    },
    Key {
        name: "payload",
        forms: "`payload=0` or `payload=1`",
        set: |traits, value| bit(value, "payload").map(|payload| traits.payload = Some(payload)),
    },
    Key {
        name: "dport",
        forms: "`dport=22`, `dport=22,80` or `dport=1..1023`",
        set: |traits, value| Ports::read(value).map(|ports| traits.destination_ports = Some(ports)),
    },
    Key {
        name: "dst",
        forms: "`dst=192.0.2.7` or `dst=2001:db8::/32`",
        set: |traits, value| Network::read(value).map(|network| traits.destination = Some(network)),
    },
    Key {
        name: "ver",
        forms: "`ver=4` or `ver=6`",
        set: |traits, value| version(value).map(|version| traits.ip_version = Some(version)),
    },
    Key {
        name: "name",
        forms: "`name=zmap` or `name=\"zmap 4\"`",
        set: |traits, value| name::read(value).map(|name| traits.name = Some(name)),
    },
];

/// Reads what stands behind the first `;` of a signature.
pub(in crate::signature) fn read(piece: Piece<'_>) -> Result<Traits, SignatureError> {
    let mut traits = Traits::default();
    let mut given: Vec<(&str, Piece<'_>)> = Vec::new();
    let mut quotes = Quotes::default();
    for item in piece.split_where(move |c| quotes.is_outside(c) && c == ';') {
        let (key, value) = key_and_value(item)?;
        if given.iter().any(|(name, _)| *name == key.name) {
            let message = format!("the trait `{}` is given twice", key.name);
            return Err(SignatureError::new(item.span(), message, "keep one of them"));
        }
        (key.set)(&mut traits, value)?;
        given.push((key.name, item));
    }
    one_ip_version(&traits, &given)?;
    flags_fit(&traits, &given)?;
    Ok(traits)
}

fn key_and_value(item: Piece<'_>) -> Result<(&'static Key, Piece<'_>), SignatureError> {
    if item.text.is_empty() {
        let help = "write key=value behind the `;`, or leave the `;` off";
        return Err(SignatureError::new(item.span(), "a trait is missing", help));
    }
    let parts = item.split_once('=');
    let name = parts.map_or(item, |(name, _)| name);
    let key = KEYS.iter().find(|key| key.name == name.text).ok_or_else(|| unknown_key(name))?;
    match parts {
        Some((_, value)) if value.is_wildcard() => {
            let message = "a trait takes no wildcard";
            Err(SignatureError::new(
                value.span(),
                message,
                "leave the trait off: without it anything will do",
            ))
        }
        Some((_, value)) if !value.text.is_empty() => Ok((key, value)),
        _ => {
            let message = format!("the trait `{}` has no value", key.name);
            Err(SignatureError::new(item.span(), message, format!("write {}", key.forms)))
        }
    }
}

/// Likeness from which on a known key is taken for what was meant, of 1.
const LIKE: f64 = 0.7;

fn unknown_key(name: Piece<'_>) -> SignatureError {
    let likeness = |key: &&Key| strsim::jaro_winkler(&name.text.trim().to_lowercase(), key.name);
    let nearest = KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let help = match nearest.filter(|key| likeness(key) >= LIKE) {
        Some(key) => format!("did you mean `{}`, as in {}?", key.name, key.forms),
        None => format!("the traits are {}", KEYS.map(|key| key.name).join(", ")),
    };
    SignatureError::new(name.span(), format!("there is no trait `{}`", name.text.escape_debug()), help)
}

fn direction(value: Piece<'_>) -> Result<Direction, SignatureError> {
    match value.text {
        "S" => Ok(Direction::Syn),
        "SA" => Ok(Direction::SynAck),
        _ => {
            Err(neither(value, "dir is S or SA", "`S` is the SYN of a client, `SA` the SYN-ACK of a server"))
        }
    }
}

fn bit(value: Piece<'_>, key: &str) -> Result<bool, SignatureError> {
    match value.text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(neither(value, format!("{key} is 0 or 1"), "leave the trait off if either will do")),
    }
}

fn version(value: Piece<'_>) -> Result<u8, SignatureError> {
    match value.text {
        "4" => Ok(4),
        "6" => Ok(6),
        _ => Err(neither(value, "ver is 4 or 6", "leave the trait off if either will do")),
    }
}

fn neither(value: Piece<'_>, message: impl Into<String>, help: &str) -> SignatureError {
    SignatureError::new(value.span(), message, help)
}

/// Refuses traits of IPv4 beside traits of IPv6.
fn one_ip_version(traits: &Traits, given: &[(&str, Piece<'_>)]) -> Result<(), SignatureError> {
    let version_of = |key: &str| match key {
        "df" | "ipid" => Some(4),
        "dst" => traits.destination.map(|network| if network.first().is_ipv4() { 4 } else { 6 }),
        "ver" => traits.ip_version,
        _ => None,
    };
    let mut versions = given.iter().filter_map(|(key, item)| Some((version_of(key)?, item)));
    let Some((version, item)) = versions.next() else { return Ok(()) };
    let Some((_, other)) = versions.find(|(other, _)| *other != version) else { return Ok(()) };
    let message = format!("no SYN has this and `{}`: one is of IPv4, the other of IPv6", item.text);
    Err(SignatureError::new(other.span(), message, "leave one of the two off"))
}

/// Refuses flags that neither a SYN nor a SYN-ACK has, or not the one that is asked for, or that belie `ecn`.
fn flags_fit(traits: &Traits, given: &[(&str, Piece<'_>)]) -> Result<(), SignatureError> {
    let (Some(flags), Some((_, item))) = (traits.flags, given.iter().find(|(key, _)| *key == "flags")) else {
        return Ok(());
    };
    let fault = |message: &str, help: &str| Err(SignatureError::new(item.span(), message, help));
    let has_ack = flags.contains(TcpFlags::ACK);
    match traits.direction {
        _ if !flags.contains(TcpFlags::SYN) => fault("a SYN has the flag S", "add `S`"),
        _ if flags.contains(TcpFlags::RST) => fault("with the flag R it is no SYN", "leave `R` off"),
        Direction::Syn if has_ack => {
            fault("with the flag A it is a SYN-ACK", "leave `A` off, or add `;dir=SA`")
        }
        Direction::SynAck if !has_ack => fault("a SYN-ACK has the flag A", "add `A`, or leave `dir=SA` off"),
        _ if traits.ecn == Some(false) && flags.intersects(ECN_FLAGS) => {
            fault("the flags E, C and N are ECN, and ecn=0 asks for none", "leave one of the two off")
        }
        _ => Ok(()),
    }
}
