//! Tariff use cases that are evaluated for a net.

use std::fmt;

use dcnet_obis::ObisCode;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::Method;

/// Tariff use case (Tarifanwendungsfall) that is evaluated for a net. What a bill is made of
/// (TAF-1, 2, 6) stays on the gateway: [`crate::tariff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TariffUseCase {
    /// Series of meter readings, one per interval.
    Taf7,
    /// Actual feed-in.
    Taf9,
    /// State of the grid, periodic or by events.
    Taf10,
    /// High frequency, for services that the owner wants.
    Taf14,
}

impl TariffUseCase {
    /// As in the TR.
    pub fn number(self) -> u8 {
        match self {
            Self::Taf7 => 7,
            Self::Taf9 => 9,
            Self::Taf10 => 10,
            Self::Taf14 => 14,
        }
    }

    /// Whether a slot of this use case may be read by `method`.
    pub fn allows(self, method: Method) -> bool {
        match self {
            Self::Taf7 => matches!(method, Method::Advance | Method::Value),
            Self::Taf9 => matches!(method, Method::FeedIn | Method::Advance),
            Self::Taf10 => method == Method::Value || method.over_the_round(),
            Self::Taf14 => true,
        }
    }

    /// The methods that it allows, in words.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Taf7 => "advance, value",
            Self::Taf9 => "feed-in, advance",
            Self::Taf10 => "value, minimum, maximum, mean, count",
            Self::Taf14 => "all methods",
        }
    }

    /// How an entry is read if the profile does not say.
    pub(super) fn default_method(self, obis: ObisCode) -> Method {
        if self == Self::Taf9 && obis.d == 7 {
            Method::FeedIn
        } else if obis.is_energy_register() {
            Method::Advance
        } else {
            Method::Value
        }
    }
}

impl<'de> Deserialize<'de> for TariffUseCase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = TariffUseCase;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "7 (a series of readings), 9 (feed-in), 10 (state of the grid) or 14 (high \
                     frequency), the use cases evaluated for a net",
                )
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<TariffUseCase, E> {
                match number {
                    7 => Ok(TariffUseCase::Taf7),
                    9 => Ok(TariffUseCase::Taf9),
                    10 => Ok(TariffUseCase::Taf10),
                    14 => Ok(TariffUseCase::Taf14),
                    1 | 2 | 6 => Err(E::custom(format_args!(
                        "TAF-{number} is for the bill and stays on the gateway: it belongs under \
                         `tariffs:`"
                    ))),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }
        deserializer.deserialize_u64(Number)
    }
}
