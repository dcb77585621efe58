//! A provider that shows one membership log to half of the members and another to the rest. Nothing
//! but the checkpoints in their envelopes tells them.

use std::collections::BTreeSet;

use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::evidence::{EvidenceFile, Proof};
use dcnet_protocol::provider::RoundStatus;

use crate::seeds_or;
use crate::world::{Params, World};

/// Rounds until somebody holds evidence or seals nothing more, of members in a net that has forked.
fn rounds_until_found_out(mode: CorrectionMode, seed: u64) -> (u64, u64) {
    let params = Params {
        mode,
        threshold: 3,
        ..Params::default()
    };
    let mut world = World::with(14, 4, 5, seed, params);
    (0..10).for_each(|member| world.start(member));
    world.run_rounds(6);
    assert_eq!(world.last().status, RoundStatus::Complete);
    world.fork((0..14).filter(|member| member % 2 == 1));
    // Members that come: in the one log they are admitted, in the other it is somebody else.
    world.start(10);
    while !world.has_forked() {
        world.run_rounds(1);
    }
    let (mut first, mut rounds) = (None, 0);
    let stopped = |world: &World| {
        let running = world.nodes.iter().filter_map(|node| node.running.as_ref());
        running
            .filter(|gateway| gateway.is_distrusting() || gateway.is_comparing())
            .count()
    };
    for newcomer in [11, 12, 13] {
        for _ in 0..2 {
            if stopped(&world) > 0 {
                first.get_or_insert(rounds);
            }
            world.run_rounds(1);
            rounds += 1;
        }
        world.start(newcomer);
    }
    if stopped(&world) > 0 {
        first.get_or_insert(rounds);
    }
    let mut holders = BTreeSet::new();
    for (_, client, bytes) in &world.evidence {
        let proof = EvidenceFile::from_bytes(bytes).unwrap().verify().unwrap();
        assert!(matches!(proof, Proof::Checkpoints { .. }), "{proof:?}");
        holders.insert(*client);
    }
    let first = first.expect("nobody has found out");
    println!(
        "{mode:?} seed {seed}: found out after {first} rounds; after {rounds}: {} of 14 do not go on, {} \
         hold evidence",
        stopped(&world),
        holders.len()
    );
    world.check();
    (first, holders.len().try_into().unwrap())
}

#[test]
fn two_logs_are_found_out_within_a_few_epochs() {
    for mode in [CorrectionMode::Resend, CorrectionMode::DoubleMask] {
        let mut evidence = 0;
        for seed in seeds_or(1..5) {
            let (first, holders) = rounds_until_found_out(mode, seed);
            assert!(first <= 3, "{mode:?}, seed {seed}: after {first} rounds");
            evidence += holders;
        }
        assert!(evidence > 0, "{mode:?}: nobody holds evidence");
    }
}
