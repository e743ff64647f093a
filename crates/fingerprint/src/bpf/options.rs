//! The values of options, and of which option they are the values.

use super::BpfError;
use super::assembler::{Place, Width};
use super::draft::Draft;
use crate::Field;
use crate::kinds::{MSS, WINDOW_SCALE};

/// Bytes of an MSS option (RFC 9293 section 3.2).
pub(super) const MSS_BYTES: u32 = 4;
/// Bytes of a window scale option (RFC 7323 section 2).
pub(super) const WINDOW_SCALE_BYTES: u32 = 3;

/// What the values of options have to be. Of options that are repeated, the last one counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub(super) mss: Option<u16>,
    window_scale: Option<u8>,
    last_mss: Option<usize>,
    last_window_scale: Option<usize>,
}

impl Values {
    /// `kinds`: those of the options that are there in whole.
    pub(super) fn new(kinds: &[u8], mss: Option<u16>, window_scale: Option<u8>) -> Values {
        let last = |kind| kinds.iter().rposition(|listed| *listed == kind);
        Values { mss, window_scale, last_mss: last(MSS), last_window_scale: last(WINDOW_SCALE) }
    }

    /// Values of a notation in which 0 also stands for no option.
    pub(super) fn zero_if_absent(
        kinds: &[u8],
        mss: Field<u16>,
        window_scale: Field<u8>,
    ) -> Result<Values, BpfError> {
        let Values { last_mss, last_window_scale, .. } = Values::new(kinds, None, None);
        let mss = unless_absent(mss, last_mss.is_some())?;
        Ok(Values::new(kinds, mss, unless_absent(window_scale, last_window_scale.is_some())?))
    }

    /// Whether the option at this place among the kinds is the one that has the MSS.
    pub(super) fn is_of_mss(&self, index: usize) -> bool {
        self.last_mss == Some(index)
    }

    /// The window scale asked for, if the option at this place among the kinds is the one that has it.
    pub(super) fn scale_of(&self, index: usize) -> Option<u8> {
        self.window_scale.filter(|_| self.last_window_scale == Some(index))
    }

    /// Asks for the value, if this option has one that counts.
    pub(super) fn ask(&self, draft: &mut Draft, index: usize, option: Place) -> Result<(), BpfError> {
        let value = option.plus(2);
        if let Some(mss) = self.mss.filter(|_| self.is_of_mss(index)) {
            draft.ask(value, Width::Half, 0xffff, mss.into())?;
        }
        if let Some(scale) = self.scale_of(index) {
            draft.ask(value, Width::Byte, 0xff, scale.into())?;
        }
        Ok(())
    }
}

/// The value to ask for; nothing where there is no such option, which must then be asked for as 0.
fn unless_absent<T: Default + PartialEq>(value: Field<T>, is_listed: bool) -> Result<Option<T>, BpfError> {
    match value.exact() {
        Some(value) if is_listed => Ok(Some(value)),
        Some(value) if value != T::default() => Err(BpfError::NeverMatches(WITHOUT_OPTION)),
        _ => Ok(None),
    }
}

pub(super) const WITHOUT_OPTION: &str = "it asks for the value of an option that is not among its kinds";
