//! What the meter showed at a round's border.

use std::collections::BTreeMap;

use dcnet_obis::{ObisCode, ScaledInteger, Telegram};
use dcnet_protocol::round::UnixTime;
use tls_codec::{TlsByteVecU8, TlsDeserialize, TlsSerialize, TlsSize, TlsVecU16};

use super::reading::Missing;
use super::{Absent, EvaluationProfile, Slot};
use crate::meter::{DeviceId, MeterProfile};

/// What the meter showed at a round's border: the latest complete telegram not after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BorderReading {
    /// The border.
    pub border: UnixTime,
    /// When the telegram came in.
    pub time: UnixTime,
    /// Which meter showed it.
    pub device: DeviceId,
    /// One for each slot of the evaluation profile, in its order.
    pub values: Vec<BorderValue>,
}

/// A register or a momentary value at a border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BorderValue {
    /// Which entry.
    pub obis: ObisCode,
    /// `value` counts 10^scale units.
    pub scale: i8,
    /// Floored to the scale.
    pub value: i64,
    /// The meter's own resolution: it counts in steps of 10^resolution units.
    pub resolution: i8,
}

/// Collects the readings at the borders out of the telegrams as they come in.
///
/// Holds one candidate for each of a few borders, whatever the meter sends.
#[derive(Debug, Clone)]
pub struct Collector {
    slots: Vec<Slot>,
    device: Option<DeviceId>,
    interval: u64,
    tolerance: u64,
    candidates: BTreeMap<u64, Result<BorderReading, Missing>>,
}

/// Borders for which a candidate is held: the current one, the one just passed, and one more for a
/// daemon that was held up.
const MAX_CANDIDATES: usize = 3;

impl Collector {
    /// `interval` is the round's length in milliseconds.
    pub fn new(meter: &MeterProfile, evaluation: &EvaluationProfile, interval: u64) -> Self {
        Self {
            slots: evaluation.slots.clone(),
            device: meter.device.clone(),
            interval: interval.max(1),
            tolerance: evaluation.tolerance_millis(interval),
            candidates: BTreeMap::new(),
        }
    }

    /// Takes note of a telegram that came in at `time`.
    ///
    /// # Errors
    ///
    /// Why the telegram is of no use for the slots; it is also what [`Self::take`] answers if no
    /// better one comes before the border.
    pub fn observe(&mut self, time: UnixTime, telegram: &Telegram) -> Result<(), Missing> {
        let border = time
            .millis()
            .div_ceil(self.interval)
            .saturating_mul(self.interval);
        let candidate = self.evaluate(UnixTime::from_millis(border), time, telegram);
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

    /// The reading at `border`, which must have passed. The candidates up to it are dropped.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn take(&mut self, border: UnixTime) -> Result<BorderReading, Missing> {
        let later = self
            .candidates
            .split_off(&border.millis().saturating_add(1));
        let taken = self.candidates.remove(&border.millis());
        self.candidates = later;
        taken.unwrap_or(Err(Missing::Silent {
            tolerance_millis: self.tolerance,
        }))
    }

    fn evaluate(
        &self,
        border: UnixTime,
        time: UnixTime,
        telegram: &Telegram,
    ) -> Result<BorderReading, Missing> {
        let device = DeviceId::from(telegram.server_id.as_slice());
        if let Some(expected) = &self.device
            && *expected != device
        {
            return Err(Missing::OtherDevice {
                expected: expected.clone(),
                got: device,
            });
        }
        let values = self
            .slots
            .iter()
            .map(|slot| value(slot, telegram))
            .collect::<Result<_, _>>()?;
        Ok(BorderReading {
            border,
            time,
            device,
            values,
        })
    }
}

fn value(slot: &Slot, telegram: &Telegram) -> Result<BorderValue, Missing> {
    let Slot { obis, scale, .. } = *slot;
    let (number, unit) = match (telegram.number(obis), slot.absent) {
        (Some(number), _) => (number, telegram.entry(obis).and_then(|entry| entry.unit)),
        (None, Absent::Zero) => (ScaledInteger::new(0, scale), None),
        (None, Absent::Missing) => return Err(Missing::Absent { obis }),
    };
    if let Some(got) = unit
        && got != slot.unit
    {
        return Err(Missing::Unit {
            obis,
            expected: slot.unit,
            got,
        });
    }
    let value = number
        .floor_to(scale)
        .ok_or(Missing::TooLarge { obis, scale })?;
    Ok(BorderValue {
        obis,
        scale,
        value,
        resolution: number.exponent(),
    })
}

// -- stored form ---------------------------------------------------------------------------------

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredReading {
    version: u8,
    border: u64,
    time: u64,
    device: TlsByteVecU8,
    values: TlsVecU16<StoredValue>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredValue {
    obis: [u8; 6],
    scale: u8,
    value: u64,
    resolution: u8,
}

const STORED_VERSION: u8 = 1;

impl BorderReading {
    /// For the ledger: a stored series survives restarts.
    ///
    /// # Errors
    ///
    /// The device id or the slots are longer than any meter's.
    pub fn encode(&self) -> Result<Vec<u8>, tls_codec::Error> {
        use tls_codec::Serialize as _;
        let value = |value: &BorderValue| StoredValue {
            obis: value.obis.to_bytes(),
            scale: value.scale.cast_unsigned(),
            value: value.value.cast_unsigned(),
            resolution: value.resolution.cast_unsigned(),
        };
        StoredReading {
            version: STORED_VERSION,
            border: self.border.millis(),
            time: self.time.millis(),
            device: self.device.as_bytes().into(),
            values: self.values.iter().map(value).collect::<Vec<_>>().into(),
        }
        .tls_serialize_detached()
    }

    /// What [`Self::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        use tls_codec::Deserialize as _;
        let stored = StoredReading::tls_deserialize_exact(bytes).ok()?;
        let value = |value: &StoredValue| BorderValue {
            obis: value.obis.into(),
            scale: value.scale.cast_signed(),
            value: value.value.cast_signed(),
            resolution: value.resolution.cast_signed(),
        };
        (stored.version == STORED_VERSION).then(|| Self {
            border: UnixTime::from_millis(stored.border),
            time: UnixTime::from_millis(stored.time),
            device: DeviceId::from(stored.device.as_slice()),
            values: stored.values.iter().map(value).collect(),
        })
    }
}
