//! Which sums go where: the file that `dcnet export run` takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dcnet_protocol::names::NetId;
use jiff::Timestamp;
use serde::Deserialize;

use super::Format;
use super::secret::{Secret, SecretError};
use super::sink::SinkError;
use super::sink::http::HttpConfig;
use super::sink::mqtt::MqttConfig;
use super::sink::postgres::PostgresConfig;

/// Largest configuration file that is looked at, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// Longest name of an exporter.
const MAX_NAME: usize = 40;

/// The exporters of one process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder of the cursors; of this process alone.
    pub(crate) state: PathBuf,
    /// Seconds between two looks for new rounds.
    #[serde(default = "ten")]
    poll_seconds: u32,
    pub(crate) exporters: Vec<ExporterConfig>,
}

/// One exporter: some nets, and where their values go.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Keys")]
pub(crate) struct ExporterConfig {
    /// Its cursor goes by this name.
    pub(crate) name: String,
    /// None for all nets of the store, also those that are created later.
    pub(crate) nets: Option<Vec<NetId>>,
    /// Where a net begins of which nothing was exported yet; none for its first round.
    pub(crate) from: Option<Timestamp>,
    pub(crate) sink: SinkConfig,
}

/// Where values go.
#[derive(Debug, Clone)]
pub(crate) enum SinkConfig {
    File(FileConfig),
    Stdout(StdoutConfig),
    Mqtt(MqttConfig),
    Postgres(PostgresConfig),
    /// InfluxDB's `/write`.
    Influx(HttpConfig),
    /// JSON, to anything.
    Http(HttpConfig),
}

/// A file that grows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileConfig {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
}

/// Standard output.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdoutConfig {
    pub(crate) format: Format,
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportConfigError {
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration {} has more than {MAX_FILE} bytes", .0.display())]
    Size(PathBuf),
    #[error("the configuration {}: {source}", path.display())]
    Syntax {
        path: PathBuf,
        source: serde_yaml::Error,
    },
    #[error("the configuration {} names no exporters", .0.display())]
    Nothing(PathBuf),
    #[error("the configuration {}: {what}; each exporter needs one of its own", path.display())]
    Twice { path: PathBuf, what: String },
    #[error("exporter {name}: {source}")]
    Secret { name: String, source: SecretError },
    #[error("exporter {name}: {source}")]
    Sink { name: String, source: SinkError },
}

/// An exporter as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    name: String,
    #[serde(default)]
    nets: Option<Vec<String>>,
    from: Option<String>,
    file: Option<FileConfig>,
    stdout: Option<StdoutConfig>,
    mqtt: Option<MqttConfig>,
    postgres: Option<PostgresConfig>,
    influx: Option<HttpConfig>,
    http: Option<HttpConfig>,
}

impl TryFrom<Keys> for ExporterConfig {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let name = keys.name;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
            return Err(format!(
                "the name {name:?} of an exporter: use 1 to {MAX_NAME} letters, digits, '-' and '_'"
            ));
        }
        let sinks = [
            keys.file.map(SinkConfig::File),
            keys.stdout.map(SinkConfig::Stdout),
            keys.mqtt.map(SinkConfig::Mqtt),
            keys.postgres.map(SinkConfig::Postgres),
            keys.influx.map(SinkConfig::Influx),
            keys.http.map(SinkConfig::Http),
        ];
        let mut sinks = sinks.into_iter().flatten();
        let (Some(sink), None) = (sinks.next(), sinks.next()) else {
            return Err(format!(
                "exporter {name} needs exactly one of file, stdout, mqtt, postgres, influx and http"
            ));
        };
        let nets = keys.nets.map(|nets| {
            let nets = nets.iter().map(|net| {
                net.parse()
                    .map_err(|error| format!("exporter {name}, net {net:?}: {error}"))
            });
            nets.collect::<Result<Vec<NetId>, String>>()
        });
        let from = keys.from.map(|from| {
            from.parse().map_err(|_| {
                format!("exporter {name}: from is a time such as 2026-11-01T00:00:00Z")
            })
        });
        Ok(Self {
            nets: nets.transpose()?,
            from: from.transpose()?,
            sink,
            name,
        })
    }
}

impl Config {
    /// Reads a YAML file; relative paths in it are taken from its folder.
    pub(crate) fn from_file(path: &Path) -> Result<Self, ExportConfigError> {
        let read = |source| ExportConfigError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > MAX_FILE {
            return Err(ExportConfigError::Size(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let mut config: Self =
            serde_yaml::from_str(&text).map_err(|source| ExportConfigError::Syntax {
                path: path.to_owned(),
                source,
            })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.state = folder.join(&config.state);
        for exporter in &mut config.exporters {
            exporter.sink.beside(folder);
        }
        if config.exporters.is_empty() {
            return Err(ExportConfigError::Nothing(path.to_owned()));
        }
        let mut taken = BTreeSet::new();
        for exporter in &config.exporters {
            let name = format!("the name {} is given twice", exporter.name);
            let target = match &exporter.sink {
                SinkConfig::File(file) => {
                    Some(format!("the file {} is named twice", file.path.display()))
                }
                SinkConfig::Stdout(_) => Some("standard output is named twice".to_owned()),
                _ => None,
            };
            for what in [Some(name), target].into_iter().flatten() {
                if !taken.insert(what.clone()) {
                    let path = path.to_owned();
                    return Err(ExportConfigError::Twice { path, what });
                }
            }
        }
        Ok(config)
    }

    /// Looks whether the secrets can be read and the targets are addressed in a way that works;
    /// connects to none.
    pub(crate) fn check(&self) -> Result<(), ExportConfigError> {
        for exporter in &self.exporters {
            let name = || exporter.name.clone();
            if let Some(secret) = exporter.sink.secret() {
                let read = secret.read();
                read.map_err(|source| ExportConfigError::Secret {
                    name: name(),
                    source,
                })?;
            }
            let usable = exporter.sink.check();
            usable.map_err(|source| ExportConfigError::Sink {
                name: name(),
                source,
            })?;
        }
        Ok(())
    }

    /// Between two looks for new rounds.
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds.max(1).into())
    }
}

impl SinkConfig {
    /// What kind of sink it is, as the configuration names it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Stdout(_) => "stdout",
            Self::Mqtt(_) => "mqtt",
            Self::Postgres(_) => "postgres",
            Self::Influx(_) => "influx",
            Self::Http(_) => "http",
        }
    }

    /// What kind it is and where it goes, for people: no user, no secret, and of an address over HTTP no
    /// more than the server, since some have secrets in their paths.
    pub(crate) fn target(&self) -> String {
        let kind = self.kind();
        match self {
            Self::File(file) => {
                let path = std::path::absolute(&file.path);
                let path = path.as_ref().unwrap_or(&file.path);
                format!("{kind} {}", path.display())
            }
            Self::Stdout(_) => "standard output".to_owned(),
            Self::Mqtt(mqtt) => format!("{kind} {}:{}, {}/…", mqtt.host, mqtt.port(), mqtt.topic),
            Self::Postgres(postgres) => format!("{kind} {}", postgres.place()),
            Self::Influx(http) | Self::Http(http) => format!("{kind} {}", http.server()),
        }
    }

    fn check(&self) -> Result<(), SinkError> {
        match self {
            Self::File(_) | Self::Stdout(_) => Ok(()),
            Self::Mqtt(mqtt) => mqtt.transport().map(drop),
            Self::Postgres(postgres) => postgres.options().map(drop),
            Self::Influx(http) | Self::Http(http) => http.client().map(drop),
        }
    }

    const fn secret(&self) -> Option<&Secret> {
        match self {
            Self::File(_) | Self::Stdout(_) => None,
            Self::Mqtt(mqtt) => mqtt.password.as_ref(),
            Self::Postgres(postgres) => postgres.password.as_ref(),
            Self::Influx(http) | Self::Http(http) => match &http.token {
                None => http.password.as_ref(),
                token => token.as_ref(),
            },
        }
    }

    fn beside(&mut self, folder: &Path) {
        let (secrets, paths): (Vec<&mut Option<Secret>>, Vec<&mut PathBuf>) = match self {
            Self::File(file) => (Vec::new(), vec![&mut file.path]),
            Self::Stdout(_) => (Vec::new(), Vec::new()),
            Self::Mqtt(mqtt) => (vec![&mut mqtt.password], mqtt.ca.iter_mut().collect()),
            Self::Postgres(postgres) => (vec![&mut postgres.password], Vec::new()),
            Self::Influx(http) | Self::Http(http) => (
                vec![&mut http.token, &mut http.password],
                http.ca.iter_mut().collect(),
            ),
        };
        for secret in secrets.into_iter().flatten() {
            secret.beside(folder);
        }
        for path in paths {
            *path = folder.join(&*path);
        }
    }
}

const fn ten() -> u32 {
    10
}
