//! Backups: all that is kept for longer than a round, in a file of SQLite, whatever the store is.
//!
//! Superpositions, answers to rosters and corrections of open rounds are left out. A backup outlives the
//! round in which they would have been erased, and whoever restores must not go on with such a round
//! anyway: see [`Store::restore_into`].

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::audit_trail::TRAIL;
use super::database::{AnyRow, Reading, Value, Writing};
use super::insert::{Insert, Kind};
use super::membership_log::{ENTRIES, LISTS, PACKAGES};
use super::orders::ORDERS;
use super::rows::OutcomeRow;
use super::write::{EPOCHS, HEADS, INBOX, MEMBERS, ROSTERS, ROUNDS};
use super::{Location, Store, StoreError, integer};

/// Rows that are in memory at a time.
const PAGE: usize = 128;

/// Inboxes go on so far behind the last number in the backup: a gateway that has fetched more since must not
/// take new messages for old ones.
const LEAP: i64 = 1 << 32;

static NETS: Insert<4> = Insert::new(
    "store a net",
    "nets",
    [
        ("net", Kind::Text),
        ("descriptor", Kind::Bytes),
        ("authority", Kind::Bytes),
        ("created", Kind::Integer),
    ],
);

/// What a table gave to a backup, or has given so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
}

impl Store {
    /// Writes what is kept into a new file at `path`: one state of the store, while others write to it.
    ///
    /// # Errors
    /// Those of the store; and [`StoreError::Open`] if something is at `path`.
    pub(crate) async fn dump(
        &self,
        path: &Path,
        mut progress: impl FnMut(Copied),
    ) -> Result<Vec<Copied>, StoreError> {
        let open = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        let mut new = OpenOptions::new();
        new.write(true).create_new(true).mode(0o600);
        new.open(path).map_err(open)?;
        let target = Self::open(&Location::from(path)).await?;
        let mut from = self.opener.connect().await?;
        let mut to = target.opener.connect().await?;
        let mut reading = from.snapshot().await?;
        let mut writing = to.begin().await?;
        let copied = copy_all(&mut reading, &mut writing, &mut progress).await?;
        // The mark of a backup is written with its rows.
        writing
            .execute("mark the backup", super::open::MARK_BACKUP, &[])
            .await?;
        writing.commit().await?;
        drop(reading);
        // With its last connection closed a file of SQLite is complete without its log.
        to.close().await;
        from.close().await;
        target.close().await;
        File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(open)?;
        Ok(copied)
    }

    /// Writes all of this backup into `target`, whole or not at all. `closed` are outcomes of the rounds up to
    /// which nothing is to be summed any more, one for each net at most.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] if there are nets in `target`, [`StoreError::InUse`] if a server runs on its
    /// file, [`StoreError::NoBackup`] if this is no backup.
    pub(crate) async fn restore_into(
        &self,
        target: &Self,
        closed: &[OutcomeRow],
        mut progress: impl FnMut(Copied),
    ) -> Result<Vec<Copied>, StoreError> {
        if !self.is_backup {
            return Err(StoreError::NoBackup(self.location.to_string()));
        }
        let _lock = target.lock()?;
        if !target.nets().await?.is_empty() || !target.trail_end(1).await?.is_empty() {
            return Err(StoreError::NotEmpty(target.location.to_string()));
        }
        let mut from = self.opener.connect().await?;
        let mut to = target.opener.connect().await?;
        let mut reading = from.snapshot().await?;
        let mut writing = to.begin().await?;
        let copied = copy_all(&mut reading, &mut writing, &mut progress).await?;
        let what = "number the inboxes on";
        let statement = "INSERT INTO inbox_heads (net, client, last) SELECT net, client, 0 FROM members \
             WHERE NOT EXISTS (SELECT 1 FROM inbox_heads \
             WHERE inbox_heads.net = members.net AND inbox_heads.client = members.client)";
        writing.execute(what, statement, &[]).await?;
        let statement = "UPDATE inbox_heads SET last = last + $1";
        writing.execute(what, statement, &[LEAP.into()]).await?;
        super::orders::void_waiting(&mut writing).await?;
        for row in closed {
            let round = integer(row.round)?;
            let net = row.net.as_str();
            let outcome = [net.into(), round.into(), row.outcome.as_slice().into()];
            ROUNDS.run(&mut writing, &[outcome]).await?;
        }
        writing.commit().await?;
        drop(reading);
        from.close().await;
        to.close().await;
        Ok(copied)
    }
}

/// Every table that is kept; nets first, which the others refer to.
async fn copy_all(
    from: &mut Reading<'_>,
    to: &mut Writing<'_>,
    progress: &mut impl FnMut(Copied),
) -> Result<Vec<Copied>, StoreError> {
    let mut all = Vec::new();
    // The number is that of the columns that make the primary key.
    all.push(copy(&NETS, 1, from, to, progress).await?);
    all.push(copy(&MEMBERS, 2, from, to, progress).await?);
    all.push(copy(&PACKAGES, 3, from, to, progress).await?);
    all.push(copy(&ENTRIES, 2, from, to, progress).await?);
    all.push(copy(&LISTS, 2, from, to, progress).await?);
    all.push(copy(&EPOCHS, 2, from, to, progress).await?);
    all.push(copy(&ROUNDS, 2, from, to, progress).await?);
    all.push(copy(&ROSTERS, 3, from, to, progress).await?);
    all.push(copy(&INBOX, 3, from, to, progress).await?);
    all.push(copy(&HEADS, 2, from, to, progress).await?);
    all.push(copy(&TRAIL, 1, from, to, progress).await?);
    all.push(copy(&ORDERS, 2, from, to, progress).await?);
    Ok(all)
}

async fn copy<const N: usize>(
    table: &Insert<N>,
    key: usize,
    from: &mut Reading<'_>,
    to: &mut Writing<'_>,
    progress: &mut impl FnMut(Copied),
) -> Result<Copied, StoreError> {
    let (first, next) = (page(table, key, false), page(table, key, true));
    let mut last: Option<[Cell; N]> = None;
    let mut rows = 0;
    loop {
        let statement = if last.is_some() { &next } else { &first };
        let behind: Vec<Value<'_>> = last.iter().flatten().take(key).map(Cell::value).collect();
        let page = from
            .all("read a table", Arc::clone(statement), &behind)
            .await?;
        let cells = page
            .iter()
            .map(|row| cells(table, row))
            .collect::<Result<Vec<_>, _>>()?;
        let values: Vec<_> = cells
            .iter()
            .map(|row| row.each_ref().map(Cell::value))
            .collect();
        table.run(to, &values).await?;
        rows += u64::try_from(cells.len()).unwrap_or(u64::MAX);
        let table = table.table;
        progress(Copied { table, rows });
        if cells.len() < PAGE {
            return Ok(Copied { table, rows });
        }
        last = cells.into_iter().next_back();
    }
}

/// One page of a table in the order of its key.
fn page<const N: usize>(table: &Insert<N>, key: usize, is_behind: bool) -> Arc<str> {
    let names = table.columns.map(|(name, _)| name);
    let keys: Vec<&str> = names.iter().take(key).copied().collect();
    let keys = keys.join(", ");
    let behind = if is_behind {
        let places: Vec<String> = (1..=key).map(|place| format!("${place}")).collect();
        format!("WHERE ({keys}) > ({})", places.join(", "))
    } else {
        String::new()
    };
    format!(
        "SELECT {} FROM {} {behind} ORDER BY {keys} LIMIT {PAGE}",
        names.join(", "),
        table.table
    )
    .into()
}

/// A value that was read.
enum Cell {
    Text(String),
    Integer(i64),
    Bytes(Vec<u8>),
    Bool(bool),
    Maybe(Option<Vec<u8>>),
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Integer(number) => Value::Integer(*number),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Bool(is) => Value::Bool(*is),
            Self::Maybe(bytes) => Value::Maybe(bytes.as_deref()),
        }
    }
}

fn cells<const N: usize>(table: &Insert<N>, row: &AnyRow) -> Result<[Cell; N], StoreError> {
    let mut cells = Vec::with_capacity(N);
    for (name, kind) in table.columns {
        cells.push(match kind {
            Kind::Text => Cell::Text(row.get(name)?),
            Kind::Integer => Cell::Integer(row.get(name)?),
            Kind::Bytes => Cell::Bytes(row.get(name)?),
            Kind::Bool => Cell::Bool(row.get(name)?),
            Kind::Maybe => Cell::Maybe(row.get(name)?),
        });
    }
    cells
        .try_into()
        .map_err(|_| StoreError::Corrupt(format!("a row of {}", table.table)))
}
