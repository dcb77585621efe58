//! Opening a store, of either kind.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::database::{Connection, Pool};
use super::location::PostgresUrl;
use super::migrations::{POSTGRES, SQLITE};
use super::{Location, Store, StoreError};

/// How long a writer waits for another process' transaction.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers of a file at a time in this process.
const READERS: u32 = 4;

/// Connections to a database besides the one that writes.
const CONNECTIONS: u32 = 8;

/// How long a reader waits for a connection, and so for a database that does not answer.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Stands in the header of a file that is a backup: "dcnb".
const BACKUP: i64 = 0x6463_6e62;

/// Marks a file as a backup.
pub(super) const MARK_BACKUP: &str = "PRAGMA application_id = 1684237922";

/// Opens connections that write.
#[derive(Debug, Clone)]
pub(super) enum Opener {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Opener {
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(options) => SqliteConnection::connect_with(options)
                .await
                .map(Connection::Sqlite),
            Self::Postgres(options) => PgConnection::connect_with(options)
                .await
                .map(Connection::Postgres),
        }
        .map_err(StoreError::database("be opened for writing"))
    }
}

impl Store {
    /// Opens the store, makes the file if it is not there, and brings the schema up to date.
    ///
    /// A PostgreSQL database must be there: it is made by whoever administers the server.
    pub(crate) async fn create_or_open(location: &Location) -> Result<Self, StoreError> {
        if let Location::File(path) = location {
            let opened = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map(drop);
            opened.map_err(|source| open_failed(path, source))?;
        }
        Self::connect(location).await
    }

    /// Opens the store, which must be there, and brings its schema up to date.
    pub(crate) async fn open(location: &Location) -> Result<Self, StoreError> {
        if let Location::File(path) = location
            && !path
                .try_exists()
                .map_err(|source| open_failed(path, source))?
        {
            return Err(StoreError::Missing(path.clone()));
        }
        Self::connect(location).await
    }

    /// Looks whether the store could be opened, or its file made if it is not there. Changes nothing;
    /// a server may be running on it.
    pub(crate) async fn check(location: &Location) -> Result<(), StoreError> {
        let (newest, migrator) = match location {
            Location::File(path) => {
                if !path
                    .try_exists()
                    .map_err(|source| open_failed(path, source))?
                {
                    let folder = match path.parent() {
                        Some(folder) if !folder.as_os_str().is_empty() => folder,
                        _ => Path::new("."),
                    };
                    return folder
                        .read_dir()
                        .map(drop)
                        .map_err(|source| open_failed(path, source));
                }
                (newest_of_file(path).await?, &SQLITE)
            }
            Location::Postgres(url) => (newest_of_database(location, url).await?, &POSTGRES),
        };
        match newest {
            Some(version) if !migrator.version_exists(version) => Err(StoreError::Schema {
                store: location.to_string(),
                source: MigrateError::VersionMissing(version),
            }),
            _ => Ok(()),
        }
    }

    async fn connect(location: &Location) -> Result<Self, StoreError> {
        let failed = StoreError::database;
        let schema = |source| match source {
            // A full disk, or a right that is missing, says nothing about the version.
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                failed("be brought up to date")(source)
            }
            source => StoreError::Schema {
                store: location.to_string(),
                source,
            },
        };
        // The schema first, on a connection of its own: no reader sees half of it.
        let (opener, readers, announcing, is_backup) = match location {
            Location::File(path) => {
                let options = file_options(path);
                let mut connection = SqliteConnection::connect_with(&options)
                    .await
                    .map_err(failed("be opened"))?;
                SQLITE.run(&mut connection).await.map_err(schema)?;
                let mark: i64 = sqlx::query_scalar("PRAGMA application_id")
                    .fetch_one(&mut connection)
                    .await
                    .map_err(failed("tell what it is"))?;
                connection.close().await.map_err(failed("be closed"))?;
                let readers = SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .min_connections(0)
                    .connect_lazy_with(options.clone().read_only(true));
                let readers = Pool::Sqlite(readers);
                let opener = Opener::Sqlite(Box::new(options));
                (opener, readers.clone(), readers, mark == BACKUP)
            }
            Location::Postgres(url) => {
                let options = database_options(location, url)?;
                let mut connection = PgConnection::connect_with(&options)
                    .await
                    .map_err(unreachable_at(location))?;
                POSTGRES.run(&mut connection).await.map_err(schema)?;
                connection.close().await.map_err(failed("be closed"))?;
                let readers = PgPoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .min_connections(0)
                    .acquire_timeout(ACQUIRE)
                    .connect_lazy_with(options.clone());
                let announcing = PgPoolOptions::new()
                    .max_connections(1)
                    .min_connections(0)
                    .acquire_timeout(ACQUIRE)
                    .connect_lazy_with(hasty(options.clone()));
                (
                    Opener::Postgres(Box::new(options)),
                    Pool::Postgres(readers),
                    Pool::Postgres(announcing),
                    false,
                )
            }
        };
        Ok(Self {
            location: location.clone(),
            opener,
            readers,
            announcing,
            is_backup,
        })
    }

    /// Keeps other servers away from a file until the lock is dropped; the kernel lifts it when the
    /// process ends, however it ends. A PostgreSQL database takes many servers, which share its nets
    /// by leases: there is nothing to lock.
    pub(crate) fn lock(&self) -> Result<Option<File>, StoreError> {
        let Location::File(store) = &self.location else {
            return Ok(None);
        };
        let path = lock_path(store);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| open_failed(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(store.clone())),
            Err(std::fs::TryLockError::Error(source)) => Err(open_failed(&path, source)),
        }
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    store.with_file_name(name)
}

fn open_failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        source,
    }
}

fn unreachable_at(location: &Location) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Unreachable {
        store: location.to_string(),
        source,
    }
}

async fn newest_of_file(path: &Path) -> Result<Option<i64>, StoreError> {
    let failed = StoreError::database;
    let opened = OpenOptions::new().append(true).open(path);
    opened
        .map(drop)
        .map_err(|source| open_failed(path, source))?;
    let looking = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&looking)
        .await
        .map_err(failed("be opened"))?;
    let newest = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("tell its schema"))?;
    connection.close().await.map_err(failed("be closed"))?;
    Ok(newest)
}

async fn newest_of_database(
    location: &Location,
    url: &PostgresUrl,
) -> Result<Option<i64>, StoreError> {
    let failed = StoreError::database;
    let mut connection = PgConnection::connect_with(&database_options(location, url)?)
        .await
        .map_err(unreachable_at(location))?;
    // An empty database is one that the server will fill.
    let is_new: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NULL")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("tell its schema"))?;
    let newest = if is_new {
        None
    } else {
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&mut connection)
            .await
            .map_err(failed("tell its schema"))?
    };
    connection.close().await.map_err(failed("be closed"))?;
    Ok(newest)
}

/// Bytes of a page of a new file; one that there is keeps its own. A frame or an answer with shares for
/// a hundred holders, some 2 kB, fits into a page beside others. On pages of 4 KiB, SQLite's default,
/// each has a page more to itself, and all pages are written four times in a round: into the log and
/// the file, and again when they are erased.
const PAGE: u32 = 16_384;

fn file_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .page_size(PAGE)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: the log is synced at every commit, so that a receipt outlives a loss of power.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // Deleted content is overwritten with zeros, not only unlinked.
        .pragma("secure_delete", "ON")
        .disable_statement_logging()
}

/// That a server is alive need not outlive anything: it is not to wait for a disk that is busy.
fn hasty(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("synchronous_commit", "off")])
}

fn database_options(
    location: &Location,
    url: &PostgresUrl,
) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url
        .as_str()
        .parse()
        // The parser's words may hold the address with its password.
        .map_err(|_: sqlx::Error| StoreError::Address(location.to_string()))?;
    Ok(options
        .application_name("dcnet")
        .options([
            // A receipt outlives a loss of power, whatever the server's default is.
            ("synchronous_commit", "on"),
            // A server that vanished with its machine must not keep a net's lease locked.
            ("idle_in_transaction_session_timeout", "5s"),
            ("lock_timeout", "3s"),
        ])
        .disable_statement_logging())
}

#[cfg(test)]
mod tests {
    use crate::store::testing::{net, with_net};
    use crate::store::{Batch, FrameRow};

    #[tokio::test]
    async fn frames_with_shares_for_many_holders_have_pages_in_common() {
        const FRAMES: u64 = 200;
        let folder = tempfile::tempdir().unwrap();
        let store = with_net(&folder.path().join("store").into()).await;
        let frame = |number: u64| FrameRow {
            net: net(),
            round: 1,
            client: format!("gw-{number:03}").parse().unwrap(),
            epoch: 1,
            transmission: true,
            words: vec![0; 3],
            // As many holders as nets of a thousand have that correct by double masks.
            mask: Some(vec![0; 2_000]),
            hash: [0; 32],
        };
        let batch = Batch {
            frames: (0..FRAMES).map(frame).collect(),
            ..Batch::default()
        };
        let before = store.size().await.unwrap();
        let mut writer = store.writer().await.unwrap();
        writer.commit(&[&batch]).await.unwrap();
        let of_each = (store.size().await.unwrap() - before) / FRAMES;
        assert!((2_000..3_000).contains(&of_each), "{of_each} bytes");
        writer.close().await;
        store.close().await;
    }
}
