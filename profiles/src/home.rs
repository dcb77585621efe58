//! What the household itself gets to see, and by which ways.

mod page;
mod retention;

use dcnet_obis::Language;
use serde::Deserialize;

use crate::mqtt::{MqttAddress, MqttError, MqttKeys};
use crate::tariff::Zone;
use crate::text;

pub use page::{HomePage, PageError, PageTls};
pub use retention::Retention;

/// What the household itself gets to see. Nothing of it leaves the house through us.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct HomeProfile {
    /// Language of names that are shown.
    pub language: Language,
    /// Zone of the times that are shown, and of the days that values are shown by.
    pub zone: Zone,
    /// Readings for home automation.
    pub mqtt: Option<HomeMqtt>,
    /// The page for a browser.
    pub page: Option<HomePage>,
    /// For how long the logbooks are kept.
    pub logbooks: Retention,
}

crate::schema::read_as!(HomeProfile, Keys);

impl Default for HomeProfile {
    fn default() -> Self {
        Self {
            language: Language::English,
            zone: Zone::berlin(),
            mqtt: None,
            page: None,
            logbooks: Retention::default(),
        }
    }
}

/// Readings published over MQTT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeMqtt {
    /// Where to. The default topic is `dcnet`.
    pub broker: MqttAddress,
    /// Seconds between two values of one register.
    pub every: u64,
    /// Topic under which Home Assistant looks for devices, without slashes at its ends; `None`: they
    /// are not announced.
    pub discovery: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, schemars::JsonSchema)]
enum LanguageKey {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "de")]
    German,
}

impl From<LanguageKey> for Language {
    fn from(key: LanguageKey) -> Self {
        match key {
            LanguageKey::English => Self::English,
            LanguageKey::German => Self::German,
        }
    }
}

#[derive(Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "home")]
/// What the household itself gets to see. Nothing of it leaves the house through the gateway.
struct Keys {
    language: LanguageKey,
    /// Time zone of what is shown, by its name in the IANA database: Europe/Berlin unless stated.
    #[serde(deserialize_with = "text::parsed_option")]
    #[schemars(with = "crate::schema::NotEmpty")]
    zone: Option<Zone>,
    #[serde(deserialize_with = "text::present")]
    #[schemars(with = "MqttKeysOfHome")]
    mqtt: Option<MqttKeysOfHome>,
    #[serde(deserialize_with = "text::present")]
    #[schemars(with = "Option<page::Keys>")]
    page: Option<page::Keys>,
    logbooks: Retention,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "published")]
/// Readings published over MQTT.
struct MqttKeysOfHome {
    broker: MqttKeys,
    #[serde(
        default = "default_every",
        deserialize_with = "text::within::<_, 1, 3_600>"
    )]
    #[schemars(with = "crate::schema::Within<1, 3_600>")]
    every: u64,
    #[serde(default)]
    discovery: Discovery,
}

/// `false`, or a topic.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
enum Discovery {
    Switch(bool),
    Topic(String),
}

impl Default for Discovery {
    fn default() -> Self {
        Self::Switch(true)
    }
}

impl TryFrom<Keys> for HomeProfile {
    type Error = HomeError;
    fn try_from(keys: Keys) -> Result<Self, HomeError> {
        let mqtt = keys.mqtt.map(|mqtt| {
            let discovery = match mqtt.discovery {
                Discovery::Switch(false) => None,
                Discovery::Switch(true) => Some("homeassistant".to_owned()),
                Discovery::Topic(topic) => Some(topic.trim_matches('/').to_owned()),
            };
            if let Some(got) = &discovery
                && (got.is_empty() || got.contains(['#', '+']))
            {
                return Err(HomeError::Discovery { got: got.clone() });
            }
            Ok(HomeMqtt {
                broker: mqtt.broker.address("dcnet")?,
                every: mqtt.every,
                discovery,
            })
        });
        Ok(Self {
            language: keys.language.into(),
            zone: keys.zone.unwrap_or_else(Zone::berlin),
            mqtt: mqtt.transpose()?,
            page: keys.page.map(TryInto::try_into).transpose()?,
            logbooks: keys.logbooks,
        })
    }
}

/// Why the keys below `home` do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HomeError {
    /// The broker.
    #[error("home.mqtt.broker: {0}")]
    Mqtt(#[from] MqttError),
    /// The page.
    #[error("home.page: {0}")]
    Page(#[from] PageError),
    /// No topic.
    #[error("home.mqtt.discovery is a topic (homeassistant), or false; {got:?} is none")]
    Discovery {
        /// As configured.
        got: String,
    },
}

const fn default_every() -> u64 {
    10
}
