//! All layouts with gaps at once, by one walk over the kinds of a SYN.

use std::collections::{HashMap, HashSet};

use super::trie::NodeId;
use crate::Layout;
use crate::layout::LayoutItem;

/// The most states of one automaton. Layouts that need more are spread over several.
const MAX_STATES: usize = 16384;

/// How often, on average, what hangs on a layout may be hung on the states of one automaton.
const MAX_REPEATS: usize = 16;

/// No root: kinds that end here are no layout's.
const NONE: NodeId = NodeId::MAX;

/// A deterministic automaton: one step a kind, whatever the number of layouts.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    /// The class of each kind. Kinds that no layout names are in one class.
    classes: Box<[u16; 256]>,
    class_count: usize,
    /// The next state, `class_count` of them for each state; the first state is the start.
    next: Box<[u16]>,
    /// Where to go on in the trie when the kinds end in a state.
    roots: Box<[NodeId]>,
    /// Whether a state is never left.
    is_final: Box<[bool]>,
}

impl Automaton {
    /// Where to go on in the trie for these kinds: with all layouts that they match. The walk stops where the rest
    /// of the kinds makes no difference.
    #[inline]
    pub(super) fn root(&self, kinds: &[u8]) -> Option<NodeId> {
        let mut state = 0;
        for kind in kinds {
            if self.is_final.get(state).is_some_and(|is_final| *is_final) {
                break;
            }
            let class = self.classes.get(usize::from(*kind)).copied().unwrap_or_default();
            state = usize::from(*self.next.get(state * self.class_count + usize::from(class))?);
        }
        self.roots.get(state).copied().filter(|root| *root != NONE)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.classes)
            + size_of_val(&*self.next)
            + size_of_val(&*self.roots)
            + size_of_val(&*self.is_final)
    }
}

/// An automaton without the roots of its states.
pub(super) struct Draft {
    classes: Box<[u16; 256]>,
    class_count: usize,
    next: Vec<u16>,
    /// For each state, the layouts that match when the kinds end there.
    accepted: Vec<Vec<usize>>,
}

impl Draft {
    /// Automata for layouts, one if it is not too large. A layout is told by its place among `layouts`; the weight
    /// beside it is how much is to hang on each state that accepts it.
    pub(super) fn of(layouts: &[(Layout, usize)]) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let mut open = match layouts {
            [] => Vec::new(),
            _ => vec![(0..layouts.len()).collect::<Vec<usize>>()],
        };
        while let Some(places) = open.pop() {
            match Subsets::new(layouts, &places).draft() {
                Some(draft) => drafts.push(draft),
                None => {
                    let (one, other) = places.split_at(places.len() / 2);
                    open.extend([one.to_vec(), other.to_vec()]);
                }
            }
        }
        drafts
    }

    /// The automaton, when `root` tells where the trie goes on for a set of layouts.
    pub(super) fn freeze(self, mut root: impl FnMut(&[usize]) -> NodeId) -> Automaton {
        let mut known: HashMap<&[usize], NodeId> = HashMap::from([(&[][..], NONE)]);
        let stays = |(state, next): (usize, &[u16])| next.iter().all(|next| usize::from(*next) == state);
        let is_final = self.next.chunks_exact(self.class_count).enumerate().map(stays).collect();
        let accepted = self.accepted.iter().map(Vec::as_slice);
        let roots = accepted.map(|layouts| *known.entry(layouts).or_insert_with(|| root(layouts))).collect();
        let Draft { classes, class_count, next, .. } = self;
        Automaton { classes, class_count, next: next.into(), roots, is_final }
    }
}

/// How far the kinds seen so far may have led: the number of a pattern, and how many of its kinds were seen.
type Position = (usize, usize);

/// The subset construction: a state of the automaton is a set of positions.
struct Subsets {
    patterns: Vec<Pattern>,
    classes: Box<[u16; 256]>,
    /// A kind of each class; `None` for the class of those that no pattern names.
    alphabet: Vec<Option<u8>>,
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

impl Subsets {
    fn new(layouts: &[(Layout, usize)], places: &[usize]) -> Self {
        let pattern =
            |place: &usize| layouts.get(*place).map(|(layout, weight)| Pattern::of(*place, layout, *weight));
        let patterns: Vec<Pattern> = places.iter().filter_map(pattern).collect();
        let (mut classes, mut alphabet) = (Box::new([0; 256]), vec![None]);
        for kind in patterns.iter().flat_map(|pattern| &pattern.kinds) {
            if let Some(class @ 0) = classes.get_mut(usize::from(*kind)) {
                *class = u16::try_from(alphabet.len()).unwrap_or_default();
                alphabet.push(Some(*kind));
            }
        }
        Subsets { patterns, classes, alphabet, states: Vec::new(), known: HashMap::new() }
    }

    /// The automaton, or `None` where it would be too large and could be cut in two.
    fn draft(mut self) -> Option<Draft> {
        let mut next = Vec::new();
        self.state((0..self.patterns.len()).map(|pattern| (pattern, 0)).collect())?;
        let mut state = 0;
        while let Some(positions) = self.states.get(state).cloned() {
            for place in 0..self.alphabet.len() {
                let kind = self.alphabet.get(place).copied().flatten();
                let after = self.after(&positions, kind);
                next.push(self.state(after)?);
            }
            state += 1;
        }
        let accepted: Vec<_> = self.states.iter().map(|positions| self.accepted(positions)).collect();
        self.is_light(&accepted).then_some(Draft {
            classes: self.classes,
            class_count: self.alphabet.len(),
            next,
            accepted,
        })
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
