//! The membership log and its draw lists.

use dcnet_protocol::names::NetId;
use sha2::{Digest as _, Sha256};

use super::database::Writing;
use super::insert::{Insert, Kind};
use super::rows::{Batch, LogRow};
use super::write::all;
use super::{Store, StoreError, integer};

/// An entry is never replaced.
pub(super) static ENTRIES: Insert<3> = Insert::new(
    "append to the membership log",
    "membership_log",
    [
        ("net", Kind::Text),
        ("idx", Kind::Integer),
        ("entry", Kind::Bytes),
    ],
);
pub(super) static LISTS: Insert<3> = Insert::new(
    "store a draw list",
    "draw_lists",
    [
        ("net", Kind::Text),
        ("idx", Kind::Integer),
        ("record", Kind::Bytes),
    ],
);
pub(super) static PACKAGES: Insert<4> = Insert::unless_there(
    "store a key package",
    "key_packages",
    [
        ("net", Kind::Text),
        ("hash", Kind::Bytes),
        ("signed", Kind::Bytes),
        ("package", Kind::Bytes),
    ],
);

/// Appends entries, adds packages and lists, within the caller's transaction.
pub(super) async fn write(writing: &mut Writing<'_>, batch: &Batch) -> Result<(), StoreError> {
    let entries = batch.log.iter().map(|row| {
        Ok([
            row.net.as_str().into(),
            integer(row.index)?.into(),
            row.entry.as_slice().into(),
        ])
    });
    ENTRIES.run(writing, &all(entries)?).await?;
    let signed: Vec<[u8; 32]> = batch
        .packages
        .iter()
        .map(|row| Sha256::digest(&row.package).into())
        .collect();
    let packages = batch.packages.iter().zip(&signed).map(|(row, signed)| {
        Ok([
            row.net.as_str().into(),
            row.hash.as_slice().into(),
            signed.as_slice().into(),
            row.package.as_slice().into(),
        ])
    });
    PACKAGES.run(writing, &all(packages)?).await?;
    for row in &batch.draw_lists {
        let list = [
            row.net.as_str().into(),
            integer(row.index)?.into(),
            row.record.as_slice().into(),
        ];
        LISTS.run(writing, &[list]).await?;
        writing
            .execute(
                "delete old draw lists",
                "DELETE FROM draw_lists WHERE net = $1 AND idx < $2",
                &[row.net.as_str().into(), integer(row.oldest)?.into()],
            )
            .await?;
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
        let rows = self
            .readers
            .all(
                "read the membership log",
                "SELECT idx, entry FROM membership_log WHERE net = $1 AND idx >= $2 \
             ORDER BY idx LIMIT $3",
                &[
                    net.as_str().into(),
                    integer(from)?.into(),
                    count.map_or(i64::MAX, i64::from).into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(LogRow {
                    net,
                    index: row.number("idx")?,
                    entry: row.get("entry")?,
                })
            })
            .collect()
    }

    /// All encoded key packages that were ever registered.
    pub(crate) async fn key_packages(&self, net: NetId) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the key packages",
                "SELECT package FROM key_packages WHERE net = $1 ORDER BY hash",
                &[net.as_str().into()],
            )
            .await?;
        rows.iter().map(|row| row.get("package")).collect()
    }

    /// The encoded draw lists that are kept, ascending.
    pub(crate) async fn draw_lists(&self, net: NetId) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the draw lists",
                "SELECT record FROM draw_lists WHERE net = $1 ORDER BY idx",
                &[net.as_str().into()],
            )
            .await?;
        rows.iter().map(|row| row.get("record")).collect()
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
    use crate::store::testing::{net, on_both, with_net};
    use crate::store::{DrawListRow, Location};

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

    on_both!(entries_are_never_replaced_and_old_lists_are_deleted, "log");
    async fn entries_are_never_replaced_and_old_lists_are_deleted(location: Location) {
        let store = with_net(&location).await;
        let mut writer = store.writer().await.unwrap();
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
