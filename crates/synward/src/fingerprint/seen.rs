//! What is told of one SYN.

use std::net::SocketAddr;

use serde::Serialize;
#[cfg(feature = "ja4t")]
use synward_fingerprint::Ja4t;
use synward_fingerprint::{Fingerprint, MuonFp, P0f};
use synward_wire::{Located, Oddity, Packet, SynFacts, TcpFlags};

use crate::capture::Frame;

/// A SYN or a SYN-ACK, and where it was seen.
pub(super) struct Seen {
    pub(super) frame: u64,
    pub(super) time: Option<String>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) fingerprint: Fingerprint,
}

impl Seen {
    /// The SYN in a frame, or with `syn_ack` the SYN-ACK, if its whole TCP header is there.
    pub(super) fn of(frame: &Frame<'_>, syn_ack: bool) -> Option<Self> {
        let Located::Packet(packet) = frame.link.ok()?.locate(frame.bytes) else { return None };
        let syn = SynFacts::of(&packet).filter(|syn| syn_ack || !is_syn_ack(syn))?;
        let payload = syn.payload || payload_is_cut(frame, &packet);
        Some(Self {
            frame: frame.number,
            time: frame.time.as_ref().map(ToString::to_string),
            source: SocketAddr::new(packet.source, syn.source_port),
            destination: SocketAddr::new(packet.destination, syn.destination_port),
            fingerprint: Fingerprint::of(&SynFacts { payload, ..syn }),
        })
    }
}

fn is_syn_ack(syn: &SynFacts) -> bool {
    syn.flags.contains(TcpFlags::ACK)
}

/// Whether the capture left out what follows the TCP header: the frame is cut, and the IP packet does not end within
/// what there is of it.
fn payload_is_cut(frame: &Frame<'_>, packet: &Packet<'_>) -> bool {
    frame.bytes.len() < frame.original_len && packet.odd == Some(Oddity::TruncatedIp)
}

/// All that tells one fingerprint from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shown {
    syn_ack: bool,
    muonfp: MuonFp,
    #[cfg(feature = "ja4t")]
    ja4t: Ja4t,
    p0f: Option<P0f>,
}

impl From<&Fingerprint> for Shown {
    fn from(seen: &Fingerprint) -> Self {
        Self {
            syn_ack: is_syn_ack(&seen.syn),
            muonfp: seen.muonfp,
            #[cfg(feature = "ja4t")]
            ja4t: seen.ja4t,
            p0f: seen.p0f,
        }
    }
}

impl Shown {
    /// What it is a fingerprint of.
    pub(super) fn kind(&self) -> &'static str {
        if self.syn_ack { "syn-ack" } else { "syn" }
    }
}

/// A fingerprint in each notation, as it is printed.
#[derive(Serialize)]
pub(super) struct Notations {
    muonfp: String,
    #[cfg(feature = "ja4t")]
    ja4t: String,
    p0f: Option<String>,
}

impl From<&Shown> for Notations {
    fn from(shown: &Shown) -> Self {
        Self {
            muonfp: shown.muonfp.to_string(),
            #[cfg(feature = "ja4t")]
            ja4t: shown.ja4t.to_string(),
            p0f: shown.p0f.map(|p0f| p0f.to_string()),
        }
    }
}

impl Notations {
    /// In columns.
    pub(super) fn text(&self) -> String {
        let columns = [
            self.muonfp.as_str(),
            #[cfg(feature = "ja4t")]
            &self.ja4t,
            or_dash(self.p0f.as_deref()),
        ];
        columns.join("  ")
    }
}

/// The text for people of what may not be there.
pub(super) fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}
