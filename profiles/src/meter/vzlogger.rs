//! A vzlogger that reads the meter: it pushes, publishes over MQTT, or is asked over HTTP.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use dcnet_obis::ObisCode;
use serde::Deserialize;

use crate::mqtt::{MqttAddress, MqttError, MqttKeys};
use crate::schema;
use crate::text;

/// How readings come from a vzlogger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct Vzlogger {
    /// Which way.
    pub channel: Channel,
    /// Which OBIS code a channel stands for, by UUID or MQTT topic. Empty: as vzlogger says itself,
    /// which it does over HTTP, and over MQTT once at its start.
    pub channels: Channels,
    /// Seconds without any value after which the source counts as silent.
    pub silence: u64,
}

crate::schema::read_as!(Vzlogger, Keys);

/// The way from a vzlogger to here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// It posts to this loopback address (`push`, or the middleware of a channel).
    Listen(SocketAddr),
    /// It publishes to a broker.
    Mqtt(MqttAddress),
    /// Its local HTTP interface is asked.
    Http {
        /// Where.
        address: HttpAddress,
        /// Seconds between two questions.
        every: u64,
    },
}

/// OBIS codes by UUID (lower case) or MQTT topic.
pub type Channels = BTreeMap<String, ObisCode>;

/// `http://host:port` of a vzlogger's local interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAddress(String);

impl HttpAddress {
    /// Without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for HttpAddress {
    type Err = ChannelError;
    fn from_str(text: &str) -> Result<Self, ChannelError> {
        let bad = || ChannelError::Http {
            got: text.to_owned(),
        };
        let authority = text.strip_prefix("http://").ok_or_else(bad)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if authority.is_empty() || authority.starts_with(':') || !authority.chars().all(legal) {
            return Err(bad());
        }
        Ok(Self(format!("http://{authority}")))
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "vzlogger")]
struct Keys {
    #[serde(default, deserialize_with = "text::parsed_option")]
    #[schemars(with = "schema::SocketAddress")]
    listen: Option<SocketAddr>,
    mqtt: Option<MqttKeys>,
    #[serde(default, deserialize_with = "text::parsed_option")]
    #[schemars(with = "schema::HttpAddress")]
    http: Option<HttpAddress>,
    #[serde(default, deserialize_with = "every")]
    #[schemars(with = "schema::Within<1, 3_600>")]
    every: Option<u64>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, schema::Obis>")]
    channels: BTreeMap<String, super::Code>,
    #[serde(
        default = "default_silence",
        deserialize_with = "text::within::<_, 1, 86_400>"
    )]
    #[schemars(with = "schema::Within<1, 86_400>")]
    silence: u64,
}

impl TryFrom<Keys> for Vzlogger {
    type Error = VzloggerError;
    fn try_from(keys: Keys) -> Result<Self, VzloggerError> {
        let Keys {
            listen,
            mqtt,
            http,
            every,
            channels,
            silence,
        } = keys;
        if every.is_some() && http.is_none() {
            return Err(VzloggerError::Every);
        }
        let channel = match (listen, mqtt, http) {
            (Some(address), None, None) if !address.ip().is_loopback() => {
                return Err(VzloggerError::Open { address });
            }
            (Some(_), None, None) if channels.is_empty() => return Err(VzloggerError::NoChannels),
            (Some(address), None, None) => Channel::Listen(address),
            (None, Some(mqtt), None) => Channel::Mqtt(mqtt.address("vzlogger")?),
            (None, None, Some(address)) => Channel::Http {
                address,
                every: every.unwrap_or(10),
            },
            _ => return Err(VzloggerError::Ways),
        };
        // UUIDs are compared without regard to case; topics are not.
        let name = |name: String| {
            if is_uuid(&name) {
                name.to_ascii_lowercase()
            } else {
                name.trim_matches('/').to_owned()
            }
        };
        Ok(Self {
            channel,
            channels: channels
                .into_iter()
                .map(|(key, code)| (name(key), code.0))
                .collect(),
            silence,
        })
    }
}

fn is_uuid(name: &str) -> bool {
    name.len() == 36
        && name
            .chars()
            .all(|character| character.is_ascii_hexdigit() || character == '-')
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// Not the address of a local interface.
    #[error("{got:?} is no address of a vzlogger; write http://host:port")]
    Http {
        /// What stands there.
        got: String,
    },
}

/// Why the keys of a vzlogger do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VzloggerError {
    /// None or several ways.
    #[error(
        "a vzlogger has exactly one of the keys listen (it pushes), mqtt (it publishes), http (it is asked)"
    )]
    Ways,
    /// Anybody on the network could invent readings.
    #[error(
        "vzlogger.listen is {address}, which others can reach: vzlogger does not say who it is, so \
         readings are taken from this machine only; write 127.0.0.1:PORT"
    )]
    Open {
        /// As configured.
        address: SocketAddr,
    },
    /// What is pushed says UUIDs only.
    #[error(
        "vzlogger.channels is missing: what vzlogger pushes names channels by their UUID only; say \
         which OBIS code each stands for (UUID: 1.8.0)"
    )]
    NoChannels,
    /// Nothing to repeat.
    #[error("vzlogger.every goes with vzlogger.http only; remove it")]
    Every,
    /// The broker.
    #[error("vzlogger.mqtt: {0}")]
    Mqtt(#[from] MqttError),
}

fn default_silence() -> u64 {
    60
}

fn every<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text::within::<D, 1, 3_600>(deserializer).map(Some)
}
