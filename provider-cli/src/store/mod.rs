//! The store: one SQLite file in WAL mode, every commit synced, or a PostgreSQL database.
//!
//! Only `service` calls it. Rows are plain data: names, numbers and encodings of
//! `docs/spec/protocol.md`. Reading goes through a small pool, writing through one [`Writer`],
//! which the committer task owns. Several servers may share a PostgreSQL database: `leases` says
//! which of them serves a net.

mod audit_trail;
mod care;
mod database;
mod dump;
mod erase;
mod insert;
mod inspect;
mod leases;
mod location;
mod membership_log;
mod migrations;
mod open;
mod orders;
mod overview;
mod prune;
mod read;
mod rows;
mod stats;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) mod testing;
mod write;

use std::io;
use std::path::PathBuf;

use dcnet_protocol::names::NetId;
use sqlx::migrate::MigrateError;

pub(crate) use audit_trail::{TrailHash, TrailRow, trail_hash};
pub(crate) use dump::Copied;
pub(crate) use leases::{Holder, Lease, LeaseRow};
pub use location::{Location, PostgresUrl};
pub(crate) use membership_log::without_gaps;
pub(crate) use orders::{AskedRow, OrderAnswerRow, OrderRow};
#[cfg(test)]
pub(crate) use overview::STATUS_AT;
pub(crate) use prune::{Expired, Prunable};
pub(crate) use rows::{
    AnswerRow, Batch, CorrectionRow, DeliveryRow, DrawListRow, EpochRow, ForgetRow, FrameRow,
    InboxHead, LogRow, MemberRow, NetRow, OutcomeRow, PackageRow, PlainRow, Restored, RosterRow,
};
pub(crate) use write::Writer;

use database::Pool;
use open::Opener;

/// A handle on the store; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    location: Location,
    opener: Opener,
    readers: Pool,
    /// For signs of life of this server.
    announcing: Pool,
    /// Whether it is a backup, which is read and restored and nothing else.
    is_backup: bool,
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
    /// An address of a database that cannot be understood.
    #[error(
        "the store {0} is no PostgreSQL address of the form postgres://USER@HOST:PORT/DATABASE"
    )]
    Address(String),
    /// The database does not answer, or not to this user.
    #[error(
        "cannot reach the store {store}: {source}; does the server run, and are the address, the user and \
         the password (PGPASSWORD or ~/.pgpass) right?"
    )]
    Unreachable {
        /// The database, without user and password.
        store: String,
        /// What is in the way.
        source: sqlx::Error,
    },
    /// Another `dcnet serve` has it.
    #[error(
        "another server runs on the store {}: stop it first; administration commands may run beside it",
        .0.display()
    )]
    InUse(PathBuf),
    /// Its schema cannot be brought up to date.
    #[error(
        "the schema of the store {store} does not fit this version: {source}; \
         a store is only opened by the version that wrote it or a newer one"
    )]
    Schema {
        /// The file or the database.
        store: String,
        /// What does not fit.
        source: MigrateError,
    },
    /// The database refused.
    #[error("the store failed to {what}: {source}")]
    Database {
        /// What was asked, as a verb.
        what: &'static str,
        /// What SQLite or PostgreSQL said.
        source: sqlx::Error,
    },
    /// Another server has taken over a net that this one wrote to.
    #[error("another server serves net {0} now")]
    LeaseLost(String),
    /// A row that this software would not have written.
    #[error("the store holds a row that cannot be read: {0}; restore it from a backup")]
    Corrupt(String),
    /// Somebody else has taken an order meanwhile.
    #[error("order {number} of net {net} is answered already")]
    Answered {
        /// The net.
        net: NetId,
        /// The order.
        number: u64,
    },
    /// A number beyond what the store holds.
    #[error("{0} does not fit the store's 63-bit integers")]
    Range(u64),
    /// A backup is not worked on.
    #[error(
        "{0} is a backup: restore it with `dcnet store restore`, which closes the rounds that were open"
    )]
    IsBackup(String),
    /// Something else was to be restored.
    #[error("{0} is no backup: `dcnet store backup` makes one")]
    NoBackup(String),
    /// A backup is restored into an empty store only.
    #[error(
        "there are nets or an audit trail in the store {0}: a backup is restored into an empty one only"
    )]
    NotEmpty(String),
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
    /// Whether it is a backup, which is read and restored and nothing else.
    pub(crate) fn is_backup(&self) -> bool {
        self.is_backup
    }

    /// The one writer of this process.
    ///
    /// # Errors
    /// [`StoreError::IsBackup`], and what goes wrong when it is opened.
    pub(crate) async fn writer(&self) -> Result<Writer, StoreError> {
        if self.is_backup() {
            return Err(StoreError::IsBackup(self.location.to_string()));
        }
        Writer::connect(self.opener.clone()).await
    }

    /// Where it is.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Waits for the readers and closes them.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.announcing.close().await;
    }
}

fn integer(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Range(number))
}
