//! One meter, watched for the slots that read it.

use std::collections::BTreeMap;

use dcnet_obis::{PtbLevel, ScaledInteger, Telegram};
use dcnet_protocol::round::UnixTime;

use super::border::{BorderValue, MeterBorder};
use super::round::{Sample, Trace};
use super::{Absent, Method, Missing, Slot};
use crate::meter::DeviceId;

/// Borders for which a candidate is held: the current one, the one just passed, and one more for a
/// daemon that was held up.
pub(super) const MAX_CANDIDATES: usize = 3;

/// What a meter showed, as far as slots need it.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    name: String,
    device: Option<DeviceId>,
    interval: u64,
    tolerance: u64,
    /// Read at the border.
    at_border: Vec<Slot>,
    /// Observed over the round.
    traced: Vec<(Slot, Trace)>,
    candidates: BTreeMap<u64, Result<MeterBorder, Missing>>,
}

impl Watch {
    /// `interval` and `tolerance` in milliseconds.
    pub(super) fn new(
        name: &str,
        device: Option<DeviceId>,
        slots: impl Iterator<Item = Slot>,
        (interval, tolerance): (u64, u64),
    ) -> Self {
        let (traced, at_border): (Vec<_>, _) =
            slots.partition(|slot: &Slot| slot.method.over_the_round());
        Self {
            name: name.to_owned(),
            device,
            interval,
            tolerance,
            at_border,
            traced: traced
                .into_iter()
                .map(|slot| (slot, Trace::default()))
                .collect(),
            candidates: BTreeMap::new(),
        }
    }

    /// Whether any slot reads the meter.
    pub(super) fn is_needed(&self) -> bool {
        !(self.at_border.is_empty() && self.traced.is_empty())
    }

    pub(super) fn observe(&mut self, time: UnixTime, telegram: &Telegram) -> Result<(), Missing> {
        let border = time
            .millis()
            .div_ceil(self.interval)
            .saturating_mul(self.interval);
        let candidate = self.evaluate(border, time, telegram);
        let verdict = candidate.as_ref().map(|_| ()).map_err(Clone::clone);
        if border - time.millis() < self.tolerance {
            // A telegram that lacks something does not take the place of a complete one: some
            // meters send short and long lists in turn.
            let complete_is_there = matches!(self.candidates.get(&border), Some(Ok(_)));
            if candidate.is_ok() || !complete_is_there {
                self.candidates.insert(border, candidate);
            }
            while self.candidates.len() > MAX_CANDIDATES {
                self.candidates.pop_first();
            }
        }
        verdict
    }

    pub(super) fn take(&mut self, border: UnixTime) -> Result<MeterBorder, Missing> {
        let later = self
            .candidates
            .split_off(&border.millis().saturating_add(1));
        let taken = self.candidates.remove(&border.millis());
        self.candidates = later;
        let mut traced: (Vec<BorderValue>, Vec<_>) = (Vec::new(), Vec::new());
        for (slot, trace) in &mut self.traced {
            match trace.take(slot, border.millis(), self.tolerance) {
                Ok(value) => traced.0.push(BorderValue {
                    obis: slot.code(),
                    scale: slot.word_scale(),
                    value,
                    resolution: slot.word_scale(),
                }),
                Err(lack) => traced.1.push((slot.code(), lack)),
            }
        }
        let mut taken = taken.unwrap_or(Err(Missing::Silent {
            tolerance_millis: self.tolerance,
        }))?;
        taken.values.extend(traced.0);
        taken.lacking = traced.1;
        Ok(taken)
    }

    fn evaluate(
        &mut self,
        border: u64,
        time: UnixTime,
        telegram: &Telegram,
    ) -> Result<MeterBorder, Missing> {
        let device = DeviceId::from(telegram.server_id.as_slice());
        // Sources that do not tell the id are taken for the meter that they are connected to.
        if let Some(expected) = &self.device
            && !telegram.server_id.is_empty()
            && *expected != device
        {
            return Err(Missing::OtherDevice {
                expected: expected.clone(),
                got: device,
            });
        }
        let times = (time.millis(), border);
        let bounds = (self.interval, self.tolerance);
        let mut fault = Ok(());
        for (slot, trace) in &mut self.traced {
            let sample = match number(slot, telegram) {
                Ok(number) => Sample::Number(number),
                Err(Missing::FatalStatus { .. }) => Sample::Fatal,
                Err(missing) => {
                    fault = fault.and(Err(missing));
                    continue;
                }
            };
            let threshold = slot.threshold.map(|threshold| (threshold, slot.scale));
            trace.note(times, bounds, threshold, sample);
        }
        let values = self
            .at_border
            .iter()
            .map(|slot| border_value(slot, telegram))
            .collect::<Result<_, _>>()?;
        fault.map(|()| MeterBorder {
            meter: self.name.clone(),
            time,
            device,
            values,
            lacking: Vec::new(),
        })
    }
}

fn border_value(slot: &Slot, telegram: &Telegram) -> Result<BorderValue, Missing> {
    let Slot { obis, scale, .. } = *slot;
    let too_large = Missing::TooLarge { obis, scale };
    let mut number = number(slot, telegram)?;
    if slot.method == Method::FeedIn && obis.c == 16 {
        // Turned before it is floored, so that nothing is counted that was not fed in.
        number = number.checked_neg().ok_or_else(|| too_large.clone())?;
    }
    Ok(BorderValue {
        obis: slot.code(),
        scale,
        value: number.floor_to(scale).ok_or(too_large)?,
        resolution: number.exponent(),
    })
}

fn number(slot: &Slot, telegram: &Telegram) -> Result<ScaledInteger, Missing> {
    let Slot { obis, scale, .. } = *slot;
    let entry = telegram.entry(obis);
    if slot.status.of(telegram, entry) >= PtbLevel::Fatal {
        return Err(Missing::FatalStatus { obis });
    }
    let (number, unit) = match (telegram.number(obis), slot.absent) {
        (Some(number), _) => (number, entry.and_then(|entry| entry.unit)),
        (None, Absent::Zero) => (ScaledInteger::new(0, scale), None),
        (None, Absent::Missing) => return Err(Missing::Absent { obis }),
    };
    match unit {
        Some(got) if got != slot.unit => Err(Missing::Unit {
            obis,
            expected: slot.unit,
            got,
        }),
        _ => Ok(number),
    }
}
