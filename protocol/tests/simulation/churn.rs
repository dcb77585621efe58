//! Members that come and go for long: what becomes of the key graph, with real gateways. On the level
//! of graphs, and for many more members, `benches/churn.rs` does the same.

use std::collections::BTreeMap;

use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::key_graph::{Adjacency, KeyGraph};
use dcnet_protocol::provider::RoundStatus;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::world::{Params, World};

const MEMBERS: usize = 40;
const EVENTS: usize = 100;
const K: u16 = 6;

struct Graph {
    members: usize,
    median: usize,
    most: usize,
    cuts: usize,
    fewest_holders: usize,
}

/// The graph of the epoch that the last round was in.
fn graph(world: &World) -> Graph {
    let epoch = world.last().epoch.number();
    let manifests: Vec<_> = world.recorder.members(epoch).collect();
    let named: BTreeMap<_, _> = manifests
        .iter()
        .map(|manifest| {
            let ends = manifest.neighbours.iter().map(|edge| edge.end.client);
            (manifest.client, ends.collect())
        })
        .collect();
    let graph = Adjacency::mutual(&named);
    let mut degrees: Vec<usize> = graph.degrees().map(|(_, degree)| degree).collect();
    degrees.sort_unstable();
    let holders = manifests.iter().map(|manifest| {
        let edges = manifest.neighbours.iter();
        edges.filter(|edge| edge.role.holder).count()
    });
    let cuts = graph.articulation_points().len();
    KeyGraph::new(graph).unwrap();
    Graph {
        members: degrees.len(),
        median: degrees[degrees.len() / 2],
        most: degrees[degrees.len() - 1],
        cuts,
        fewest_holders: holders.min().unwrap(),
    }
}

#[test]
fn a_hundred_joins_and_exits_leave_a_sound_graph() {
    let params = Params {
        mode: CorrectionMode::DoubleMask,
        threshold: K / 2 + 1,
        ..Params::default()
    };
    let mut world = World::with(MEMBERS + EVENTS, 10, K, 31, params);
    let mut rng = ChaCha8Rng::seed_from_u64(31);
    let mut here: Vec<usize> = (0..MEMBERS).collect();
    for member in &here {
        world.start(*member);
    }
    world.run_rounds(6);
    let mut joins = vec![true; EVENTS];
    joins.resize(2 * EVENTS, false);
    for place in (1..joins.len()).rev() {
        let other = usize::try_from(rng.next_u64()).unwrap() % (place + 1);
        joins.swap(place, other);
    }
    let (mut next, mut failed, mut rounds) = (MEMBERS, 0, 0);
    let mut left: Vec<usize> = Vec::new();
    for some in joins.chunks(8) {
        for join in some {
            if *join {
                world.start(next);
                here.push(next);
                next += 1;
            } else {
                let place = usize::try_from(rng.next_u64()).unwrap() % here.len();
                let leaver = here.swap_remove(place);
                world.leave(leaver);
                left.push(leaver);
            }
        }
        for _ in 0..2 {
            world.run_rounds(1);
            rounds += 1;
            failed += usize::from(!world.last().status.is_success());
        }
        left.retain(|member| {
            let gone = world.has_left(*member);
            if gone {
                world.kill(*member);
                world.nodes[*member].wanted = false;
            }
            !gone
        });
        let graph = graph(&world);
        println!(
            "{next:>4} have joined, {:>3} members: degrees to {} (median {}), {} articulation points, \
             {} holders and more",
            graph.members, graph.most, graph.median, graph.cuts, graph.fewest_holders
        );
        assert_eq!(graph.cuts, 0);
        assert!(graph.median <= 4 * usize::from(K), "{}", graph.median);
    }
    world.run_rounds(8);
    let graph = graph(&world);
    println!(
        "{failed} of {rounds} rounds failed; in the end {} members",
        graph.members
    );
    println!("{}", world.describe());
    assert_eq!(graph.members, MEMBERS);
    assert!(graph.fewest_holders >= usize::from(K) - 1);
    assert_eq!(world.last().status, RoundStatus::Complete);
    assert!(failed * 10 <= rounds, "{failed} of {rounds}");
    world.check();
}

/// Whoever is drawn keeps the place, so a provider that withholds offers has nobody else drawn until it
/// likes who was: one new draw follows from what the leaver signed, and no other.
#[test]
fn withheld_offers_buy_no_draws() {
    assert_eq!(draws_after_an_exit(false, 32), 1);
    assert_eq!(draws_after_an_exit(true, 32), 1);
}

/// Silence frees one place in 96 intervals: so a net lives on in which gateways die without a word, and
/// a provider gains one draw of one member a day.
#[test]
fn long_silence_frees_one_place_a_day() {
    let draws = draws_after_an_exit(true, 300);
    assert!((2..=4).contains(&draws), "{draws}");
}

/// How often a member draws in so many rounds after one of its holders has left.
fn draws_after_an_exit(isolated: bool, rounds: u64) -> usize {
    let params = Params {
        mode: CorrectionMode::DoubleMask,
        threshold: 3,
        ..Params::default()
    };
    let mut world = World::with(24, 4, 4, 6, params);
    world.start_all();
    world.run_rounds(6);
    let victim = 0;
    let epoch = world.last().epoch.number();
    let edges = world
        .recorder
        .manifest(world.id(victim), epoch)
        .neighbours
        .clone();
    let holder = edges.iter().find(|edge| edge.role.holder).unwrap();
    let leaver = world.index_of(&holder.end.client);
    if isolated {
        world.isolate(victim);
    }
    let before = world.draws.len();
    world.leave(leaver);
    world.run_rounds(rounds);
    world.check();
    let of_victim = |(_, client): &&(_, _)| *client == world.id(victim);
    let draws = world.draws[before..].iter().filter(of_victim).count();
    println!("isolated: {isolated}, {draws} draws");
    draws
}
