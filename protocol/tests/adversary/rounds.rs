//! Members that do not come, or do not answer, and a provider that was not there itself.

use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Input, Record, RoundStatus};

use crate::edges::manifests;
use crate::fixture::Fixture;
use crate::{ROUND, id, set};

fn status(fixture: &Fixture, client: &ClientId) -> MemberStatus {
    let mut members = fixture.provider.members();
    members.find(|m| m.client == *client).unwrap().status
}

/// Gives the provider a tick at `now`; how rounds ended.
fn tick(fixture: &mut Fixture) -> Vec<RoundStatus> {
    let handled = fixture.provider.handle(fixture.now, Input::Tick);
    let outcomes = handled
        .records
        .into_iter()
        .filter_map(|record| match record {
            Record::Outcome(outcome) => Some(outcome.status),
            _ => None,
        });
    outcomes.collect()
}

/// The net of five of which `present` submit in the first round, just behind its border.
fn at_the_border(present: &[&str]) -> Fixture {
    let mut fixture = Fixture::entered_all();
    let everybody = fixture.net.everybody();
    assert_eq!(manifests(&mut fixture, &everybody).len(), 5);
    let border = fixture.net.schedule().border(ROUND);
    while fixture.now < border {
        fixture.now = fixture.now.plus_millis(15_000);
        assert_eq!(tick(&mut fixture), []);
    }
    let epoch = fixture.provider.epoch_at(ROUND).unwrap().epoch;
    for client in &set(present) {
        let frame = fixture.transmit(*client, epoch, ROUND);
        assert_eq!(fixture.post_bytes(*client, frame), Ok(()));
    }
    fixture
}

/// Whoever lets every correction fail would spoil round after round.
#[test]
fn who_does_not_answer_a_correction_is_suspended() {
    let mut fixture = at_the_border(&["Zwinger.3", "gw-1", "gw-10", "gw-2"]);
    let mut ends = Vec::new();
    for _ in 0..8 {
        fixture.now = fixture.now.plus_millis(15_000);
        ends.extend(tick(&mut fixture));
    }
    assert_eq!(ends, [RoundStatus::Unanswered]);
    for client in &fixture.net.everybody() {
        assert_eq!(status(&fixture, client), MemberStatus::Suspended);
    }
}

/// The members may have been there: it was the provider that was not.
#[test]
fn a_provider_that_was_away_suspends_nobody() {
    for (present, expected) in [
        (&["a", "gw-1"][..], &[RoundStatus::Interrupted][..]),
        (&[], &[]),
    ] {
        let mut fixture = at_the_border(present);
        fixture.now = fixture.net.schedule().submit_deadline(ROUND);
        assert_eq!(tick(&mut fixture), expected);
        for client in &fixture.net.everybody() {
            assert_eq!(status(&fixture, client), MemberStatus::Active);
        }
    }
    // The same with a provider that was there.
    let mut fixture = at_the_border(&["a", "gw-1"]);
    for _ in 0..3 {
        fixture.now = fixture.now.plus_millis(15_000);
        assert_eq!(tick(&mut fixture), []);
    }
    fixture.now = fixture.now.plus_millis(15_000);
    assert_eq!(tick(&mut fixture), [RoundStatus::TooFewPresent]);
    assert_eq!(status(&fixture, &id("a")), MemberStatus::Active);
    assert_eq!(status(&fixture, &id("gw-2")), MemberStatus::Suspended);
}

/// Newcomers would draw it, and wait for it.
#[test]
fn who_registered_and_is_not_heard_of_is_not_listed() {
    let mut fixture = Fixture::registered();
    let interval = fixture.net.schedule().interval_millis();
    assert_eq!(fixture.provider.member_list().as_slice().len(), 5);
    let alice = id("a");
    for _ in 0..5 {
        assert_eq!(fixture.provider.member_list().as_slice().len(), 5);
        fixture.now = fixture.now.plus_millis(interval);
        let package = fixture.net.packages[&alice].clone();
        let again = fixture.register(alice, package);
        assert_eq!(fixture.post(alice, &again), Ok(()));
    }
    let list = fixture.provider.member_list();
    let listed: Vec<_> = list.as_slice().iter().map(|m| m.client).collect();
    assert_eq!(listed, [alice]);
}

/// A member that entered again may not know where it stands: it is told, in an epoch of its own,
/// though members and edges are those in force.
#[test]
fn who_enters_again_gets_a_manifest() {
    let mut fixture = at_the_border(&["a", "gw-1"]);
    let before = fixture.provider.epoch_at(ROUND).unwrap().clone();
    for _ in 0..4 {
        fixture.now = fixture.now.plus_millis(15_000);
        tick(&mut fixture);
    }
    for client in &set(&["Zwinger.3", "gw-10", "gw-2"]) {
        assert_eq!(status(&fixture, client), MemberStatus::Suspended);
        assert_eq!(fixture.state(*client, 20), Ok(()));
        assert_eq!(status(&fixture, client), MemberStatus::Entered);
    }
    let announced = manifests(&mut fixture, &set(&[]));
    assert_eq!(announced.len(), 5);
    for manifest in &announced {
        assert_eq!(manifest.head.epoch, before.epoch.next());
        assert_eq!(manifest.head.first_round, ROUND.next());
        let others = fixture.net.others(manifest.client);
        assert_eq!(
            manifest.neighbours,
            fixture.net.edges(manifest.client, &others)
        );
        assert_eq!(status(&fixture, &manifest.client), MemberStatus::Active);
    }
    let after = fixture.provider.epoch_at(ROUND.next()).unwrap();
    assert_eq!(after.members, before.members);
}
