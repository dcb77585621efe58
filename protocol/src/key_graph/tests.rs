//! Graphs by hand, and against a slow definition.

use super::*;

fn id(number: usize) -> ClientId {
    format!("m{number:03}").parse().unwrap()
}

fn graph(edges: &[(usize, usize)]) -> Adjacency {
    let mut named: BTreeMap<ClientId, Vec<ClientId>> = BTreeMap::new();
    for (a, b) in edges {
        named.entry(id(*a)).or_default().push(id(*b));
        named.entry(id(*b)).or_default().push(id(*a));
    }
    let named = named
        .into_iter()
        .map(|(client, peers)| (client, peers.into_iter().collect()))
        .collect();
    Adjacency::mutual(&named)
}

fn complete(members: std::ops::Range<usize>) -> Vec<(usize, usize)> {
    members
        .clone()
        .flat_map(|a| (a + 1..members.end).map(move |b| (a, b)))
        .collect()
}

#[test]
fn an_edge_needs_both_ends() {
    let named = BTreeMap::from([
        (id(1), [id(2), id(3)].into_iter().collect()),
        (id(2), [id(1)].into_iter().collect()),
        (id(3), ClientSet::default()),
    ]);
    let graph = Adjacency::mutual(&named);
    assert_eq!(graph.edges(), 1);
    assert!(graph.neighbours(&id(3)).is_empty());
}

#[test]
fn soundness_is_demanded() {
    assert_eq!(
        KeyGraph::new(Adjacency::default()),
        Err(KeyGraphError::Empty)
    );
    assert!(KeyGraph::new(graph(&complete(0..4))).is_ok());
    assert_eq!(
        KeyGraph::new(graph(&complete(0..3))),
        Err(KeyGraphError::Degree {
            client: id(0),
            got: 2
        })
    );
    let mut two = complete(0..4);
    two.extend(complete(4..8));
    assert_eq!(
        KeyGraph::new(graph(&two)),
        Err(KeyGraphError::Disconnected { parts: 2 })
    );
}

#[test]
fn the_largest_sound_part_leaves_out_the_weak() {
    let mut edges = complete(0..5);
    edges.extend(complete(10..14));
    edges.extend([(0, 20), (1, 20)]);
    let part = graph(&edges).largest_sound_part().unwrap();
    assert_eq!(
        part.adjacency().members(),
        (0..5).map(id).collect::<Vec<_>>()
    );
    assert!(graph(&complete(0..3)).largest_sound_part().is_none());
}

#[test]
fn articulation_points_are_those_whose_loss_disconnects() {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % below).unwrap()
    };
    for _ in 0..200 {
        let edges: Vec<_> = (0..14)
            .map(|_| (random(12), random(12)))
            .filter(|(a, b)| a != b)
            .collect();
        let graph = graph(&edges);
        let parts = graph.components().len();
        let found = graph.articulation_points();
        for member in graph.members() {
            let gone: ClientSet = [*member].into_iter().collect();
            let alone = graph.neighbours(member).is_empty();
            let after = graph.without(&gone).components().len() + usize::from(alone);
            assert_eq!(
                found.contains(member),
                after > parts,
                "{member} in {edges:?}"
            );
        }
    }
}

#[test]
fn a_long_chain_does_not_overflow_the_stack() {
    let edges: Vec<_> = (0..900).map(|a| (a, a + 1)).collect();
    assert_eq!(graph(&edges).articulation_points().len(), 899);
}
