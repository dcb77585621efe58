//! A provider that shows one membership log to half of the members and another to the rest. Nothing
//! but the checkpoints in their envelopes tells them.

use std::collections::BTreeSet;

use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::evidence::{EvidenceFile, Proof};
use dcnet_protocol::provider::RoundStatus;

use crate::seeds_or;
use crate::world::{Params, World};

/// Rounds until somebody holds evidence in a net that has forked, and how many hold it in the end.
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
    for newcomer in [11, 12, 13] {
        for _ in 0..2 {
            if !world.evidence.is_empty() {
                first.get_or_insert(rounds);
            }
            world.run_rounds(1);
            rounds += 1;
        }
        world.start(newcomer);
    }
    if !world.evidence.is_empty() {
        first.get_or_insert(rounds);
    }
    let mut holders = BTreeSet::new();
    for (_, client, bytes) in &world.evidence {
        let proof = EvidenceFile::from_bytes(bytes).unwrap().verify().unwrap();
        assert!(matches!(proof, Proof::Checkpoints { .. }), "{proof:?}");
        holders.insert(*client);
    }
    let first = first.unwrap_or(u64::MAX);
    println!(
        "{mode:?} seed {seed}: found out after {first} rounds; after {rounds}: {} of 14 do not go on, {} \
         hold evidence",
        world.distrusting(),
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

/// Not withstood: checkpoints that the provider does not relay are not missed. It has to relay all
/// envelopes between those who see one log and those who see the other, or none; then newcomers cannot
/// agree on keys with all of those whom they drew, but a net without newcomers goes on as it was.
#[test]
fn checkpoints_that_are_withheld_are_not_missed() {
    let params = Params {
        mode: CorrectionMode::DoubleMask,
        threshold: 3,
        ..Params::default()
    };
    let mut world = World::with(10, 4, 5, 3, params);
    world.start_all();
    world.run_rounds(6);
    assert_eq!(world.last().status, RoundStatus::Complete);
    world.fork((0..10).filter(|member| member % 2 == 1));
    world.sever();
    world.kill(4);
    world.run_rounds(5);
    assert!(world.has_forked());
    assert_eq!(world.last().status, RoundStatus::Complete);
    assert_eq!((world.evidence.len(), world.distrusting()), (0, 0));
    // One envelope between the two suffices.
    world.start(4);
    world.mend();
    world.run_rounds(4);
    assert!(!world.evidence.is_empty());
    world.check();
}
