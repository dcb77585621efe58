//! `dcnet round`.

mod rosters;
mod watch;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::output::{self, few};
use super::{CliError, JsonArg, NetArg, Outcome, StoreArg};
use crate::service::{Admin, RoundView, WrongShareView};

/// Rounds that are final, and their sums.
#[derive(Debug, Subcommand)]
pub(super) enum Round {
    /// List rounds with their sums.
    #[command(after_help = "Examples:\n  dcnet round list elbe-4\n  \
        dcnet round list elbe-4 --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z --json")]
    List(List),
    /// Show one round: its sum, who contributed, who was missing.
    ///
    /// In a double-mask net also whose self-masks were not recovered, and shares that did not fit,
    /// each with the member that dealt it and the one that holds it: one of the two is at fault.
    #[command(after_help = "Example:\n  dcnet round show elbe-4 1984023")]
    Show(Show),
    /// Show the rosters of one round: the provider's signed word on whose frames it has.
    ///
    /// In a double-mask net, also of a round that is not final. The first roster names those who
    /// submitted; each further one names fewer, as some do not answer. With --json also as they
    /// were signed, so that they can be held against what a gateway was shown.
    #[command(after_help = "Examples:\n  dcnet round rosters elbe-4 1984023\n  \
        dcnet round rosters elbe-4 1984023 --json | jq '.[] | {step, absent_names}'")]
    Rosters(rosters::Rosters),
    /// Watch rounds as they become final.
    ///
    /// On a terminal the latest rounds stand in a table that is kept up to date, until Ctrl-C, which ends
    /// with exit code 0. With --json, or where there is no terminal, each round is one line of JSON, that
    /// of `dcnet round show --json`, as soon as the round is final. The store is asked every sixtieth of
    /// the shortest interval, every second at most and every 10 seconds at least.
    #[command(after_help = "Examples:\n  dcnet round watch elbe-4 elbe-5\n  \
        dcnet round watch elbe-4 --json | jq -r 'select(.status != \"complete\") | .round'\n  \
        dcnet round watch elbe-4 --from 2026-11-01T00:00:00Z --json >>rounds.jsonl")]
    Watch(watch::Watch),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    net: NetArg,
    #[command(flatten)]
    range: RangeArgs,
    /// The latest so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 96)]
    limit: u32,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    net: NetArg,
    /// Number of the round, as `dcnet round list` shows it.
    #[arg(value_name = "ROUND")]
    round: u64,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// A range of time.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RangeArgs {
    /// Rounds whose interval begins at this time or later, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<Timestamp>,
    /// Rounds whose interval begins before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<Timestamp>,
}

impl Round {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Rosters(rosters) => rosters.run().await,
            Self::Watch(watch) => watch.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let RangeArgs { from, to } = self.range;
        let (_, rounds) = admin
            .rounds(self.net.net, from, to, Some(self.limit))
            .await?;
        admin.close().await;
        if self.json.json {
            output::json(&rounds)?;
        } else {
            output::table(
                ["round", "start", "status", "readings", "missing", "sum"],
                rounds.iter().map(|round| {
                    [
                        round.round.to_string(),
                        round.start.clone(),
                        round.status.to_owned(),
                        format!("{} of {}", round.contributors.len(), round.members),
                        few(&round.missing, 3),
                        sum(round),
                    ]
                }),
            )?;
        }
        Ok(Outcome::Done)
    }
}

impl Show {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let round = admin.round(self.net.net, self.round).await?;
        admin.close().await;
        if self.json.json {
            output::json(&round)?;
            return Ok(Outcome::Done);
        }
        let status = reasoned(round.status, round.reason.as_deref());
        output::pairs(&[
            ("net", round.net.clone()),
            ("round", round.round.to_string()),
            ("start", round.start.clone()),
            ("end", round.end.clone()),
            ("epoch", round.epoch.to_string()),
            ("status", status),
            ("members", round.members.to_string()),
            ("contributors", few(&round.contributors, usize::MAX)),
            ("silent", few(&round.silent, usize::MAX)),
            ("missing", few(&round.missing, usize::MAX)),
            ("wrong shares", wrong_shares(&round.wrong_shares)),
            ("not recovered", few(&round.unrecovered, usize::MAX)),
            ("sum", sum(&round)),
        ])?;
        Ok(Outcome::Done)
    }
}

/// A status, and why there is no sum.
pub(super) fn reasoned(status: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{status}: {reason}"),
        None => status.to_owned(),
    }
}

/// All shares that did not fit in one line.
pub(super) fn wrong_shares(shares: &[WrongShareView]) -> String {
    let shares: Vec<String> = shares
        .iter()
        .map(|share| format!("dealer {} holder {}", share.dealer, share.holder))
        .collect();
    if shares.is_empty() {
        "-".to_owned()
    } else {
        shares.join("; ")
    }
}

/// All slots of a sum in one line.
pub(super) fn sum(round: &RoundView) -> String {
    match &round.sums {
        None => "-".to_owned(),
        Some(sums) => sums
            .iter()
            .map(|sum| format!("{} = {} {}", sum.obis, sum.value, sum.unit))
            .collect::<Vec<_>>()
            .join("; "),
    }
}
