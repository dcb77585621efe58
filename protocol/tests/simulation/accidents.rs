//! One accident at a time, each of which once left a net stuck or a sum in doubt.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::entry::ExitStatement;
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::provider::{Input, Record, RoundStatus};
use dcnet_protocol::round::{Epoch, Round};

use crate::world::{Params, World};

/// Six members, complete graph, after five rounds.
fn six(seed: u64) -> World {
    let mut world = World::new(6, 4, 62, seed);
    world.start_all();
    world.run_rounds(5);
    assert_eq!(world.last().status, RoundStatus::Complete);
    world
}

#[test]
fn a_provider_restarted_across_a_border_loses_no_round() {
    let mut world = six(21);
    world.run_to_phase(19_500);
    world.restart_provider();
    world.now = world.now.plus_millis(500);
    world.run_to_phase(14_000);
    world.run_rounds(3);
    let failed: Vec<_> = world
        .outcomes()
        .iter()
        .filter(|o| !o.status.is_success())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    world.check();
}

#[test]
fn a_member_that_lost_its_ledger_comes_back_with_a_new_key() {
    let mut world = six(22);
    world.nodes[2].disk = None;
    world.start(2);
    world.run_rounds(6);
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 6)
    );
    world.check();
}

#[test]
fn a_member_back_before_the_correction_window_closes_is_suspended_when_it_dies_again() {
    let mut world = six(23);
    world.kill(2);
    world.run_to_phase(9_500);
    assert_eq!(world.last().status, RoundStatus::Corrected);
    world.start(2);
    world.run_to_phase(14_000);
    world.run_rounds(1);
    assert_eq!(world.status_of(2), Some(MemberStatus::Active));
    world.kill(2);
    world.nodes[2].wanted = false;
    world.run_rounds(3);
    assert_eq!(world.status_of(2), Some(MemberStatus::Suspended));
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 5)
    );
    world.check();
}

#[test]
fn a_renewed_certificate_with_a_new_key_is_taken() {
    let mut world = six(24);
    world.kill(2);
    world.run_rounds(2);
    let (key, chain) = world.authority.issue("gw-02");
    world.nodes[2].setup.key = key;
    world.nodes[2].setup.chain = chain;
    world.start(2);
    world.run_rounds(4);
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 6)
    );
    world.check();
}

/// Its neighbours hold the key of its old certificate when it leaves.
#[test]
fn the_exit_of_a_member_with_a_renewed_certificate_is_believed() {
    let mut world = six(24);
    let (key, chain) = world.authority.issue("gw-02");
    world.nodes[2].setup.key = key;
    world.nodes[2].setup.chain = chain;
    world.start(2);
    world.run_rounds(2);
    world.leave(2);
    world.run_rounds(3);
    assert!(world.has_left(2));
    for member in [0, 1, 3, 4, 5] {
        assert!(!world.neighbours_of(member).contains(&world.id(2)));
    }
    world.check();
}

#[test]
fn one_who_registered_and_vanished_does_not_keep_the_others_from_entering() {
    let mut world = World::with(
        6,
        4,
        62,
        25,
        Params {
            loss: 100,
            ..Params::default()
        },
    );
    world.start(5);
    world.kill(5);
    world.nodes[5].wanted = false;
    (0..5).for_each(|member| world.start(member));
    world.run_rounds(20);
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 5)
    );
    world.check();
}

#[test]
fn an_exit_is_declared_once() {
    let mut world = six(26);
    let descriptor = world.provider_setup.descriptor.clone();
    let client = world.id(0);
    let everybody: ClientSet = (1..6).map(|member| world.id(member)).collect();
    let (mut accepted, mut delivered) = (0, 0);
    for n in 1..=20 {
        let statement = world.nodes[0].setup.key.sign(ExitStatement {
            net: descriptor.net(),
            descriptor: descriptor.hash(),
            client,
            serial: world.now.millis() + n,
            neighbours: everybody.clone(),
        });
        let header = FrameHeader {
            net: descriptor.net(),
            descriptor: descriptor.hash(),
            client,
            transmission: false,
            epoch: Epoch::default(),
            round: Round::default(),
        };
        let bytes = Frame::control(header, FrameBody::Exiting(statement))
            .unwrap()
            .encode();
        let handled = world.provider.handle(
            world.now,
            Input::Frame {
                from: client,
                bytes,
            },
        );
        accepted += usize::from(handled.reply.unwrap().is_ok());
        let to_inboxes = |record: &&Record| matches!(record, Record::Deliver { .. });
        delivered += handled.records.iter().filter(to_inboxes).count();
    }
    assert_eq!((accepted, delivered), (1, 5));
}

#[test]
fn a_provider_that_stood_still_suspends_nobody() {
    let mut world = six(29);
    world.run_to_phase(19_500);
    world.now = world.now.plus_millis(7_000);
    world.run_to_phase(14_000);
    world.run_rounds(2);
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 6)
    );
    assert!(
        world
            .outcomes()
            .iter()
            .all(|outcome| outcome.missing.is_empty())
    );
    world.check();
}

#[test]
fn a_clock_that_was_ahead_once_does_not_lock_its_gateway_out() {
    let mut world = six(30);
    world.nodes[2].skew = 31_536_000_000;
    world.nodes[2].disk = None;
    world.start(2);
    world.nodes[2].skew = 0;
    world.nodes[2].disk = None;
    world.start(2);
    world.run_rounds(6);
    assert_eq!(world.status_of(2), Some(MemberStatus::Active));
    world.check();
}

/// Both ends name each other, but one of them with a key package that the other has replaced.
#[test]
fn a_ledger_restored_from_a_backup_gives_no_wrong_sum() {
    let mut world = World::new(8, 4, 62, 31);
    world.start_all();
    world.run_rounds(5);
    let backup = world.nodes[3].disk.clone();
    world.kill(2);
    world.run_rounds(2);
    world.nodes[2].disk = None;
    world.start(2);
    world.run_rounds(3);
    world.kill(3);
    world.run_rounds(2);
    world.nodes[3].disk = backup;
    world.start(3);
    world.run_rounds(4);
    world.check();
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 8)
    );
}

#[test]
fn a_member_that_missed_one_round_of_a_long_epoch_goes_on_in_it() {
    let params = Params {
        epoch_length: 6,
        ..Params::default()
    };
    let mut world = World::with(6, 4, 62, 32, params);
    world.start_all();
    world.run_rounds(20);
    while (world.now.millis() / 20_000) % 6 != 1 {
        world.run_rounds(1);
    }
    world.kill(2);
    world.run_rounds(1);
    assert_eq!(world.last().status, RoundStatus::Corrected);
    world.start(2);
    world.run_rounds(2);
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 6)
    );
    world.run_rounds(8);
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 6)
    );
    world.check();
}

#[test]
fn a_providers_clock_that_jumps_a_day_and_back_does_no_harm() {
    let mut world = six(33);
    let rounds = world.outcomes().len();
    let right = world.now;
    let handled = world
        .provider
        .handle(right.plus_millis(86_400_000), Input::Tick);
    assert!(handled.records.is_empty());
    world.now = right;
    world.run_rounds(3);
    assert!(world.outcomes().len() >= rounds + 3);
    assert_eq!(
        (world.last().status, world.last().members),
        (RoundStatus::Complete, 6)
    );
    world.check();
}
