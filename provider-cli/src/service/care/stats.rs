//! `dcnet store stats`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::service::{Admin, AdminError};

/// How much a store holds.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct StoreStats {
    pub(crate) store: String,
    /// Number of the newest migration.
    pub(crate) schema_version: u64,
    /// Bytes of the file or database, free pages included.
    pub(crate) bytes: u64,
    /// Bytes of the write-ahead log beside a file; none of a database, whose log is that of its server.
    pub(crate) log_bytes: Option<u64>,
    pub(crate) tables: Vec<TableStats>,
    pub(crate) nets: Vec<NetStats>,
}

/// A table, of all nets.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct TableStats {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    /// Bytes of what its columns hold, counted.
    pub(crate) content_bytes: u64,
    /// Bytes of the pages of the table and its indexes, partly filled ones included.
    pub(crate) disk_bytes: u64,
}

/// A net, and what it has in each table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NetStats {
    pub(crate) net: String,
    pub(crate) oldest_round: Option<u64>,
    pub(crate) newest_round: Option<u64>,
    /// Superpositions held of rounds that are not final.
    pub(crate) frames_held: u64,
    pub(crate) tables: Vec<NetTable>,
}

/// What a net has in a table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NetTable {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    /// Bytes of what its columns hold, counted.
    pub(crate) content_bytes: u64,
}

impl Admin {
    /// Measures the store; `progress` is told the table that comes next, of each first its rows, then its
    /// pages.
    pub(crate) async fn stats(
        &self,
        mut progress: impl FnMut(&'static str),
    ) -> Result<StoreStats, AdminError> {
        let rows = self.store.table_rows(&mut progress).await?;
        let mut nets = Vec::new();
        for row in self.store.nets().await? {
            let name = row.net.to_string();
            let newest = self.store.outcomes(row.net, None, None, Some(1)).await?;
            nets.push(NetStats {
                oldest_round: self.store.first_round(row.net).await?,
                newest_round: newest.last().map(|(round, _)| *round),
                frames_held: self.store.frames_held(row.net).await?,
                tables: rows
                    .iter()
                    .filter(|rows| rows.net == name)
                    .map(|rows| NetTable {
                        table: rows.table,
                        rows: rows.rows,
                        content_bytes: rows.bytes,
                    })
                    .collect(),
                net: name,
            });
        }
        let on_disk = self.store.table_bytes(&mut progress).await?;
        let tables = on_disk.iter().map(|on_disk| {
            let ours = rows.iter().filter(|rows| rows.table == on_disk.table);
            TableStats {
                table: on_disk.table,
                rows: ours.clone().map(|rows| rows.rows).sum(),
                content_bytes: ours.map(|rows| rows.bytes).sum(),
                disk_bytes: on_disk.bytes,
            }
        });
        Ok(StoreStats {
            store: self.store.location().to_string(),
            schema_version: self.store.schema_version().await?,
            bytes: self.store.size().await?,
            log_bytes: self.store.log_size(),
            tables: tables.collect(),
            nets,
        })
    }
}
