//! `dcnet round rosters`.

use clap::Args;

use crate::cli::output::{self, few};
use crate::cli::{CliError, JsonArg, NetArg, Outcome, StoreArg};
use crate::service::{Admin, LAST_ROUND, RosterView};

/// Arguments of `dcnet round rosters`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rosters {
    #[command(flatten)]
    net: NetArg,
    /// Number of the round, as `dcnet round list` shows it.
    #[arg(value_name = "ROUND", value_parser = clap::value_parser!(u64).range(..=LAST_ROUND))]
    round: u64,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl Rosters {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let rosters = admin.rosters(self.net.net, self.round).await;
        admin.close().await;
        let rosters = rosters?;
        if self.json.json {
            output::json(&rosters)?;
        } else {
            output::table(
                ["step", "asks for", "present", "readings", "not in it"],
                rosters.iter().map(row),
            )?;
        }
        Ok(Outcome::Done)
    }
}

fn row(roster: &RosterView) -> [String; 5] {
    let step = &roster.step;
    [
        step.step.to_string(),
        step.asks_for.to_owned(),
        format!("{} of {}", step.present, step.members),
        step.contributors.to_string(),
        roster
            .absent_names
            .as_ref()
            .map_or("?".to_owned(), |names| few(names, usize::MAX)),
    ]
}
