//! Two border readings to the reading of the round between them.

use dcnet_obis::{ObisCode, Unit};

use super::border::{BorderReading, BorderValue};
use super::{EvaluationProfile, Method, Slot};
use crate::meter::DeviceId;

/// One signed value for each slot, in the slot's scale.
pub type Reading = Vec<i64>;

/// The reading of the round between two consecutive borders.
///
/// # Errors
///
/// Why there is no reading: a round without one is a round in which the meter gave nothing, never
/// a round with 0.
pub fn reading(
    evaluation: &EvaluationProfile,
    start: Option<&BorderReading>,
    end: &BorderReading,
) -> Result<Reading, Missing> {
    let registers = evaluation
        .slots
        .iter()
        .any(|slot| slot.method == Method::Advance);
    let start = match start {
        Some(start) if start.device != end.device => {
            return Err(Missing::Replaced {
                was: start.device.clone(),
                is: end.device.clone(),
            });
        }
        None if registers => return Err(Missing::NoStart),
        start => start,
    };
    evaluation
        .slots
        .iter()
        .enumerate()
        .map(|(number, slot)| {
            let before = start.and_then(|start| start.values.get(number));
            let value = |reading: Option<&BorderValue>| match reading {
                Some(value) if (value.obis, value.scale) == (slot.obis, slot.scale) => Ok(*value),
                _ => Err(Missing::NoStart), // the profile was changed in between
            };
            let after = value(end.values.get(number))?;
            match slot.method {
                Method::Value => momentary(evaluation, slot, after),
                Method::Advance => {
                    // The registers may lie a tolerance further apart than the borders do.
                    let millis = start.map_or(0, |start| end.border.millis_since(start.border))
                        + start.map_or(0, |start| start.border.millis_since(start.time));
                    advance(evaluation, slot, value(before)?, after, millis)
                }
            }
        })
        .collect()
}

fn advance(
    evaluation: &EvaluationProfile,
    slot: &Slot,
    before: BorderValue,
    after: BorderValue,
    millis: u64,
) -> Result<i64, Missing> {
    let obis = slot.obis;
    let advance = i128::from(after.value) - i128::from(before.value);
    if advance < 0 {
        return Err(Missing::WentBack {
            obis,
            before: before.value,
            after: after.value,
        });
    }
    // Largest power times time, in units of the slot, and one step of the meter's own resolution,
    // which may be coarser than all of that (a locked meter counts in kWh).
    let watt_hours = i128::from(evaluation.max_power) * i128::from(millis) / 3_600_000;
    let limit = scaled(watt_hours, 0, slot.scale)
        + scaled(1, after.resolution.max(before.resolution), slot.scale)
        + 1;
    let value = i64::try_from(advance).ok().filter(|_| advance <= limit);
    value.ok_or(Missing::Implausible {
        obis,
        got: advance,
        limit,
        scale: slot.scale,
    })
}

fn momentary(
    evaluation: &EvaluationProfile,
    slot: &Slot,
    value: BorderValue,
) -> Result<i64, Missing> {
    let power = matches!(slot.unit, Unit::WATT | Unit::VOLT_AMPERE | Unit::VAR);
    let limit = scaled(i128::from(evaluation.max_power), 0, slot.scale);
    let got = i128::from(value.value);
    if power && got.abs() > limit {
        return Err(Missing::Implausible {
            obis: slot.obis,
            got,
            limit,
            scale: slot.scale,
        });
    }
    Ok(value.value)
}

/// `value`·10^`from` in steps of 10^`to`, rounded up, saturating.
fn scaled(value: i128, from: i8, to: i8) -> i128 {
    let power = |exponent: u32| 10_i128.checked_pow(exponent);
    let shift = i32::from(from) - i32::from(to);
    let magnitude = power(shift.unsigned_abs());
    if shift >= 0 {
        magnitude
            .and_then(|factor| value.checked_mul(factor))
            .unwrap_or(i128::MAX / 4)
    } else {
        magnitude.map_or(1, |divisor| (value + divisor - 1) / divisor)
    }
}

/// Why a round has no reading, in words for the owner. They go into logs, so they hold no register.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No telegram shortly before the border.
    #[error(
        "the meter sent nothing in the last {} s before the round's end: is the reading head in \
         place?", tolerance_millis.div_ceil(1000)
    )]
    Silent {
        /// How long before the border a reading counts, in milliseconds.
        tolerance_millis: u64,
    },
    /// The round's start was not read: the daemon was not running, the meter not connected.
    #[error("the registers at the round's start were not read; the next round has a reading again")]
    NoStart,
    /// The telegrams lack an entry.
    #[error(
        "the meter does not show {obis}: enter its PIN and switch on the full data set (INF on), \
         or state `absent: zero` if it has no such register"
    )]
    Absent {
        /// Which.
        obis: ObisCode,
    },
    /// Another unit than the slot's.
    #[error("the meter shows {obis} in {got}, the profile expects {expected}")]
    Unit {
        /// Which entry.
        obis: ObisCode,
        /// The slot's.
        expected: Unit,
        /// The meter's.
        got: Unit,
    },
    /// The value does not fit into a word.
    #[error("the value of {obis} is too large for a word of scale {scale}")]
    TooLarge {
        /// Which entry.
        obis: ObisCode,
        /// The slot's scale.
        scale: i8,
    },
    /// Not the meter that the profile names.
    #[error("the meter's device id is {got}, the profile names {expected}")]
    OtherDevice {
        /// As in the profile.
        expected: DeviceId,
        /// As in the telegram.
        got: DeviceId,
    },
    /// A register counts up only.
    #[error("{obis} went back: was the meter replaced?")]
    WentBack {
        /// Which register.
        obis: ObisCode,
        /// At the round's start.
        before: i64,
        /// At its end.
        after: i64,
    },
    /// Another meter at the end than at the start.
    #[error("the meter was replaced during the round: device id {was} before, {is} now")]
    Replaced {
        /// At the round's start.
        was: DeviceId,
        /// At its end.
        is: DeviceId,
    },
    /// More than `max_power` allows.
    #[error(
        "{obis} changed by more than the {limit}·10^{scale} that max_power allows: was the meter \
         replaced? If not, set evaluation.max_power"
    )]
    Implausible {
        /// Which entry.
        obis: ObisCode,
        /// Found, in the slot's scale.
        got: i128,
        /// Allowed, in the slot's scale.
        limit: i128,
        /// The slot's scale.
        scale: i8,
    },
}
