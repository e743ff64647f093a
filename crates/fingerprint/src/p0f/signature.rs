//! Signatures in p0f's notation.

use std::fmt;
use std::str::FromStr;

use super::{IpVersion, MAX_DISTANCE, Multiple, OptionLayout, P0f, Quirks, grammar};
use crate::signature::text::Piece;
use crate::{Field, SignatureError};

/// How near to the letter a signature is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strictness {
    /// As it is written: the version of IP is the one written, the initial TTL within reach, every quirk there and
    /// no other.
    #[default]
    Strict,
    /// As p0f 3.09b takes it: any version of IP, and a fuzzy match ([`Closeness::Fuzzy`]) is a match.
    Compat,
}

/// How well p0f takes a packet for that of a signature. The lesser is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Closeness {
    /// In every field.
    Exact,
    /// But for a TTL that is out of reach, or quirks that a router can change: `df` or `id+` missing, `id-` or
    /// `ecn` too many.
    Fuzzy,
}

/// A signature `version:ittl:olen:mss:wsize,scale:olayout:quirks:pclass`.
///
/// # Reading
/// | field | forms |
/// |---|---|
/// | version | `4`, `6`, `*` |
/// | ittl | `64`; `54+10`, which is 64; `64-` for any up to 64 |
/// | olen | bytes of IPv4 options |
/// | mss | number (0: none), `*` |
/// | wsize | number, `mss*N` or `mtu*N` (1 to 1000), `%N` for a multiple of N, `*` |
/// | scale | number (0: none), `*` |
/// | olayout | `nop`, `mss`, `ws`, `sok`, `sack`, `ts`, `?N` for kind N, `eol+N` with N bytes of padding at the end |
/// | quirks | names of [`Quirks`], in any order |
/// | pclass | `0` no payload, `+` payload, `*` |
///
/// Read more strictly than by p0f: a number is not empty, no comma is left over, and options that need more than
/// the 40 bytes of a TCP header are refused. Read differently in one thing: p0f eats a digit after `64-:`.
///
/// Displayed, a signature is text that reads as the same signature: `64` for `54+10`, quirks in p0f's order,
/// `nop` for `?1`. That holds for every one that was read or comes from a [`P0f`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct P0fSignature {
    /// The version of IP.
    pub version: Field<IpVersion>,
    /// The TTL that the sender starts from.
    pub ttl: InitialTtl,
    /// Bytes of IPv4 options; 0 for IPv6.
    pub ip_options_len: u8,
    /// The maximum segment size in bytes; 0 also stands for none.
    pub mss: Field<u16>,
    /// The TCP window.
    pub window: Window,
    /// The window scale (a shift); 0 also stands for none.
    pub window_scale: Field<u8>,
    /// Exactly these options in exactly this order.
    pub layout: OptionLayout,
    /// Exactly these quirks. Where the version is any, those that a packet of its version cannot show are not
    /// asked for.
    pub quirks: Quirks,
    /// Whether there is a payload.
    pub payload: Field<bool>,
}

/// The TTL that the sender of a packet starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InitialTtl {
    /// This one: the packet arrives with as much, or with up to [`MAX_DISTANCE`] less.
    Is(u8),
    /// A random one, up to this: the packet arrives with no more.
    UpTo(u8),
}

/// The window that a signature asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Whatever it is.
    Any,
    /// This value, as on the wire (not scaled).
    Is(u16),
    /// So many times what p0f takes for the MSS or the MTU.
    Times(Multiple),
    /// A multiple of this number, zero times included.
    MultipleOf(u16),
}

impl P0fSignature {
    /// Number of fields that may be anything, or any multiple, from 0 to 6: the fewer, the more specific the signature.
    pub fn wildcards(&self) -> usize {
        let window = matches!(self.window, Window::Any | Window::MultipleOf(_));
        let random_ttl = matches!(self.ttl, InitialTtl::UpTo(_));
        let fields =
            [self.version.is_any(), self.mss.is_any(), self.window_scale.is_any(), self.payload.is_any()];
        fields.into_iter().chain([window, random_ttl]).filter(|any| *any).count()
    }

    /// Whether the packet is one of this signature.
    pub fn matches(&self, seen: &P0f, strictness: Strictness) -> bool {
        match strictness {
            Strictness::Strict => {
                self.version.matches(&seen.version) && self.closeness(seen) == Some(Closeness::Exact)
            }
            Strictness::Compat => self.closeness(seen).is_some(),
        }
    }

    /// How well p0f 3.09b takes the packet for one of this signature, or `None` where it does not. It does not
    /// compare the version of IP.
    pub fn closeness(&self, seen: &P0f) -> Option<Closeness> {
        let alike = self.window_scale.matches(&seen.window_scale)
            && self.mss.matches(&seen.mss)
            && self.ip_options_len == seen.ip_options_len
            && self.payload.matches(&seen.payload)
            && self.window.matches(seen)
            && self.layout == seen.layout;
        if !alike {
            return None;
        }
        Some(self.closeness_of_quirks(seen)?.max(self.ttl.closeness(seen.ttl)?))
    }

    fn closeness_of_quirks(&self, seen: &P0f) -> Option<Closeness> {
        const MAY_VANISH: Quirks = Quirks::DF.with(Quirks::ID_NONZERO);
        const MAY_APPEAR: Quirks = Quirks::ID_ZERO.with(Quirks::ECN);
        let wanted = match self.version {
            Field::Any => self.quirks.without(Quirks::foreign_to(seen.version)),
            Field::Is(_) => self.quirks,
        };
        if wanted == seen.quirks {
            return Some(Closeness::Exact);
        }
        let missing = wanted.without(seen.quirks);
        let extra = seen.quirks.without(wanted);
        (MAY_VANISH.contains(missing) && MAY_APPEAR.contains(extra)).then_some(Closeness::Fuzzy)
    }
}

impl InitialTtl {
    fn closeness(self, arrived: u8) -> Option<Closeness> {
        match self {
            InitialTtl::UpTo(most) => (arrived <= most).then_some(Closeness::Exact),
            InitialTtl::Is(initial) => match initial.checked_sub(arrived) {
                Some(..=MAX_DISTANCE) => Some(Closeness::Exact),
                _ => Some(Closeness::Fuzzy),
            },
        }
    }
}

impl Window {
    fn matches(self, seen: &P0f) -> bool {
        match self {
            Window::Any => true,
            Window::Is(window) => seen.window == window,
            Window::Times(multiple) => seen.multiple == Some(multiple),
            Window::MultipleOf(divisor) => seen.window.is_multiple_of(divisor),
        }
    }
}

/// The signature of exactly what was seen, of any sender at the other end of the guessed distance.
impl From<P0f> for P0fSignature {
    fn from(seen: P0f) -> P0fSignature {
        let initial = match seen.distance() {
            near @ ..=MAX_DISTANCE => seen.ttl + near,
            _ => seen.ttl,
        };
        // A multiple of the peer's MSS can be beyond what the notation allows.
        let writable = |multiple: &Multiple| grammar::FACTOR.contains(&multiple.factor());
        P0fSignature {
            version: Field::Is(seen.version),
            ttl: InitialTtl::Is(initial),
            ip_options_len: seen.ip_options_len,
            mss: Field::Is(seen.mss),
            window: seen.multiple.filter(writable).map_or(Window::Is(seen.window), Window::Times),
            window_scale: Field::Is(seen.window_scale),
            layout: seen.layout,
            quirks: seen.quirks,
            payload: Field::Is(seen.payload),
        }
    }
}

impl FromStr for P0fSignature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<P0fSignature, SignatureError> {
        grammar::read(Piece::whole(text))
    }
}

impl fmt::Display for P0fSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let P0fSignature { ttl, ip_options_len, window, layout, quirks, .. } = self;
        let payload = match self.payload {
            Field::Any => "*",
            Field::Is(false) => "0",
            Field::Is(true) => "+",
        };
        let (version, mss, scale) = (Starred(self.version), Starred(self.mss), Starred(self.window_scale));
        write!(f, "{version}:{ttl}:{ip_options_len}:{mss}:{window},{scale}:{layout}:{quirks}:{payload}")
    }
}

/// A field as p0f writes it: `*` for any.
struct Starred<T>(Field<T>);

impl<T: fmt::Display> fmt::Display for Starred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Field::Any => f.write_str("*"),
            Field::Is(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for InitialTtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitialTtl::Is(ttl) => ttl.fmt(f),
            InitialTtl::UpTo(ttl) => write!(f, "{ttl}-"),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Any => f.write_str("*"),
            Window::Is(window) => window.fmt(f),
            Window::Times(multiple) => multiple.fmt(f),
            Window::MultipleOf(divisor) => write!(f, "%{divisor}"),
        }
    }
}
