//! JA4T: what FoxIO's Wireshark plugin reads from a SYN.

use std::fmt;

use synward_wire::option_lengths;

use crate::Ja4tSignature;
use crate::kinds::{EOL, Kinds, MSS, NOP, WINDOW_SCALE, within_header};
use crate::options::WellFormed;
use crate::p0f::SACK;

/// A SYN as JA4T sees it, displayed as `window_kinds_mss_scale`, in the form of FoxIO's Wireshark plugin.
///
/// JA4T writes an absent MSS or scale and a zero one alike, as `00`; the kinds tell them apart. The plugin is
/// silent on a SYN with any flag beside SYN (one of ECN, say). This is not: one flag more must not evade.
///
/// JA4T is subject to the FoxIO License 1.1; this type exists with the feature `ja4t` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ja4t {
    /// The TCP window, as on the wire (not scaled).
    pub window: u16,
    /// The option kinds in wire order, NOPs among them; EOL and then one more 0 for each zero byte of padding.
    pub kinds: Kinds,
    /// The maximum segment size in bytes, 0 when there is none; the last one, where the option is repeated.
    pub mss: u16,
    /// The window scale (a shift, any byte value), 0 when there is none; the last one, where the option is repeated.
    pub window_scale: u8,
}

impl Ja4t {
    /// The fingerprint of a SYN with this window and these raw option bytes. Bytes beyond
    /// [`MAX_OPTION_BYTES`](crate::MAX_OPTION_BYTES) cannot be on the wire and are not looked at.
    ///
    /// On malformed options this says what the reference program says: an option that is cut short, runs past
    /// the end or has a length below 2 ends the list and is not in it; MSS and window scale of a wrong length
    /// that fits are listed, but have no value.
    pub fn of(window: u16, options: &[u8]) -> Ja4t {
        match WellFormed::read(options) {
            Some(list) => Ja4t::of_well_formed(window, &list),
            None => Ja4t::of_any(window, options),
        }
    }

    #[inline]
    pub(crate) fn of_well_formed(window: u16, list: &WellFormed<'_>) -> Ja4t {
        let (mss, window_scale) = (list.mss().unwrap_or_default(), list.window_scale().unwrap_or_default());
        let mut seen = Ja4t { window, kinds: list.kinds, mss, window_scale };
        seen.take_zeros(list.padding().unwrap_or_default());
        seen
    }

    /// The same of any list, walked as the reference program walks it.
    pub(crate) fn of_any(window: u16, options: &[u8]) -> Ja4t {
        let mut seen = Ja4t { window, kinds: Kinds::NONE, mss: 0, window_scale: 0 };
        let mut rest = within_header(options);
        while let Some((option, after)) = split_option(rest) {
            seen.take(option);
            rest = if is_cut_sack(option) { &[] } else { after };
        }
        seen.take_zeros(rest);
        seen
    }

    /// EOL, and the padding up to the first byte that is not zero.
    #[inline]
    fn take_zeros(&mut self, bytes: &[u8]) {
        bytes.iter().take_while(|byte| **byte == EOL).for_each(|byte| self.kinds.push(*byte));
    }

    fn take(&mut self, option: &[u8]) {
        match option {
            [MSS, 4, high, low] => self.mss = u16::from_be_bytes([*high, *low]),
            [WINDOW_SCALE, 3, shift] => self.window_scale = *shift,
            _ => {}
        }
        if let Some(kind) = option.first() {
            self.kinds.push(*kind);
        }
    }
}

/// The option at the start of `rest` and what follows it; `None` where the list ends, in EOL or in a fault.
fn split_option(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    match rest {
        [EOL, ..] => None,
        [NOP, ..] => rest.split_at_checked(1),
        [_, length, ..] if *length >= 2 => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

/// Whether this is a SACK without room for one block of 8 bytes (RFC 2018 section 3): the reference program lists it, and gives up
/// what follows.
fn is_cut_sack(option: &[u8]) -> bool {
    option.first() == Some(&SACK) && option.len() < usize::from(option_lengths(SACK).0)
}

impl fmt::Display for Ja4t {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ja4tSignature::from(*self).fmt(f)
    }
}
