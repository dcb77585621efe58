//! How the ledger keeps the state of a tariff and its closed periods (TLS presentation language).

use dcnet_protocol::round::UnixTime;
use tls_codec::{Deserialize as _, Serialize as _};
use tls_codec::{TlsByteVecU8, TlsDeserialize, TlsSerialize, TlsSize, TlsVecU16};

use super::RegisterReading;
use super::billing::{BillingState, ClosedPeriod, Closure, Running};
use crate::meter::DeviceId;

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredState {
    version: u8,
    obis: [u8; 6],
    scale: u8,
    period: StoredPeriod,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredClosed {
    version: u8,
    closure: u8,
    period: StoredPeriod,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredPeriod {
    begin: u64,
    end: u64,
    from: StoredReading,
    to: StoredReading,
    stages: TlsVecU16<StoredStage>,
    error: u64,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredReading {
    time: u64,
    device: TlsByteVecU8,
    value: u64,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredStage {
    name: TlsByteVecU8,
    value: u64,
}

const STORED_VERSION: u8 = 1;

impl BillingState {
    /// For the ledger; empty before the first reading.
    ///
    /// # Errors
    ///
    /// Names or stages are longer than a profile allows.
    pub fn encode(&self) -> Result<Vec<u8>, tls_codec::Error> {
        let Some(running) = &self.running else {
            return Ok(Vec::new());
        };
        StoredState {
            version: STORED_VERSION,
            obis: running.source.0.to_bytes(),
            scale: running.source.1.cast_unsigned(),
            period: StoredPeriod {
                begin: running.begin.millis(),
                end: running.end.millis(),
                from: (&running.from).into(),
                to: (&running.to).into(),
                stages: stored(&running.stages),
                error: running.error.cast_unsigned(),
            },
        }
        .tls_serialize_detached()
    }

    /// What [`Self::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let StoredState {
            version,
            obis,
            scale,
            period,
        } = StoredState::tls_deserialize_exact(bytes).ok()?;
        let running = Running {
            source: (obis.into(), scale.cast_signed()),
            begin: UnixTime::from_millis(period.begin),
            end: UnixTime::from_millis(period.end),
            from: period.from.read(),
            to: period.to.read(),
            stages: read(&period.stages)?,
            error: period.error.cast_signed(),
        };
        (version == STORED_VERSION).then_some(Self {
            running: Some(running),
        })
    }
}

impl ClosedPeriod {
    /// For the ledger.
    ///
    /// # Errors
    ///
    /// Names or stages are longer than a profile allows.
    pub fn encode(&self) -> Result<Vec<u8>, tls_codec::Error> {
        StoredClosed {
            version: STORED_VERSION,
            closure: match self.closure {
                Closure::Ended => 1,
                Closure::Gap => 2,
                Closure::Replaced => 3,
                Closure::Changed => 4,
            },
            period: StoredPeriod {
                begin: self.begin.millis(),
                end: self.end.millis(),
                from: (&self.from).into(),
                to: (&self.to).into(),
                stages: stored(&self.stages),
                error: self.error.cast_unsigned(),
            },
        }
        .tls_serialize_detached()
    }

    /// What [`Self::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let StoredClosed {
            version,
            closure,
            period,
        } = StoredClosed::tls_deserialize_exact(bytes).ok()?;
        let closed = Self {
            begin: UnixTime::from_millis(period.begin),
            end: UnixTime::from_millis(period.end),
            from: period.from.read(),
            to: period.to.read(),
            stages: read(&period.stages)?,
            error: period.error.cast_signed(),
            closure: match closure {
                1 => Closure::Ended,
                2 => Closure::Gap,
                3 => Closure::Replaced,
                4 => Closure::Changed,
                _ => return None,
            },
        };
        (version == STORED_VERSION).then_some(closed)
    }
}

fn stored(stages: &[(String, i64)]) -> TlsVecU16<StoredStage> {
    let stages = stages.iter().map(|(name, value)| StoredStage {
        name: name.as_bytes().into(),
        value: value.cast_unsigned(),
    });
    stages.collect::<Vec<_>>().into()
}

fn read(stages: &TlsVecU16<StoredStage>) -> Option<Vec<(String, i64)>> {
    let stage = |stage: &StoredStage| {
        let name = String::from_utf8(stage.name.as_slice().to_vec()).ok()?;
        Some((name, stage.value.cast_signed()))
    };
    stages.iter().map(stage).collect()
}

impl From<&RegisterReading> for StoredReading {
    fn from(reading: &RegisterReading) -> Self {
        Self {
            time: reading.time.millis(),
            device: reading.device.as_bytes().into(),
            value: reading.value.cast_unsigned(),
        }
    }
}

impl StoredReading {
    fn read(&self) -> RegisterReading {
        RegisterReading {
            time: UnixTime::from_millis(self.time),
            device: DeviceId::from(self.device.as_slice()),
            value: self.value.cast_signed(),
        }
    }
}
