//! TAF-6: what the register showed at the midnights of six weeks.

use std::collections::VecDeque;

use dcnet_protocol::round::UnixTime;
use tls_codec::{Deserialize as _, Serialize as _};
use tls_codec::{TlsByteVecU8, TlsDeserialize, TlsSerialize, TlsSize, TlsVecU16};

use super::{RegisterReading, TariffProfile};
use crate::meter::DeviceId;

/// Days that are kept: six weeks.
pub const KEPT_DAYS: i32 = 42;

/// Register values at local midnight: at most 43, between which lie 42 days. A midnight at which
/// the register was not read is not in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DailyValues {
    values: VecDeque<RegisterReading>,
}

impl DailyValues {
    /// Ascending in time.
    pub fn values(&self) -> impl Iterator<Item = &RegisterReading> {
        self.values.iter()
    }

    /// The values with this reading, if it is one of a midnight after the latest one; else as they
    /// were.
    #[must_use]
    pub fn advance(&self, profile: &TariffProfile, reading: &RegisterReading) -> Self {
        let mut values = self.values.clone();
        let zone = &profile.zone;
        let newer = values.back().is_none_or(|last| last.time < reading.time);
        let date = zone.local(reading.time).map(jiff::civil::DateTime::date);
        if let Some(date) = date
            && newer
            && zone.midnight(date) == Some(reading.time)
        {
            let mut oldest = date;
            for _ in 0..KEPT_DAYS {
                oldest = oldest.yesterday().unwrap_or(oldest);
            }
            let oldest = zone.midnight(oldest);
            values.retain(|value| Some(value.time) >= oldest);
            values.push_back(reading.clone());
        }
        Self { values }
    }
}

// -- stored form ---------------------------------------------------------------------------------

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct Stored {
    version: u8,
    values: TlsVecU16<StoredValue>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredValue {
    time: u64,
    device: TlsByteVecU8,
    value: u64,
}

const STORED_VERSION: u8 = 1;

impl DailyValues {
    /// For the ledger.
    ///
    /// # Errors
    ///
    /// A device id is longer than any meter's.
    pub fn encode(&self) -> Result<Vec<u8>, tls_codec::Error> {
        let values = self.values().map(|reading| StoredValue {
            time: reading.time.millis(),
            device: reading.device.as_bytes().into(),
            value: reading.value.cast_unsigned(),
        });
        Stored {
            version: STORED_VERSION,
            values: values.collect::<Vec<_>>().into(),
        }
        .tls_serialize_detached()
    }

    /// What [`Self::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let stored = Stored::tls_deserialize_exact(bytes).ok()?;
        let values = stored.values.iter().map(|value| RegisterReading {
            time: UnixTime::from_millis(value.time),
            device: DeviceId::from(value.device.as_slice()),
            value: value.value.cast_signed(),
        });
        (stored.version == STORED_VERSION).then(|| Self {
            values: values.collect(),
        })
    }
}
