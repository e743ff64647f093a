//! The distinct sets of lists that cover some address, each with what it says.

use hashbrown::HashMap;

use crate::names::ListId;
use crate::verdict::Opinion;

/// Names a set of lists of a rule set: the value in its tables of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListSetId(u32);

impl ListSetId {
    pub(crate) const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The place of the set in a table with a place for each of [`crate::RuleSet::list_sets`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is said of a range of addresses by the lists that cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ListSet {
    opinion: Opinion,
    /// The lists are `lists[first..last]`.
    first: u32,
    last: u32,
}

/// All sets of a rule set. They are few, whatever the number of entries, so that they stay in the cache of a worker.
#[derive(Debug, Default)]
pub(crate) struct ListSets {
    sets: Vec<ListSet>,
    /// The lists of all sets, one behind the other, each in the order of the configuration.
    lists: Vec<ListId>,
}

impl ListSets {
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = ListSetId> {
        (0..number(self.sets.len())).map(ListSetId)
    }

    #[inline]
    pub(crate) fn opinion(&self, set: ListSetId) -> Opinion {
        self.sets.get(set.index()).map_or_else(Opinion::default, |set| set.opinion)
    }

    /// The lists of a set, in the order of the configuration.
    pub(crate) fn lists(&self, set: ListSetId) -> &[ListId] {
        let set = self.sets.get(set.index());
        set.and_then(|set| self.lists.get(set.first as usize..set.last as usize)).unwrap_or_default()
    }

    /// Bytes of heap.
    pub(crate) fn memory_usage(&self) -> usize {
        size_of_val(&*self.sets) + size_of_val(&*self.lists)
    }
}

/// Some lists, by their places in the configuration.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Bit `n % 64` of word `n / 64` is set for a member at place `n`. The last word is not zero.
    words: Vec<u64>,
}

impl Members {
    /// Takes a list in if it is out, and out if it is in.
    pub(crate) fn toggle(&mut self, place: usize) {
        let word = place / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word ^= 1 << (place % 64);
        }
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The places, in ascending order.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        self.words.iter().enumerate().flat_map(move |(n, word)| bits(*word).map(move |bit| 64 * n + bit))
    }
}

/// Gives numbers to sets of lists: to the same set the same.
pub(crate) struct Interner<'a> {
    /// The lists, and what each says alone, in the order of the configuration.
    lists: &'a [(ListId, Opinion)],
    known: HashMap<Box<[u64]>, u32>,
    sets: ListSets,
}

impl<'a> Interner<'a> {
    pub(crate) fn new(lists: &'a [(ListId, Opinion)]) -> Self {
        Self { lists, known: HashMap::new(), sets: ListSets::default() }
    }

    /// The number of a set. Past 2^32 of them, one that no table takes.
    pub(crate) fn intern(&mut self, members: &Members) -> u32 {
        if let Some(known) = self.known.get(members.words.as_slice()) {
            return *known;
        }
        let place = number(self.sets.sets.len());
        self.known.insert(members.words.as_slice().into(), place);
        self.add(members);
        place
    }

    fn add(&mut self, members: &Members) {
        let Self { lists, sets, .. } = self;
        let first = number(sets.lists.len());
        let members = || members.places().filter_map(|place| lists.get(place));
        sets.lists.extend(members().map(|(list, _)| *list));
        let opinion = members().map(|(_, opinion)| *opinion).fold(Opinion::default(), Opinion::beside);
        sets.sets.push(ListSet { opinion, first, last: number(sets.lists.len()) });
    }

    pub(crate) fn freeze(self) -> ListSets {
        let mut sets = self.sets;
        sets.sets.shrink_to_fit();
        sets.lists.shrink_to_fit();
        sets
    }
}

/// A place in a table. Tables of 2^32 places do not fit into the memory of any machine that runs this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go() {
        let mut members = Members::default();
        for place in [3, 64, 1023, 0, 64] {
            members.toggle(place);
        }
        assert_eq!(members.places().collect::<Vec<_>>(), [0, 3, 1023]);
        for place in [1023, 3, 0] {
            assert!(!members.is_empty());
            members.toggle(place);
        }
        assert!(members.is_empty() && members.places().next().is_none());
    }

    #[test]
    fn the_same_set_has_the_same_number_whatever_the_way_to_it() {
        let mut names = crate::names::ListNames::default();
        let lists: Vec<_> = (0..3).map(|n| (names.id(&n.to_string()).unwrap(), Opinion::default())).collect();
        let mut interner = Interner::new(&lists);
        let set = |places: &[usize]| {
            let mut members = Members::default();
            places.iter().for_each(|place| members.toggle(*place));
            members
        };
        let numbers = [&[0, 2][..], &[1], &[2, 0], &[1, 0, 2, 0, 2], &[0]].map(|p| interner.intern(&set(p)));
        assert_eq!(numbers, [0, 1, 0, 1, 2]);
        let sets = interner.freeze();
        assert_eq!(sets.lists(ListSetId::new(0)), [lists[0].0, lists[2].0]);
        assert_eq!((sets.ids().len(), sets.lists(ListSetId::new(9))), (3, &[][..]));
    }
}
