//! On a real PostgreSQL server, of which `DCNET_POSTGRES` gives the address.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

use super::*;
use crate::store::testing::{net, on_postgres};
use crate::store::{FrameRow, Location, OutcomeRow};

fn holder(name: &str) -> Holder {
    Holder {
        replica: name.to_owned(),
        address: format!("{name}:8444"),
    }
}

async fn take(store: &Store, name: &str) -> Option<Lease> {
    let row = store.lease(net()).await.unwrap().unwrap();
    assert!(row.holder.is_none(), "{row:?}");
    store.take(&row, name).await.unwrap()
}

fn frame(lease: Lease, client: &str) -> Batch {
    Batch {
        lease: Some(lease),
        frames: vec![FrameRow {
            net: net(),
            round: 7,
            client: client.parse().unwrap(),
            epoch: 1,
            transmission: true,
            words: vec![1, u64::MAX],
            mask: None,
            hash: [7; 32],
        }],
        ..Batch::default()
    }
}

fn end(lease: Lease) -> Batch {
    Batch {
        lease: Some(lease),
        outcomes: vec![OutcomeRow {
            net: net(),
            round: 7,
            outcome: vec![1],
        }],
        ..Batch::default()
    }
}

#[tokio::test]
async fn whoever_lost_a_net_cannot_write_to_it() {
    let Some(store) = on_postgres("lease_lost").await else {
        return;
    };
    let (mut first, mut second) = (store.writer().await.unwrap(), store.writer().await.unwrap());
    store.announce(&holder("first"), 300).await.unwrap();
    let old = take(&store, "first").await.unwrap();
    first.commit(&[&frame(old, "gw-1")]).await.unwrap();

    // The first one is paused for longer than its announcement lasts.
    sleep(Duration::from_millis(400)).await;
    store.announce(&holder("second"), 60_000).await.unwrap();
    let new = take(&store, "second").await.unwrap();
    assert!(new.term > old.term);
    second.commit(&[&frame(new, "gw-2")]).await.unwrap();

    // It goes on, and believes that the deadline is its own to decide.
    store.announce(&holder("first"), 60_000).await.unwrap();
    for batch in [frame(old, "gw-3"), end(old)] {
        let refused = first.commit(&[&batch]).await;
        assert!(
            matches!(refused, Err(StoreError::LeaseLost(_))),
            "{refused:?}"
        );
    }
    let held = store.restore(net()).await.unwrap();
    let clients: Vec<_> = held.frames.iter().map(|row| row.client.as_str()).collect();
    assert_eq!(clients, ["gw-1", "gw-2"]);
    assert_eq!(held.last_final, None);
    second.commit(&[&end(new)]).await.unwrap();
    assert_eq!(store.frames_held(net()).await.unwrap(), 0);
}

#[tokio::test]
async fn of_many_who_want_a_net_one_gets_it() {
    let Some(store) = on_postgres("lease_race").await else {
        return;
    };
    let row = store.lease(net()).await.unwrap().unwrap();
    let takers = (0..16).map(|number| {
        let (store, row) = (store.clone(), row.clone());
        tokio::spawn(async move { store.take(&row, &format!("server-{number}")).await.unwrap() })
    });
    let takers: Vec<_> = takers.collect();
    let mut leases = Vec::new();
    for taker in takers {
        leases.extend(taker.await.unwrap());
    }
    assert_eq!(leases.len(), 1, "{leases:?}");
}

#[tokio::test]
async fn a_transaction_under_way_is_waited_for() {
    let Some(store) = on_postgres("lease_wait").await else {
        return;
    };
    let old = take(&store, "first").await.unwrap();
    let Location::Postgres(url) = &store.location else {
        panic!("a database");
    };
    // As a server that has locked its lease, and commits a little later.
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM leases WHERE net = $1 AND term = $2 FOR SHARE")
        .bind(net().as_str())
        .bind(i64::try_from(old.term).unwrap())
        .execute(&mut *transaction)
        .await
        .unwrap();
    let row = store.lease(net()).await.unwrap().unwrap();
    let taking = tokio::spawn({
        let store = store.clone();
        async move { store.take(&row, "second").await.unwrap() }
    });
    sleep(Duration::from_millis(200)).await;
    assert!(!taking.is_finished(), "taken under a transaction's feet");
    transaction.commit().await.unwrap();
    assert!(taking.await.unwrap().is_some());
}
