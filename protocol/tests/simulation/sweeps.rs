//! Small nets under every kind of trouble at once, for many seeds.
//!
//! `DCNET_SIMULATION_SEEDS=100..200` runs other seeds than the fixed ones.

use std::collections::BTreeMap;

use dcnet_protocol::provider::RoundStatus;

use crate::world::{Params, Trouble, World};

pub(crate) const LOSSES: Trouble = Trouble {
    request_lost: 60,
    reply_lost: 60,
    member_dies: 25,
    member_crashes: 20,
    provider_crashes: 0,
    provider_crash_step: 0,
    write_fails: 0,
    write_fails_persisted: 0,
    ledger_lost: 0,
    deliver_twice: 200,
    frame_delayed: 0,
};

/// Eight members of a complete graph; two join late, one leaves.
pub(crate) fn sweep(
    seeds: std::ops::Range<u64>,
    params: Params,
    trouble: Trouble,
) -> BTreeMap<String, usize> {
    sweep_seeds(crate::seeds_or(seeds), params, trouble)
}

/// The same for these seeds and no others.
pub(crate) fn sweep_seeds(
    seeds: Vec<u64>,
    params: Params,
    trouble: Trouble,
) -> BTreeMap<String, usize> {
    let mut statuses = BTreeMap::new();
    for seed in seeds {
        let mut world = World::with(8, 4, 62, seed, params);
        (0..6).for_each(|member| world.start(member));
        world.run_rounds(8 + 2 * u64::from(params.epoch_length));
        world.trouble(trouble);
        for round in 0..16 {
            match round {
                2 => (6..8).for_each(|member| world.start(member)),
                5 => world.leave(3),
                _ => {}
            }
            world.run_rounds(1);
        }
        world.trouble(Trouble::default());
        world.start_dead();
        world.run_rounds(24 + 8 * u64::from(params.epoch_length));
        world.check();
        for outcome in world.outcomes() {
            *statuses.entry(format!("{:?}", outcome.status)).or_default() += 1;
        }
        let last = world.last();
        assert!(
            last.status == RoundStatus::Complete && last.members >= 7,
            "seed {seed}: {:?} of {}: {}",
            last.status,
            last.members,
            world.describe()
        );
    }
    println!("{statuses:?}");
    statuses
}

#[test]
fn clocks_that_differ() {
    sweep(
        1000..1003,
        Params {
            skew: 1500,
            ..Params::default()
        },
        LOSSES,
    );
}

#[test]
fn long_epochs() {
    sweep(
        1000..1002,
        Params {
            epoch_length: 3,
            skew: 1500,
            ..Params::default()
        },
        LOSSES,
    );
}

#[test]
fn a_provider_that_crashes_at_any_instant_on_a_disk_that_fails() {
    let trouble = Trouble {
        provider_crash_step: 30,
        write_fails: 3,
        write_fails_persisted: 3,
        ..LOSSES
    };
    sweep(1000..1003, Params::default(), trouble);
}

/// The seeds are those that once left a net stuck.
#[test]
fn ledgers_that_are_lost() {
    let trouble = Trouble {
        ledger_lost: 30,
        ..LOSSES
    };
    sweep(1000..1001, Params::default(), trouble);
    sweep(1010..1012, Params::default(), trouble);
}

#[test]
fn frames_that_come_late() {
    let trouble = Trouble {
        frame_delayed: 100,
        ..LOSSES
    };
    sweep(
        1000..1003,
        Params {
            skew: 1500,
            ..Params::default()
        },
        trouble,
    );
}

#[test]
fn everything_at_once() {
    let trouble = Trouble {
        member_dies: 120,
        member_crashes: 150,
        request_lost: 150,
        frame_delayed: 60,
        ledger_lost: 20,
        provider_crash_step: 10,
        write_fails: 2,
        write_fails_persisted: 2,
        ..LOSSES
    };
    let params = Params {
        epoch_length: 3,
        skew: 1500,
        ..Params::default()
    };
    let statuses = sweep(1003..1006, params, trouble);
    assert!(statuses.len() >= 3, "hardly anything failed: {statuses:?}");
}
