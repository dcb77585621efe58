//! One entry of one meter over a round: extremes, mean, how often a limit was passed.

use std::collections::BTreeMap;

use dcnet_obis::ScaledInteger;

use super::border::Lack;
use super::watch::MAX_CANDIDATES;
use super::{Method, Slot, Threshold};

/// All that is noted of an entry: a few numbers for each of a few rounds, whatever the meter sends.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    /// Since when telegrams came in without a gap longer than the tolerance, and the latest.
    unbroken: Option<(u64, u64)>,
    /// By the border at which the round ends.
    rounds: BTreeMap<u64, Tally>,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    last: u64,
    broken: bool,
    fatal: bool,
    overflow: bool,
    number: i128,
    beyond: i64,
    extremes: Option<(ScaledInteger, ScaledInteger)>,
    /// sum·10^exponent, exact.
    sum: i128,
    exponent: i8,
}

/// What a telegram had under the code of the slot.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sample {
    Number(ScaledInteger),
    Fatal,
}

impl Trace {
    /// Takes note of a sample at `time` in the round that ends at `border`, all in milliseconds.
    pub(super) fn note(
        &mut self,
        (time, border): (u64, u64),
        (interval, tolerance): (u64, u64),
        threshold: Option<(Threshold, i8)>,
        sample: Sample,
    ) {
        let since = match self.unbroken {
            Some((since, last)) if last <= time && time - last <= tolerance => since,
            _ => time, // a gap, or the clock was set back
        };
        self.unbroken = Some((since, time));
        let tally = self.rounds.entry(border).or_default();
        // The first telegram of a round comes after its start: somebody must have looked before.
        tally.broken |= since > border.saturating_sub(interval);
        tally.last = time;
        match sample {
            Sample::Fatal => tally.fatal = true,
            Sample::Number(number) => tally.add(number, threshold),
        }
        while self.rounds.len() > MAX_CANDIDATES {
            self.rounds.pop_first();
        }
    }

    /// The value of the round that ends at `border`; it and the earlier ones are dropped.
    pub(super) fn take(&mut self, slot: &Slot, border: u64, tolerance: u64) -> Result<i64, Lack> {
        let later = self.rounds.split_off(&border.saturating_add(1));
        let tally = self.rounds.remove(&border);
        self.rounds = later;
        let tally = tally.ok_or(Lack::Partial)?;
        if tally.fatal {
            return Err(Lack::FatalStatus);
        }
        if tally.broken || border.saturating_sub(tally.last) >= tolerance.max(1) {
            return Err(Lack::Partial);
        }
        if tally.overflow {
            return Err(Lack::TooLarge);
        }
        tally.value(slot).ok_or(Lack::TooLarge)
    }
}

impl Tally {
    fn add(&mut self, number: ScaledInteger, threshold: Option<(Threshold, i8)>) {
        self.extremes = match self.extremes {
            None => Some((number, number)),
            Some((least, greatest)) => Some((least.min(number), greatest.max(number))),
        };
        let limit = |limit: i64, scale| ScaledInteger::new(limit.into(), scale);
        let beyond = match threshold {
            Some((Threshold::Above(above), scale)) => number > limit(above, scale),
            Some((Threshold::Below(below), scale)) => number < limit(below, scale),
            None => false,
        };
        self.beyond = self.beyond.saturating_add(beyond.into());
        if self.number == 0 {
            self.exponent = number.exponent();
        }
        self.number += 1;
        let finest = self.exponent.min(number.exponent());
        let sum = finer(self.sum, self.exponent, finest)
            .zip(finer(number.mantissa(), number.exponent(), finest))
            .and_then(|(sum, number)| sum.checked_add(number));
        match sum {
            Some(sum) => (self.sum, self.exponent) = (sum, finest),
            None => self.overflow = true,
        }
    }

    fn value(&self, slot: &Slot) -> Option<i64> {
        let (least, greatest) = self.extremes?;
        match slot.method {
            Method::Count => Some(self.beyond),
            Method::Minimum => least.floor_to(slot.scale),
            Method::Maximum => greatest.floor_to(slot.scale),
            _ => {
                // Dividing by number and power of ten at once floors once, so exactly.
                let shift = i16::from(self.exponent) - i16::from(slot.scale);
                let power = 10_i128.checked_pow(shift.unsigned_abs().into())?;
                let mean = if shift >= 0 {
                    self.sum.checked_mul(power)?.div_euclid(self.number)
                } else {
                    self.sum.div_euclid(self.number.checked_mul(power)?)
                };
                i64::try_from(mean).ok()
            }
        }
    }
}

/// `value`·10^`from` in steps of 10^`to`, where `to` is not above `from`.
fn finer(value: i128, from: i8, to: i8) -> Option<i128> {
    let shift = u32::from(from.abs_diff(to));
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10_i128.checked_pow(shift)?)
}
