//! What p0f reads from a packet.

use synward_wire::{SynFacts, TcpFlags};

use super::layout::SACK;
use super::window::Scene;
use super::{IpVersion, OptionLayout, P0f, Quirks};
use crate::kinds::{EOL, MSS, NOP, SACK_PERMITTED, TIMESTAMPS, WINDOW_SCALE};
use crate::options::WellFormed;

/// The greatest window scale of RFC 7323 section 2.3.
pub(crate) const MAX_SCALE: u8 = 14;

/// Bytes of a TCP header without options.
const TCP_HEADER: u32 = 20;

/// What p0f observes, whose multiple is searched for only where it is asked for: that takes a dozen divisions.
pub(crate) struct Observation {
    seen: P0f,
    scene: Option<Scene>,
}

impl From<P0f> for Observation {
    fn from(seen: P0f) -> Self {
        Observation { seen, scene: None }
    }
}

impl Observation {
    /// What p0f observes; `None` where it ignores the packet. `list` is what was read of the options before, if all
    /// programs read them alike.
    pub(crate) fn of(syn: &SynFacts, list: Option<&WellFormed<'_>>) -> Option<Observation> {
        let version = match (syn.ip_version, syn.ip_options_len) {
            (4, _) => IpVersion::V4,
            (6, 0) => IpVersion::V6,
            _ => return None,
        };
        if !syn.flags.contains(TcpFlags::SYN) || syn.flags.intersects(TcpFlags::FIN | TcpFlags::RST) {
            return None;
        }
        let syn_ack = syn.flags.contains(TcpFlags::ACK);
        let options = list
            .and_then(|list| Options::of_well_formed(list, syn_ack))
            .unwrap_or_else(|| Options::read(syn.options.as_slice(), syn_ack));
        let scene = Scene {
            window: syn.window,
            mss: options.mss,
            ipv6: version == IpVersion::V6,
            timestamps: options.own_timestamp,
            headers: u32::from(syn.ip_header_len) + TCP_HEADER + syn.options.as_slice().len() as u32,
        };
        let seen = P0f {
            syn_ack,
            version,
            ttl: syn.ttl,
            ip_options_len: syn.ip_options_len,
            mss: options.mss,
            window: syn.window,
            multiple: None,
            window_scale: options.window_scale,
            layout: options.layout,
            quirks: ip_quirks(syn) | tcp_quirks(syn, syn_ack) | options.quirks,
            payload: syn.payload,
        };
        Some(Observation { seen, scene: Some(scene) })
    }

    /// All but the multiple.
    pub(crate) fn without_multiple(&self) -> &P0f {
        &self.seen
    }

    /// All of it.
    pub(crate) fn whole(&self) -> P0f {
        match &self.scene {
            None => self.seen,
            Some(scene) => P0f { multiple: scene.multiple(), ..self.seen },
        }
    }
}

fn ip_quirks(syn: &SynFacts) -> Quirks {
    let df = syn.dont_fragment;
    Quirks::DF.when(df)
        | Quirks::ID_NONZERO.when(df && syn.ip_id.is_some_and(|id| id != 0))
        | Quirks::ID_ZERO.when(!df && syn.ip_id == Some(0))
        | Quirks::ECN.when(syn.ecn != 0)
        | Quirks::RESERVED_BIT.when(syn.ip_reserved_bit)
        | Quirks::FLOW.when(syn.flow_label)
}

fn tcp_quirks(syn: &SynFacts, syn_ack: bool) -> Quirks {
    let urg = syn.flags.contains(TcpFlags::URG);
    // 3.09b means to test for any bit, and tests for the lowest one of the first byte.
    let ack_nonzero = syn.acknowledgment.to_be_bytes()[0] & 1 == 1;
    Quirks::ECN.when(syn.flags.intersects(TcpFlags::ECE | TcpFlags::CWR | TcpFlags::AE))
        | Quirks::SEQUENCE_ZERO.when(syn.sequence_zero)
        | Quirks::ACK_NONZERO.when(!syn_ack && ack_nonzero)
        | Quirks::ACK_ZERO.when(syn_ack && syn.acknowledgment == 0)
        | Quirks::URGENT_POINTER.when(!urg && syn.urgent_pointer != 0)
        | Quirks::URG.when(urg)
        | Quirks::PSH.when(syn.flags.contains(TcpFlags::PSH))
}

/// What p0f's walk reads from the option bytes. A value is the one of the last option of its kind, and a quirk
/// stays once it was met.
struct Options {
    layout: OptionLayout,
    mss: u16,
    window_scale: u8,
    own_timestamp: bool,
    quirks: Quirks,
}

impl Options {
    /// What the walk reads from a list that was read before; `None` where it must be walked, as there are more options
    /// than p0f looks at, or one is repeated and the quirks of each count.
    #[inline]
    fn of_well_formed(list: &WellFormed<'_>, syn_ack: bool) -> Option<Options> {
        if list.repeats(WINDOW_SCALE) || list.repeats(TIMESTAMPS) {
            return None;
        }
        let mut seen = Options {
            layout: OptionLayout::new(list.kinds, 0)?,
            mss: list.mss().unwrap_or_default(),
            window_scale: list.window_scale().unwrap_or_default(),
            own_timestamp: false,
            quirks: Quirks::NONE,
        };
        seen.note(Quirks::EXCESSIVE_SCALE, seen.window_scale > MAX_SCALE);
        if let Some([own, peer]) = list.timestamps() {
            seen.note_timestamps(own, peer, syn_ack);
        }
        if let Some(padding) = list.padding() {
            seen.take_padding(padding);
        }
        Some(seen)
    }

    fn read(bytes: &[u8], syn_ack: bool) -> Options {
        let mut seen = Options {
            layout: OptionLayout::NONE,
            mss: 0,
            window_scale: 0,
            own_timestamp: false,
            quirks: Quirks::NONE,
        };
        let mut rest = bytes;
        while let Some((kind, after)) = rest.split_first() {
            let next = seen.layout.push(*kind).and_then(|()| seen.take(*kind, after, syn_ack));
            let Some(next) = next else {
                seen.note(Quirks::BAD, true);
                break;
            };
            rest = next;
        }
        seen
    }

    /// Reads the option of this kind and returns what follows it. p0f takes MSS, window scale, SACK permitted and
    /// timestamps for as long as they ought to be, whatever their length byte says.
    fn take<'a>(&mut self, kind: u8, after: &'a [u8], syn_ack: bool) -> Option<&'a [u8]> {
        match (kind, after) {
            (EOL, padding) => Some(self.take_padding(padding)),
            (NOP, _) => Some(after),
            (MSS, [length, high, low, rest @ ..]) => {
                self.mss = u16::from_be_bytes([*high, *low]);
                self.note(Quirks::BAD, *length != 4);
                Some(rest)
            }
            (WINDOW_SCALE, [length, shift, rest @ ..]) => {
                self.window_scale = *shift;
                self.note(Quirks::BAD, *length != 3);
                self.note(Quirks::EXCESSIVE_SCALE, *shift > MAX_SCALE);
                Some(rest)
            }
            (SACK_PERMITTED, [length, rest @ ..]) => {
                self.note(Quirks::BAD, *length != 2);
                Some(rest)
            }
            (TIMESTAMPS, _) => self.take_timestamps(after, syn_ack),
            (SACK, [10..=34, ..]) => skip(after),
            (MSS | WINDOW_SCALE | SACK_PERMITTED | SACK, _) => None,
            (_, [2..=40, ..]) => skip(after),
            _ => None,
        }
    }

    fn take_timestamps<'a>(&mut self, after: &'a [u8], syn_ack: bool) -> Option<&'a [u8]> {
        let ([length, own @ .., p0, p1, p2, p3], rest) = after.split_first_chunk::<9>()?;
        self.note(Quirks::BAD, *length != 10);
        self.note_timestamps(*own, [*p0, *p1, *p2, *p3], syn_ack);
        Some(rest)
    }

    fn note_timestamps(&mut self, own: [u8; 4], peer: [u8; 4], syn_ack: bool) {
        self.own_timestamp = own != [0; 4];
        self.note(Quirks::OWN_TIMESTAMP_ZERO, !self.own_timestamp);
        self.note(Quirks::PEER_TIMESTAMP, !syn_ack && peer != [0; 4]);
    }

    /// Nothing follows EOL. 3.09b has left its loop before it could see that the last byte is not zero.
    fn take_padding<'a>(&mut self, padding: &[u8]) -> &'a [u8] {
        let looked_at = padding.split_last().map_or(padding, |(_, before)| before);
        self.note(Quirks::PADDING_NONZERO, looked_at.iter().any(|byte| *byte != 0));
        self.layout.pad(u8::try_from(padding.len()).unwrap_or(u8::MAX));
        &[]
    }

    fn note(&mut self, quirk: Quirks, there: bool) {
        self.quirks = self.quirks | quirk.when(there);
    }
}

/// What follows the option whose length byte `after` starts with: it counts the kind byte as well.
fn skip(after: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*after.first()?);
    after.get(length.checked_sub(1)?..)
}
