//! Erasing superpositions, self-masks, pads and share keys.
//!
//! In SQLite nothing of them stays in any file: within the database `secure_delete` overwrites the
//! deleted cells, and the write-ahead log, which still holds the pages as they were when they were
//! written, is copied into the database and cut to length 0 after every final round, see
//! [`Writer::sweep`]. In PostgreSQL rows are deleted, and what the server has written to its files and
//! to its log before is overwritten when it gets there: `docs/data-protection.md` says what that means.

use std::time::Duration;

use dcnet_protocol::names::NetId;
use sqlx::{Row as _, SqliteConnection};

use super::StoreError;
use super::database::{Connection, Writing};
use super::open::BUSY_TIMEOUT;
use super::write::Writer;

/// How long a sweep waits for readers; frames wait meanwhile, so not for long.
const PATIENCE: Duration = Duration::from_millis(50);

/// Erases the superpositions, the answers to rosters and the correction of a round, within the caller's
/// transaction.
pub(super) async fn round(
    writing: &mut Writing<'_>,
    net: NetId,
    round: i64,
) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM frames WHERE net = $1 AND round = $2",
        "DELETE FROM resent WHERE net = $1 AND round = $2",
        "DELETE FROM answers WHERE net = $1 AND round = $2",
        "DELETE FROM corrections WHERE net = $1 AND round = $2",
    ] {
        let what = "erase the frames of a final round";
        let values = [net.as_str().into(), round.into()];
        writing.execute(what, statement, &values).await?;
    }
    Ok(())
}

impl Writer {
    /// Empties the write-ahead log of a file. `false` if a reader still needs it: try again soon.
    pub(crate) async fn sweep(&mut self) -> Result<bool, StoreError> {
        let Connection::Sqlite(connection) = self.connection().await? else {
            return Ok(true);
        };
        let result = empty_log(connection).await;
        if result.is_err() {
            self.discard().await;
        }
        result
    }
}

async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let failed = || StoreError::database("empty its write-ahead log");
    busy_timeout(connection, PATIENCE).await.map_err(failed())?;
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed())?;
    busy_timeout(connection, BUSY_TIMEOUT)
        .await
        .map_err(failed())?;
    let busy: i64 = row.try_get(0).map_err(failed())?;
    Ok(busy == 0)
}

async fn busy_timeout(
    connection: &mut SqliteConnection,
    timeout: Duration,
) -> Result<(), sqlx::Error> {
    let text = format!("PRAGMA busy_timeout = {}", timeout.as_millis());
    // A number of this module, and pragmas take no parameters.
    sqlx::query(sqlx::AssertSqlSafe(text))
        .execute(connection)
        .await
        .map(drop)
}
