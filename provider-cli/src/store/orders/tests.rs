//! On a file, and on a real PostgreSQL server, of which `DCNET_POSTGRES` gives the address.

use super::*;
use crate::store::testing::{net, on_postgres, with_net};
use crate::store::{Batch, Location};

fn asked() -> AskedRow {
    AskedRow {
        net: net(),
        kind: "suspend",
        member: "gw-1".to_owned(),
        round: 0,
        reason: "meter exchanged".to_owned(),
        asked_by: "console root@host".to_owned(),
        asked: 1,
    }
}

fn answered(number: u64, outcome: &'static str) -> Batch {
    Batch {
        orders: vec![OrderAnswerRow {
            net: net(),
            number,
            answered: 2,
            outcome,
            detail: "done".to_owned(),
            record: vec![7],
        }],
        ..Batch::default()
    }
}

/// Somebody who believes that it waits still writes nothing at all.
async fn is_answered_once(store: Store) {
    assert_eq!(store.ask(&asked(), "{}").await.unwrap(), 1);
    assert_eq!(store.ask(&asked(), "{}").await.unwrap(), 2);
    let waiting = store.waiting_orders().await.unwrap();
    assert_eq!(waiting.len(), 2);
    let mut writer = store.writer().await.unwrap();
    writer.commit(&[&answered(1, "taken")]).await.unwrap();
    for number in [1, 3] {
        let batches = [&answered(2, "taken"), &answered(number, "refused")];
        let error = writer.commit(&batches).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Answered { number: it, .. } if it == number),
            "{error}"
        );
    }
    let orders = store.orders(net()).await.unwrap();
    let outcomes: Vec<&str> = orders.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, ["taken", ""]);
    assert_eq!(store.waiting_orders().await.unwrap(), [orders[1].clone()]);
    let one = store.one_order(net(), 1).await.unwrap().unwrap();
    assert_eq!((one.answered, one.record.as_slice()), (2, [7].as_slice()));
    assert_eq!(store.one_order(net(), 3).await.unwrap(), None);
    writer.close().await;
    store.close().await;
}

#[tokio::test]
async fn an_order_is_answered_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite3");
    is_answered_once(with_net(&Location::from(file.as_path())).await).await;
    if let Some(store) = on_postgres("orders").await {
        is_answered_once(store).await;
    }
}
