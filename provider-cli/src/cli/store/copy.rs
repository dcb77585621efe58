//! `dcnet store backup` and `dcnet store restore`.

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::progress::Progress;
use crate::cli::{CliError, JsonArg, Outcome, StoreArg, output};
use crate::service::Admin;
use crate::service::care::{BackupError, Copied, Step};

/// Arguments of `dcnet store backup`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Backup {
    /// The new file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Arguments of `dcnet store restore`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// A backup that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct BackupView {
    backup: String,
    /// Of all tables.
    rows: u64,
    tables: Vec<CopiedTable>,
}

/// A store into which a backup was restored.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RestoredView {
    store: String,
    /// Of all tables.
    rows: u64,
    tables: Vec<CopiedTable>,
}

/// A table that was copied.
#[derive(Debug, Serialize, JsonSchema)]
struct CopiedTable {
    table: &'static str,
    rows: u64,
}

impl Backup {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let mut copying = Copying::begin("reading");
        let copied = admin
            .backup(&self.file, |copied| copying.copies(copied))
            .await;
        admin.close().await;
        let copied = copied?;
        copying.progress.end();
        let view = BackupView {
            backup: self.file.display().to_string(),
            rows: rows(&copied),
            tables: tables(&copied),
        };
        if self.json.json {
            output::json(&view)?;
        } else {
            output::pairs(&[("backup", view.backup), ("rows", view.rows.to_string())])?;
        }
        Ok(Outcome::Done)
    }
}

impl Restore {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::create_or_open(&self.store.store).await?;
        let mut copying = Copying::begin("checking the backup");
        let copied = admin
            .restore(&self.file, |step| match step {
                Step::Checks(net) => copying.progress.at(format!("checking net {net}")),
                Step::Copies(copied) => copying.copies(copied),
            })
            .await;
        admin.close().await;
        let copied = copied.map_err(|error: BackupError| CliError::Backup(error))?;
        copying.progress.end();
        let view = RestoredView {
            store: self.store.store.to_string(),
            rows: rows(&copied),
            tables: tables(&copied),
        };
        if self.json.json {
            output::json(&view)?;
        } else {
            output::pairs(&[("restored", view.store), ("rows", view.rows.to_string())])?;
        }
        Ok(Outcome::Done)
    }
}

fn rows(copied: &[Copied]) -> u64 {
    copied.iter().map(|copied| copied.rows).sum()
}

fn tables(copied: &[Copied]) -> Vec<CopiedTable> {
    let tables = copied.iter().map(|copied| CopiedTable {
        table: copied.table,
        rows: copied.rows,
    });
    tables.collect()
}

/// Which table is copied, and how many rows were, of all tables.
struct Copying {
    progress: Progress,
    /// Of the tables before this one.
    before: u64,
    now: Option<Copied>,
}

impl Copying {
    fn begin(what: &'static str) -> Self {
        Self {
            progress: Progress::rows(what),
            before: 0,
            now: None,
        }
    }

    fn copies(&mut self, copied: Copied) {
        if let Some(last) = self.now.replace(copied)
            && last.table != copied.table
        {
            self.before += last.rows;
        }
        self.progress.done(self.before + copied.rows);
        self.progress.at(copied.table);
    }
}
