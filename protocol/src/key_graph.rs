//! The key graph: members are vertices, shared keys are edges.
//!
//! Section "Key graph" of `docs/spec/protocol.md`. If the graph of those present falls apart, the
//! sum falls apart into sums of the parts; if a member has few neighbours, few must be corrupt to
//! bare it. So [`KeyGraph`] cannot be built disconnected nor below the minimum degree;
//! [`Adjacency`] is what is checked, and what an audit looks at.

use std::collections::BTreeMap;

use crate::descriptor::MIN_DEGREE;
use crate::names::{ClientId, ClientSet};

/// Members and the edges between them that both ends name. Says nothing about its soundness.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adjacency {
    members: Vec<ClientId>,
    neighbours: Vec<Vec<usize>>,
}

impl Adjacency {
    /// The edges among the keys of `named` that both ends name; others are left out.
    pub fn mutual(named: &BTreeMap<ClientId, ClientSet>) -> Self {
        let members: Vec<ClientId> = named.keys().copied().collect();
        let neighbours = named
            .iter()
            .map(|(client, set)| {
                set.iter()
                    .filter(|peer| *peer != client)
                    .filter(|peer| named.get(peer).is_some_and(|back| back.contains(client)))
                    .filter_map(|peer| members.binary_search(peer).ok())
                    .collect()
            })
            .collect();
        Self {
            members,
            neighbours,
        }
    }

    /// The edges that each of `members`, ascending, has with the others: by index, ascending, at both ends.
    pub(crate) fn of_indices(members: Vec<ClientId>, neighbours: Vec<Vec<usize>>) -> Self {
        Self {
            members,
            neighbours,
        }
    }

    /// The members, ascending.
    pub fn members(&self) -> &[ClientId] {
        &self.members
    }

    /// Each member with its neighbours, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, ClientSet)> + '_ {
        self.members
            .iter()
            .zip(&self.neighbours)
            .map(|(client, peers)| (*client, self.set(peers)))
    }

    /// Neighbours of `client`; nobody if it is no member.
    pub fn neighbours(&self, client: &ClientId) -> ClientSet {
        let index = self.members.binary_search(client).ok();
        self.set(
            index
                .and_then(|index| self.neighbours.get(index))
                .map_or(&[], Vec::as_slice),
        )
    }

    /// Number of edges.
    pub fn edges(&self) -> usize {
        self.neighbours.iter().map(Vec::len).sum::<usize>() / 2
    }

    /// Each member's number of neighbours, in the order of the members.
    pub fn degrees(&self) -> impl Iterator<Item = (ClientId, usize)> + '_ {
        self.members
            .iter()
            .copied()
            .zip(self.neighbours.iter().map(Vec::len))
    }

    /// The connected components, the largest first; equal ones by their first member.
    pub fn components(&self) -> Vec<ClientSet> {
        let mut seen = vec![false; self.members.len()];
        let mut components = Vec::new();
        for start in 0..self.members.len() {
            let component = self.reach(start, &mut seen);
            if !component.is_empty() {
                components.push(self.set(&component));
            }
        }
        components.sort_by_key(|component| std::cmp::Reverse(component.len()));
        components
    }

    /// Members whose loss alone would disconnect those connected now (Hopcroft and Tarjan 1973).
    pub fn articulation_points(&self) -> ClientSet {
        let mut search = Search::new(self);
        for root in 0..self.members.len() {
            search.explore(root);
        }
        let cut = search.cut;
        self.members
            .iter()
            .zip(cut)
            .filter_map(|(client, cut)| cut.then_some(*client))
            .collect()
    }

    /// The same graph without some members.
    #[must_use]
    pub fn without(&self, gone: &ClientSet) -> Self {
        let kept: BTreeMap<ClientId, ClientSet> = self
            .iter()
            .filter(|(client, _)| !gone.contains(client))
            .map(|(client, peers)| {
                (
                    client,
                    peers
                        .iter()
                        .filter(|peer| !gone.contains(peer))
                        .copied()
                        .collect(),
                )
            })
            .collect();
        Self::mutual(&kept)
    }

    /// The largest part that is connected and keeps the minimum degree; `None` if there is none.
    ///
    /// Members below the minimum degree are left out until nobody is below it any more.
    pub fn largest_sound_part(&self) -> Option<KeyGraph> {
        let mut graph = self.clone();
        loop {
            let below: ClientSet = graph
                .degrees()
                .filter_map(|(client, degree)| (degree < MIN_DEGREE).then_some(client))
                .collect();
            if !below.is_empty() {
                graph = graph.without(&below);
                continue;
            }
            let components = graph.components();
            let (_, rest) = components.split_first()?;
            if rest.is_empty() {
                return KeyGraph::new(graph).ok();
            }
            graph = graph.without(&rest.iter().flat_map(ClientSet::iter).copied().collect());
        }
    }

    fn set(&self, indices: &[usize]) -> ClientSet {
        indices
            .iter()
            .filter_map(|index| self.members.get(*index))
            .copied()
            .collect()
    }

    fn peers(&self, index: usize) -> &[usize] {
        self.neighbours.get(index).map_or(&[], Vec::as_slice)
    }

    /// All that can be reached from `start` and was not seen before.
    fn reach(&self, start: usize, seen: &mut [bool]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut ahead = vec![start];
        while let Some(index) = ahead.pop() {
            match seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            found.push(index);
            ahead.extend(self.peers(index));
        }
        found
    }
}

/// Depth-first search with an explicit stack: a long chain must not end in a stack overflow.
struct Search<'a> {
    graph: &'a Adjacency,
    order: Vec<usize>,
    low: Vec<usize>,
    cut: Vec<bool>,
    clock: usize,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Adjacency) -> Self {
        let size = graph.members.len();
        Self {
            graph,
            order: vec![0; size],
            low: vec![0; size],
            cut: vec![false; size],
            clock: 0,
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "all indices come from the graph's own lists"
    )]
    fn explore(&mut self, root: usize) {
        if self.order[root] != 0 {
            return;
        }
        let mut root_children = 0;
        // (vertex, its parent, how many of its neighbours were looked at)
        let mut stack = vec![(root, root, 0)];
        self.visit(root);
        while let Some((vertex, parent, position)) = stack.last_mut() {
            let (vertex, parent) = (*vertex, *parent);
            if let Some(&peer) = self.graph.peers(vertex).get(*position) {
                *position += 1;
                if self.order[peer] == 0 {
                    root_children += usize::from(vertex == root);
                    self.visit(peer);
                    stack.push((peer, vertex, 0));
                } else if peer != parent {
                    self.low[vertex] = self.low[vertex].min(self.order[peer]);
                }
            } else {
                stack.pop();
                if vertex != root {
                    self.low[parent] = self.low[parent].min(self.low[vertex]);
                    if parent != root && self.low[vertex] >= self.order[parent] {
                        self.cut[parent] = true;
                    }
                }
            }
        }
        self.cut[root] = root_children > 1;
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "all indices come from the graph's own lists"
    )]
    fn visit(&mut self, vertex: usize) {
        self.clock += 1;
        self.order[vertex] = self.clock;
        self.low[vertex] = self.clock;
    }
}

/// A connected key graph in which everybody has at least [`MIN_DEGREE`] neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGraph(Adjacency);

impl KeyGraph {
    /// Checks `graph`.
    ///
    /// # Errors
    /// [`KeyGraphError`] if it is empty, falls apart, or if somebody has too few neighbours.
    pub fn new(graph: Adjacency) -> Result<Self, KeyGraphError> {
        if let Some((client, got)) = graph.degrees().find(|(_, degree)| *degree < MIN_DEGREE) {
            return Err(KeyGraphError::Degree { client, got });
        }
        match graph.components().len() {
            0 => Err(KeyGraphError::Empty),
            1 => Ok(Self(graph)),
            parts => Err(KeyGraphError::Disconnected { parts }),
        }
    }

    /// The graph.
    pub fn adjacency(&self) -> &Adjacency {
        &self.0
    }

    /// Number of members.
    pub fn size(&self) -> usize {
        self.0.members.len()
    }
}

/// Why a graph is no key graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyGraphError {
    /// Nobody in it.
    #[error("the key graph has no members")]
    Empty,
    /// More than one component.
    #[error("the key graph falls apart into {parts} parts")]
    Disconnected {
        /// Number of components.
        parts: usize,
    },
    /// Too few neighbours.
    #[error("{client} has {got} neighbours, at least {MIN_DEGREE} are needed")]
    Degree {
        /// Who.
        client: ClientId,
        /// How many it has.
        got: usize,
    },
}

#[cfg(test)]
mod tests;
