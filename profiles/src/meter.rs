//! Meter profile: which device, and how it is read.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use dcnet_obis::ObisCode;
use serde::{Deserialize, Deserializer};

use crate::text::{self, HexError};

/// Meter profile (TR-03109-1: Zählerprofil).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterProfile {
    /// The owner's name for the meter, for logs.
    pub name: String,
    /// Device id that the meter must show; telegrams of any other device are not evaluated.
    /// Without it, a change of the id begins a new series (meter replaced).
    #[serde(default, deserialize_with = "text::parsed_option")]
    pub device: Option<DeviceId>,
    /// How the meter is read.
    pub source: Source,
    /// Entries that the meter is expected to show. Empty: whatever it shows.
    #[serde(default)]
    pub obis: Vec<Code>,
}

/// Ways to get readings; exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// SML telegrams pushed by the meter over a serial line (infrared head).
    pub sml: SerialLine,
}

/// A serial line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialLine {
    /// Device file, best one below `/dev/serial/by-id/`.
    #[serde(deserialize_with = "text::path")]
    pub device: PathBuf,
    /// Symbols per second.
    #[serde(default = "default_baud", deserialize_with = "baud")]
    pub baud: u32,
    /// Parity bit.
    #[serde(default)]
    pub parity: Parity,
    /// Data bits per character: 7 or 8.
    #[serde(default)]
    pub data_bits: DataBits,
    /// Seconds without any byte after which the line counts as silent and is opened anew.
    #[serde(
        default = "default_silence",
        deserialize_with = "text::within::<_, 1, 86_400>"
    )]
    pub silence: u64,
}

/// Parity bit of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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

/// Device id of a meter: the server id of SML, 1 to 32 bytes, written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Vec<u8>);

impl DeviceId {
    /// As the telegram carries it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for DeviceId {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl FromStr for DeviceId {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, HexError> {
        let bytes = text::hex(text)?;
        if (1..=32).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(HexError::Length {
                expected: "1 to 32",
                got: bytes.len(),
            })
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({self})")
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

fn default_baud() -> u32 {
    9600
}

fn default_silence() -> u64 {
    30
}

fn baud<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let baud = text::within::<D, 300, 921_600>(deserializer)?;
    u32::try_from(baud).map_err(serde::de::Error::custom)
}
