//! Where an MQTT broker is, and below which topic.

use std::path::PathBuf;

use serde::Deserialize;

use crate::text;

/// A broker, and a topic on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The topic below which everything lies, without slashes at its ends.
    pub topic: String,
    /// User, if the broker asks for one.
    pub user: Option<String>,
    /// File with the user's password, readable by its owner only.
    pub password_file: Option<PathBuf>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "mqtt")]
/// A broker, and a topic on it.
pub(crate) struct MqttKeys {
    /// Host name or address.
    #[serde(default = "default_host")]
    host: String,
    /// Port.
    #[serde(default = "default_port")]
    port: u16,
    /// The topic below which everything lies.
    topic: Option<String>,
    /// User, if the broker asks for one.
    user: Option<String>,
    /// File with the user's password, readable by its owner only.
    #[serde(default, deserialize_with = "text::path_option")]
    #[schemars(with = "crate::schema::NotEmpty")]
    password_file: Option<PathBuf>,
}

impl MqttKeys {
    /// `topic`: the one that is meant if none is given.
    pub(crate) fn address(self, topic: &str) -> Result<MqttAddress, MqttError> {
        let given = self.topic.as_deref().unwrap_or(topic);
        let topic = given.trim_matches('/').to_owned();
        if topic.is_empty() || topic.contains(['#', '+', '\0']) {
            return Err(MqttError::Topic {
                got: given.to_owned(),
            });
        }
        if self.user.is_none() && self.password_file.is_some() {
            return Err(MqttError::NoUser);
        }
        Ok(MqttAddress {
            host: self.host,
            port: self.port,
            topic,
            user: self.user,
            password_file: self.password_file,
        })
    }
}

/// Why the keys of a broker do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MqttError {
    /// No topic.
    #[error("topic {got:?} is none to publish or subscribe below: no wildcards, not empty")]
    Topic {
        /// As configured.
        got: String,
    },
    /// Whose password?
    #[error("password_file needs user")]
    NoUser,
}

fn default_host() -> String {
    "127.0.0.1".to_owned()
}

const fn default_port() -> u16 {
    1883
}
