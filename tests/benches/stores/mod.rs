//! The stores that benchmarks run on: a file, or a database of their own on the server that
//! `DCNET_POSTGRES` names; and how much room they take.

#![allow(
    dead_code,
    reason = "shared by benchmarks that need different parts of it"
)]

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

/// A store, which goes with this value if it is a database; a file goes with its folder.
pub(crate) enum Store {
    Sqlite(PathBuf),
    Postgres { server: String, name: String },
}

impl Store {
    pub(crate) fn sqlite(folder: &Path, name: &str) -> Self {
        Self::Sqlite(folder.join(name))
    }

    /// A new database; none where there is no server.
    pub(crate) async fn postgres(name: &str) -> Option<Self> {
        let server = std::env::var("DCNET_POSTGRES").ok()?;
        let name = format!("bench_{name}_{}", std::process::id());
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(create).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Some(Self::Postgres { server, name })
    }

    /// As `--store` takes it.
    pub(crate) fn location(&self) -> String {
        match self {
            Self::Sqlite(path) => path.to_str().unwrap().to_owned(),
            Self::Postgres { server, name } => {
                let (address, _) = server.rsplit_once('/').expect("an address with a database");
                format!("{address}/{name}")
            }
        }
    }

    /// Moves what waits beside the tables into them, as far as nobody reads it: then
    /// [`Store::bytes`] says what is stored. The journal of PostgreSQL is no part of it.
    pub(crate) async fn settle(&self) {
        let Self::Sqlite(path) = self else { return };
        let mut connection = SqliteConnection::connect(path.to_str().unwrap())
            .await
            .unwrap();
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        sqlx::query(checkpoint)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Bytes on the disk: of the file and its write-ahead log, or of all tables with their indices.
    pub(crate) async fn bytes(&self) -> u64 {
        match self {
            Self::Sqlite(path) => ["", "-wal"]
                .iter()
                .filter_map(|end| std::fs::metadata(format!("{}{end}", path.display())).ok())
                .map(|metadata| metadata.len())
                .sum(),
            Self::Postgres { .. } => {
                let all = "SELECT COALESCE(SUM(pg_total_relation_size(relid)), 0)::BIGINT FROM \
                           pg_catalog.pg_statio_user_tables";
                self.number(all).await
            }
        }
    }

    /// Bytes of the data of all tables that are in use: in a file, pages that are not free.
    pub(crate) async fn used(&self) -> u64 {
        match self {
            Self::Sqlite(_) => {
                let pages = "SELECT (page_count - freelist_count) * page_size FROM \
                             pragma_page_count, pragma_freelist_count, pragma_page_size";
                self.number(pages).await
            }
            Self::Postgres { .. } => self.bytes().await,
        }
    }

    /// Bytes that a server has written into its journal so far, for all of its databases.
    pub(crate) async fn journal(&self) -> u64 {
        match self {
            Self::Sqlite(_) => 0,
            Self::Postgres { .. } => {
                let position = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::BIGINT";
                self.number(position).await
            }
        }
    }

    /// Processor time of the database's own processes so far, in microseconds: all of those of a
    /// PostgreSQL server on this machine, which serves nobody else; 0 for a file.
    pub(crate) fn cpu(&self) -> u64 {
        if let Self::Sqlite(_) = self {
            return 0;
        }
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = processes
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
            .filter(|stat| stat.contains(" (postgres) "));
        // Ticks of a process, and of its children that have ended: hundredths of a second on every
        // Linux there is.
        let ticks = stats.map(|stat| -> u64 {
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            let fields = fields.split(' ').skip(11).take(4);
            fields.map(|field| field.parse::<u64>().unwrap()).sum()
        });
        ticks.sum::<u64>() * 10_000
    }

    async fn number(&self, statement: &'static str) -> u64 {
        let number: i64 = match self {
            Self::Sqlite(path) => {
                let path = path.to_str().unwrap();
                let mut connection = SqliteConnection::connect(path).await.unwrap();
                let number = sqlx::query_scalar(statement)
                    .fetch_one(&mut connection)
                    .await;
                connection.close().await.unwrap();
                number.unwrap()
            }
            Self::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.location()).await.unwrap();
                let number = sqlx::query_scalar(statement)
                    .fetch_one(&mut connection)
                    .await;
                connection.close().await.unwrap();
                number.unwrap()
            }
        };
        u64::try_from(number).unwrap()
    }

    /// Takes a database away again; nobody may be connected to it.
    pub(crate) async fn remove(self) {
        match self {
            Self::Sqlite(path) => {
                for end in ["", "-wal", "-shm"] {
                    // The last connection may have taken it away.
                    let _ = std::fs::remove_file(format!("{}{end}", path.display()));
                }
            }
            Self::Postgres { server, name } => {
                let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
                let mut connection = PgConnection::connect(&server).await.unwrap();
                sqlx::query(drop).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}
