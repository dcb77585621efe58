//! Stores for tests, with one net in them.

use dcnet_protocol::names::NetId;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Location, NetRow, Store};

/// The net of these stores.
pub(super) fn net() -> NetId {
    "elbe-4".parse().unwrap()
}

/// A new store at `location`.
pub(super) async fn with_net(location: &Location) -> Store {
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
pub(super) async fn on_postgres(name: &str) -> Option<Store> {
    Some(with_net(&database(name).await?.parse().unwrap()).await)
}

/// The address of a new and empty database of the PostgreSQL server that `DCNET_POSTGRES` names; none where
/// there is no server.
pub(crate) async fn database(name: &str) -> Option<String> {
    let Ok(server) = std::env::var("DCNET_POSTGRES") else {
        eprintln!("skipped: DCNET_POSTGRES names no PostgreSQL server");
        return None;
    };
    let name = format!("{name}_{}", std::process::id());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let (address, _) = server.rsplit_once('/').unwrap();
    Some(format!("{address}/{name}"))
}

/// Makes two tests of a function that takes a [`Location`] where there is no store yet: one with a file, one
/// with a database, which `$database` names. No other one of this program may have that name.
macro_rules! on_both {
    ($name:ident, $database:literal) => {
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(folder.path().join("store.sqlite3").into()).await;
            }

            #[tokio::test]
            async fn postgres() {
                if let Some(address) = crate::store::testing::database($database).await {
                    super::$name(address.parse().unwrap()).await;
                }
            }
        }
    };
}
pub(crate) use on_both;
