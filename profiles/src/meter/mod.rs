//! Meter profile: which device, and how it is read.

mod id;
mod serial;
mod source;
mod vzlogger;

use dcnet_obis::ObisCode;
use serde::{Deserialize, Deserializer};

pub use id::DeviceId;
pub use serial::{D0Line, D0Mode, DataBits, EnergyUnit, Medium, Parity, SerialLine};
pub use source::{CommandSource, InputSource, MAX_SOURCES, Source, SourceError};
pub use vzlogger::{Channel, ChannelError, Channels, HttpAddress, Vzlogger, VzloggerError};

use crate::text;

/// Meter profile (TR-03109-1: Zählerprofil).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct MeterProfile {
    /// The owner's name for the meter, for logs.
    pub name: String,
    /// Device id that the meter must show; telegrams of any other device are not evaluated.
    /// Without it, a change of the id begins a new series (meter replaced).
    pub device: Option<DeviceId>,
    /// How the meter is read: the first that gives telegrams counts, the others stand in for it.
    /// 1 to [`MAX_SOURCES`].
    pub sources: Vec<Source>,
    /// Entries that the meter is expected to show. Empty: whatever it shows.
    pub obis: Vec<Code>,
}

crate::schema::read_as!(MeterProfile, Keys);

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "meter")]
#[schemars(extend("oneOf" = [{ "required": ["source"] }, { "required": ["sources"] }]))]
/// A meter.
struct Keys {
    /// The owner's name for the meter, for logs and slots.
    name: String,
    /// Device id that the meter must show. Left out: a change of the id begins a new series.
    #[serde(default, deserialize_with = "text::parsed_option")]
    #[schemars(with = "crate::schema::Hex")]
    device: Option<DeviceId>,
    /// How the meter is read. Several ways: `sources`.
    #[serde(default)]
    source: Option<Source>,
    /// How the meter is read: the first that gives telegrams counts, the others stand in for it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4))]
    sources: Vec<Source>,
    /// Entries that the meter is expected to show. Empty: whatever it shows.
    #[serde(default)]
    #[schemars(with = "Vec<crate::schema::Obis>")]
    obis: Vec<Code>,
}

impl TryFrom<Keys> for MeterProfile {
    type Error = SourceError;
    fn try_from(keys: Keys) -> Result<Self, SourceError> {
        let sources = match (keys.source, keys.sources) {
            (Some(source), more) if more.is_empty() => vec![source],
            (Some(_), _) => return Err(SourceError::Twice),
            (None, sources) => sources,
        };
        if sources.is_empty() || sources.len() > MAX_SOURCES {
            return Err(SourceError::Number { got: sources.len() });
        }
        Ok(Self {
            name: keys.name,
            device: keys.device,
            sources,
            obis: keys.obis,
        })
    }
}

/// An OBIS code written in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub ObisCode);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parsed(deserializer).map(Self)
    }
}
