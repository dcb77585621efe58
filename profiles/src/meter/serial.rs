//! Serial lines: reading heads and the wires of a meter.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use crate::schema;
use crate::text;

/// A serial line over which a meter sends on its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SerialLine {
    /// Device file, best one below `/dev/serial/by-id/`.
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "schema::NotEmpty")]
    pub device: PathBuf,
    /// Symbols per second. Left out: found out, beginning with what most meters have.
    #[serde(default, deserialize_with = "baud")]
    #[schemars(with = "schema::Within<300, 921_600>")]
    pub baud: Option<u32>,
    /// Parity bit. Left out: none, or found out if `baud` is left out, too.
    #[serde(default)]
    pub parity: Option<Parity>,
    /// Data bits per character: 7 or 8. Left out: 8, or found out if `baud` is left out, too.
    #[serde(default)]
    #[schemars(with = "Option<schema::Within<7, 8>>")]
    pub data_bits: Option<DataBits>,
    /// Seconds without any byte after which the line counts as silent and is opened anew.
    #[serde(
        default = "default_silence",
        deserialize_with = "text::within::<_, 1, 86_400>"
    )]
    #[schemars(with = "schema::Within<1, 86_400>")]
    pub silence: u64,
    /// A file with rules for meters that mean something else than they say, as `sml::Catalog` of
    /// `dcnet-obis` reads them; they are followed after the built-in ones. Left out: only those.
    #[serde(default, deserialize_with = "text::path_option")]
    #[schemars(with = "schema::NotEmpty")]
    pub quirks: Option<PathBuf>,
}

/// A serial line to a meter of IEC 62056-21 (D0).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct D0Line {
    /// Device file, best one below `/dev/serial/by-id/`.
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "schema::NotEmpty")]
    pub device: PathBuf,
    /// Whether the meter is asked.
    #[serde(default)]
    pub mode: D0Mode,
    /// Symbols per second at which the conversation begins. Left out: 300 for a meter that is asked;
    /// found out for one that sends on its own.
    #[serde(default, deserialize_with = "baud")]
    #[schemars(with = "schema::Within<300, 921_600>")]
    pub baud: Option<u32>,
    /// The meter's address on a bus with several, up to 32 characters. Left out: whoever is there.
    #[serde(default, deserialize_with = "address")]
    #[schemars(with = "schema::BusAddress")]
    pub address: String,
    /// Most symbols per second that the reading head carries: a meter that offers more is read at
    /// the speed at which the conversation began.
    #[serde(default, deserialize_with = "baud")]
    #[schemars(with = "schema::Within<300, 921_600>")]
    pub fastest: Option<u32>,
    /// Seconds between two readouts of a meter that is asked.
    #[serde(
        default = "default_every",
        deserialize_with = "text::within::<_, 1, 86_400>"
    )]
    #[schemars(with = "schema::Within<1, 86_400>")]
    pub every: u64,
    /// Seconds without any byte after which the line counts as silent and is opened anew.
    #[serde(
        default = "default_silence",
        deserialize_with = "text::within::<_, 1, 86_400>"
    )]
    #[schemars(with = "schema::Within<1, 86_400>")]
    pub silence: u64,
    /// The unit of energy registers that the meter sends without one. Left out: such registers are
    /// no reading.
    #[serde(default)]
    pub energy_unit: Option<EnergyUnit>,
    /// What the meter measures: that of registers whose code does not say it.
    #[serde(default)]
    pub medium: Medium,
}

/// The unit of energy registers without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum EnergyUnit {
    /// 1000 Wh, as the displays of all such meters have it.
    #[serde(rename = "kWh")]
    KilowattHour,
}

/// What a meter measures.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// Electricity.
    #[default]
    Electricity,
    /// Cooling.
    Cooling,
    /// Heat.
    Heat,
    /// Gas.
    Gas,
    /// Cold water.
    Water,
    /// Hot water.
    HotWater,
}

impl Medium {
    /// The value group A of its OBIS codes (IEC 62056-61).
    pub const fn group(self) -> u8 {
        match self {
            Self::Electricity => 1,
            Self::Cooling => 5,
            Self::Heat => 6,
            Self::Gas => 7,
            Self::Water => 8,
            Self::HotWater => 9,
        }
    }
}

/// Whether a meter of IEC 62056-21 is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum D0Mode {
    /// It answers a request (modes A, B, C and E of the standard).
    #[default]
    Request,
    /// It sends on its own (mode D).
    Push,
}

/// Parity bit of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// No parity bit.
    #[default]
    None,
    /// Even number of ones.
    Even,
    /// Odd number of ones.
    Odd,
}

impl Parity {
    /// As it stands in a profile.
    pub const fn key(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Even => "even",
            Self::Odd => "odd",
        }
    }
}

/// Data bits per character of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataBits {
    /// Seven: bit 7 of each byte read is no data.
    Seven,
    /// Eight.
    #[default]
    Eight,
}

impl<'de> Deserialize<'de> for DataBits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::within::<D, 7, 8>(deserializer)
            .map(|bits| if bits == 7 { Self::Seven } else { Self::Eight })
    }
}

/// As it is printed: `N`, `E`, `O`.
impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "N",
            Self::Even => "E",
            Self::Odd => "O",
        })
    }
}

/// As it is printed: `7`, `8`.
impl fmt::Display for DataBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seven => "7",
            Self::Eight => "8",
        })
    }
}

fn default_silence() -> u64 {
    30
}

fn default_every() -> u64 {
    60
}

fn baud<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let baud = text::within::<D, 300, 921_600>(deserializer)?;
    u32::try_from(baud)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let address = String::deserialize(deserializer)?;
    // IEC 62056-21, 6.3.1: digits, letters, blanks.
    let legal = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    if address.len() > 32 || !address.chars().all(legal) {
        return Err(serde::de::Error::custom(format!(
            "{address:?} is no address of a meter: up to 32 letters, digits and blanks"
        )));
    }
    Ok(address)
}
