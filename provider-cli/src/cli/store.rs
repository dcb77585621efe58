//! `dcnet store`.

use clap::{Args, Subcommand};

use super::progress::Progress;
use super::{CliError, JsonArg, Outcome, StoreArg, output};
use crate::service::Admin;
use crate::service::care::{Checked, Retention, StoreStats};

mod copy;

pub(super) use copy::{BackupView, RestoredView};

/// What is done with a store as a whole.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Show how much is stored.
    ///
    /// Rows and bytes are counted, which reads every row. What a table takes on disk is the size of its
    /// pages and those of its indexes, so that an empty one takes some, too.
    #[command(
        after_help = "Example:\n  dcnet store stats --json | jq '.nets[] | {net, frames_held}'"
    )]
    Stats(Looking),
    /// Check that everything can be read and fits together.
    ///
    /// The database's own check; then, net by net, every row, the membership log and what an auditor
    /// finds in it, the rosters with their signatures, outcomes, inboxes, and that nothing is left of
    /// superpositions whose round is over. May run beside a server. Ends with 3 if something is wrong.
    #[command(
        after_help = "Example:\n  dcnet store check && dcnet store backup /backup/dcnet-$(date +%F).dcnet"
    )]
    Check(Looking),
    /// Write a backup into a new file.
    #[command(after_help = AFTER_BACKUP)]
    Backup(copy::Backup),
    /// Restore a backup into an empty store.
    #[command(after_help = AFTER_RESTORE)]
    Restore(copy::Restore),
    /// Delete what is older than it is to be kept.
    #[command(after_help = AFTER_PRUNE)]
    Prune(Prune),
}

const AFTER_BACKUP: &str = "\
The backup is one state of the store while servers go on, and it is a file of SQLite whatever the
store is: `dcnet store check`, `round list`, `net audit` and `export` read it with --store FILE.
It is restored into a file or a PostgreSQL database. Nothing is ever overwritten, and there is no
FILE before it is complete.

Superpositions, answers to rosters and corrections of rounds that are not final are not in it. It
has no keys either: back up the signing key apart from it.

To move a store: stop the servers, back up, restore. Nothing is lost but the sum of the round in
progress.

Examples:
  dcnet store backup /backup/dcnet-$(date +%F).dcnet
  dcnet store backup /backup/dcnet-$(date +%F).dcnet --json | jq .rows";

const AFTER_RESTORE: &str = "\
Stop all servers of the old store first and for good. Two that go on from one state contradict
each other, and whoever sees both has proof of it.

Rounds of which the old store may have taken frames are closed: they have no sum. Those that
became final behind the backup are gaps; what was exported of them is all that is left. If the
membership log has grown since the backup, members and witnesses refuse the shorter one: then the
net has to end, and its members join a new one. Compare `dcnet net audit` with what a witness has
cosigned before a server starts.

The backup is checked before, the restored store after it.

Example:
  dcnet store restore /backup/dcnet-2026-11-28.dcnet --store postgres://dcnet@db.example/dcnet";

const AFTER_PRUNE: &str = "\
Nothing is deleted but what is named, and never what an open round or a restart needs. The
membership log and key packages are kept for good: an auditor replays all of it. May run beside a
server; a server does it by itself once a day when its configuration says so (dcnet serve
--help).

An outcome that is deleted cannot be exported any more. Without a roster the provider cannot show
what it signed when a gateway comes back with one; what the gateway has is proof all the same.

Examples:
  dcnet store prune --keep-rosters 365 --dry-run
  dcnet store prune --keep-rounds 1095 --keep-rosters 365 --keep-epochs 365 --keep-left-inboxes 30";

/// Arguments of `stats` and `check`.
#[derive(Debug, Args)]
pub(super) struct Looking {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Arguments of `dcnet store prune`.
#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Days for which outcomes are kept: sums, and who was in them.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_rounds: Option<u32>,
    /// Days for which rosters of final rounds are kept.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_rosters: Option<u32>,
    /// Days for which epochs that are over are kept, and those of which an outcome or roster is kept.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_epochs: Option<u32>,
    /// Days for which messages to gateways that left are kept, since they left.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_left_inboxes: Option<u32>,
    /// Show what would be deleted.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl StoreCommand {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::Stats(stats) => stats.stats().await,
            Self::Check(check) => check.check().await,
            Self::Backup(backup) => backup.run().await,
            Self::Restore(restore) => restore.run().await,
            Self::Prune(prune) => prune.run().await,
        }
    }
}

impl Looking {
    async fn stats(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let progress = Progress::time("measuring");
        let stats = admin
            .stats(|table| progress.at(format!("measuring {table}")))
            .await;
        admin.close().await;
        let stats = stats?;
        progress.end();
        if self.json.json {
            output::json(&stats)?;
        } else {
            print_stats(&stats)?;
        }
        Ok(Outcome::Done)
    }

    async fn check(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let progress = Progress::time("checking the database");
        let checked = admin
            .check(|net| progress.at(format!("checking net {net}")))
            .await;
        admin.close().await;
        let checked = checked?;
        progress.end();
        if self.json.json {
            output::json(&checked)?;
        } else {
            print_checked(&checked)?;
        }
        Ok(if checked.problems.is_empty() {
            Outcome::Done
        } else {
            Outcome::Problems
        })
    }
}

impl Prune {
    async fn run(self) -> Result<Outcome, CliError> {
        let retention = Retention {
            keep_rounds_days: self.keep_rounds,
            keep_rosters_days: self.keep_rosters,
            keep_epochs_days: self.keep_epochs,
            keep_left_inboxes_days: self.keep_left_inboxes,
        };
        let admin = Admin::open(&self.store.store).await?;
        let progress = Progress::time("looking");
        let pruned = admin
            .prune(&retention, self.dry_run, |net| {
                progress.at(format!("net {net}"));
            })
            .await;
        admin.close().await;
        let pruned = pruned?;
        progress.end();
        if self.json.json {
            output::json(&pruned)?;
        } else if retention.keeps_all() {
            output::text("nothing is deleted unless it is named, such as --keep-rosters 365")?;
        } else {
            let head = if self.dry_run {
                "would be deleted"
            } else {
                "deleted"
            };
            output::table(
                ["net", "table", head],
                pruned.iter().map(|pruned| {
                    [
                        pruned.net.clone(),
                        pruned.table.to_owned(),
                        pruned.rows.to_string(),
                    ]
                }),
            )?;
        }
        Ok(Outcome::Done)
    }
}

fn print_stats(stats: &StoreStats) -> Result<(), CliError> {
    let log = stats.log_bytes.map(|bytes| bytes.to_string());
    output::pairs(&[
        ("store", stats.store.clone()),
        ("schema version", stats.schema_version.to_string()),
        ("bytes", stats.bytes.to_string()),
        (
            "bytes of its log",
            log.unwrap_or("- (that of its server)".to_owned()),
        ),
    ])?;
    output::table(
        ["table", "rows", "bytes of content", "bytes on disk"],
        stats.tables.iter().map(|table| {
            [
                table.table.to_owned(),
                table.rows.to_string(),
                table.content_bytes.to_string(),
                table.disk_bytes.to_string(),
            ]
        }),
    )?;
    let round = |round: Option<u64>| round.map_or("-".to_owned(), |round| round.to_string());
    output::table(
        [
            "net",
            "oldest round",
            "newest round",
            "frames held",
            "rows",
            "bytes of content",
        ],
        stats.nets.iter().map(|net| {
            [
                net.net.clone(),
                round(net.oldest_round),
                round(net.newest_round),
                net.frames_held.to_string(),
                net.tables
                    .iter()
                    .map(|table| table.rows)
                    .sum::<u64>()
                    .to_string(),
                net.tables
                    .iter()
                    .map(|table| table.content_bytes)
                    .sum::<u64>()
                    .to_string(),
            ]
        }),
    )
}

fn print_checked(checked: &Checked) -> Result<(), CliError> {
    output::pairs(&[
        ("nets", checked.nets.to_string()),
        ("rounds", checked.rounds.to_string()),
        ("rosters", checked.rosters.to_string()),
        ("log entries", checked.log_entries.to_string()),
        ("messages", checked.messages.to_string()),
        ("problems", checked.problems.len().to_string()),
    ])?;
    for problem in &checked.problems {
        output::text(&format!("{}: {}", problem.kind, problem.text))?;
    }
    Ok(())
}
