//! `dcnet export`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::round::RangeArgs;
use super::{CliError, NetArg, Outcome, StoreArg};
use crate::files::{self, Access};
use crate::service::{Admin, RoundView, SlotText};

/// Sums for other programs. Energy is written as exact decimals, never as floating-point numbers.
#[derive(Debug, Subcommand)]
pub(super) enum Export {
    /// One line per round, one column per slot.
    ///
    /// Columns: net, round, start, end, epoch, status, reason, members, contributors (their
    /// number), then one per slot named after its OBIS code and unit, then the names of
    /// contributors, silent and missing members, separated by spaces. A failed round has empty
    /// sums: a missing value is never 0.
    #[command(
        after_help = "Example:\n  dcnet export csv elbe-4 --from 2026-11-01T00:00:00Z --out november.csv"
    )]
    Csv(What),
    /// One array of rounds; sums are strings, since JSON's numbers are not exact everywhere.
    #[command(after_help = "Example:\n  dcnet export json elbe-4 | jq '.[].sums'")]
    Json(What),
}

#[derive(Debug, Args)]
pub(super) struct What {
    #[command(flatten)]
    net: NetArg,
    #[command(flatten)]
    range: RangeArgs,
    /// File to write [default: standard output]; never overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
}

type Form = fn(&[SlotText], &[RoundView], &mut dyn Write) -> Result<(), CliError>;

impl Export {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let (what, form): (What, Form) = match self {
            Self::Csv(what) => (what, csv),
            Self::Json(what) => (what, json),
        };
        let admin = Admin::open(&what.store.store).await?;
        let RangeArgs { from, to } = what.range;
        let (slots, rounds) = admin.rounds(what.net.net, from, to, None).await?;
        admin.close().await;
        match what.out {
            None => form(&slots, &rounds, &mut io::stdout().lock())?,
            Some(path) => {
                let mut contents = Vec::new();
                form(&slots, &rounds, &mut contents)?;
                files::create(&path, &contents, Access::Everybody)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn csv(slots: &[SlotText], rounds: &[RoundView], out: &mut dyn Write) -> Result<(), CliError> {
    let mut writer = csv::Writer::from_writer(out);
    let head = [
        "net",
        "round",
        "start",
        "end",
        "epoch",
        "status",
        "reason",
        "members",
        "contributors",
    ];
    let sums = slots
        .iter()
        .map(|slot| format!("{} [{}]", slot.obis, slot.unit));
    let lists = ["contributor_names", "silent_names", "missing_names"].map(str::to_owned);
    writer.write_record(head.map(str::to_owned).into_iter().chain(sums).chain(lists))?;
    for round in rounds {
        let head = [
            round.net.clone(),
            round.round.to_string(),
            round.start.clone(),
            round.end.clone(),
            round.epoch.to_string(),
            round.status.to_owned(),
            round.reason.clone().unwrap_or_default(),
            round.members.to_string(),
            round.contributors.len().to_string(),
        ];
        let sums = slots.iter().enumerate().map(|(index, _)| {
            let sum = round.sums.as_ref().and_then(|sums| sums.get(index));
            sum.map(|sum| sum.value.clone()).unwrap_or_default()
        });
        let lists =
            [&round.contributors, &round.silent, &round.missing].map(|names| names.join(" "));
        writer.write_record(head.into_iter().chain(sums).chain(lists))?;
    }
    writer.flush()?;
    Ok(())
}

fn json(_: &[SlotText], rounds: &[RoundView], mut out: &mut dyn Write) -> Result<(), CliError> {
    serde_json::to_writer_pretty(&mut out, rounds)?;
    writeln!(out)?;
    Ok(())
}
