//! For how long the logbooks of TR-03109-1 are kept.

use serde::Deserialize;

use crate::schema::Within;
use crate::text::within;

/// Days for which lines are kept. Each logbook is bounded in size as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename = "logbooks")]
pub struct Retention {
    /// The system's log: what the daemon did and what failed. 90 unless stated.
    #[serde(deserialize_with = "within::<_, 1, 3_660>")]
    #[schemars(with = "Within<1, 3_660>")]
    pub system: u64,
    /// The consumer's log: what left the house, byte for byte, and the readings that it hid. 42 unless
    /// stated.
    #[serde(deserialize_with = "within::<_, 1, 3_660>")]
    #[schemars(with = "Within<1, 3_660>")]
    pub consumer: u64,
    /// The calibration log: what bears on whether values are right. 3,660 (ten years) unless stated.
    #[serde(deserialize_with = "within::<_, 1, 3_660>")]
    #[schemars(with = "Within<1, 3_660>")]
    pub calibration: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            system: 90,
            consumer: 42,
            calibration: 3_660,
        }
    }
}
