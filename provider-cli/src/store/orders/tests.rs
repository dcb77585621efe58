//! On a file, and on a real PostgreSQL server, of which `DCNET_POSTGRES` gives the address.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::*;
use crate::store::{Batch, Location, NetRow};

async fn with_net(location: &Location) -> Store {
    let store = Store::create_or_open(location).await.unwrap();
    let mut writer = store.writer().await.unwrap();
    let row = NetRow {
        net: net(),
        descriptor: Vec::new(),
        authority: Vec::new(),
        created: 0,
    };
    writer.insert_net(&row, None).await.unwrap();
    writer.close().await;
    store
}

/// In a new database; none where there is no server.
async fn on_postgres() -> Option<Store> {
    let Ok(server) = std::env::var("DCNET_POSTGRES") else {
        eprintln!("skipped: DCNET_POSTGRES names no PostgreSQL server");
        return None;
    };
    let name = format!("orders_{}", std::process::id());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let (address, _) = server.rsplit_once('/').unwrap();
    Some(with_net(&format!("{address}/{name}").parse().unwrap()).await)
}

fn net() -> NetId {
    "elbe-4".parse().unwrap()
}

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
    if let Some(store) = on_postgres().await {
        is_answered_once(store).await;
    }
}
