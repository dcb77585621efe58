//! Evaluation profile, and the evaluation itself: pure functions from telegrams to readings.
//!
//! TAF-7 (BSI TR-03109-1): one value per interval. The register of every slot is read at each
//! round's border; the reading of a round is the difference of two of these. Registers are floored
//! to the slot's scale first and subtracted then, so that the readings of consecutive rounds add up
//! to exactly the difference of the outer registers.

mod border;
mod reading;

use dcnet_obis::{ObisCode, Unit};
use serde::{Deserialize, Deserializer};

pub use border::{BorderReading, BorderValue, Collector};
pub use reading::{Missing, Reading, reading};

use crate::text;
use crate::yaml::Step;

/// Evaluation profile (TR-03109-1: Auswertungsprofil).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationProfile {
    /// Tariff use case.
    pub taf: TariffUseCase,
    /// How long before a border its reading may have been taken, in seconds. Left out: 30, but no
    /// more than a third of the interval.
    #[serde(default, deserialize_with = "tolerance")]
    pub tolerance: Option<u64>,
    /// Largest plausible power in W. Readings beyond it are no readings: they come from a defect or
    /// from another meter.
    #[serde(
        default = "default_max_power",
        deserialize_with = "text::within::<_, 1, 1_000_000_000>"
    )]
    pub max_power: u64,
    /// One for each word of the frame, in the order of the net descriptor.
    pub slots: Vec<Slot>,
}

/// Largest plausible power by default, in W: more than the fuses of a house let through.
pub const DEFAULT_MAX_POWER: u64 = 100_000;

/// Longest tolerance by default, in milliseconds.
const DEFAULT_TOLERANCE: u64 = 30_000;

impl EvaluationProfile {
    /// How long before a border its reading may have been taken, in milliseconds; shorter than
    /// `interval` (milliseconds).
    pub fn tolerance_millis(&self, interval: u64) -> u64 {
        match self.tolerance {
            Some(seconds) => (seconds * 1000).min(interval),
            None => DEFAULT_TOLERANCE.min(interval / 3),
        }
    }

    /// What the parser cannot see: how the parts fit each other.
    pub(crate) fn validate(&self) -> Result<(), Violation> {
        if self.slots.is_empty() || self.slots.len() > dcnet_protocol::descriptor::MAX_SLOTS {
            return Err(Violation {
                key: vec![Step::Key("slots")],
                problem: format!(
                    "has {} entries; a net has 1 to {} slots, list each of them",
                    self.slots.len(),
                    dcnet_protocol::descriptor::MAX_SLOTS
                ),
            });
        }
        for (number, slot) in self.slots.iter().enumerate() {
            if self
                .slots
                .iter()
                .take(number)
                .any(|earlier| earlier.obis == slot.obis)
            {
                return Err(Violation {
                    key: vec![Step::Key("slots"), Step::Item(number), Step::Key("obis")],
                    problem: format!(
                        "{} stands twice; a code has one slot, remove one",
                        slot.obis
                    ),
                });
            }
        }
        Ok(())
    }
}

/// A contradiction inside the evaluation profile.
pub(crate) struct Violation {
    /// Key below `evaluation`.
    pub(crate) key: Vec<Step>,
    /// What is wrong and what to do.
    pub(crate) problem: String,
}

/// Tariff use case (Tarifanwendungsfall) that this version evaluates for a net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TariffUseCase {
    /// Series of meter readings, one per interval.
    Taf7,
}

impl<'de> Deserialize<'de> for TariffUseCase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl serde::de::Visitor<'_> for Number {
            type Value = TariffUseCase;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("7 (a series of readings), the only use case evaluated for a net")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<TariffUseCase, E> {
                match number {
                    7 => Ok(TariffUseCase::Taf7),
                    _ => Err(E::invalid_value(
                        serde::de::Unexpected::Unsigned(number),
                        &self,
                    )),
                }
            }
        }
        deserializer.deserialize_u64(Number)
    }
}

/// One word of the frame: which entry of the meter, in which unit and scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Which entry of the telegram.
    pub obis: ObisCode,
    /// Unit of entry and word.
    pub unit: Unit,
    /// The word counts 10^scale units.
    pub scale: i8,
    /// How a reading comes from it.
    pub method: Method,
    /// What to do if the meter does not show the entry.
    pub absent: Absent,
}

/// How the reading of a round comes from an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Register at the end of the round less register at its start. The default for registers
    /// (value group D is 8).
    Advance,
    /// The value at the end of the round. The default for everything else.
    Value,
}

/// What to do if the meter does not show an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    /// There is no reading then.
    #[default]
    Missing,
    /// The owner states that the entry is 0 for this meter: a consumer has no export register.
    Zero,
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename = "slot")]
        struct Written {
            #[serde(deserialize_with = "text::parsed")]
            obis: ObisCode,
            #[serde(deserialize_with = "text::parsed")]
            unit: Unit,
            #[serde(deserialize_with = "scale")]
            scale: i8,
            method: Option<Method>,
            #[serde(default)]
            absent: Absent,
        }
        let Written {
            obis,
            unit,
            scale,
            method,
            absent,
        } = Written::deserialize(deserializer)?;
        let by_code = if obis.is_energy_register() {
            Method::Advance
        } else {
            Method::Value
        };
        Ok(Self {
            obis,
            unit,
            scale,
            method: method.unwrap_or(by_code),
            absent,
        })
    }
}

fn scale<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i8, D::Error> {
    struct Scale;
    impl serde::de::Visitor<'_> for Scale {
        type Value = i8;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a power of ten from -9 to 9 (-1 counts tenths, 3 thousands of the unit)")
        }
        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<i8, E> {
            i8::try_from(number)
                .ok()
                .filter(|scale| (-9..=9).contains(scale))
                .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
        }
        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<i8, E> {
            i8::try_from(number)
                .ok()
                .filter(|scale| *scale <= 9)
                .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
        }
    }
    deserializer.deserialize_i8(Scale)
}

fn tolerance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text::within::<D, 1, 900>(deserializer).map(Some)
}

fn default_max_power() -> u64 {
    DEFAULT_MAX_POWER
}
