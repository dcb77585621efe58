//! Where values go. A delivery has arrived, durably as far as the target promises it, when
//! [`Sink::deliver`] returns; before that it may have arrived in part, and comes again as it was.

mod file;
pub(super) mod http;
pub(super) mod mqtt;
pub(super) mod postgres;
mod tls;

use std::io::Write as _;

use dcnet_protocol::names::NetId;

use super::config::{ExporterConfig, SinkConfig};
use super::cursor::Cursor;
use super::secret::SecretError;
use super::{ExportError, Format, Value, influx_lines};

/// Of a password that nobody would be told.
const NO_USER: &str = "`password` needs `user`";

/// Why a target cannot be addressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("url: {0}")]
    Url(String),
    /// Keys of the configuration that do not go together.
    #[error("{0}")]
    Keys(&'static str),
    #[error(
        "table is a name of small letters, digits and '_', with or without a schema: SCHEMA.TABLE"
    )]
    Table,
    #[error("the roots {}: {reason}", path.display())]
    Roots {
        path: std::path::PathBuf,
        reason: String,
    },
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// The values of some rounds of one net, the newest of which is `last`.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    pub(super) net: NetId,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) values: &'a [Value],
}

/// One exporter's way to its target, and how far it is there.
pub(super) struct Sink {
    name: String,
    cursor: Cursor,
    target: Target,
}

enum Target {
    File(file::FileSink),
    Stdout(Format),
    Mqtt(mqtt::MqttSink),
    /// Has the cursor in itself.
    Postgres(Box<postgres::PostgresSink>),
    Influx(http::HttpSink),
    Http(http::HttpSink),
}

impl Sink {
    /// A way to the target; no connection is made yet.
    pub(super) fn new(config: &ExporterConfig, cursor: Cursor) -> Result<Self, SinkError> {
        let name = config.name.clone();
        let target = match &config.sink {
            SinkConfig::File(config) => Target::File(file::FileSink::new(config.clone())),
            SinkConfig::Stdout(config) => Target::Stdout(config.format),
            SinkConfig::Mqtt(config) => Target::Mqtt(mqtt::MqttSink::new(config.clone(), &name)?),
            SinkConfig::Postgres(config) => {
                let sink = postgres::PostgresSink::new(config.clone(), &name)?;
                Target::Postgres(Box::new(sink))
            }
            SinkConfig::Influx(config) => Target::Influx(http::HttpSink::new(config.clone())?),
            SinkConfig::Http(config) => Target::Http(http::HttpSink::new(config.clone())?),
        };
        Ok(Self {
            name,
            cursor,
            target,
        })
    }

    /// The newest round of a net that has arrived.
    pub(super) async fn reached(&mut self, net: NetId) -> Result<Option<u64>, ExportError> {
        match &mut self.target {
            Target::Postgres(sink) => sink.reached(net).await,
            _ => Ok(self.cursor.reached.rounds.get(net.as_str()).copied()),
        }
    }

    /// Brings values to the target and moves the cursor behind them.
    pub(super) async fn deliver(&mut self, delivery: Delivery<'_>) -> Result<(), ExportError> {
        let Delivery {
            net, last, values, ..
        } = delivery;
        match &mut self.target {
            Target::Postgres(sink) => return sink.deliver(net, last, values).await,
            Target::File(sink) => sink.append(values, &mut self.cursor)?,
            Target::Stdout(format) => {
                let mut bytes = Vec::new();
                if self.cursor.reached.rounds.is_empty() {
                    format.begin(&mut bytes)?;
                }
                format.write(values, &mut bytes)?;
                let mut out = std::io::stdout().lock();
                out.write_all(&bytes)?;
                out.flush()?;
            }
            Target::Mqtt(sink) => sink.publish(values).await?,
            Target::Influx(sink) => {
                let body = influx_lines(values).into_bytes();
                sink.post("text/plain; charset=utf-8", body, None).await?;
            }
            Target::Http(sink) => {
                let lines: Vec<_> = values.iter().map(Value::line).collect();
                let body = serde_json::to_vec(&lines).map_err(std::io::Error::from)?;
                let key = format!("{}/{net}/{}-{last}", self.name, delivery.first);
                sink.post("application/json", body, Some(&key)).await?;
            }
        }
        self.cursor.reached.rounds.insert(net.to_string(), last);
        self.cursor.save()
    }
}
