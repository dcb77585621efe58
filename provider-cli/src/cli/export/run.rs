//! `dcnet export run` and `dcnet export status`.

use std::path::PathBuf;

use clap::Args;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::super::serve::{LogFormat, start_log, tell_manager};
use super::super::{CliError, JsonArg, Outcome, StoreArg, output};
use crate::export::{Config, ExportError, Exports, Position, Until, positions};
use crate::service::{Admin, AdminError};

const AFTER_HELP: &str = "\
Every exporter has a cursor, and goes on behind it: killed at any moment, nothing is missing
afterwards. What was on its way then comes again under the same key (net, obis, start). A target
that fails is tried again for ever, with pauses up to 5 minutes, and said once; the other exporters
go on.

A configuration, in YAML; relative paths are taken from its folder:
  state: cursors                     # a folder; of this process alone
  poll_seconds: 10                   # between two looks for new rounds
  exporters:
    - name: lake                     # the cursor goes by it
      nets: [elbe-4]                 # default: all of the store
      from: 2026-11-01T00:00:00Z     # default: the first round
      file: {path: sums.jsonl, format: jsonl}             # or csv, influx
    - name: pipe
      stdout: {format: jsonl}
    - name: bus
      mqtt: {host: localhost, port: 1883, topic: dcnet, user: me, password: {file: mqtt.secret}}
    - name: tables
      postgres: {url: \"postgres://dcnet@localhost/grid\", password: {env: PGSECRET}}
    - name: series
      influx: {url: \"http://localhost:8086/write?db=grid\", token: {file: influx.token}}
    - name: hook
      http: {url: \"https://example.org/sums\", ca: roots.pem, token: {file: hook.token}}

Examples:
  dcnet export run --config exports.yaml --check
  dcnet export run --config exports.yaml
  dcnet export run --config exports.yaml --once      # from a timer";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Run {
    /// Which sums go where, YAML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// End when everything that is final has arrived; 1 if something failed.
    #[arg(long)]
    once: bool,
    /// Load the configuration and all secrets, look at the store, say what is wrong, and end.
    #[arg(long, conflicts_with = "once")]
    check: bool,
    /// Form of the log.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    store: StoreArg,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dcnet export status --config exports.yaml --json")]
pub(in crate::cli) struct Status {
    /// What `dcnet export run` was given.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl Run {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        start_log(self.log_format);
        if self.check {
            let checked = self.look().await;
            return checked.map_err(|error| CliError::Check(Box::new(error)));
        }
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
        let config = Config::from_file(&self.config).map_err(ExportError::from)?;
        config.check().map_err(ExportError::from)?;
        let admin = Admin::open(&self.store.store).await?;
        let exports = Exports::open(&config)?;
        for exporter in &config.exporters {
            let (nets, target) = (exporter.nets.as_deref(), exporter.sink.target());
            let noted = admin.note_exporter(&exporter.name, nets, &target).await;
            noted.map_err(AdminError::from)?;
        }
        let until = if self.once {
            Until::UpToDate
        } else {
            Until::Stopped
        };
        tell_manager(&[NotifyState::Ready]);
        tokio::select! {
            ended = exports.run(admin, until) => ended?,
            // Cursors are always behind what has arrived: there is nothing to finish.
            _ = terminate.recv() => tracing::info!("SIGTERM"),
            _ = interrupt.recv() => tracing::info!("SIGINT"),
        }
        tell_manager(&[NotifyState::Stopping]);
        Ok(Outcome::Done)
    }

    async fn look(&self) -> Result<Outcome, CliError> {
        let config = Config::from_file(&self.config).map_err(ExportError::from)?;
        config.check().map_err(ExportError::from)?;
        let admin = Admin::open(&self.store.store).await?;
        for net in config
            .exporters
            .iter()
            .flat_map(|exporter| exporter.nets.iter().flatten())
        {
            admin.series(*net).await?;
        }
        output::text("ready to export")?;
        Ok(Outcome::Done)
    }
}

impl Status {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let config = Config::from_file(&self.config).map_err(ExportError::from)?;
        let admin = Admin::open(&self.store.store).await?;
        let positions = positions(&config, &admin).await?;
        admin.close().await;
        if self.json.json {
            output::json(&positions)?;
        } else {
            let number = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
            let head = [
                "exporter", "sink", "net", "round", "newest", "waiting", "error",
            ];
            let row = |position: Position| {
                [
                    position.exporter,
                    position.sink.to_owned(),
                    position.net,
                    number(position.round),
                    number(position.newest),
                    number(position.waiting),
                    position.error.unwrap_or_default(),
                ]
            };
            output::table(head, positions.into_iter().map(row))?;
        }
        Ok(Outcome::Done)
    }
}
