//! The stores that tests run on: a file of SQLite, and a database of a real PostgreSQL server.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Names a PostgreSQL server in which tests may make databases, as
/// `postgres://USER@HOST:PORT/DATABASE`.
pub const SERVER: &str = "DCNET_POSTGRES";

/// Where the store of a laboratory is.
pub enum Store {
    Sqlite(String),
    Postgres(String),
}

impl Store {
    /// A new database; none where there is no PostgreSQL server.
    pub fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var(SERVER) else {
            eprintln!("skipped: {SERVER} names no PostgreSQL server");
            return None;
        };
        let name = format!("test_{:016x}", rand_name());
        let (address, _) = server.rsplit_once('/').expect("an address with a database");
        let url = format!("{address}/{name}");
        block(async move {
            let mut connection = PgConnection::connect(&server).await.unwrap();
            let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::query(create).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
        Some(Self::Postgres(url))
    }

    /// As `--store` takes it.
    pub fn location(&self) -> &str {
        match self {
            Self::Sqlite(path) => path,
            Self::Postgres(url) => url,
        }
    }

    pub async fn execute(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path).await.unwrap();
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// Why the database does not do it.
    pub async fn refuses(&self, statement: &str) -> String {
        let statement = AssertSqlSafe(statement.to_owned());
        let done = match self {
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path).await.unwrap();
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .map(drop)
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .map(drop)
            }
        };
        done.unwrap_err().to_string()
    }

    /// A number that a statement gives.
    pub async fn number(&self, statement: &str) -> i64 {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path).await.unwrap();
                sqlx::query_scalar(statement)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::query_scalar(statement)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
        }
    }

    /// From now on inserts into `table` fail, those of `net` only if one is named.
    pub async fn break_table(&self, table: &str, net: Option<&str>) {
        let when = net.map_or_else(String::new, |net| format!("WHEN (NEW.net = '{net}')"));
        match self {
            Self::Sqlite(_) => {
                self.execute(&format!(
                    "CREATE TRIGGER fault BEFORE INSERT ON {table} {when} \
                     BEGIN SELECT RAISE(ABORT, 'disk'); END"
                ))
                .await;
            }
            Self::Postgres(_) => {
                self.execute(
                    "CREATE OR REPLACE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS \
                     'BEGIN RAISE EXCEPTION ''disk''; END'",
                )
                .await;
                self.execute(&format!(
                    "CREATE TRIGGER fault BEFORE INSERT ON {table} FOR EACH ROW {when} \
                     EXECUTE FUNCTION fail()"
                ))
                .await;
            }
        }
    }

    pub async fn mend_table(&self, table: &str) {
        match self {
            Self::Sqlite(_) => self.execute("DROP TRIGGER fault").await,
            Self::Postgres(_) => {
                self.execute(&format!("DROP TRIGGER fault ON {table}"))
                    .await;
            }
        }
    }
}

/// Tests may be in a runtime already.
fn block(future: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future);
    })
    .join()
    .unwrap();
}

fn rand_name() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// Tests in which gateways compute, in the time that a window leaves them, at once in one program: with
/// more of them two cores are late.
static PLACES: Semaphore = Semaphore::const_new(2);

/// One of the places, until it is dropped.
pub async fn place() -> SemaphorePermit<'static> {
    PLACES.acquire().await.unwrap()
}

/// Makes two tests of a function that takes a laboratory: one on each store.
macro_rules! on_both {
    ($name:ident) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                let _place = crate::common::place().await;
                super::$name(super::Lab::new()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                let _place = crate::common::place().await;
                if let Some(lab) = super::Lab::on_postgres() {
                    let database = lab.store.location().to_owned();
                    super::$name(lab).await;
                    crate::common::statements::can_be_spread(&database).await;
                }
            }
        }
    };
}
pub(crate) use on_both;
