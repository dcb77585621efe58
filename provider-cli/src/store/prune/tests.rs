//! On a file, and on a real PostgreSQL server, of which `DCNET_POSTGRES` gives the address.

use super::*;
use crate::store::testing::{net, on_postgres, with_net};
use crate::store::{Batch, DeliveryRow, EpochRow, Location, OutcomeRow, RosterRow};

fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

/// Ten epochs of ten rounds; of the first round of each an outcome and two rosters. Messages for two gateways.
fn past() -> Batch {
    let mut batch = Batch::default();
    for epoch in 1..=10 {
        let round = epoch * 10;
        batch.epochs.push(EpochRow {
            net: net(),
            epoch,
            first_round: round,
            record: vec![1],
        });
        batch.outcomes.push(OutcomeRow {
            net: net(),
            round,
            outcome: vec![1],
        });
        batch.rosters.extend([0, 1].map(|step| RosterRow {
            net: net(),
            round,
            step,
            roster: vec![1],
        }));
    }
    let messages = [("gw-1", 1), ("gw-1", 2), ("gw-2", 1)];
    batch.deliveries = messages
        .map(|(name, sequence)| DeliveryRow {
            net: net(),
            client: client(name),
            sequence,
            message: vec![1],
        })
        .to_vec();
    batch
}

async fn what_is_needed_stays(store: Store) {
    let mut writer = store.writer().await.unwrap();
    writer.commit(&[&past()]).await.unwrap();
    let mut gone = async |what: Prunable, before: u64| {
        let expired = Expired {
            net: net(),
            what,
            before,
        };
        let counted = store.count_expired(&expired).await.unwrap();
        assert_eq!(writer.prune(&expired).await.unwrap(), counted);
        assert_eq!(writer.prune(&expired).await.unwrap(), 0);
        counted
    };
    // An epoch stays as long as an outcome or a roster of it does.
    assert_eq!(gone(Prunable::Epochs, 1000).await, 0);
    assert_eq!(gone(Prunable::Rounds, 55).await, 5);
    assert_eq!(gone(Prunable::Epochs, 1000).await, 0);
    assert_eq!(gone(Prunable::Rosters, 35).await, 6);
    // One is over when the next begins.
    assert_eq!(gone(Prunable::Epochs, 19).await, 0);
    assert_eq!(gone(Prunable::Epochs, 20).await, 1);
    assert_eq!(gone(Prunable::Epochs, 1000).await, 2);
    // However old it is: the newest outcome, its rosters, and the latest four epochs.
    assert_eq!(gone(Prunable::Rounds, 1000).await, 4);
    assert_eq!(gone(Prunable::Rosters, 1000).await, 12);
    assert_eq!(gone(Prunable::Epochs, 1000).await, 3);
    let everything = u64::try_from(i64::MAX).unwrap();
    assert_eq!(gone(Prunable::Inbox(client("gw-1")), everything).await, 2);
    assert_eq!(gone(Prunable::Inbox(client("gw-2")), everything).await, 1);
    writer.close().await;
    store.close().await;
}

#[tokio::test]
async fn what_is_too_old_goes_unless_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite3");
    what_is_needed_stays(with_net(&Location::from(file.as_path())).await).await;
    if let Some(store) = on_postgres("prune").await {
        what_is_needed_stays(store).await;
    }
}
