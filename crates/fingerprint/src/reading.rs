//! A SYN whose options were walked once, to be seen in one notation or in all.

use synward_wire::SynFacts;

#[cfg(feature = "ja4t")]
use crate::Ja4t;
use crate::options::WellFormed;
use crate::p0f::{Observation, OptionLayout};
use crate::{Kinds, MuonFp};

/// A SYN, and its options if every program reads them alike. Otherwise each notation walks them in its own way.
pub(crate) struct Reading<'a> {
    syn: &'a SynFacts,
    list: Option<WellFormed<'a>>,
}

impl<'a> Reading<'a> {
    #[inline]
    pub(crate) fn of(syn: &'a SynFacts) -> Self {
        Reading { syn, list: WellFormed::read(syn.options.as_slice()) }
    }

    /// The options, if every program reads them alike.
    #[inline]
    pub(crate) fn list(&self) -> Option<&WellFormed<'a>> {
        self.list.as_ref()
    }

    #[inline]
    pub(crate) fn muonfp(&self) -> MuonFp {
        match &self.list {
            Some(list) => MuonFp::of_well_formed(self.syn.window, list),
            None => MuonFp::of_any(self.syn.window, self.syn.options.as_slice()),
        }
    }

    #[cfg(feature = "ja4t")]
    #[inline]
    pub(crate) fn ja4t(&self) -> Ja4t {
        match &self.list {
            Some(list) => Ja4t::of_well_formed(self.syn.window, list),
            None => Ja4t::of_any(self.syn.window, self.syn.options.as_slice()),
        }
    }

    /// What p0f observes; `None` where it ignores the packet.
    #[inline]
    pub(crate) fn p0f(&self) -> Option<Observation> {
        Observation::of(self.syn, self.list.as_ref())
    }

    /// The kinds that p0f lists, where they are told without its own walk.
    #[inline]
    pub(crate) fn p0f_kinds(&self) -> Option<&Kinds> {
        let kinds = self.list.as_ref().map(|list| &list.kinds);
        kinds.filter(|kinds| kinds.as_slice().len() <= OptionLayout::MAX_OPTIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fingerprint, P0f};
    use synward_wire::{OptionBytes, TcpFlags};

    /// Lists of kinds that are near each other in the walks, in all ways to be well formed and not.
    fn lists() -> impl Iterator<Item = Vec<u8>> {
        const OPTIONS: [&[u8]; 16] = [
            &[1],
            &[0],
            &[0, 0, 7],
            &[2, 4, 5, 180],
            &[2, 3, 1],
            &[3, 3, 7],
            &[3, 3, 15],
            &[3, 2],
            &[4, 2],
            &[5, 2],
            &[5, 10, 0, 0, 0, 0, 0, 0, 0, 0],
            &[8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            &[8, 10, 0, 0, 0, 0, 0, 0, 0, 0],
            &[15, 2],
            &[34, 4, 1, 1],
            &[254, 0],
        ];
        let all = 0..OPTIONS.len().pow(3);
        let option = |place: usize, digit: u32| OPTIONS[place / OPTIONS.len().pow(digit) % OPTIONS.len()];
        let lists = all.map(move |place| [option(place, 0), option(place, 1), option(place, 2)].concat());
        lists.chain([[1; 24].to_vec(), [1; 25].to_vec(), [1; 40].to_vec(), Vec::new()])
    }

    #[test]
    fn one_walk_reads_what_the_walk_of_each_program_reads() {
        let mut well_formed = 0;
        for options in lists() {
            let flags = TcpFlags::SYN;
            let options = OptionBytes::new(&options).unwrap();
            let syn = SynFacts {
                window: 512,
                options,
                flags,
                ip_version: 4,
                ip_id: Some(1),
                ..SynFacts::default()
            };
            let seen = Fingerprint::of(&syn);
            assert_eq!(seen.muonfp, MuonFp::of_any(512, options.as_slice()));
            #[cfg(feature = "ja4t")]
            assert_eq!(seen.ja4t, Ja4t::of_any(512, options.as_slice()));
            let by_its_own_walk = Observation::of(&syn, None).map(|seen| seen.whole());
            assert_eq!(seen.p0f, by_its_own_walk, "{options:?}");
            assert_eq!(P0f::of(&syn), by_its_own_walk);
            well_formed += usize::from(WellFormed::read(options.as_slice()).is_some());
        }
        assert!(well_formed > 1000, "{well_formed}");
    }
}
