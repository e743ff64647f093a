//! A trie whose every step leads on by the value seen, and by "any".

use hashbrown::HashMap;

/// A node of a [`Trie`].
pub(super) type NodeId = u32;

/// A value of a field, as one number.
pub(super) type Symbol = u32;

/// No node.
const NONE: NodeId = NodeId::MAX;

/// Items at the ends of paths. Each step of a path is a symbol or "any"; all paths that start from the same root
/// are equally long.
///
/// All edges with a symbol are in one hash map, since an attacker who chooses the symbols chooses among what was
/// stored before: how far a lookup probes was settled when the map was built. The hash is keyed at random, so
/// that who writes a list cannot settle it either.
#[derive(Debug, Clone)]
pub(super) struct Trie<T> {
    nodes: Box<[Node]>,
    edges: HashMap<(NodeId, Symbol), NodeId>,
    items: Box<[T]>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    any: NodeId,
    /// Whether any edge with a symbol starts here.
    branches: bool,
    /// The items at the end of a path are `items[first..last]`.
    first: u32,
    last: u32,
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Builder::default().freeze()
    }
}

impl<T> Trie<T> {
    /// Calls `visit` with the items at the end of every path from `root` that `seen` takes: for each step the symbols
    /// that are true of a SYN.
    #[inline]
    pub(super) fn visit<'a>(&'a self, root: NodeId, seen: &[&[Symbol]], visit: &mut impl FnMut(&'a [T])) {
        let Some(node) = self.nodes.get(root as usize) else { return };
        let Some((symbols, rest)) = seen.split_first() else {
            return visit(self.items.get(node.first as usize..node.last as usize).unwrap_or_default());
        };
        if node.any != NONE {
            self.visit(node.any, rest, visit);
        }
        if node.branches {
            for next in symbols.iter().filter_map(|symbol| self.edges.get(&(root, *symbol))) {
                self.visit(*next, rest, visit);
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.nodes) + self.edges.allocation_size() + size_of_val(&*self.items)
    }
}

/// A trie that is being built.
#[derive(Debug)]
pub(super) struct Builder<T> {
    nodes: Vec<Node>,
    edges: HashMap<(NodeId, Symbol), NodeId>,
    items: Vec<(NodeId, T)>,
}

impl<T> Default for Builder<T> {
    fn default() -> Self {
        Builder { nodes: Vec::new(), edges: HashMap::new(), items: Vec::new() }
    }
}

impl<T> Builder<T> {
    /// A node that no edge leads to.
    pub(super) fn root(&mut self) -> NodeId {
        // A node takes 16 bytes: the memory is full before the numbers end.
        let id = NodeId::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node { any: NONE, branches: false, first: 0, last: 0 });
        id
    }

    /// The end of a path, made where it does not exist yet. `None` is the step "any".
    pub(super) fn end(&mut self, root: NodeId, path: &[Option<Symbol>]) -> NodeId {
        path.iter().fold(root, |node, step| self.step(node, *step))
    }

    fn step(&mut self, from: NodeId, step: Option<Symbol>) -> NodeId {
        let known = match step {
            Some(symbol) => self.edges.get(&(from, symbol)).copied(),
            None => self.nodes.get(from as usize).map(|node| node.any).filter(|any| *any != NONE),
        };
        known.unwrap_or_else(|| {
            let to = self.root();
            self.link(from, step, to);
            to
        })
    }

    fn link(&mut self, from: NodeId, step: Option<Symbol>, to: NodeId) {
        let Some(node) = self.nodes.get_mut(from as usize) else { return };
        match step {
            Some(symbol) => {
                node.branches = true;
                self.edges.insert((from, symbol), to);
            }
            None => node.any = to,
        }
    }

    /// Puts an item at the end of a path, behind those that are there.
    pub(super) fn put(&mut self, node: NodeId, item: T) {
        self.items.push((node, item));
    }

    pub(super) fn freeze(mut self) -> Trie<T> {
        // A stable sort: the items of a node stay in the order in which they came.
        self.items.sort_by_key(|(node, _)| *node);
        for (place, (node, _)) in (0..).zip(&self.items) {
            if let Some(node) = self.nodes.get_mut(*node as usize) {
                node.first = if node.first == node.last { place } else { node.first };
                node.last = place + 1;
            }
        }
        self.edges.shrink_to_fit();
        let items = self.items.into_iter().map(|(_, item)| item).collect();
        Trie { nodes: self.nodes.into(), edges: self.edges, items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(trie: &Trie<char>, root: NodeId, seen: &[&[Symbol]]) -> String {
        let mut all = Vec::new();
        trie.visit(root, seen, &mut |items| all.extend_from_slice(items));
        all.sort_unstable();
        all.into_iter().collect()
    }

    #[test]
    fn each_step_goes_by_the_value_and_by_any() {
        let mut builder = Builder::default();
        let root = builder.root();
        let paths =
            [([Some(1), Some(2)], 'a'), ([Some(1), None], 'b'), ([None, Some(2)], 'c'), ([None, None], 'd')];
        for (path, item) in paths {
            let end = builder.end(root, &path);
            builder.put(end, item);
        }
        let trie = builder.freeze();
        assert_eq!(found(&trie, root, &[&[1], &[2]]), "abcd");
        assert_eq!(found(&trie, root, &[&[1], &[3]]), "bd");
        assert_eq!(found(&trie, root, &[&[9], &[2]]), "cd");
        assert_eq!(found(&trie, root, &[&[1, 9], &[]]), "bd");
    }

    #[test]
    fn items_of_one_end_stay_in_order_and_roots_apart() {
        let mut builder = Builder::default();
        let roots = [builder.root(), builder.root()];
        for (root, item) in [(0, 'z'), (1, 'y'), (0, 'a')] {
            let end = builder.end(roots[root], &[Some(7)]);
            builder.put(end, item);
        }
        let trie = builder.freeze();
        let mut seen = Vec::new();
        trie.visit(roots[0], &[&[7]], &mut |items| seen.extend_from_slice(items));
        assert_eq!(seen, ['z', 'a']);
        assert_eq!(found(&trie, roots[1], &[&[7]]), "y");
        assert_eq!(found(&Trie::default(), 0, &[&[7]]), "");
    }
}
