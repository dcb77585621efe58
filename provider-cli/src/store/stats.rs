//! How much is stored.

use super::database::Pool;
use super::{Location, Store, StoreError};

/// The tables that hold something of nets, in the order in which they are shown.
macro_rules! tables {
    ($then:ident) => {
        [
            $then!("nets", "length(descriptor) + length(authority) + 8"),
            $then!("members", "length(client) + length(record)"),
            $then!(
                "key_packages",
                "length(hash) + length(signed) + length(package)"
            ),
            $then!("membership_log", "8 + length(entry)"),
            $then!("draw_lists", "8 + length(record)"),
            $then!("epochs", "16 + length(record)"),
            $then!("rounds", "8 + length(outcome)"),
            $then!("rosters", "16 + length(roster)"),
            $then!("inbox", "length(client) + 8 + length(message)"),
            $then!("inbox_heads", "length(client) + 8"),
            $then!(
                "frames",
                "length(client) + 17 + length(words) + length(hash) + COALESCE(length(mask), 0)"
            ),
            $then!(
                "resent",
                "length(client) + 17 + length(words) + length(hash)"
            ),
            $then!(
                "answers",
                "length(client) + 16 + length(answer) + length(hash)"
            ),
            $then!("corrections", "8 + length(missing) + length(asked)"),
            $then!(
                "orders",
                "32 + length(kind) + length(member) + length(reason) + length(asked_by) + length(outcome) + length(detail) + length(record)"
            ),
        ]
    };
}

macro_rules! rows {
    ($table:literal, $bytes:literal) => {
        (
            $table,
            concat!(
                "SELECT net, COUNT(*) AS held, CAST(SUM(length(net) + ",
                $bytes,
                ") AS BIGINT) AS bytes FROM ",
                $table,
                " GROUP BY net ORDER BY net"
            ),
        )
    };
}

macro_rules! name {
    ($table:literal, $bytes:literal) => {
        $table
    };
}

const ROWS: [(&str, &str); 15] = tables!(rows);
/// Of no net.
const TRAIL: (&str, &str) = (
    "audit_trail",
    "SELECT '' AS net, COUNT(*) AS held, \
     CAST(COALESCE(SUM(8 + length(entry) + length(hash)), 0) AS BIGINT) AS bytes FROM audit_trail",
);
const TABLES: [&str; 15] = tables!(name);

/// What a net has in a table.
#[derive(Debug, Clone)]
pub(crate) struct TableRows {
    /// Empty for a table that is of no net.
    pub(crate) net: String,
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    /// Of all columns, without keys and what the database needs itself.
    pub(crate) bytes: u64,
}

/// A table with its indexes.
#[derive(Debug, Clone)]
pub(crate) struct TableBytes {
    pub(crate) table: &'static str,
    /// Pages that it takes.
    pub(crate) bytes: u64,
}

impl Store {
    /// Rows and bytes of every net in every table in which it has some; `progress` is told the table that
    /// comes next.
    pub(crate) async fn table_rows(
        &self,
        mut progress: impl FnMut(&'static str),
    ) -> Result<Vec<TableRows>, StoreError> {
        let mut all = Vec::new();
        for (table, statement) in ROWS.into_iter().chain([TRAIL]) {
            progress(table);
            for row in self.readers.all("measure a table", statement, &[]).await? {
                all.push(TableRows {
                    net: row.get("net")?,
                    table,
                    rows: row.number("held")?,
                    bytes: row.number("bytes")?,
                });
            }
        }
        Ok(all)
    }

    /// What every table takes in the file or database; `progress` is told the table that comes next.
    pub(crate) async fn table_bytes(
        &self,
        mut progress: impl FnMut(&'static str),
    ) -> Result<Vec<TableBytes>, StoreError> {
        let statement = match self.readers {
            Pool::Sqlite(_) => {
                "SELECT CAST(COALESCE(SUM(pgsize), 0) AS BIGINT) AS bytes FROM dbstat WHERE aggregate = TRUE \
                 AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = $1)"
            }
            Pool::Postgres(_) => "SELECT pg_total_relation_size(to_regclass($1)) AS bytes",
        };
        let mut all = Vec::new();
        for table in TABLES.into_iter().chain([TRAIL.0]) {
            progress(table);
            let row = self
                .readers
                .first("measure a table", statement, &[table.into()])
                .await?;
            let bytes = row.map_or(Ok(0), |row| row.number("bytes"))?;
            all.push(TableBytes { table, bytes });
        }
        Ok(all)
    }

    /// Bytes of the file or database.
    pub(crate) async fn size(&self) -> Result<u64, StoreError> {
        let statement = match self.readers {
            Pool::Sqlite(_) => {
                "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()"
            }
            Pool::Postgres(_) => "SELECT pg_database_size(current_database()) AS bytes",
        };
        let row = self
            .readers
            .first("measure the store", statement, &[])
            .await?;
        row.map_or(Ok(0), |row| row.number("bytes"))
    }

    /// Bytes of the write-ahead log beside a file. That of a PostgreSQL server is of all its databases.
    pub(crate) fn log_size(&self) -> Option<u64> {
        let Location::File(path) = &self.location else {
            return None;
        };
        let mut name = path.clone().into_os_string();
        name.push("-wal");
        Some(std::fs::metadata(name).map_or(0, |metadata| metadata.len()))
    }

    /// Number of the newest migration.
    pub(crate) async fn schema_version(&self) -> Result<u64, StoreError> {
        let statement = "SELECT MAX(version) AS version FROM _sqlx_migrations";
        let row = self
            .readers
            .first("tell its schema", statement, &[])
            .await?;
        row.map_or(Ok(0), |row| row.number("version"))
    }
}
