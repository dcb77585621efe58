//! `dcnet correction`.

use clap::{Args, Subcommand};

use super::order::Retry;
use super::output::{self, few};
use super::round::{RangeArgs, reasoned, wrong_shares};
use super::{CliError, JsonArg, NetArg, Outcome, StoreArg};
use crate::service::{Admin, CorrectionView};

/// Rounds in which somebody was missing, or that have no sum.
#[derive(Debug, Subcommand)]
pub(super) enum Correction {
    /// List corrections: those under way, and what came of those that are over.
    ///
    /// Steps are the rosters of a round in a double-mask net: what was asked for, and of how many. A
    /// round whose readings were too few, or in which the provider itself was not there, is listed as
    /// failed, whether or not anybody was missing.
    #[command(after_help = "Examples:\n  dcnet correction list elbe-4\n  \
        dcnet correction list elbe-4 --json | jq -r '.[].missing[]' | sort | uniq -c")]
    List(List),
    /// Show one correction.
    ///
    /// Exit code 4 if there is none: the round was complete, or is not known.
    #[command(after_help = "Example:\n  dcnet correction show elbe-4 1984023")]
    Show(Show),
    /// Send the request to resend once more to those who have not answered it.
    ///
    /// For a `resend` net with an open correction whose window has not closed. What is sent is the same
    /// request, to the byte: a second one of another content would tell pads. Gateways of a net with double
    /// masks ask for rosters themselves until they have answered; there is nothing to send again. Exit code 1 if
    /// the order is refused, with the reason; 5 if no server takes it in time.
    #[command(after_help = "Example:\n  dcnet correction retry elbe-4 1984023")]
    Retry(Retry),
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
    /// Number of the round, as `dcnet correction list` shows it.
    #[arg(value_name = "ROUND")]
    round: u64,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl Correction {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Retry(retry) => retry.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let RangeArgs { from, to } = self.range;
        let corrections = admin
            .corrections(self.net.net, from, to, self.limit)
            .await?;
        admin.close().await;
        if self.json.json {
            output::json(&corrections)?;
            return Ok(Outcome::Done);
        }
        output::table(
            [
                "round",
                "start",
                "status",
                "missing",
                "steps",
                "wrong shares",
                "not recovered",
            ],
            corrections.iter().map(|it| {
                [
                    it.round.to_string(),
                    it.start.clone(),
                    reasoned(it.status, it.reason.as_deref()),
                    few(&it.missing, 3),
                    steps(it),
                    it.wrong_shares.len().to_string(),
                    few(&it.unrecovered, 3),
                ]
            }),
        )?;
        Ok(Outcome::Done)
    }
}

impl Show {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let it = admin.correction(self.net.net, self.round).await?;
        admin.close().await;
        if self.json.json {
            output::json(&it)?;
            return Ok(Outcome::Done);
        }
        output::pairs(&[
            ("net", it.net.clone()),
            ("round", it.round.to_string()),
            ("start", it.start.clone()),
            ("status", reasoned(it.status, it.reason.as_deref())),
            (
                "members",
                it.members.map_or("-".to_owned(), |it| it.to_string()),
            ),
            ("missing", few(&it.missing, usize::MAX)),
            ("asked to resend", few(&it.asked, usize::MAX)),
            ("steps", steps(&it)),
            ("wrong shares", wrong_shares(&it.wrong_shares)),
            ("not recovered", few(&it.unrecovered, usize::MAX)),
        ])?;
        Ok(Outcome::Done)
    }
}

/// All rosters in one line.
fn steps(correction: &CorrectionView) -> String {
    let steps: Vec<String> = correction
        .steps
        .iter()
        .map(|it| {
            let what = it.asks_for.replace('-', " ");
            format!("{}: {what} of {} of {}", it.step, it.present, it.members)
        })
        .collect();
    if steps.is_empty() {
        "-".to_owned()
    } else {
        steps.join("; ")
    }
}
