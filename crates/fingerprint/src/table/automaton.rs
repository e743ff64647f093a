//! Layouts with gaps, many at once, by one walk over the kinds of a SYN.

use std::collections::{HashMap, HashSet};

use super::groups::GroupId;
use crate::Layout;
use crate::layout::LayoutItem;

/// The most states of one automaton. Layouts that need more are spread over several.
const MAX_STATES: usize = 16384;

/// How often, on average, what hangs on a layout may be hung on the states of one automaton.
const MAX_REPEATS: usize = 16;

/// No group: kinds that end here are no layout's.
const NONE: GroupId = GroupId::MAX;

/// Set in the number of a state that is never left.
const FINAL: StateId = 1 << 31;

/// A state of [`Automata`]: where its row starts.
pub(super) type StateId = u32;

/// Deterministic automata: one step a kind, whatever the number of layouts.
#[derive(Debug, Clone, Default)]
pub(super) struct Automata {
    alphabet: Alphabet,
    /// A row for each state: the group where kinds end there, then the next state for each class of kinds.
    rows: Vec<u32>,
}

/// The kinds, in classes that no layout tells apart.
#[derive(Debug, Clone, Default)]
struct Alphabet {
    /// The class of each kind, 1 and above; 1 is that of all kinds that no layout names.
    classes: Box<[u16]>,
    /// A kind of each class; none for class 1.
    kinds: Vec<Option<u8>>,
}

impl Alphabet {
    fn of<'a>(layouts: impl IntoIterator<Item = &'a Layout>) -> Alphabet {
        let mut alphabet = Alphabet { classes: [1; 256].into(), kinds: vec![None] };
        for kind in layouts.into_iter().flat_map(|layout| layout.kinds().as_slice()) {
            if let Some(class @ 1) = alphabet.classes.get_mut(usize::from(*kind)) {
                alphabet.kinds.push(Some(*kind));
                *class = u16::try_from(alphabet.kinds.len()).unwrap_or(1);
            }
        }
        alphabet
    }

    /// Numbers in a row.
    fn width(&self) -> usize {
        self.kinds.len() + 1
    }
}

impl Automata {
    /// No automaton yet; those that are added are for these layouts.
    pub(super) fn for_layouts<'a>(layouts: impl IntoIterator<Item = &'a Layout>) -> Automata {
        Automata { alphabet: Alphabet::of(layouts), rows: Vec::new() }
    }

    /// The group of all layouts of an automaton that these kinds match. The walk stops where the rest of the kinds makes no
    /// difference.
    #[inline]
    pub(super) fn group(&self, start: StateId, kinds: &[u8]) -> Option<GroupId> {
        let mut state = start;
        for kind in kinds {
            if state & FINAL != 0 {
                break;
            }
            let class = self.alphabet.classes.get(usize::from(*kind)).copied().unwrap_or_default();
            state = *self.rows.get(state as usize + usize::from(class))?;
        }
        self.rows.get((state & !FINAL) as usize).copied().filter(|group| *group != NONE)
    }

    /// Adds automata for layouts, one if it is not too large, and returns where they start. A layout is told by its
    /// place among `layouts`, the weight beside it is how much is to hang on each state that accepts it, and `group`
    /// numbers a set of them.
    pub(super) fn add(
        &mut self,
        layouts: &[(Layout, usize)],
        mut group: impl FnMut(&[usize]) -> GroupId,
    ) -> Vec<StateId> {
        let (width, rows) = (self.alphabet.width(), &mut self.rows);
        let drafts = Draft::of(&self.alphabet, layouts).into_iter();
        drafts.map(|draft| draft.append(rows, width, &mut group)).collect()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.alphabet.classes)
            + size_of_val(&*self.alphabet.kinds)
            + self.rows.capacity() * size_of::<u32>()
    }
}

/// An automaton without the groups of its states.
struct Draft {
    /// For each state and each class the next state; the first state is the start.
    next: Vec<u16>,
    /// For each state, the layouts that match when the kinds end there.
    accepted: Vec<Vec<usize>>,
}

impl Draft {
    fn of(alphabet: &Alphabet, layouts: &[(Layout, usize)]) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let mut open = match layouts {
            [] => Vec::new(),
            _ => vec![(0..layouts.len()).collect::<Vec<usize>>()],
        };
        while let Some(places) = open.pop() {
            match Subsets::new(alphabet, layouts, &places).draft() {
                Some(draft) => drafts.push(draft),
                None => {
                    let (one, other) = places.split_at(places.len() / 2);
                    open.extend([one.to_vec(), other.to_vec()]);
                }
            }
        }
        drafts
    }

    /// Writes the rows, each so wide, behind those that are there, and returns where they start.
    fn append(
        self,
        rows: &mut Vec<u32>,
        width: usize,
        group: &mut impl FnMut(&[usize]) -> GroupId,
    ) -> StateId {
        let mut known: HashMap<&[usize], GroupId> = HashMap::from([(&[][..], NONE)]);
        let start = rows.len();
        let followers: Vec<&[u16]> = self.next.chunks_exact(width - 1).collect();
        // A number takes 4 bytes: the memory is full before they end.
        let row = |state: u16| StateId::try_from(start + usize::from(state) * width).unwrap_or_default();
        let is_final = |state: u16| {
            followers.get(usize::from(state)).is_some_and(|next| next.iter().all(|next| *next == state))
        };
        let number = |state: u16| row(state) | if is_final(state) { FINAL } else { 0 };
        for (accepted, next) in self.accepted.iter().zip(&followers) {
            rows.push(*known.entry(accepted).or_insert_with(|| group(accepted)));
            rows.extend(next.iter().map(|state| number(*state)));
        }
        number(0)
    }
}

/// How far the kinds seen so far may have led: the number of a pattern, and how many of its kinds were seen.
type Position = (usize, usize);

/// The subset construction: a state of the automaton is a set of positions.
struct Subsets<'a> {
    patterns: Vec<Pattern>,
    alphabet: &'a Alphabet,
    states: Vec<Vec<Position>>,
    known: HashMap<Vec<Position>, u16>,
}

/// A layout by places: the kind that is asked for there, and whether any number of others may stand before it.
struct Pattern {
    /// Its place among the layouts.
    layout: usize,
    weight: usize,
    kinds: Vec<u8>,
    gaps: Vec<bool>,
}

impl Pattern {
    fn of(place: usize, layout: &Layout, weight: usize) -> Pattern {
        let (mut kinds, mut gaps) = (Vec::new(), vec![false]);
        for item in layout.items() {
            match item {
                LayoutItem::Gap => gaps.iter_mut().last().into_iter().for_each(|gap| *gap = true),
                LayoutItem::Kind(kind) => {
                    kinds.push(kind);
                    gaps.push(false);
                }
            }
        }
        Pattern { layout: place, weight, kinds, gaps }
    }

    fn has_gap(&self, place: usize) -> bool {
        self.gaps.get(place).is_some_and(|gap| *gap)
    }

    fn asks_for(&self, place: usize, kind: Option<u8>) -> bool {
        kind.is_some() && self.kinds.get(place).copied() == kind
    }
}

impl<'a> Subsets<'a> {
    fn new(alphabet: &'a Alphabet, layouts: &[(Layout, usize)], places: &[usize]) -> Self {
        let pattern =
            |place: &usize| layouts.get(*place).map(|(layout, weight)| Pattern::of(*place, layout, *weight));
        let patterns: Vec<Pattern> = places.iter().filter_map(pattern).collect();
        Subsets { patterns, alphabet, states: Vec::new(), known: HashMap::new() }
    }

    /// The automaton, or `None` where it would be too large and could be cut in two.
    fn draft(mut self) -> Option<Draft> {
        let mut next = Vec::new();
        self.state((0..self.patterns.len()).map(|pattern| (pattern, 0)).collect())?;
        let mut state = 0;
        while let Some(positions) = self.states.get(state).cloned() {
            for kind in &self.alphabet.kinds {
                let after = self.after(&positions, *kind);
                next.push(self.state(after)?);
            }
            state += 1;
        }
        let accepted: Vec<_> = self.states.iter().map(|positions| self.accepted(positions)).collect();
        self.is_light(&accepted).then_some(Draft { next, accepted })
    }

    /// The number of the state with these positions, unless it is one too many.
    fn state(&mut self, positions: Vec<Position>) -> Option<u16> {
        if let Some(known) = self.known.get(&positions) {
            return Some(*known);
        }
        let is_whole = self.patterns.len() == 1;
        let number = u16::try_from(self.states.len()).ok()?;
        if self.states.len() >= MAX_STATES && !is_whole {
            return None;
        }
        self.states.push(positions.clone());
        self.known.insert(positions, number);
        Some(number)
    }

    /// Where the positions lead by a kind.
    fn after(&self, positions: &[Position], kind: Option<u8>) -> Vec<Position> {
        let mut after = Vec::new();
        for (number, place) in positions.iter().copied() {
            let Some(pattern) = self.patterns.get(number) else { continue };
            if pattern.has_gap(place) {
                after.push((number, place));
            }
            if pattern.asks_for(place, kind) {
                after.push((number, place + 1));
            }
        }
        after.sort_unstable();
        after.dedup();
        self.without_overtaken(after)
    }

    /// Leaves out each position behind the last gap that its pattern has come to: what a part between two gaps is
    /// found in is best found as early as it can be.
    fn without_overtaken(&self, positions: Vec<Position>) -> Vec<Position> {
        let mut last_gaps: HashMap<usize, usize> = HashMap::new();
        for (number, place) in &positions {
            if self.patterns.get(*number).is_some_and(|pattern| pattern.has_gap(*place)) {
                // Positions are in ascending order.
                last_gaps.insert(*number, *place);
            }
        }
        let is_open = |(number, place): &Position| last_gaps.get(number).is_none_or(|gap| gap <= place);
        positions.into_iter().filter(is_open).collect()
    }

    /// The layouts that match if no kind follows.
    fn accepted(&self, positions: &[Position]) -> Vec<usize> {
        let patterns =
            positions.iter().filter_map(|(number, place)| Some((self.patterns.get(*number)?, *place)));
        patterns
            .filter(|(pattern, place)| pattern.kinds.len() == *place)
            .map(|(pattern, _)| pattern.layout)
            .collect()
    }

    /// Whether what hangs on the layouts, once for each set of them that is accepted, is not too often repeated.
    fn is_light(&self, accepted: &[Vec<usize>]) -> bool {
        let weights: HashMap<usize, usize> =
            self.patterns.iter().map(|pattern| (pattern.layout, pattern.weight)).collect();
        let weigh =
            |layouts: &[usize]| layouts.iter().filter_map(|layout| weights.get(layout)).sum::<usize>();
        let once: usize = weights.values().sum();
        let distinct: HashSet<&[usize]> = accepted.iter().map(Vec::as_slice).collect();
        let repeated: usize = distinct.into_iter().map(weigh).sum();
        self.patterns.len() == 1 || repeated <= (MAX_REPEATS * once).max(MAX_STATES)
    }
}
