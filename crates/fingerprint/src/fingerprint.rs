//! A SYN in every notation.

use synward_wire::SynFacts;

#[cfg(feature = "ja4t")]
use crate::Ja4t;
use crate::reading::Reading;
use crate::{Malformed, MuonFp, P0f};

/// What one SYN (or SYN-ACK) shows, as each notation sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fingerprint {
    /// All that it was read from, for what no notation looks at.
    pub syn: SynFacts,
    /// As MuonFP sees it.
    pub muonfp: MuonFp,
    /// As JA4T sees it.
    #[cfg(feature = "ja4t")]
    pub ja4t: Ja4t,
    /// As p0f sees it; `None` where p0f looks away: see [`P0f::of`].
    pub p0f: Option<P0f>,
}

impl Fingerprint {
    /// Reads the fingerprint, of a SYN and of a SYN-ACK alike: [`Direction::of`](crate::Direction::of) tells which.
    pub fn of(syn: &SynFacts) -> Fingerprint {
        let reading = Reading::of(syn);
        Fingerprint {
            syn: *syn,
            muonfp: reading.muonfp(),
            #[cfg(feature = "ja4t")]
            ja4t: reading.ja4t(),
            p0f: reading.p0f().map(|seen| seen.whole()),
        }
    }

    /// Where and how the options are malformed, if they are.
    pub fn malformed(&self) -> Option<Malformed> {
        Malformed::of(self.syn.options.as_slice())
    }
}
