//! Paths whose every step leads on by one value, or by any.

use std::hash::{Hash, Hasher};

use hashbrown::HashMap;

use super::groups::GroupId;

/// What paths start from, as a number.
pub(super) type RootId = u32;

/// A value of a field, as one number.
pub(super) type Symbol = u32;

/// Paths of `N` steps, 5 at most, and a group at the end of each.
///
/// Paths from one root are of one *form* if they lead on by a value in the same steps. For each form that there is at a
/// root, one look-up of the values that a SYN has in those steps finds the only path of that form which it can take: at
/// most 2^N look-ups, none of which waits for another.
///
/// All ends are in one hash map, since an attacker who chooses the symbols chooses among what was stored before: how
/// far a look-up probes was settled when the map was built. The hash is keyed at random, so that who writes a list
/// cannot settle it either.
#[derive(Debug, Clone)]
pub(super) struct Paths<const N: usize> {
    /// For each root its forms, as bits.
    forms: Box<[u32]>,
    ends: HashMap<End<N>, GroupId>,
}

/// A path from its root, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End<const N: usize> {
    root: RootId,
    /// Bit `n` is set where step `n` is by a value.
    form: u32,
    /// The values; 0 where there is none.
    symbols: [Symbol; N],
}

impl<const N: usize> End<N> {
    fn of(root: RootId, path: &[Option<Symbol>; N]) -> Self {
        let form = path.iter().rev().fold(0, |form, step| form << 1 | u32::from(step.is_some()));
        End { root, form, symbols: path.map(Option::unwrap_or_default) }
    }

    /// The path of this form that these values take.
    #[inline]
    fn taken(root: RootId, form: u32, seen: &[Symbol; N]) -> Self {
        let mut left = form;
        let symbols = seen.map(|symbol| {
            let is_asked = left & 1;
            left >>= 1;
            symbol * is_asked
        });
        End { root, form, symbols }
    }
}

impl<const N: usize> Hash for End<N> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.root) << 32 | u64::from(self.form));
        for pair in self.symbols.chunks(2) {
            state.write_u64(pair.iter().fold(0, |pair, symbol| pair << 32 | u64::from(*symbol)));
        }
    }
}

impl<const N: usize> Default for Paths<N> {
    fn default() -> Self {
        Paths { forms: Box::default(), ends: HashMap::new() }
    }
}

impl<const N: usize> Paths<N> {
    /// Calls `visit` with the group at the end of every path from `root` that is open to these values.
    #[inline]
    pub(super) fn visit(&self, root: RootId, seen: &[Symbol; N], mut visit: impl FnMut(GroupId)) {
        let mut forms = self.forms.get(root as usize).copied().unwrap_or_default();
        while forms != 0 {
            if let Some(group) = self.ends.get(&End::taken(root, forms.trailing_zeros(), seen)) {
                visit(*group);
            }
            forms &= forms - 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.forms) + self.ends.allocation_size()
    }
}

/// Paths that are being built.
#[derive(Debug, Default)]
pub(super) struct Builder<const N: usize> {
    forms: Vec<u32>,
    ends: HashMap<End<N>, GroupId>,
}

impl<const N: usize> Builder<N> {
    /// A root without a path.
    pub(super) fn root(&mut self) -> RootId {
        self.forms.push(0);
        // A root takes more than one byte: the memory is full before the numbers end.
        RootId::try_from(self.forms.len() - 1).unwrap_or(RootId::MAX)
    }

    /// The group at the end of a path, a new one where there is no such path yet. `None` is a step by any value.
    pub(super) fn end(&mut self, root: RootId, path: &[Option<Symbol>; N]) -> GroupId {
        let end = End::of(root, path);
        if let Some(forms) = self.forms.get_mut(root as usize) {
            *forms |= 1 << end.form;
        }
        let next = GroupId::try_from(self.ends.len()).unwrap_or(GroupId::MAX);
        *self.ends.entry(end).or_insert(next)
    }

    pub(super) fn freeze(mut self) -> Paths<N> {
        self.ends.shrink_to_fit();
        Paths { forms: self.forms.into(), ends: self.ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<const N: usize>(paths: &Paths<N>, root: RootId, seen: [Symbol; N]) -> Vec<GroupId> {
        let mut all = Vec::new();
        paths.visit(root, &seen, |group| all.push(group));
        all.sort_unstable();
        all
    }

    #[test]
    fn each_step_goes_by_the_value_and_by_any() {
        let mut builder = Builder::default();
        let root = builder.root();
        let paths = [[Some(1), Some(2)], [Some(1), None], [None, Some(2)], [None, None]];
        let groups = paths.map(|path| builder.end(root, &path));
        assert_eq!(groups, [0, 1, 2, 3]);
        let paths = builder.freeze();
        assert_eq!(found(&paths, root, [1, 2]), [0, 1, 2, 3]);
        assert_eq!(found(&paths, root, [1, 3]), [1, 3]);
        assert_eq!(found(&paths, root, [9, 2]), [2, 3]);
    }

    #[test]
    fn zero_is_a_value_and_roots_are_apart() {
        let mut builder = Builder::default();
        let roots = [builder.root(), builder.root()];
        let zero = builder.end(roots[0], &[Some(0)]);
        let any = builder.end(roots[1], &[None]);
        assert_eq!(builder.end(roots[0], &[Some(0)]), zero, "the same path has the same end");
        let paths = builder.freeze();
        assert_eq!(found(&paths, roots[0], [0]), [zero]);
        assert!(found(&paths, roots[0], [1]).is_empty());
        assert_eq!(found(&paths, roots[1], [0]), [any]);
        assert!(found(&paths, 2, [0]).is_empty() && found(&Paths::default(), 0, [0]).is_empty());
    }
}
