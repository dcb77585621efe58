//! How far exporters are.

use schemars::JsonSchema;
use serde::Serialize;

use super::ExportError;
use super::config::{Config, ExportConfigError};
use super::cursor::Cursor;
use super::sink::Sink;
use crate::service::Admin;

/// How far one exporter is with one net.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Position {
    pub(crate) exporter: String,
    pub(crate) sink: &'static str,
    pub(crate) net: String,
    /// The newest round that has arrived.
    pub(crate) round: Option<u64>,
    /// The newest round that is final.
    pub(crate) newest: Option<u64>,
    /// Rounds between the two; all that are kept, if nothing has arrived yet and `from` is not given.
    pub(crate) waiting: Option<u64>,
    /// Why the cursor could not be read.
    pub(crate) error: Option<String>,
}

/// Reads all cursors; those that stand in a database from there.
pub(crate) async fn positions(
    config: &Config,
    admin: &Admin,
) -> Result<Vec<Position>, ExportError> {
    let mut positions = Vec::new();
    for exporter in &config.exporters {
        let cursor = Cursor::load(&config.state, &exporter.name)?;
        let sink = Sink::new(exporter, cursor);
        let mut sink = sink.map_err(|source| ExportConfigError::Sink {
            name: exporter.name.clone(),
            source,
        })?;
        let nets = match &exporter.nets {
            Some(nets) => nets.clone(),
            None => admin.net_names().await?,
        };
        for net in nets {
            let newest = admin.last_final(net).await?;
            let (round, error) = match sink.reached(net).await {
                Ok(round) => (round, None),
                Err(error) => (None, Some(error.to_string())),
            };
            let waiting = newest
                .zip(round)
                .map(|(newest, round)| newest.saturating_sub(round));
            positions.push(Position {
                exporter: exporter.name.clone(),
                sink: exporter.sink.kind(),
                net: net.to_string(),
                round,
                newest,
                waiting,
                error,
            });
        }
    }
    Ok(positions)
}
