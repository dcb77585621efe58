//! Nets that correct by double masks: losses before and between the steps, restarts, long troubles.

use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::provider::RoundStatus;

use crate::seeds_or;
use crate::world::{Params, Trouble, World};

/// The complete graph among `size` members, shares of most others needed.
fn params(out_degree: u16) -> Params {
    Params {
        mode: CorrectionMode::DoubleMask,
        threshold: out_degree / 2 + 1,
        loss: 300,
        ..Params::default()
    }
}

fn world(size: usize, min_size: u32, out_degree: u16, seed: u64) -> World {
    World::with(size, min_size, out_degree, seed, params(out_degree))
}

#[test]
fn a_calm_net_completes_every_round() {
    let mut world = world(8, 4, 62, 11);
    world.start_all();
    world.run_rounds(4);
    let before = world.outcomes().len();
    world.run_rounds(5);
    let outcomes = &world.outcomes()[before..];
    assert!(outcomes.len() >= 5, "{} rounds", outcomes.len());
    for outcome in outcomes {
        assert_eq!(outcome.status, RoundStatus::Complete, "{outcome:?}");
        assert_eq!(outcome.contributors.len() + outcome.silent.len(), 8);
    }
    world.check();
}

#[test]
fn a_member_that_dies_is_corrected_for_and_comes_back_with_its_edges() {
    let mut world = world(7, 4, 62, 14);
    world.start_all();
    world.run_rounds(5);
    let edges = world.neighbours_of(2);
    world.kill(2);
    world.run_rounds(1);
    let last = world.last();
    assert_eq!(last.status, RoundStatus::Corrected, "{last:?}");
    assert_eq!(last.missing.len(), 1);
    world.run_rounds(2);
    assert_eq!(world.last().status, RoundStatus::Complete);
    world.start(2);
    world.run_rounds(3);
    let last = world.last();
    assert_eq!((last.status, last.members), (RoundStatus::Complete, 7));
    assert_eq!(world.neighbours_of(2), edges, "the same key graph");
    world.check();
}

/// The windows are 6 s each; a round's border is at 0 of an interval of 20 s.
#[test]
fn members_that_vanish_between_submission_and_reveal_are_carried() {
    for after_submission in [3_000, 6_500, 7_000, 7_500, 8_000] {
        let mut world = world(10, 4, 62, 13);
        world.start_all();
        world.run_rounds(6);
        world.kill(9); // missing from the start: the others are asked for pads
        world.run_to_phase(after_submission);
        world.kill(1);
        world.run_to_phase(14_000);
        let last = world.last();
        assert!(
            last.status.is_success() || last.status == RoundStatus::Unanswered,
            "{after_submission}: {last:?}"
        );
        world.check();
        println!(
            "dies at {after_submission} ms: {} missing, {}",
            last.missing.len(),
            last.status.as_str()
        );
    }
}

#[test]
fn too_many_losses_end_the_round_and_not_the_net() {
    let mut world = world(10, 4, 62, 14);
    world.start_all();
    world.run_rounds(6);
    for member in 0..5 {
        world.kill(member);
    }
    world.run_rounds(1);
    assert!(!world.last().status.is_success(), "{:?}", world.last());
    world.start_dead();
    world.run_rounds(6);
    assert_eq!(
        world.last().status,
        RoundStatus::Complete,
        "{}",
        world.describe()
    );
    world.check();
}

#[test]
fn a_net_that_grows_draws_more_holders() {
    let mut world = world(30, 5, 12, 15);
    (0..6).for_each(|member| world.start(member));
    world.run_rounds(5);
    assert_eq!(world.last().members, 6);
    (6..30).for_each(|member| world.start(member));
    world.run_rounds(12);
    let last = world.last();
    assert_eq!(
        (last.status, last.members),
        (RoundStatus::Complete, 30),
        "{}",
        world.describe()
    );
    world.check();
}

#[test]
fn a_leaver_is_released_and_holders_are_replaced() {
    let mut world = world(20, 5, 6, 16);
    world.start_all();
    world.run_rounds(6);
    assert_eq!(world.last().members, 20);
    for leaver in [4, 11, 17] {
        world.leave(leaver);
        world.run_rounds(5);
        assert!(world.has_left(leaver));
    }
    let last = world.last();
    assert_eq!(
        (last.status, last.members),
        (RoundStatus::Complete, 17),
        "{}",
        world.describe()
    );
    world.check();
}

#[test]
fn a_net_of_forty_survives_joins_losses_exits_and_crashes() {
    let mut all_corrected = 0;
    for seed in seeds_or(1..5) {
        let mut world = world(40, 8, 9, seed);
        (0..32).for_each(|member| world.start(member));
        world.run_rounds(6);
        world.trouble(Trouble {
            request_lost: 30,
            reply_lost: 30,
            member_dies: 12,
            member_crashes: 10,
            provider_crashes: 100,
            provider_crash_step: 2,
            write_fails: 5,
            write_fails_persisted: 5,
            ..Trouble::default()
        });
        for round in 0..14 {
            match round {
                2 => (32..37).for_each(|member| world.start(member)),
                5 => world.leave(3),
                7 => (37..40).for_each(|member| world.start(member)),
                8 => world.leave(17),
                _ => {}
            }
            world.run_rounds(1);
        }
        world.trouble(Trouble::default());
        world.start_dead();
        world.run_rounds(14);
        let last = world.last();
        assert_eq!(
            last.status,
            RoundStatus::Complete,
            "seed {seed}: {last:?} {}",
            world.describe()
        );
        assert_eq!(last.members, 38, "seed {seed}: {}", world.describe());
        world.check();
        let count = |status| {
            world
                .outcomes()
                .iter()
                .filter(|o| o.status == status)
                .count()
        };
        println!(
            "seed {seed}: {} rounds, {} complete, {} corrected",
            world.outcomes().len(),
            count(RoundStatus::Complete),
            count(RoundStatus::Corrected)
        );
        all_corrected += count(RoundStatus::Corrected);
    }
    assert!(all_corrected > 0, "the trouble was not troubling");
}

/// A member that lost its ledger has a new key. To those who drew it the edge to the old one goes on
/// looking like that of a holder: it is never in a manifest again, keeps its place among the k, and
/// nobody else is drawn in its stead. With k = 3 no net is left.
#[test]
fn a_holder_that_lost_its_ledger_is_replaced() {
    let mut world = world(20, 4, 3, 79);
    world.start_all();
    world.run_rounds(6);
    world.nodes[1].disk = None;
    world.start(1);
    world.run_rounds(30);
    let last = world.last();
    let (now, last) = (world.now.millis() / 20_000, last.round.number());
    assert!(last + 3 > now, "the last of {now} rounds is {last}");
}
