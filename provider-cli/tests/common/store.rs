//! The stores that tests run on: a file of SQLite, and a database of a real PostgreSQL server.

use std::fmt::Write as _;
use std::path::Path;

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

    /// How many rows it changed.
    pub async fn execute(&self, statement: &str) -> u64 {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path).await.unwrap();
                let done = sqlx::query(statement).execute(&mut connection).await;
                connection.close().await.unwrap();
                done.unwrap().rows_affected()
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let done = sqlx::query(statement).execute(&mut connection).await;
                connection.close().await.unwrap();
                done.unwrap().rows_affected()
            }
        }
    }

    /// Bytes as they stand in a statement.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        let mut digits = String::new();
        for byte in bytes {
            write!(digits, "{byte:02x}").unwrap();
        }
        match self {
            Self::Sqlite(_) => format!("x'{digits}'"),
            Self::Postgres(_) => format!("CAST('\\x{digits}' AS BYTEA)"),
        }
    }

    /// Bytes of everything that is kept: in the files of SQLite, in the rows of a database.
    pub async fn everything(&self) -> Vec<u8> {
        match self {
            Self::Sqlite(path) => files_of(Path::new(path)),
            Self::Postgres(url) => rows_of(url).await,
        }
    }

    /// Keeps to itself what is written when a member registers, as a long transaction of somebody else does.
    /// It can be read meanwhile.
    pub async fn hold(&self) -> Held {
        match self {
            Self::Sqlite(path) => {
                let mut connection = SqliteConnection::connect(path).await.unwrap();
                let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut connection);
                begun.await.unwrap();
                Held::Sqlite(connection)
            }
            Self::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                for statement in ["BEGIN", "LOCK TABLE members IN EXCLUSIVE MODE"] {
                    let done = sqlx::query(statement).execute(&mut connection);
                    done.await.unwrap();
                }
                Held::Postgres(connection)
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
                    .await
            }
        };
    }
}

/// A store that somebody keeps to himself, until it is let go.
pub enum Held {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Held {
    pub async fn let_go(self) {
        match self {
            Self::Sqlite(mut connection) => {
                sqlx::query("ROLLBACK")
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(mut connection) => {
                sqlx::query("ROLLBACK")
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}

/// The file and those beside it that begin with its name.
fn files_of(file: &Path) -> Vec<u8> {
    let begin = file.file_name().unwrap().to_str().unwrap();
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(begin) {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

/// All rows of all tables, as text and what stands in it in hexadecimal digits as bytes.
async fn rows_of(url: &str) -> Vec<u8> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables =
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let mut everything = Vec::new();
    for table in tables {
        let rows = format!("SELECT CAST(\"{table}\" AS TEXT) FROM \"{table}\" ORDER BY 1");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        everything.extend(table.bytes());
        for row in rows {
            everything.extend(row.bytes());
            for part in row.split("\\x").skip(1) {
                let digits = part.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap();
                let pairs = digits.as_bytes().chunks_exact(2);
                let pairs = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
                everything.extend(pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
            }
        }
    }
    connection.close().await.unwrap();
    everything
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

/// Makes two tests of a function that takes a laboratory: one on each store. Those that compute nothing in
/// the time of a window may run `beside others`.
macro_rules! on_both {
    ($name:ident) => {
        on_both!(@ $name, crate::common::place().await);
    };
    ($name:ident, beside others) => {
        on_both!(@ $name);
    };
    (@ $name:ident $(, $place:expr)?) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                $(let _place = $place;)?
                super::$name(super::Lab::new()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                $(let _place = $place;)?
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
