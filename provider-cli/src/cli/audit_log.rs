//! `dcnet audit-log`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use dcnet_protocol::names::NetId;
use jiff::Timestamp;

use super::progress::Progress;
use super::{CliError, JsonArg, Outcome, StoreArg, output};
use crate::files::{self, Access};
use crate::service::Admin;
use crate::service::audit_trail::{TrailEntryView, TrailFilter, TrailHead, TrailVerified};

/// Bytes of a file with heads that are read.
const MOST_KEPT: u64 = 1024 * 1024;

/// The audit trail: who did what.
#[derive(Debug, Subcommand)]
pub(super) enum AuditLog {
    /// Show the latest entries.
    ///
    /// The names of a command line and of a server are what the system says of whoever runs it; those over
    /// HTTPS are proved by a certificate. What a server prunes by its configuration is in its log only.
    #[command(after_help = "Examples:\n  dcnet audit-log show --net elbe-4\n  \
        dcnet audit-log show --since 2026-11-01T00:00:00Z\n  \
        dcnet audit-log show --action server-started\n  \
        dcnet audit-log show --action exported --json | jq -r '.[].actor'")]
    Show(Show),
    /// Check that entries were only appended.
    ///
    /// Each entry is bound to all before it by a hash. Whoever may write to the database can still write a
    /// whole trail anew, or cut off its end: so an auditor keeps the head that this command prints, and
    /// gives it to the next check. Ends with 3 if something is wrong.
    #[command(after_help = AFTER_VERIFY)]
    Verify(Verify),
}

const AFTER_VERIFY: &str = "\
Examples:
  dcnet audit-log verify
  dcnet audit-log verify --seen 128:94ee059335e587e501cc4bf90613e0814f00a7b08bc7c648fd865a2af6a22cc2
  dcnet audit-log verify --keep /media/auditor/dcnet-heads.txt

With --keep the file is checked and then continued by a line with the new head. Keep it
where those who run the provider cannot write.";

/// Arguments of `dcnet audit-log show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Only what was done with this net.
    #[arg(long, value_name = "NET")]
    net: Option<NetId>,
    /// Only this, such as net-created or exported.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done at this time (RFC 3339) or later.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// The latest so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Arguments of `dcnet audit-log verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A head that was printed before: the trail must begin with what it was then. May be given again.
    #[arg(long, value_name = "SIZE:HASH")]
    seen: Vec<TrailHead>,
    /// A file with such heads, one in each line; the new one is added if all is well.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// What is wrong with a file of heads.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeptError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} has more than {MOST_KEPT} bytes: it is no file of heads", .0.display())]
    TooLong(PathBuf),
    #[error("line {line} of {}: {source}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        source: crate::service::audit_trail::NoHead,
    },
}

impl AuditLog {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::Show(show) => show.run().await,
            Self::Verify(verify) => verify.run().await,
        }
    }
}

impl Show {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let filter = TrailFilter {
            net: self.net,
            action: self.action,
            since: self.since,
        };
        let entries = admin.trail(&filter, self.limit).await;
        admin.close().await;
        let entries = entries?;
        if self.json.json {
            output::json(&entries)?;
        } else {
            output::table(
                ["number", "time", "who", "what", "net", "detail"],
                entries.iter().map(row),
            )?;
        }
        Ok(Outcome::Done)
    }
}

fn row(entry: &TrailEntryView) -> [String; 6] {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        entry.number.to_string(),
        entry.at.clone(),
        entry.actor.to_string(),
        entry.action.as_str().to_owned(),
        if entry.nets.is_empty() {
            or_dash(&entry.net)
        } else {
            entry.nets.join(", ")
        },
        or_dash(&entry.detail),
    ]
}

impl Verify {
    async fn run(self) -> Result<Outcome, CliError> {
        let kept = match &self.keep {
            Some(path) => read_kept(path)?,
            None => String::new(),
        };
        let mut seen = self.seen;
        if let Some(path) = &self.keep {
            seen.extend(heads(path, &kept)?);
        }
        let admin = Admin::open(&self.store.store).await?;
        let progress = Progress::rows("audit trail");
        let verified = admin
            .verify_trail(&seen, |entries| progress.done(entries))
            .await;
        admin.close().await;
        let verified = verified?;
        progress.end();
        let is_well = verified.problems.is_empty();
        if let Some(path) = &self.keep
            && is_well
            && !kept.lines().any(|line| line == verified.head)
        {
            let end = if kept.is_empty() || kept.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            let contents = format!("{kept}{end}{}\n", verified.head);
            files::replace(path, contents.as_bytes(), Access::Everybody)?;
        }
        if self.json.json {
            output::json(&verified)?;
        } else {
            print(&verified)?;
        }
        Ok(if is_well {
            Outcome::Done
        } else {
            Outcome::Problems
        })
    }
}

/// What stands in the file; nothing if it is not there yet.
fn read_kept(path: &Path) -> Result<String, KeptError> {
    let failed = |source| KeptError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = match files::read_at_most(path, MOST_KEPT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        read => read.map_err(failed)?,
    };
    let bytes = bytes.ok_or_else(|| KeptError::TooLong(path.to_owned()))?;
    String::from_utf8(bytes)
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

fn heads(path: &Path, kept: &str) -> Result<Vec<TrailHead>, KeptError> {
    let lines = (1..).zip(kept.lines());
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(line, text)| {
            text.trim().parse().map_err(|source| KeptError::Line {
                path: path.to_owned(),
                line,
                source,
            })
        })
        .collect()
}

fn print(verified: &TrailVerified) -> Result<(), CliError> {
    output::pairs(&[
        ("entries", verified.entries.to_string()),
        ("head", verified.head.clone()),
        ("extends heads seen before", verified.extends.to_string()),
        ("problems", verified.problems.len().to_string()),
    ])?;
    for problem in &verified.problems {
        output::text(problem)?;
    }
    Ok(())
}
