//! The embedded store: one SQLite file in WAL mode, every commit synced.
//!
//! Only `service` calls it. Rows are plain data: names, numbers and encodings of
//! `docs/spec/protocol.md`. Reading goes through a small pool, writing through one [`Writer`],
//! which the committer task owns.

mod erase;
mod insert;
mod membership_log;
mod overview;
mod read;
mod rows;
mod write;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

pub(crate) use membership_log::without_gaps;
#[cfg(test)]
pub(crate) use overview::STATUS_AT;
pub(crate) use rows::{
    AnswerRow, Batch, CorrectionRow, DeliveryRow, DrawListRow, EpochRow, ForgetRow, FrameRow,
    LogRow, MemberRow, NetRow, OutcomeRow, PackageRow, PlainRow, Restored, RosterRow,
};
pub(crate) use write::Writer;

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// How long a writer waits for another process' transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers at a time in this process.
const READERS: u32 = 4;

/// A handle on the store's file; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: PathBuf,
    readers: SqlitePool,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is not there and should be.
    #[error("there is no store at {}: `dcnet net create` makes one, or check --store", .0.display())]
    Missing(PathBuf),
    /// The file cannot be created or opened.
    #[error("cannot open the store {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another `dcnet serve` has it.
    #[error(
        "another server runs on the store {}: stop it first; administration commands may run beside it",
        .0.display()
    )]
    InUse(PathBuf),
    /// Its schema cannot be brought up to date.
    #[error(
        "the schema of the store {} does not fit this version: {source}; \
         a store is only opened by the version that wrote it or a newer one", path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: MigrateError,
    },
    /// SQLite refused.
    #[error("the store failed to {what}: {source}")]
    Database {
        /// What was asked, as a verb.
        what: &'static str,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A row that this software would not have written.
    #[error("the store holds a row that cannot be read: {0}; restore it from a backup")]
    Corrupt(String),
    /// A number beyond what the store holds.
    #[error("{0} does not fit the store's 63-bit integers")]
    Range(u64),
    /// A net of that name is there.
    #[error("a net named {0} is there already: nets are immutable, choose another name")]
    NetExists(String),
}

impl StoreError {
    fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }
}

impl Store {
    /// Opens the store at `path`, makes it if it is not there, and brings its schema up to date.
    pub(crate) async fn create_or_open(path: &Path) -> Result<Self, StoreError> {
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map(drop);
        opened.map_err(|source| StoreError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::connect(path).await
    }

    /// Opens the store at `path`, which must be there, and brings its schema up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        match path.try_exists() {
            Ok(true) => Self::connect(path).await,
            Ok(false) => Err(StoreError::Missing(path.to_owned())),
            Err(source) => Err(StoreError::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Looks whether the store at `path` could be opened, or made if it is not there. Changes nothing; a
    /// server may be running on it.
    pub(crate) async fn check(path: &Path) -> Result<(), StoreError> {
        let open = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        if !path.try_exists().map_err(open)? {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            return folder.read_dir().map(drop).map_err(open);
        }
        let opened = OpenOptions::new().append(true).open(path);
        opened.map(drop).map_err(open)?;
        let looking = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let mut connection = SqliteConnection::connect_with(&looking)
            .await
            .map_err(StoreError::database("be opened"))?;
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&mut connection)
            .await
            .map_err(StoreError::database("tell its schema"))?;
        connection
            .close()
            .await
            .map_err(StoreError::database("be closed"))?;
        match newest {
            Some(version) if !MIGRATOR.version_exists(version) => Err(StoreError::Schema {
                path: path.to_owned(),
                source: MigrateError::VersionMissing(version),
            }),
            _ => Ok(()),
        }
    }

    async fn connect(path: &Path) -> Result<Self, StoreError> {
        let options = options(path);
        // The schema first, on a connection of its own: no reader sees half of it.
        let mut connection = SqliteConnection::connect_with(&options)
            .await
            .map_err(StoreError::database("be opened"))?;
        MIGRATOR
            .run(&mut connection)
            .await
            .map_err(|source| StoreError::Schema {
                path: path.to_owned(),
                source,
            })?;
        connection
            .close()
            .await
            .map_err(StoreError::database("be closed"))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(0)
            .connect_lazy_with(options.read_only(true));
        Ok(Self {
            path: path.to_owned(),
            readers,
        })
    }

    /// The one writer of this process.
    pub(crate) async fn writer(&self) -> Result<Writer, StoreError> {
        Writer::connect(options(&self.path)).await
    }

    /// Keeps other servers away from the store until the file is dropped. The kernel lifts the
    /// lock when the process ends, however it ends.
    pub(crate) fn lock(&self) -> Result<File, StoreError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let path = self.path.with_file_name(name);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| StoreError::Open {
                path: path.clone(),
                source,
            })?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(self.path.clone())),
            Err(std::fs::TryLockError::Error(source)) => Err(StoreError::Open { path, source }),
        }
    }

    /// Waits for the readers and closes them.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
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

fn integer(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Range(number))
}
