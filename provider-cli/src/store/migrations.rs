//! The steps by which a store's schema came about.
//!
//! They are listed here, since the macro of `sqlx` that reads a folder has both drivers compiled a
//! second time, for the compiler's own use.

use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Name of a script without its ending, and what stands in it.
type Script = (&'static str, &'static str);

macro_rules! scripts {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")),
        )),+]
    };
}

const OF_SQLITE: &[Script] = scripts!("sqlite":
    "0001_store",
    "0002_double_mask",
    "0003_membership_log",
    "0004_key_packages",
    "0005_leases",
    "0006_audit_trail",
    "0007_orders",
    "0008_leases_in_one_place",
);

const OF_POSTGRES: &[Script] = scripts!("postgres":
    "0001_store",
    "0002_double_mask",
    "0003_membership_log",
    "0004_key_packages",
    "0005_leases",
    "0006_audit_trail",
    "0007_orders",
    "0008_leases_in_one_place",
);

pub(super) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(OF_SQLITE));
pub(super) static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(OF_POSTGRES));

fn migrator(scripts: &[Script]) -> Migrator {
    let migrations = (1..).zip(scripts).map(|(version, (name, sql))| {
        let description = name.split_once('_').map_or(*name, |(_, rest)| rest);
        Migration::new(
            version,
            Cow::Owned(description.replace('_', " ")),
            MigrationType::Simple,
            SqlStr::from_static(sql),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sha2::{Digest as _, Sha384};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{Connection as _, PgConnection, SqliteConnection};

    use super::*;
    use crate::store::testing::{database, net, on_postgres};
    use crate::store::{Location, Store};

    #[test]
    fn every_script_is_listed_under_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        for (kind, listed) in [("sqlite", OF_SQLITE), ("postgres", OF_POSTGRES)] {
            let files = std::fs::read_dir(format!("{folder}/{kind}")).unwrap();
            let mut files: Vec<String> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let names: Vec<String> = (1..)
                .zip(listed)
                .map(|(version, (name, _))| {
                    let number = format!("{version:04}_");
                    assert!(name.starts_with(&number), "{name} is the step {version}");
                    format!("{name}.sql")
                })
                .collect();
            assert_eq!(files, names, "{kind}");
        }
    }

    /// Stores that are there remember the steps by these: a change would refuse them.
    #[test]
    fn steps_are_known_by_what_stands_in_them() {
        let first = SQLITE.iter().next().unwrap();
        assert_eq!((first.version, &*first.description), (1, "store"));
        let second = POSTGRES.iter().nth(1).unwrap();
        assert_eq!((second.version, &*second.description), (2, "double mask"));
        for migration in SQLITE.iter().chain(POSTGRES.iter()) {
            let digest = Sha384::digest(migration.sql.as_str());
            assert_eq!(*migration.checksum, *digest, "{}", migration.description);
        }
    }

    /// Fills a store of an earlier version: what was there from the first one on.
    macro_rules! fill {
        ($connection:expr) => {
            for statement in [
                "INSERT INTO nets (net, descriptor, authority, created) VALUES ('elbe-4', $1, $1, 3)",
                "INSERT INTO rounds (net, round, outcome) VALUES ('elbe-4', 7, $1)",
                "INSERT INTO frames (net, round, client, epoch, transmission, words, hash) \
                 VALUES ('elbe-4', 8, 'gw-1', 1, TRUE, $1, $1)",
            ] {
                let query = sqlx::query(statement).bind(&[9_u8; 32][..]);
                query.execute(&mut $connection).await.unwrap();
            }
            $connection.close().await.unwrap();
        };
    }

    async fn has_all_of_it(location: &Location) {
        let store = Store::open(location).await.unwrap();
        let row = store.net(net()).await.unwrap().unwrap();
        assert_eq!((row.descriptor, row.created), (vec![9; 32], 3));
        let outcomes = store.outcomes(net(), None, None, None).await.unwrap();
        assert_eq!(outcomes, [(7, vec![9; 32])]);
        let count = "SELECT COUNT(*) AS held FROM frames WHERE net = 'elbe-4' AND mask IS NULL";
        let row = store.readers.first("count frames", count, &[]).await;
        assert_eq!(row.unwrap().unwrap().number("held").unwrap(), 1);
        store.close().await;
    }

    #[tokio::test]
    async fn stores_of_all_earlier_versions_are_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        for steps in 1..OF_SQLITE.len() {
            let path = folder.path().join(steps.to_string());
            let options = SqliteConnectOptions::new()
                .filename(&path)
                .create_if_missing(true);
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            migrator(&OF_SQLITE[..steps])
                .run(&mut connection)
                .await
                .unwrap();
            fill!(connection);
            has_all_of_it(&path.into()).await;
        }
        for steps in 1..OF_POSTGRES.len() {
            let Some(address) = database(&format!("steps_{steps}")).await else {
                return;
            };
            let mut connection = PgConnection::connect(&address).await.unwrap();
            migrator(&OF_POSTGRES[..steps])
                .run(&mut connection)
                .await
                .unwrap();
            fill!(connection);
            has_all_of_it(&address.parse().unwrap()).await;
        }
    }

    /// A distributed database spreads rows by the first column of a key.
    #[tokio::test]
    async fn every_key_begins_with_the_net() {
        // Of no net: servers that are alive, and who did what.
        const OF_NO_NET: [&str; 3] = ["_sqlx_migrations", "audit_trail", "replicas"];
        let Some(store) = on_postgres("keys").await else {
            return;
        };
        let statement = "SELECT CAST(tables.relname AS TEXT) AS \"table\", CAST(columns.attname AS TEXT) AS \"first\" \
             FROM pg_index AS keys JOIN pg_class AS tables ON tables.oid = keys.indrelid \
             JOIN pg_namespace AS spaces ON spaces.oid = tables.relnamespace \
             JOIN pg_attribute AS columns ON columns.attrelid = tables.oid AND columns.attnum = keys.indkey[0] \
             WHERE spaces.nspname = 'public' AND keys.indisunique ORDER BY 1";
        let rows = store.readers.all("look at the keys", statement, &[]).await;
        let keys: Vec<(String, String)> = rows
            .unwrap()
            .iter()
            .map(|row| (row.get("table").unwrap(), row.get("first").unwrap()))
            .filter(|(table, _): &(String, String)| !OF_NO_NET.contains(&table.as_str()))
            .collect();
        assert!(keys.len() > 10, "{keys:?}");
        let documents = include_str!("../../../docs/operations.md");
        let spread = documents.split_once("create_distributed_table").unwrap().1;
        let (spread, _) = spread.split_once("```").unwrap();
        for (table, first) in keys {
            assert_eq!(first, "net", "{table}");
            assert!(
                spread.contains(&table),
                "{table} is not among those that are spread"
            );
        }
        store.close().await;
    }
}
