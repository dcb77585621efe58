//! Edges whose ends hold different key packages: a provider does not put them into force.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::key_agreement::SignedKeyPackage;
use dcnet_protocol::membership::entry::Neighbourhood;
use dcnet_protocol::message::{Manifest, Message};
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::provider::{Input, Provider, Record, Refusal, Snapshot};
use dcnet_protocol::signature::SigningKey;

use crate::fixture::Fixture;
use crate::{ROUND, id, set, world};

/// A statement that was made with a key that is gone says nothing about the present one.
#[test]
fn a_neighbourhood_with_a_stale_package_is_refused() {
    let mut fixture = Fixture::registered();
    let alice = id("a");
    let stale = fixture.neighbourhood(alice, 5);
    let register = fixture.renew(alice);
    assert_eq!(fixture.post(alice, &register), Ok(()));
    let frame = fixture.entered(alice, alice, stale.clone());
    let refusal = Refusal::StaleNeighbourhoodPackage { client: alice };
    assert_eq!(
        (refusal.slug(), refusal.status()),
        ("stale-neighbourhood-package", 409)
    );
    assert_eq!(fixture.post(alice, &frame), Err(refusal.clone()));
    let of_another = Neighbourhood {
        package: fixture.net.packages[&id("gw-1")].unverified().hash(),
        ..stale
    };
    let frame = fixture.entered(alice, alice, of_another);
    assert_eq!(fixture.post(alice, &frame), Err(refusal));
    assert_eq!(fixture.state(alice, 5), Ok(()));
}

/// One end's memory is restored from a backup, or lost, and it registers a new key: its old edges
/// are in no graph until both ends have named the packages in force.
#[test]
fn an_edge_needs_the_packages_in_force_at_both_ends() {
    let mut fixture = Fixture::entered_all();
    assert_eq!(fixture.provider.named_graph().edges(), 10);
    let alice = id("a");
    let before = fixture.neighbourhood(id("gw-1"), 7);
    let register = fixture.renew(alice);
    assert_eq!(fixture.post(alice, &register), Ok(()));
    assert_eq!(fixture.provider.named_graph().edges(), 6, "others' edges");
    assert_eq!(fixture.state(alice, 6), Ok(()));
    let graph = fixture.provider.named_graph();
    assert_eq!(graph.edges(), 6, "others name the old package");
    let old = fixture.entered(id("gw-1"), id("gw-1"), before);
    assert_eq!(fixture.post(id("gw-1"), &old), Ok(()));
    assert_eq!(fixture.provider.named_graph().edges(), 6, "named again");
    assert_eq!(fixture.state(id("gw-1"), 8), Ok(()));
    let graph = fixture.provider.named_graph();
    assert_eq!(graph.edges(), 7, "both name what is in force");
    assert_eq!(graph.neighbours(&alice), set(&["gw-1"]));
}

/// What the manifests say that the provider fixes next; until then `present` submit.
pub(crate) fn manifests(fixture: &mut Fixture, present: &ClientSet) -> Vec<Manifest> {
    let schedule = fixture.net.schedule();
    let mut round = schedule.round_at(fixture.now);
    if fixture.now >= schedule.correction_deadline(round.previous()) {
        round = round.next();
    }
    let until = schedule.correction_deadline(round.previous());
    let mut found = Vec::new();
    while fixture.now < until {
        // As often as the provider's program looks.
        fixture.now = fixture.now.plus_millis(15_000);
        let handled = fixture.provider.handle(fixture.now, Input::Tick);
        for record in handled.records {
            if let Record::Deliver { message, .. } = record
                && let Message::Manifest(signed) = Message::decode(&message).unwrap()
            {
                let key = fixture.net.provider_key.verifying_key();
                found.push(signed.verify(&key).unwrap().clone());
            }
        }
        if schedule.border(round.previous()) == fixture.now
            && let Some(epoch) = fixture.provider.epoch_at(round.previous())
        {
            let epoch = epoch.epoch;
            for client in present {
                let frame = fixture.transmit(*client, epoch, round.previous());
                assert_eq!(fixture.post_bytes(*client, frame), Ok(()));
            }
        }
    }
    found
}

#[test]
fn manifests_name_the_packages_in_force() {
    let mut fixture = Fixture::entered_all();
    let everybody = fixture.net.everybody();
    let announced = manifests(&mut fixture, &everybody);
    assert_eq!(announced.len(), 5);
    for manifest in &announced {
        let others = fixture.net.others(manifest.client);
        assert_eq!(
            manifest.neighbours,
            fixture.net.edges(manifest.client, &others)
        );
    }
    // One end has a new key, and says that all know it. Nobody does.
    let alice = id("a");
    let register = fixture.renew(alice);
    assert_eq!(fixture.post(alice, &register), Ok(()));
    assert_eq!(fixture.state(alice, 6), Ok(()));
    let announced = manifests(&mut fixture, &everybody);
    assert_eq!(announced.len(), 5, "one for whoever was there before, too");
    for manifest in &announced {
        assert!(
            manifest
                .neighbours
                .iter()
                .all(|edge| edge.end.client != alice)
        );
        let left = if manifest.client == alice { 0 } else { 3 };
        assert_eq!(manifest.neighbours.len(), left);
    }
    // Now all do: its new package is in everybody's manifest.
    for client in &everybody {
        assert_eq!(fixture.state(*client, 9), Ok(()));
    }
    let others = fixture.net.others(alice);
    let announced = manifests(&mut fixture, &others);
    assert_eq!(announced.len(), 5);
    for manifest in &announced {
        let others = fixture.net.others(manifest.client);
        assert_eq!(
            manifest.neighbours,
            fixture.net.edges(manifest.client, &others)
        );
    }
}

/// To its neighbours a member with another key package is another member.
#[test]
fn a_new_package_with_the_same_neighbours_is_a_new_epoch() {
    let mut fixture = Fixture::entered_all();
    let everybody = fixture.net.everybody();
    let first = manifests(&mut fixture, &everybody);
    assert_eq!(first.len(), 5);
    let again = manifests(&mut fixture, &everybody);
    assert!(again.is_empty(), "nothing has changed");
    // A new key, and all have agreed on edges with it before the next decision.
    let alice = id("a");
    let register = fixture.renew(alice);
    assert_eq!(fixture.post(alice, &register), Ok(()));
    for client in &everybody {
        assert_eq!(fixture.state(*client, 6), Ok(()));
    }
    let again = manifests(&mut fixture, &everybody);
    assert_eq!(again.len(), 5);
    for manifest in &again {
        assert!(manifest.head.epoch > first[0].head.epoch, "other pads");
        let others = fixture.net.others(manifest.client);
        assert_eq!(
            manifest.neighbours,
            fixture.net.edges(manifest.client, &others)
        );
    }
}

/// What is fixed for a round at its border stays, also for a provider that has just started again
/// and whose clock is set back: gateways have sealed for it.
#[test]
fn a_rounds_epoch_does_not_change_behind_its_border() {
    let mut fixture = Fixture::entered_all();
    let everybody = fixture.net.everybody();
    assert_eq!(manifests(&mut fixture, &everybody).len(), 5);
    assert!(manifests(&mut fixture, &everybody).is_empty());
    let round = ROUND.next();
    let border = fixture.net.schedule().border(round);
    let epoch = fixture.provider.epoch_at(round).unwrap().clone();
    assert_eq!(fixture.provider.last_final(), Some(ROUND));
    // Now the members would be others.
    let register = fixture.renew(id("a"));
    assert_eq!(fixture.post(id("a"), &register), Ok(()));
    for (behind_first, stays) in [(true, true), (false, false)] {
        let snapshot = Snapshot {
            members: fixture.provider.members().cloned().collect(),
            epochs: vec![epoch.clone()],
            last_final: Some(ROUND),
            ..Snapshot::default()
        };
        let mut restarted = Provider::restore(fixture.setup(), snapshot).unwrap();
        if behind_first {
            restarted.handle(border, Input::Tick);
        }
        restarted.handle(border.minus_millis(1_000), Input::Tick);
        assert_eq!(restarted.epoch_at(round) == Some(&epoch), stays);
    }
}

/// The key that speaks for a member is that of its certificate in force.
#[test]
fn a_renewed_certificate_takes_the_place_of_the_old_one() {
    let mut fixture = Fixture::entered_all();
    let client = id("gw-1");
    let vector = world::accepted(
        "key-packages",
        "under a renewed certificate with another key",
    );
    let package = SignedKeyPackage::decode(&vector.bytes("encoded")).unwrap();
    let new_key = SigningKey::from_scalar(&vector.array("statement_scalar")).unwrap();
    let old = fixture.entered(client, client, fixture.neighbourhood(client, 8));
    assert_eq!(
        fixture.post(client, &fixture.register(client, package)),
        Ok(())
    );
    assert_eq!(fixture.provider.named_graph().edges(), 10, "edges stay");
    assert!(matches!(
        fixture.post(client, &old),
        Err(Refusal::Signature(_))
    ));
    let signed = new_key.sign(fixture.neighbourhood(client, 8));
    let frame = Frame::control(fixture.header(client), FrameBody::Entered(signed)).unwrap();
    assert_eq!(fixture.post(client, &frame), Ok(()));
}
