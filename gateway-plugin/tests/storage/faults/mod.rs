//! The state machine tied to a ledger whose storage fails, at every sync and in both ways: nothing
//! leaves the gateway that is not on the disk, and of each round there is one frame, ever.

mod house;

use std::collections::BTreeMap;

use dcnet_gateway::ledger::{Ledger, Matter};
use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::UnixTime;
use house::House;

use crate::support::disk::{Disk, Fault};
use crate::support::net::Lie;

/// Seconds.
const INTERVAL: u32 = 300;
const START: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Everybody has entered. Under double masks that takes longer: who drew before all had registered
/// lacks a holder, and draws again.
fn joined(disk: Disk, mode: CorrectionMode) -> House {
    let mut house = House::new(disk, mode);
    house.live_rounds(match mode {
        CorrectionMode::Resend => 4,
        CorrectionMode::DoubleMask => 11,
    });
    house
}

/// Long enough for joining, a few rounds, and a correction.
fn story(disk: Disk, mode: CorrectionMode) -> House {
    let mut house = joined(disk, mode);
    house.net.dead.push(0);
    house.live_rounds(2);
    house.net.dead.clear();
    house.live_rounds(2);
    house
}

#[test]
fn at_every_sync_and_in_both_ways() {
    fail_everywhere(CorrectionMode::Resend);
}

#[test]
fn at_every_sync_and_in_both_ways_under_double_masks() {
    fail_everywhere(CorrectionMode::DoubleMask);
}

/// From where on the storage fails.
fn first_sync(mode: CorrectionMode) -> u64 {
    let disk = match mode {
        // A ledger that was never whole has no name yet (see the ledger's own tests).
        CorrectionMode::Resend => {
            let disk = Disk::default();
            drop(Ledger::with_backend(disk.clone()).unwrap());
            disk
        }
        // Joining is the same in both.
        CorrectionMode::DoubleMask => joined(Disk::default(), mode).disk,
    };
    disk.syncs() + 1
}

fn fail_everywhere(mode: CorrectionMode) {
    let calm = story(Disk::default(), mode);
    assert_eq!(calm.restarts, 0);
    let transmitted = |house: &House| {
        house
            .left
            .keys()
            .filter(|(_, n, _)| *n == Notification::Transmit.number())
            .count()
    };
    let resent = |house: &House| house.left.len() - transmitted(house);
    assert!(transmitted(&calm) >= 6, "{:?}", calm.left.keys());
    assert!(resent(&calm) >= 1, "the story holds a correction");
    if mode == CorrectionMode::DoubleMask {
        for kind in [Notification::Pads, Notification::Reveal] {
            let mut kinds = calm.left.keys().map(|(_, number, _)| *number);
            assert!(kinds.any(|number| number == kind.number()), "{kind:?}");
        }
    }
    let (first, last) = (first_sync(mode), calm.disk.syncs());

    let mut answered = 0;
    for fault in [Fault::Failed, Fault::FailedButPersisted] {
        for number in first..=last {
            let disk = Disk::default();
            disk.fail_at(number, fault);
            let house = story(disk, mode);
            assert!(house.restarts >= 1, "{fault} at {number}");
            // One failure costs at most the round it happened in.
            let (got, all) = (transmitted(&house), transmitted(&calm));
            assert!(got + 2 >= all, "{fault} at {number}: {got} of {all}");
            answered += resent(&house);
        }
    }
    assert!(answered > 0);
}

#[test]
fn an_answer_that_was_durable_and_not_sent_is_sent_after_the_restart() {
    for kind in [
        Notification::Transmit,
        Notification::Pads,
        Notification::Reveal,
    ] {
        let mut house = joined(Disk::default(), CorrectionMode::DoubleMask);
        house.cut = Some(kind);
        house.net.dead.push(0);
        house.live_rounds(2);
        assert_eq!(house.restarts, 1, "{kind:?}");
        let sent = house.left.values().filter(|bytes| **bytes == house.lost);
        assert_eq!(sent.count(), 1, "{kind:?}: the same bytes, and once each");
        let outcome = house.net.outcomes.last().unwrap();
        assert!(outcome.sum.is_some(), "{kind:?}: {outcome:?}");
        assert!(outcome.contributors.contains(&house.client), "{kind:?}");
    }
}

/// A log that a provider out of reach could fill with the same in other words would soon hold nothing
/// else, and be written day and night.
#[test]
fn an_envelope_that_is_not_taken_is_one_message_however_often_it_is_sent() {
    let mut house = House::new(Disk::default(), CorrectionMode::Resend);
    house.deaf = true;
    house.live_rounds(1);
    let machine = house.machine.as_ref().unwrap();
    let written = machine.ledger().view().dispatches(None, 1_000).unwrap();
    let mut envelopes = BTreeMap::new();
    for (_, line) in written {
        if let Matter::Envelope { to } = line.matter {
            *envelopes.entry(to).or_insert(0) += 1;
        }
    }
    assert!(!envelopes.is_empty());
    assert!(envelopes.values().all(|lines| *lines <= 5), "{envelopes:?}");
}

/// The draw is durable before anything about it is asked, and whatever is lost, there is one.
#[test]
fn a_loss_of_power_in_the_draw_brings_the_same_indices_again() {
    let mut questions = 0;
    for number in 3.. {
        let disk = Disk::default();
        disk.fail_at(number, Fault::FailedButPersisted);
        let mut house = House::new(disk, CorrectionMode::DoubleMask);
        house.net.lie = Some(Lie::NoList);
        house.live_rounds(2);
        let first = house.asked.first().cloned();
        assert!(
            house
                .asked
                .iter()
                .all(|asked| Some(asked) == first.as_ref())
        );
        questions += house.asked.len();
        if house.restarts == 0 {
            break;
        }
    }
    assert!(questions > 10, "{questions}");
}

/// Evidence and the distrust that follows from it are durable together or not at all, and a gateway
/// that has it sends nothing of a reading.
#[test]
fn evidence_and_distrust_are_one_at_every_sync_and_in_both_ways() {
    let joined = |disk: Disk| joined(disk, CorrectionMode::DoubleMask);
    let caught = |mut house: House, lie: Lie| {
        house.net.lie = Some(lie);
        house.live_rounds(2);
        house
    };
    for lie in [Lie::TwoRosters, Lie::WithoutTheHouse] {
        let calm = joined(Disk::default());
        let first = calm.disk.syncs() + 1;
        let calm = caught(calm, lie);
        let last = calm.disk.syncs();
        assert!(calm.distrusts(), "{lie:?}");
        for fault in [Fault::Failed, Fault::FailedButPersisted] {
            for number in first..=last {
                let house = joined(Disk::default());
                house.disk.fail_at(number, fault);
                let mut house = caught(house, lie);
                assert!(house.restarts >= 1, "{lie:?}, {fault} at {number}");
                assert!(house.distrusts(), "{lie:?}, {fault} at {number}");
                let transmitted = |house: &House| {
                    let mut keys = house.left.keys();
                    keys.rfind(|(_, n, _)| *n == Notification::Transmit.number())
                        .cloned()
                };
                let before = transmitted(&house);
                house.live_rounds(1);
                assert_eq!(transmitted(&house), before, "{lie:?}, {fault} at {number}");
            }
        }
    }
}
