//! Two border readings to the reading of the round between them.

use dcnet_obis::{ObisCode, Unit};

use super::border::{BorderReading, BorderValue, Lack, MeterBorder};
use super::{EvaluationProfile, Method, Missing, Slot};

/// One signed value for each slot, in the slot's scale.
pub type Reading = Vec<i64>;

/// A reading, and what of it had to be clipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// One value for each slot.
    pub values: Reading,
    /// The slots whose value lay beyond the bounds of the profile.
    pub clipped: Vec<Clipped>,
}

/// A value that lay beyond the bounds of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clipped {
    /// The slot's code in the net.
    pub obis: ObisCode,
    /// What it was: a reading, not for logs.
    pub got: i64,
    /// What it became.
    pub limit: i64,
}

/// The reading of the round between two consecutive borders.
///
/// # Errors
///
/// Why there is no reading: a round without one is a round in which a meter gave nothing, never
/// a round with 0.
pub fn reading(
    evaluation: &EvaluationProfile,
    start: Option<&BorderReading>,
    end: &BorderReading,
) -> Result<Evaluated, Missing> {
    let registers = evaluation
        .slots
        .iter()
        .any(|slot| slot.method == Method::Advance);
    if registers && start.is_none() {
        return Err(Missing::NoStart);
    }
    let mut clipped = Vec::new();
    let mut values = Vec::with_capacity(evaluation.slots.len());
    for slot in &evaluation.slots {
        let mut value = slot_value(evaluation, slot, start, end)?;
        if slot.method == Method::FeedIn {
            value = value.max(0);
        }
        if let Some(limit) = slot.clip.and_then(|clip| clip.passed(value)) {
            clipped.push(Clipped {
                obis: slot.code(),
                got: value,
                limit,
            });
            value = limit;
        }
        values.push(value);
    }
    Ok(Evaluated { values, clipped })
}

/// The sum over the slot's meters.
fn slot_value(
    evaluation: &EvaluationProfile,
    slot: &Slot,
    start: Option<&BorderReading>,
    end: &BorderReading,
) -> Result<i64, Missing> {
    let names: Vec<_> = slot.meters.iter().map(|name| Some(name.as_str())).collect();
    let names = if names.is_empty() { vec![None] } else { names };
    names.into_iter().try_fold(0_i64, |sum, name| {
        let value = meter_value(evaluation, slot, name, (start, end))?;
        sum.checked_add(value).ok_or(Missing::TooLarge {
            obis: slot.obis,
            scale: slot.word_scale(),
        })
    })
}

fn meter_value(
    evaluation: &EvaluationProfile,
    slot: &Slot,
    name: Option<&str>,
    (start, end): (Option<&BorderReading>, &BorderReading),
) -> Result<i64, Missing> {
    // Nothing of this slot was kept: the profile was changed in between.
    let after = end.meter(name).ok_or(Missing::NoStart)?;
    // By its name, even if the slot has none: another meter may have been the first one before.
    let before = start.and_then(|start| Some((start, start.meter(Some(&after.meter))?)));
    if let Some((_, before)) = before
        && !before.device.as_bytes().is_empty()
        && !after.device.as_bytes().is_empty()
        && before.device != after.device
    {
        return Err(Missing::Replaced {
            was: before.device.clone(),
            is: after.device.clone(),
        });
    }
    let value = find(after, slot)?;
    match slot.method {
        Method::Advance => {
            let (start, before) = before.ok_or(Missing::NoStart)?;
            // The registers may lie a tolerance further apart than the borders do.
            let millis =
                end.border.millis_since(start.border) + start.border.millis_since(before.time);
            advance(evaluation, slot, find(before, slot)?, value, millis)
        }
        Method::Count => Ok(value.value),
        _ => momentary(evaluation, slot, value),
    }
}

fn find(border: &MeterBorder, slot: &Slot) -> Result<BorderValue, Missing> {
    let obis = slot.code();
    let lack = border.lacking.iter().find(|(lacking, _)| *lacking == obis);
    match lack {
        Some((_, Lack::Partial)) => return Err(Missing::Partial { obis }),
        Some((_, Lack::FatalStatus)) => return Err(Missing::FatalStatus { obis: slot.obis }),
        Some((_, Lack::TooLarge)) => {
            return Err(Missing::TooLarge {
                obis,
                scale: slot.word_scale(),
            });
        }
        None => {}
    }
    let key = (obis, slot.word_scale());
    let mut values = border.values.iter();
    values
        .find(|value| (value.obis, value.scale) == key)
        .copied()
        .ok_or(Missing::NoStart)
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
