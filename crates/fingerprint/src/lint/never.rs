//! Entries that nothing matches.

use super::{Entry, Kind, Odd};
use crate::convert::known_bytes;
use crate::kinds::{EOL, MSS, WINDOW_SCALE};
use crate::never::never_matches;
use crate::{Direction, Field, Kinds, Layout, Notation};

pub(super) fn never(entry: &Entry<'_>) -> Option<Odd> {
    let odd = |message: String| Odd::whole(Kind::Never, entry, message);
    if entry.signature.traits.direction == Direction::SynAck {
        let message = "a signature of a SYN-ACK never blocks: only SYNs are judged".to_owned();
        return Some(odd(message).with_help("leave `dir=SA` off if a SYN is meant"));
    }
    if let Some(why) = never_matches(entry.signature) {
        return Some(odd(format!("no SYN matches this: {why}")));
    }
    let bytes = odd_bytes(&entry.signature.notation)?;
    let message = format!(
        "these options take {bytes} bytes, and a TCP header holds a multiple of 4: only a malformed SYN matches"
    );
    Some(odd(message).with_help("systems fill up with NOP (1) or EOL (0)"))
}

/// The bytes of options that are known to end in the middle of a word (RFC 9293 section 3.1).
fn odd_bytes(notation: &Notation) -> Option<usize> {
    let bytes = match notation {
        Notation::MuonFp(muonfp) => {
            let cut = muonfp.mss == Field::Is(None) && lists(&muonfp.kinds, MSS)
                || muonfp.window_scale == Field::Is(None) && lists(&muonfp.kinds, WINDOW_SCALE);
            bytes_without_eol(&muonfp.kinds).filter(|_| !cut)
        }
        #[cfg(feature = "ja4t")]
        Notation::Ja4t(ja4t) => bytes_without_eol(&ja4t.kinds),
        Notation::P0f(_) => None,
    };
    bytes.filter(|bytes| !bytes.is_multiple_of(4))
}

fn lists(kinds: &Layout, kind: u8) -> bool {
    kinds.kinds().as_slice().contains(&kind)
}

/// Padding may follow EOL.
fn bytes_without_eol(kinds: &Layout) -> Option<usize> {
    let exact: Kinds = kinds.exact()?;
    if exact.as_slice().contains(&EOL) { None } else { known_bytes(exact.as_slice()) }
}
