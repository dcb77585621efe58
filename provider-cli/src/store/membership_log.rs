//! The membership log and its draw lists.

use dcnet_protocol::names::NetId;
use sha2::{Digest as _, Sha256};
use sqlx::SqliteConnection;

use super::insert::Insert;
use super::read::{get, number};
use super::rows::{Batch, LogRow};
use super::{Store, StoreError, integer};

/// No `ON CONFLICT`: an entry is never replaced.
static ENTRIES: Insert = Insert::new("INSERT INTO membership_log (net, idx, entry)", 3, "");
static LISTS: Insert = Insert::new("INSERT INTO draw_lists (net, idx, record)", 3, "");

static PACKAGES: Insert = Insert::new(
    "INSERT INTO key_packages (net, hash, signed, package)",
    4,
    "ON CONFLICT (net, hash, signed) DO NOTHING",
);

/// Appends entries, adds packages and lists, within the caller's transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<(), StoreError> {
    let failed = StoreError::database;
    let entries: Vec<_> = batch
        .log
        .iter()
        .map(|row| Ok((integer(row.index)?, row)))
        .collect::<Result<_, StoreError>>()?;
    ENTRIES
        .run(connection, &entries, |query, (index, row)| {
            query
                .bind(row.net.as_str())
                .bind(index)
                .bind(row.entry.as_slice())
        })
        .await
        .map_err(failed("append to the membership log"))?;
    PACKAGES
        .run(connection, &batch.packages, |query, row| {
            query
                .bind(row.net.as_str())
                .bind(row.hash.as_slice())
                .bind(Sha256::digest(&row.package).to_vec())
                .bind(row.package.as_slice())
        })
        .await
        .map_err(failed("store a key package"))?;
    for row in &batch.draw_lists {
        let index = integer(row.index)?;
        LISTS
            .run(connection, std::slice::from_ref(row), |query, row| {
                query
                    .bind(row.net.as_str())
                    .bind(index)
                    .bind(row.record.as_slice())
            })
            .await
            .map_err(failed("store a draw list"))?;
        sqlx::query("DELETE FROM draw_lists WHERE net = $1 AND idx < $2")
            .bind(row.net.as_str())
            .bind(integer(row.oldest)?)
            .execute(&mut *connection)
            .await
            .map_err(failed("delete old draw lists"))?;
    }
    Ok(())
}

impl Store {
    /// Up to `count` entries of the membership log from index `from` on, ascending.
    pub(crate) async fn log_entries(
        &self,
        net: NetId,
        from: u64,
        count: Option<u32>,
    ) -> Result<Vec<LogRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT idx, entry FROM membership_log WHERE net = $1 AND idx >= $2 \
             ORDER BY idx LIMIT $3",
        )
        .bind(net.as_str())
        .bind(integer(from)?)
        .bind(count.map_or(i64::MAX, i64::from))
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("read the membership log"))?;
        rows.iter()
            .map(|row| {
                Ok(LogRow {
                    net,
                    index: number(row, "idx")?,
                    entry: get(row, "entry")?,
                })
            })
            .collect()
    }

    /// All encoded key packages that were ever registered.
    pub(crate) async fn key_packages(&self, net: NetId) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = sqlx::query("SELECT package FROM key_packages WHERE net = $1 ORDER BY hash")
            .bind(net.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::database("read the key packages"))?;
        rows.iter().map(|row| get(row, "package")).collect()
    }

    /// The encoded draw lists that are kept, ascending.
    pub(crate) async fn draw_lists(&self, net: NetId) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = sqlx::query("SELECT record FROM draw_lists WHERE net = $1 ORDER BY idx")
            .bind(net.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::database("read the draw lists"))?;
        rows.iter().map(|row| get(row, "record")).collect()
    }
}

/// The entries of the log, which are all of it: the index counts from 0 without gaps.
pub(crate) fn without_gaps(rows: &[LogRow]) -> Result<(), StoreError> {
    rows.iter().zip(0..).try_for_each(|(row, index)| {
        (row.index == index).then_some(()).ok_or_else(|| {
            StoreError::Corrupt(format!("entry {index} of the membership log is missing"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DrawListRow, NetRow};

    fn net() -> NetId {
        "elbe-4".parse().unwrap()
    }

    fn entry(index: u64, byte: u8) -> Batch {
        Batch {
            log: vec![LogRow {
                net: net(),
                index,
                entry: vec![byte],
            }],
            ..Batch::default()
        }
    }

    fn list(index: u64, oldest: u64) -> Batch {
        Batch {
            draw_lists: vec![DrawListRow {
                net: net(),
                index,
                oldest,
                record: vec![u8::try_from(index).unwrap()],
            }],
            ..Batch::default()
        }
    }

    #[tokio::test]
    async fn entries_are_never_replaced_and_old_lists_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create_or_open(&folder.path().join("store"))
            .await
            .unwrap();
        let mut writer = store.writer().await.unwrap();
        let row = NetRow {
            net: net(),
            descriptor: Vec::new(),
            authority: Vec::new(),
            created: 0,
        };
        writer.insert_net(&row).await.unwrap();
        writer.commit(&[&entry(0, 7), &entry(1, 8)]).await.unwrap();
        assert!(writer.commit(&[&entry(2, 9), &entry(1, 9)]).await.is_err());
        let rows = store.log_entries(net(), 0, None).await.unwrap();
        let entries: Vec<_> = rows.iter().map(|row| row.entry.as_slice()).collect();
        assert_eq!(entries, [[7], [8]]);
        without_gaps(&rows).unwrap();
        let rows = store.log_entries(net(), 1, Some(5)).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(matches!(without_gaps(&rows), Err(StoreError::Corrupt(_))));
        for index in 3..6 {
            let oldest = index - 1;
            writer.commit(&[&list(index, oldest)]).await.unwrap();
        }
        assert_eq!(store.draw_lists(net()).await.unwrap(), [[4], [5]]);
        writer.close().await;
        store.close().await;
    }
}
