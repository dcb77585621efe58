//! What is on a gateway's disk derives keys of epochs to come, and none of those that are over.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::gateway::GatewayState;
use dcnet_protocol::key_agreement::{Chain, EdgePlace};
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::RoundStatus;
use dcnet_protocol::round::{Epoch, Round};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::world::World;

/// Six members in the complete graph, with some rounds behind them.
fn six(seed: u64) -> World {
    let mut world = World::new(6, 4, 62, seed);
    world.start_all();
    world.run_rounds(6);
    assert_eq!(world.last().status, RoundStatus::Complete);
    assert_eq!(world.last().members, 6);
    world
}

/// The same, with the disk of gateway 2 from before it had agreed on any edge.
fn six_with_a_backup(seed: u64) -> (World, Vec<u8>) {
    let mut world = World::new(6, 4, 62, seed);
    world.start_all();
    let mut backup = disk(&world, 2);
    while chains(&disk(&world, 2)).is_empty() {
        backup = disk(&world, 2);
        world.step();
    }
    world.run_rounds(6);
    (world, backup)
}

fn disk(world: &World, member: usize) -> Vec<u8> {
    world.nodes[member].disk.clone().unwrap()
}

fn chains(bytes: &[u8]) -> Vec<(EdgeEnd, Chain)> {
    GatewayState::decode(bytes).unwrap().chains_for_vectors()
}

fn agreed_with(bytes: &[u8], peer: ClientId) -> Option<EdgeEnd> {
    let mut ends = chains(bytes).into_iter().map(|(end, _)| end);
    ends.find(|end| end.client == peer)
}

/// The key of the edge with `peer` in the epoch of `round`, if it is on the disk.
fn key(bytes: &[u8], round: Round, peer: ClientId) -> Option<[u8; 32]> {
    let state = GatewayState::decode(bytes).unwrap();
    let keys = state.edge_keys_for_vectors(round);
    let mut keys = keys.into_iter().filter(|key| key.peer() == peer);
    keys.next().map(|key| key.expose_for_vectors())
}

fn expand(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    let prk = Hkdf::<Sha256>::from_prk(key).unwrap();
    prk.expand_multi_info(parts, &mut out).unwrap();
    out
}

/// Where the edge of two members stands in an epoch.
struct Edge {
    epoch: Epoch,
    place: EdgePlace,
}

fn edge(world: &World, epoch: Epoch, own: ClientId, peer: ClientId) -> Edge {
    let manifest = world.recorder.manifest(own, epoch.number());
    let mut edges = manifest.neighbours.iter();
    let other = edges.find(|edge| edge.end.client == peer).unwrap();
    let (own, peer) = ((own, manifest.index), (peer, other.index));
    let place = EdgePlace::new(manifest.head, own, peer);
    Edge { epoch, place }
}

/// Whether 32 bytes anywhere on the disk are the key of that epoch, or its C, or the C of an epoch
/// before it, or B of the first block, from which it follows.
fn derives(bytes: &[u8], edge: &Edge, key: [u8; 32]) -> bool {
    let (epoch, place) = (edge.epoch.number(), edge.place.encode());
    assert!(epoch < 256);
    let leads_there = |from: u64, start: [u8; 32]| {
        let steps = from + 1..=epoch;
        let step = steps.fold(start, |step, number| {
            expand(&step, &[b"dcnet/v1 chain step\0", &number.to_be_bytes()])
        });
        expand(&step, &[b"dcnet/v1 edge key\0", &place]) == key
    };
    let found = bytes.windows(32).position(|window| {
        let window: [u8; 32] = window.try_into().unwrap();
        let start = expand(&window, &[b"dcnet/v1 chain start\0", &0_u64.to_be_bytes()]);
        window == key || (0..=epoch).any(|from| leads_there(from, window)) || leads_there(0, start)
    });
    found.is_some()
}

/// Who seizes a gateway with its agreement key reads what is to come and not what is over. All members
/// hand out what they have: recorded frames stay masked.
#[test]
fn a_seized_gateway_does_not_give_away_epochs_that_are_over() {
    let mut world = World::new(6, 4, 62, 41);
    world.start_all();
    let (own, peer) = (world.id(1), world.id(4));
    // Confirmed, before any manifest.
    let mut before = None;
    while world.nodes[1]
        .running
        .as_ref()
        .unwrap()
        .epoch(world.now)
        .is_none()
    {
        before = world.nodes[1].disk.clone();
        world.step();
        assert!(world.now.secs() < 1_800_001_000, "no epoch");
    }
    world.run_rounds(2);
    let first = world.last().clone();
    assert_eq!(first.members, 6);
    let place = edge(&world, first.epoch, own, peer);
    let during = disk(&world, 1);
    let known = key(&during, first.round, peer).unwrap();
    assert_eq!(key(&disk(&world, 4), first.round, own), Some(known));
    assert!(
        derives(&before.unwrap(), &place, known),
        "it looks in the right way"
    );
    assert!(derives(&during, &place, known), "rounds under way need it");

    // Another epoch: somebody is missing, and comes back.
    world.kill(2);
    world.run_rounds(2);
    world.start(2);
    world.run_rounds(4);
    let last = world.last();
    assert_eq!((last.status, last.members), (RoundStatus::Complete, 6));
    assert!(last.epoch > first.epoch);
    for member in 0..6 {
        let after = disk(&world, member);
        assert!(!derives(&after, &place, known), "gateway {member}");
        for (end, chain) in chains(&after) {
            assert!(chain.next() > last.epoch, "{}", end.client);
        }
    }
    world.check();
}

/// They serve the correction of its last round, by the gateway's own clock, and no longer.
#[test]
fn keys_of_an_epoch_are_erased_when_its_last_round_is_over() {
    let mut world = six(42);
    let epoch = world.last().epoch;
    let places = [1, 3, 5].map(|member| edge(&world, epoch, world.id(member), world.id(4)));
    let schedule = world.provider_setup.descriptor.schedule();
    let peers = [1, 3, 5].map(|member| (member, world.id(4)));
    let known = peers.map(|(member, peer)| key(&disk(&world, member), world.last().round, peer));
    world.kill(2);
    let mut erased = [None; 3];
    for _ in 0..120 {
        world.step();
        for (gone, (member, _)) in erased.iter_mut().zip(peers) {
            let here = derives(
                &disk(&world, member),
                &places[member / 2],
                known[member / 2].unwrap(),
            );
            assert!(gone.is_none() || !here, "it is back");
            if gone.is_none() && !here {
                *gone = Some(world.clock(member));
            }
        }
    }
    let next = world.recorder.manifest(world.id(1), epoch.number() + 1);
    assert!(
        next.neighbours
            .iter()
            .any(|edge| edge.end.client == world.id(4))
    );
    let over = schedule.correction_deadline(next.head.first_round.previous());
    for erased in erased {
        let after = erased.unwrap().millis_since(over);
        assert!(
            erased.unwrap() >= over && after < 5_000,
            "{erased:?}, over at {over:?}"
        );
    }
}

/// What "discards its keys" says of an exit.
#[test]
fn an_exit_erases_the_keys_at_both_ends() {
    let mut world = six(43);
    let leaver = world.id(2);
    let before: Vec<_> = (0..6).map(|member| disk(&world, member)).collect();
    let round = world.last().round;
    let epoch = world.last().epoch;
    world.leave(2);
    world.run_rounds(4);
    assert!(world.has_left(2));
    assert!(chains(&disk(&world, 2)).is_empty());
    assert_ne!(
        disk(&world, 2)[1..33],
        before[2][1..33],
        "the agreement key, too"
    );
    for member in [0, 1, 3, 4, 5] {
        let place = edge(&world, epoch, world.id(member), leaver);
        let (old, new) = (&before[member], disk(&world, member));
        let known = key(old, round, leaver).unwrap();
        let (_, chain) = chains(old)
            .into_iter()
            .find(|(end, _)| end.client == leaver)
            .unwrap();
        let (step, block) = chain.expose_for_vectors();
        for disk in [&new, &disk(&world, 2)] {
            assert_eq!(agreed_with(disk, leaver), None);
            assert!(!derives(disk, &place, known), "gateway {member}");
            for secret in [step, block] {
                assert!(!disk.windows(32).any(|window| window == secret));
            }
        }
        for secret in [step, block] {
            assert!(old.windows(32).any(|window| window == secret));
        }
    }
    world.check();
}

#[test]
fn suspension_and_re_entry_keep_what_was_agreed() {
    let mut world = six(44);
    let agreed = |world: &World| -> Vec<Vec<EdgeEnd>> {
        let ends = |member| {
            let ends = chains(&disk(world, member)).into_iter().map(|(end, _)| end);
            let mut ends: Vec<EdgeEnd> = ends.collect();
            ends.sort_by_key(|end| end.client);
            ends
        };
        (0..6).map(ends).collect()
    };
    let (before, epoch) = (agreed(&world), world.last().epoch);
    world.kill(2);
    world.run_rounds(3);
    world.start(2);
    world.run_rounds(4);
    let last = world.last();
    assert_eq!((last.status, last.members), (RoundStatus::Complete, 6));
    assert!(last.epoch > epoch);
    assert_eq!(agreed(&world), before);
    world.check();
}

/// A backup from before the edges were agreed, of the same key package: both ends agree anew.
#[test]
fn a_gateway_restored_from_a_backup_agrees_anew() {
    let (mut world, backup) = six_with_a_backup(45);
    assert_eq!(world.last().members, 6);
    let before = disk(&world, 2);
    assert_eq!(before[1..33], backup[1..33], "the same agreement key");
    world.nodes[2].disk = Some(backup);
    world.start(2);
    world.run_rounds(8);
    let last = world.last();
    assert_eq!(
        (last.status, last.members),
        (RoundStatus::Complete, 6),
        "{}",
        world.describe()
    );
    let after = disk(&world, 2);
    for member in [0, 1, 3, 4, 5] {
        let (own, peer) = (world.id(2), world.id(member));
        let new = agreed_with(&after, peer).unwrap();
        assert_ne!(agreed_with(&before, peer), Some(new));
        let back = agreed_with(&disk(&world, member), own).unwrap();
        assert_eq!(back.agreement, new.agreement);
    }
    world.check();
}

/// A backup from before the draw, of a member that the provider has suspended meanwhile: it has to be in
/// a list to draw at all.
#[test]
fn a_suspended_gateway_restored_from_before_its_draw_comes_back() {
    let mut world = World::new(6, 4, 62, 47);
    world.start_all();
    let backup = disk(&world, 2);
    world.run_rounds(6);
    assert_eq!(world.last().members, 6);
    world.kill(2);
    world.run_rounds(3);
    assert_eq!(world.last().members, 5);
    world.nodes[2].disk = Some(backup);
    world.start(2);
    world.run_rounds(16);
    let last = world.last();
    let found = (last.status, last.members);
    assert_eq!(found, (RoundStatus::Complete, 6), "{}", world.describe());
    world.check();
}

/// A backup with other agreements than the present ones.
#[test]
fn a_gateway_restored_twice_agrees_anew() {
    let (mut world, backup) = six_with_a_backup(46);
    let first = disk(&world, 2);
    world.nodes[2].disk = Some(backup);
    world.start(2);
    world.run_rounds(8);
    // The same agreement key, the agreements from before the first restoration.
    world.nodes[2].disk = Some(first.clone());
    world.start(2);
    world.run_rounds(14);
    let last = world.last();
    assert_eq!(
        (last.status, last.members),
        (RoundStatus::Complete, 6),
        "{}",
        world.describe()
    );
    let after = disk(&world, 2);
    for member in [0, 1, 3, 4, 5] {
        let peer = world.id(member);
        let back = agreed_with(&disk(&world, member), world.id(2)).unwrap();
        assert_eq!(agreed_with(&after, peer).unwrap().agreement, back.agreement);
        assert_ne!(agreed_with(&first, peer).unwrap().agreement, back.agreement);
    }
    assert!(last.epoch > Epoch::new(1));
    world.check();
}
