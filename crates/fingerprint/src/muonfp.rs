//! MuonFP: what the option loop of the `muonfp` sensor reads from a SYN.

use std::fmt;

use crate::MuonFpSignature;
use crate::kinds::{EOL, Kinds, MSS, NOP, WINDOW_SCALE, within_header};
use crate::options::WellFormed;

/// A SYN as MuonFP sees it (draft specification 0.9, section 4), displayed as `window:kinds:mss:scale`.
///
/// Absent is not zero: a field without a value is displayed as nothing, a zero as `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MuonFp {
    /// The TCP window, as on the wire (not scaled).
    pub window: u16,
    /// The option kinds in wire order, NOPs among them; EOL once, and nothing after it.
    pub kinds: Kinds,
    /// The maximum segment size in bytes; the last one, where the option is repeated.
    pub mss: Option<u16>,
    /// The window scale (a shift, any byte value); the last one, where the option is repeated.
    pub window_scale: Option<u8>,
}

impl MuonFp {
    /// The fingerprint of a SYN with this window and these raw option bytes. Bytes beyond
    /// [`MAX_OPTION_BYTES`](crate::MAX_OPTION_BYTES) cannot be on the wire and are not looked at.
    ///
    /// On malformed options this says what the reference program says: it takes MSS for 4 bytes and window
    /// scale for 3 whatever their length byte claims, lists an option that is cut short or runs past the
    /// end, and stops after a length below 2.
    pub fn of(window: u16, options: &[u8]) -> MuonFp {
        match WellFormed::read(options) {
            Some(list) => MuonFp::of_well_formed(window, &list),
            None => MuonFp::of_any(window, options),
        }
    }

    #[inline]
    pub(crate) fn of_well_formed(window: u16, list: &WellFormed<'_>) -> MuonFp {
        MuonFp { window, kinds: list.kinds, mss: list.mss(), window_scale: list.window_scale() }
    }

    /// The same of any list, walked as the reference program walks it.
    pub(crate) fn of_any(window: u16, options: &[u8]) -> MuonFp {
        let mut seen = MuonFp { window, kinds: Kinds::NONE, mss: None, window_scale: None };
        let mut rest = within_header(options);
        while let Some(&kind) = rest.first() {
            seen.kinds.push(kind);
            match rest {
                [MSS, _, high, low, ..] => seen.mss = Some(u16::from_be_bytes([*high, *low])),
                [WINDOW_SCALE, _, shift, ..] => seen.window_scale = Some(*shift),
                _ => {}
            }
            rest = step(rest).and_then(|bytes| rest.get(bytes..)).unwrap_or_default();
        }
        seen
    }
}

/// How far the reference program goes on from the option at the start of `rest`; `None`: it stops there.
fn step(rest: &[u8]) -> Option<usize> {
    match rest {
        [EOL, ..] => None,
        [NOP, ..] => Some(1),
        [MSS, ..] => Some(4),
        [WINDOW_SCALE, ..] => Some(3),
        [_, length, ..] if *length >= 2 => Some(usize::from(*length)),
        _ => None,
    }
}

impl fmt::Display for MuonFp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MuonFpSignature::from(*self).fmt(f)
    }
}
