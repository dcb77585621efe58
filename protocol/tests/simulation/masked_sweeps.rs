//! The sweeps in nets that correct by double masks: losses, restarts, repetitions, other orders,
//! clocks that differ, disks that fail. A sum is exact, or the round fails; nothing is learnt of it.

use dcnet_protocol::descriptor::CorrectionMode;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::sweeps::{LOSSES, sweep, sweep_seeds};
use crate::world::{Params, Trouble};

const PARAMS: Params = Params {
    epoch_length: 1,
    loss: 300,
    skew: 0,
    mode: CorrectionMode::DoubleMask,
    threshold: 32,
};

#[test]
fn clocks_that_differ() {
    let params = Params {
        skew: 1500,
        ..PARAMS
    };
    sweep(2000..2003, params, LOSSES);
}

#[test]
fn long_epochs() {
    let params = Params {
        epoch_length: 3,
        skew: 1500,
        ..PARAMS
    };
    sweep(2000..2002, params, LOSSES);
}

#[test]
fn a_provider_that_crashes_at_any_instant_on_a_disk_that_fails() {
    let trouble = Trouble {
        provider_crash_step: 30,
        write_fails: 3,
        write_fails_persisted: 3,
        ..LOSSES
    };
    sweep(2000..2003, PARAMS, trouble);
}

#[test]
fn ledgers_that_are_lost() {
    let trouble = Trouble {
        ledger_lost: 30,
        ..LOSSES
    };
    sweep(2000..2003, PARAMS, trouble);
}

#[test]
fn frames_and_answers_that_come_late() {
    let trouble = Trouble {
        frame_delayed: 100,
        ..LOSSES
    };
    let params = Params {
        skew: 1500,
        ..PARAMS
    };
    sweep(2000..2003, params, trouble);
}

/// Each seed with a mixture of its own.
fn mixtures(seeds: Vec<u64>) {
    for seed in seeds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut up_to = |most: u64| rng.next_u64() % (most + 1);
        let trouble = Trouble {
            request_lost: up_to(200),
            reply_lost: up_to(200),
            member_dies: up_to(120),
            member_crashes: up_to(300),
            provider_crashes: up_to(100),
            provider_crash_step: up_to(20),
            write_fails: up_to(4),
            write_fails_persisted: up_to(4),
            // See `masked::a_holder_that_lost_its_ledger_is_replaced`: not every net recovers.
            ledger_lost: 0,
            deliver_twice: up_to(400),
            frame_delayed: up_to(120),
        };
        let params = Params {
            epoch_length: 1 + u32::try_from(up_to(2)).unwrap(),
            skew: i64::try_from(up_to(1500)).unwrap(),
            threshold: 32 + u16::try_from(up_to(20)).unwrap(),
            ..PARAMS
        };
        println!("seed {seed}: {trouble:?}");
        sweep_seeds(vec![seed], params, trouble);
    }
}

#[test]
fn any_trouble() {
    mixtures(crate::seeds_or(2100..2106));
}

/// A member was off while two newcomers gave up their offers to it. It accepts them when it is back, and
/// counts two holders that know nothing of it; nobody offers again, and it is in no epoch any more.
/// Another one goes on counting a leaver.
#[test]
fn trouble_that_leaves_a_member_out() {
    mixtures(vec![4002]);
}
