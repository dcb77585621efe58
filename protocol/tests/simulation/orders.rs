//! Orders of the operator, with real gateways: sums stay exact, no round is lost, and everybody is told.

use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::gateway::Phase;
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Order, OrderRefusal, OrderTaken, RoundStatus};

use crate::seeds_or;
use crate::world::{Params, Trouble, World};

fn params(mode: CorrectionMode, epoch_length: u32) -> Params {
    Params {
        mode,
        threshold: if mode == CorrectionMode::DoubleMask {
            32
        } else {
            0
        },
        epoch_length,
        ..Params::default()
    }
}

fn running(size: usize, min_size: u32, params: Params, seed: u64) -> World {
    let mut world = World::with(size, min_size, 62, seed, params);
    world.start_all();
    world.run_rounds(5 + u64::from(params.epoch_length));
    let last = world.last();
    let settled = (last.status, usize::try_from(last.members));
    assert_eq!(settled, (RoundStatus::Complete, Ok(size)), "{last:?}");
    world
}

/// Whatever the member is doing.
fn phase(world: &World, member: usize) -> Phase {
    let running = world.nodes[member].running.as_ref().unwrap();
    running.phase(world.now)
}

fn is_listed(world: &World, client: ClientId) -> bool {
    let list = world.provider.member_list();
    list.as_slice().iter().any(|known| known.client == client)
}

#[test]
fn a_suspended_member_is_out_from_the_next_epoch_on_and_comes_back_when_it_is_resumed() {
    for mode in [CorrectionMode::Resend, CorrectionMode::DoubleMask] {
        let mut world = running(8, 4, params(mode, 3), 41);
        let before = world.outcomes().len();
        let client = world.id(2);
        let edges = world.neighbours_of(2);
        let taken = world.order(Order::Suspend(client)).unwrap();
        let Ok(OrderTaken::Suspended { from, left: 7, .. }) = taken else {
            panic!("{taken:?}");
        };
        assert!(from.number().is_multiple_of(3));
        // A provider that is restarted knows it still.
        world.restart_provider();
        world.run_rounds(8);
        assert_eq!(phase(&world, 2), Phase::Barred);
        assert_eq!(world.status_of(2), Some(MemberStatus::Suspended));
        assert_eq!(world.provider.barred().count(), 1);
        for outcome in &world.outcomes()[before..] {
            let expected = if outcome.round < from { 8 } else { 7 };
            assert_eq!(
                (outcome.status, outcome.members),
                (RoundStatus::Complete, expected),
                "{outcome:?}"
            );
            assert!(outcome.missing.is_empty(), "{outcome:?}");
        }
        let rounds = world.outcomes().len() - before;
        assert!(rounds >= 8, "{rounds} rounds: one was lost");
        assert!(!is_listed(&world, client));
        let resumed = Ok(OrderTaken::Resumed { client });
        assert_eq!(world.order(Order::Resume(client)), Some(resumed));
        world.run_rounds(8);
        let last = world.last();
        assert_eq!((last.status, last.members), (RoundStatus::Complete, 8));
        assert_eq!(world.neighbours_of(2), edges, "the same key graph");
        assert_eq!(phase(&world, 2), Phase::Active);
        world.check();
    }
}

#[test]
fn what_a_suspended_member_sends_does_not_bring_it_back() {
    let mut world = running(8, 4, params(CorrectionMode::Resend, 1), 42);
    let client = world.id(2);
    world.order(Order::Suspend(client)).unwrap().unwrap();
    for _ in 0..3 {
        // From its disk, and from nothing: neither the old nor a new key package is let in.
        world.start(2);
        world.run_rounds(2);
        world.nodes[2].disk = None;
        world.start(2);
        world.run_rounds(2);
        let last = world.last();
        assert_eq!((last.status, last.members), (RoundStatus::Complete, 7));
    }
    // It may leave, as everybody may.
    world.leave(2);
    world.run_rounds(3);
    assert!(world.has_left(2));
    assert_eq!(world.status_of(2), Some(MemberStatus::Exited));
    let exited = Err(OrderRefusal::Exited { client });
    assert_eq!(world.order(Order::Resume(client)), Some(exited));
    world.check();
}

#[test]
fn a_net_that_is_closed_ends_its_open_rounds_and_holds_no_more() {
    for (mode, after) in [
        (CorrectionMode::Resend, 3_000),
        (CorrectionMode::DoubleMask, 8_000),
        (CorrectionMode::DoubleMask, 14_000),
    ] {
        let mut world = running(7, 4, params(mode, 3), 43);
        world.run_to_phase(after);
        let before = world.outcomes().len();
        let taken = world.order(Order::Close).unwrap();
        let Ok(OrderTaken::Closing { from }) = taken else {
            panic!("{taken:?}");
        };
        assert!(from.number().is_multiple_of(3), "auditors demand a border");
        world.run_rounds(6);
        assert!(world.provider.is_closed());
        for outcome in &world.outcomes()[before - 1..] {
            assert_eq!(outcome.status, RoundStatus::Complete, "{outcome:?}");
        }
        assert_eq!(world.last().round.next(), from);
        for member in 0..7 {
            assert_eq!(phase(&world, member), Phase::Closed);
        }
        assert!(world.provider.member_list().as_slice().is_empty());
        world.restart_provider();
        let closed = |answer| matches!(answer, Some(Err(OrderRefusal::Closed { .. })));
        let client = world.id(1);
        assert!(closed(world.order(Order::Close)));
        assert!(closed(world.order(Order::Suspend(client))));
        world.leave(1);
        world.run_rounds(3);
        assert!(world.has_left(1));
        let log = world.provider.log().len();
        world.run_rounds(3);
        assert_eq!(world.provider.log().len(), log, "a closed net is quiet");
        world.check();
    }
}

#[test]
fn a_net_is_not_peeled() {
    let mut world = running(21, 4, params(CorrectionMode::Resend, 1), 44);
    let suspend = |world: &mut World, member: usize| {
        let client = world.id(member);
        world.order(Order::Suspend(client)).unwrap()
    };
    assert!(suspend(&mut world, 0).is_ok());
    assert!(suspend(&mut world, 1).is_ok());
    let client = world.id(1);
    assert!(world.order(Order::Resume(client)).unwrap().is_ok());
    // Resumed or not, by a provider that was restarted or not.
    world.restart_provider();
    world.run_rounds(3);
    let refused = suspend(&mut world, 2).unwrap_err();
    let OrderRefusal::TooMany { taken: 2, next, .. } = refused else {
        panic!("{refused:?}");
    };
    let schedule = world.provider_setup.descriptor.schedule();
    let ahead = next.number() - schedule.round_at(world.now).number();
    assert!((90..=96).contains(&ahead), "{ahead}");
    world.run_rounds(ahead - 1);
    assert!(suspend(&mut world, 2).is_err());
    world.run_rounds(1);
    assert!(suspend(&mut world, 2).is_ok());
    world.check();
}

#[test]
fn the_last_members_are_not_suspended() {
    let mut world = running(4, 4, params(CorrectionMode::Resend, 1), 45);
    let client = world.id(3);
    let refused = world.order(Order::Suspend(client)).unwrap().unwrap_err();
    let none_left = OrderRefusal::NoEpochLeft {
        client,
        min_size: 4,
    };
    assert_eq!(refused, none_left);
    let stranger = "stranger".parse().unwrap();
    let unknown = Err(OrderRefusal::UnknownMember { client: stranger });
    assert_eq!(world.order(Order::Suspend(stranger)), Some(unknown));
    let not_barred = Err(OrderRefusal::NotBarred { client });
    assert_eq!(world.order(Order::Resume(client)), Some(not_barred));
    world.run_rounds(2);
    assert_eq!(world.last().members, 4);
    world.check();
}

/// Orders in the middle of all that can go wrong: sums stay exact, and afterwards exactly those are out
/// who are barred.
#[test]
fn orders_amid_trouble_leave_sums_exact() {
    for seed in seeds_or([1, 2, 3]) {
        let mode = if seed % 2 == 0 {
            CorrectionMode::Resend
        } else {
            CorrectionMode::DoubleMask
        };
        let mut world = running(12, 4, params(mode, 2), seed);
        world.trouble(Trouble {
            request_lost: 20,
            reply_lost: 20,
            member_crashes: 60,
            provider_crashes: 200,
            provider_crash_step: 10,
            write_fails: 20,
            write_fails_persisted: 20,
            deliver_twice: 50,
            ..Trouble::default()
        });
        let (barred, resumed) = (world.id(3), world.id(5));
        // Asked again until it is known that it was taken, as a server does that failed to write.
        let asked = |world: &mut World, order| {
            while !matches!(
                world.order(order),
                Some(
                    Ok(_)
                        | Err(OrderRefusal::AlreadyBarred { .. } | OrderRefusal::NotBarred { .. })
                )
            ) {
                world.run_rounds(1);
            }
        };
        asked(&mut world, Order::Suspend(resumed));
        world.run_rounds(5);
        asked(&mut world, Order::Resume(resumed));
        asked(&mut world, Order::Suspend(barred));
        world.run_rounds(8);
        world.trouble(Trouble::default());
        world.start_dead();
        world.run_rounds(12);
        let last = world.last();
        assert_eq!(
            (last.status, last.members),
            (RoundStatus::Complete, 11),
            "seed {seed}: {}",
            world.describe()
        );
        assert!(!last.contributors.contains(&barred));
        world.check();
    }
}

#[test]
fn a_reminder_repeats_the_request_to_those_who_have_not_answered() {
    let mut world = running(7, 4, params(CorrectionMode::Resend, 1), 46);
    world.kill(6);
    // The submission window closes, and nobody has looked into its inbox yet.
    world.run_to_phase(5_500);
    world.now = world.now.plus_millis(500);
    world.tick_provider();
    let round = world.store.snapshot.corrections.last().unwrap().round;
    let requests = |world: &World, client| world.store.inboxes[&client].1.clone();
    let first = requests(&world, world.id(0));
    let taken = world.order(Order::Remind(round)).unwrap();
    let Ok(OrderTaken::Reminded { clients, .. }) = taken else {
        panic!("{taken:?}");
    };
    assert_eq!(clients.len(), 6);
    let second = requests(&world, world.id(0));
    assert_eq!(second.len(), first.len() + 1);
    assert_eq!(
        second.back().map(|delivery| &delivery.message),
        first.back().map(|delivery| &delivery.message),
        "to the byte what was asked before"
    );
    world.run_rounds(1);
    let outcome = world.outcomes().iter().find(|o| o.round == round).unwrap();
    assert_eq!(outcome.status, RoundStatus::Corrected);
    let over = Err(OrderRefusal::NoCorrection { round });
    assert_eq!(world.order(Order::Remind(round)), Some(over));
    world.check();
}

#[test]
fn there_is_nothing_to_repeat_in_a_net_with_rosters() {
    let mut world = running(7, 4, params(CorrectionMode::DoubleMask, 1), 47);
    let round = world.last().round;
    let asked_for = Err(OrderRefusal::AskedFor { round });
    assert_eq!(world.order(Order::Remind(round)), Some(asked_for));
}
