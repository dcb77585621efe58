//! `dcnet net log`.

use clap::Args;

use crate::cli::{CliError, JsonArg, NetArg, Outcome, StoreArg, output};
use crate::service::Admin;

/// Arguments of `dcnet net log`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  dcnet net log elbe-4 --json | jq '.[] | select(.kind == \"suspended\")'"
)]
pub(in crate::cli) struct Log {
    #[command(flatten)]
    net: NetArg,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl Log {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let entries = admin.log(self.net.net).await?;
        admin.close().await;
        if self.json.json {
            output::json(&entries)?;
        } else {
            output::table(
                ["index", "kind", "who or what", "round"],
                entries.iter().map(|entry| {
                    [
                        entry.index.to_string(),
                        entry.kind.to_owned(),
                        entry.subject(),
                        entry
                            .round
                            .map_or("-".to_owned(), |round| round.to_string()),
                    ]
                }),
            )?;
        }
        Ok(Outcome::Done)
    }
}
