//! The provider's side of the membership log: what it refuses, in which order entries come, and that
//! it goes on with the same log from its disk.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::membership::checkpoint::LogFollower;
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::membership::witness::{CosignatureError, Witness, Witnessed};
use dcnet_protocol::provider::{Input, MOST_LISTED, Provider, Refusal};
use dcnet_protocol::signature::SigningKey;

use crate::fixture::Fixture;
use crate::id;
use crate::street::World;

fn kinds(world: &World) -> Vec<LogEntry> {
    let entries = world.provider.log().entries();
    entries
        .map(|entry| LogEntry::decode(entry).unwrap())
        .collect()
}

/// A net of six after four rounds.
fn street() -> World {
    let mut world = World::new(6, 4, 62, 21);
    world.start_all();
    world.run_rounds(4);
    world
}

#[test]
fn what_is_not_in_the_log_is_refused() {
    let world = street();
    let size = world.provider.log().len();
    let too_far = |index| Err(Refusal::LogIndex { index, size });
    assert_eq!(world.provider.log_proof(size, 0).map(|_| ()), too_far(size));
    assert_eq!(
        world.provider.log_proof(0, size + 1).map(|_| ()),
        too_far(size + 1)
    );
    assert_eq!(
        world.provider.log_proof(u64::MAX, u64::MAX).map(|_| ()),
        too_far(u64::MAX)
    );
    assert_eq!(
        world.provider.common_log(0, size + 1).map(|_| ()),
        too_far(size + 1)
    );
    assert!(world.provider.common_log(0, size).is_ok());
    assert!(world.provider.log_proof(size - 1, size).is_ok());
}

#[test]
fn who_is_not_in_the_list_is_refused() {
    let world = street();
    let client = id("stranger");
    let refused = world.provider.draw_list(client, 0).map(|_| ());
    assert_eq!(refused, Err(Refusal::NotListed { client }));
    assert!(world.provider.draw_list(world.id(0), 0).is_ok());
    let empty = Fixture::registered();
    let refused = empty.provider.draw_list(client, 0).map(|_| ());
    assert_eq!(refused, Err(Refusal::NotListed { client }));
}

#[test]
fn members_are_shown_out_of_lists_only_and_not_too_many_at_a_time() {
    let world = street();
    let list = world
        .provider
        .draw_list(world.id(0), 0)
        .unwrap()
        .proof
        .index;
    let (size, index) = (world.provider.log().len(), list + 1_000);
    for none in [index, 0_u64.wrapping_sub(1)] {
        let refused = world.provider.listed(none, &[0]).map(|_| ());
        assert_eq!(refused, Err(Refusal::LogIndex { index: none, size }));
    }
    let not_a_list = kinds(&world)
        .iter()
        .position(|e| matches!(e, LogEntry::Epoch(_)));
    let not_a_list = u64::try_from(not_a_list.unwrap()).unwrap();
    assert!(world.provider.listed(not_a_list, &[0]).is_err());
    let shown = world.provider.listed(list, &[3, 6, u32::MAX, 0]).unwrap();
    let shown: Vec<u32> = shown.members.iter().map(|member| member.index).collect();
    assert_eq!(shown, [3, 0], "an index beyond the list is passed over");
    let many = vec![0; MOST_LISTED + 1];
    let shown = world.provider.listed(list, &many).unwrap();
    assert_eq!(shown.members.len(), MOST_LISTED);
}

/// Exited, admitted, suspended, resumed, each ascending by client, and then the head.
#[test]
fn entries_of_an_epoch_come_in_their_order() {
    let mut world = World::new(10, 4, 62, 22);
    (0..8).for_each(|member| world.start(member));
    world.run_rounds(5);
    world.kill(2);
    world.run_rounds(2);
    world.leave(5);
    world.leave(1);
    world.kill(3);
    world.start(2);
    world.start(9);
    world.start(8);
    world.run_rounds(6);
    let entries = kinds(&world);
    let named: Vec<(u8, String)> = entries
        .iter()
        .map(|entry| {
            let (rank, client) = match entry {
                LogEntry::Exited(statement) => (1, statement.unverified().client.to_string()),
                LogEntry::Admitted { client, .. } => (2, client.to_string()),
                LogEntry::Suspended { client, .. } => (3, client.to_string()),
                LogEntry::Resumed { client, .. } => (4, client.to_string()),
                LogEntry::Epoch(_) => (5, String::new()),
                LogEntry::DrawList(_) => (0, String::new()),
            };
            (rank, client)
        })
        .collect();
    for kind in 1..=5 {
        assert!(
            named.iter().any(|(rank, _)| *rank == kind),
            "no entry of rank {kind}"
        );
    }
    for batch in named.split(|(rank, _)| *rank == 5 || *rank == 0) {
        assert!(batch.is_sorted_by(|a, b| a < b), "{batch:?}");
    }
    world.check();
}

#[test]
fn a_restored_provider_goes_on_with_the_same_log() {
    let mut world = street();
    let (before, entries) = (world.provider.checkpoint(), kinds(&world));
    let list = world.provider.draw_list(world.id(0), 0).unwrap();
    world.restart_provider();
    assert_eq!(
        world.provider.checkpoint(),
        before,
        "one checkpoint for one size"
    );
    assert_eq!(world.provider.draw_list(world.id(0), 0).unwrap(), list);
    assert!(world.provider.listed(list.proof.index, &[0]).is_ok());
    // Ticks do not make it write anything twice.
    let now = world.now;
    let handled = world.provider.handle(now, Input::Tick);
    assert!(handled.records.is_empty());
    world.leave(4);
    world.run_rounds(4);
    let after = kinds(&world);
    assert!(after.len() > entries.len());
    assert_eq!(after[..entries.len()], entries);
    let size = before.unverified().size;
    let common = world
        .provider
        .common_log(size, world.provider.log().len())
        .unwrap();
    let now = *world.provider.checkpoint().unverified();
    let descriptor = &world.provider_setup.descriptor;
    common
        .verify(before.unverified(), &now, descriptor)
        .unwrap();
    world.check();
}

/// Not withstood: it is for the provider to keep its backups whole.
#[test]
fn a_disk_that_lost_the_end_of_the_log_forks_it() {
    let mut world = street();
    let before = *world.provider.checkpoint().unverified();
    let mut snapshot = world.store.snapshot.clone();
    snapshot.log.pop();
    world.provider = Provider::restore(world.provider_setup.clone(), snapshot).unwrap();
    let now = *world.provider.checkpoint().unverified();
    assert_eq!(now.size + 1, before.size, "gateways see that it has shrunk");
}

#[test]
fn only_cosignatures_of_the_log_as_it_is_are_shown() {
    let mut world = street();
    let key = SigningKey::from_scalar(&[41; 32]).unwrap();
    let witness = Witness {
        name: "w-1".parse().unwrap(),
        key: key.verifying_key(),
    };
    let descriptor = world.provider_setup.descriptor.clone();
    let mut witnessed = Witnessed::new(descriptor, LogFollower::new());
    let now = world.now;
    let request = world.provider.cosign_request(0).unwrap();
    let cosignature = witnessed.cosign(&request, witness.name, &key, now).unwrap();
    let stranger = Witness {
        key: SigningKey::from_scalar(&[42; 32]).unwrap().verifying_key(),
        ..witness
    };
    let refused = world.provider.cosigned(&stranger, cosignature.clone());
    assert!(matches!(refused, Err(CosignatureError::Signature(_))));
    assert_eq!(world.provider.cosignatures().iter().len(), 0);
    assert_eq!(
        world.provider.cosigned(&witness, cosignature.clone()),
        Ok(true)
    );
    let shown = world.provider.log_proof(0, 0).unwrap().cosignatures;
    assert_eq!(shown.iter().collect::<Vec<_>>(), [&cosignature]);

    let size = world.provider.log().len();
    assert!(world.provider.cosign_request(size + 1).is_err());
    world.leave(4);
    world.run_rounds(4);
    assert!(world.provider.log().len() > size);
    assert_eq!(world.provider.cosignatures().iter().len(), 0);
    let late = world.provider.cosigned(&witness, cosignature);
    assert_eq!(late, Err(CosignatureError::OtherCheckpoint));
    let request = world.provider.cosign_request(size).unwrap();
    let cosignature = witnessed.cosign(&request, witness.name, &key, now).unwrap();
    assert_eq!(world.provider.cosigned(&witness, cosignature), Ok(true));
}
