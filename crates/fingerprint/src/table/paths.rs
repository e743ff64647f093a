//! Paths whose every step leads on by one value, or by any.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

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
/// All ends are in one hash table, since an attacker who chooses the symbols chooses among what was stored before: how
/// far a look-up probes was settled when the table was built. The hash is keyed at random, so that who writes a list
/// cannot settle it either. It is the sum of the hashes of root and steps: each is computed once for a SYN, whatever the
/// number of forms.
#[derive(Debug, Clone)]
pub(super) struct Paths<const N: usize> {
    /// For each root its forms, as bits.
    forms: Box<[u32]>,
    ends: HashTable<(End<N>, GroupId)>,
    hasher: DefaultHashBuilder,
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

    /// Whether it is the path of this form that these values take.
    #[inline]
    fn is_taken(&self, root: RootId, form: u32, seen: &[Symbol; N]) -> bool {
        let mut differ = (self.root ^ root) | (self.form ^ form);
        for (step, (symbol, seen)) in self.symbols.iter().zip(seen).enumerate() {
            differ |= (symbol ^ seen) & asked(form, step) as Symbol;
        }
        differ == 0
    }
}

/// All bits where a form asks for a value in this step, none where it does not.
#[inline]
fn asked(form: u32, step: usize) -> u64 {
    u64::from(form >> step & 1).wrapping_neg()
}

/// What a root adds to the hash of its paths.
#[inline]
fn hash_of_root(hasher: &DefaultHashBuilder, root: RootId) -> u64 {
    hasher.hash_one(u64::from(root) << 32)
}

/// What each step adds to the hash of the paths that go by its symbol.
#[inline]
fn hashes_of_steps<const N: usize>(hasher: &DefaultHashBuilder, symbols: &[Symbol; N]) -> [u64; N] {
    let mut hashes = [0; N];
    for ((step, hash), symbol) in (1..).zip(&mut hashes).zip(symbols) {
        *hash = hasher.hash_one(u64::from(*symbol) << 32 | step);
    }
    hashes
}

/// The hash of a path of this form.
#[inline]
fn hash<const N: usize>(root: u64, form: u32, steps: &[u64; N]) -> u64 {
    steps.iter().enumerate().fold(root, |sum, (step, hash)| sum.wrapping_add(hash & asked(form, step)))
}

impl<const N: usize> Default for Paths<N> {
    fn default() -> Self {
        Builder::default().freeze()
    }
}

impl<const N: usize> Paths<N> {
    /// Calls `visit` with the group at the end of every path from `root` that is open to these values.
    #[inline]
    pub(super) fn visit(&self, root: RootId, seen: &[Symbol; N], mut visit: impl FnMut(GroupId)) {
        let mut forms = self.forms.get(root as usize).copied().unwrap_or_default();
        if forms == 0 {
            return;
        }
        let (start, steps) = (hash_of_root(&self.hasher, root), hashes_of_steps(&self.hasher, seen));
        while forms != 0 {
            let form = forms.trailing_zeros();
            let found = self.ends.find(hash(start, form, &steps), |(end, _)| end.is_taken(root, form, seen));
            if let Some((_, group)) = found {
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
    ends: HashTable<(End<N>, GroupId)>,
    hasher: DefaultHashBuilder,
}

/// The hash of a whole path.
fn hash_of<const N: usize>(hasher: &DefaultHashBuilder, end: &End<N>) -> u64 {
    hash(hash_of_root(hasher, end.root), end.form, &hashes_of_steps(hasher, &end.symbols))
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
        let Self { ends, hasher, .. } = self;
        let (same, rehash) = (|(known, _): &_| *known == end, |(end, _): &_| hash_of(hasher, end));
        ends.entry(hash_of(hasher, &end), same, rehash).or_insert((end, next)).get().1
    }

    pub(super) fn freeze(mut self) -> Paths<N> {
        let Self { ends, hasher, .. } = &mut self;
        ends.shrink_to_fit(|(end, _)| hash_of(hasher, end));
        Paths { forms: self.forms.into(), ends: self.ends, hasher: self.hasher }
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
