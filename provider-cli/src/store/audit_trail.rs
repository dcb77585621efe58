//! The audit trail: entries of which each is bound to the one before it.

use sha2::{Digest as _, Sha256};

use super::database::{AnyRow, Writing};
use super::insert::{Insert, Kind};
use super::{Store, StoreError, integer};

/// What is hashed first, so that the hash means nothing anywhere else.
const LABEL: &[u8] = b"dcnet audit trail v1";

pub(super) static TRAIL: Insert<3> = Insert::new(
    "append to the audit trail",
    "audit_trail",
    [
        ("number", Kind::Integer),
        ("entry", Kind::Text),
        ("hash", Kind::Bytes),
    ],
);

/// The hash of a trail up to one of its entries; of an empty trail, zeros.
pub(crate) type TrailHash = [u8; 32];

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrailRow {
    /// 1, 2, 3, …
    pub(crate) number: u64,
    /// JSON, exactly as it is hashed.
    pub(crate) entry: String,
    pub(crate) hash: Vec<u8>,
}

/// The hash of the trail whose entry `number` is `entry`, behind one of the hash `before`.
pub(crate) fn trail_hash(number: u64, before: &[u8], entry: &str) -> TrailHash {
    Sha256::new()
        .chain_update(LABEL)
        .chain_update(number.to_be_bytes())
        .chain_update(before)
        .chain_update(entry)
        .finalize()
        .into()
}

/// Appends an entry, with whatever else the transaction does.
pub(super) async fn append(writing: &mut Writing<'_>, entry: &str) -> Result<u64, StoreError> {
    // Servers and commands append side by side: nobody else between reading the tail and writing.
    // A transaction on a file of SQLite is alone from its beginning.
    if let Writing::Postgres(_) = writing {
        let statement = "LOCK TABLE audit_trail IN EXCLUSIVE MODE";
        writing
            .execute("lock the audit trail", statement, &[])
            .await?;
    }
    let statement = "SELECT number, hash FROM audit_trail ORDER BY number DESC LIMIT 1";
    let tail = writing
        .first("find the audit trail's end", statement)
        .await?;
    let (last, before) = match tail {
        Some(row) => (row.number("number")?, row.get::<Vec<u8>>("hash")?),
        None => (0, TrailHash::default().to_vec()),
    };
    let number = last.saturating_add(1);
    let hash = trail_hash(number, &before, entry);
    let row = [
        integer(number)?.into(),
        entry.into(),
        hash.as_slice().into(),
    ];
    TRAIL.run(writing, &[row]).await?;
    Ok(number)
}

impl Store {
    /// Appends an entry for itself; its number.
    pub(crate) async fn append_to_trail(&self, entry: &str) -> Result<u64, StoreError> {
        let mut writer = self.writer().await?;
        let appended = async {
            let mut writing = writer.connection().await?.begin().await?;
            let number = append(&mut writing, entry).await?;
            writing.commit().await?;
            Ok(number)
        }
        .await;
        writer.close().await;
        appended
    }

    /// The entries behind `after`, ascending, the first `most` of them.
    pub(crate) async fn trail(&self, after: u64, most: u32) -> Result<Vec<TrailRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the audit trail",
                "SELECT number, entry, hash FROM audit_trail WHERE number > $1 ORDER BY number LIMIT $2",
                &[integer(after)?.into(), i64::from(most).into()],
            )
            .await?;
        rows.iter().map(trail_row).collect()
    }

    /// The last `most` entries, ascending.
    pub(crate) async fn trail_end(&self, most: u32) -> Result<Vec<TrailRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the audit trail",
                "SELECT number, entry, hash FROM audit_trail ORDER BY number DESC LIMIT $1",
                &[i64::from(most).into()],
            )
            .await?;
        rows.iter().rev().map(trail_row).collect()
    }
}

fn trail_row(row: &AnyRow) -> Result<TrailRow, StoreError> {
    Ok(TrailRow {
        number: row.number("number")?,
        entry: row.get("entry")?,
        hash: row.get("hash")?,
    })
}
