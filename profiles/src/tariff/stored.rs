//! How the ledger keeps the state of a tariff and its closed periods (TLS presentation language).

use dcnet_protocol::round::UnixTime;
use tls_codec::{Deserialize as _, Serialize as _};
use tls_codec::{TlsByteVecU8, TlsDeserialize, TlsSerialize, TlsSize, TlsVecU16};

use super::RegisterReading;
use super::billing::{BillingState, ClosedPeriod, Closure, Period, Running};
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
            period: (&running.period).into(),
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
            period: period.read()?,
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
            period: (&self.period).into(),
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
            period: period.read()?,
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

impl From<&Period> for StoredPeriod {
    fn from(period: &Period) -> Self {
        let stages = period.stages.iter().map(|(name, value)| StoredStage {
            name: name.as_bytes().into(),
            value: value.cast_unsigned(),
        });
        Self {
            begin: period.begin.millis(),
            end: period.end.millis(),
            from: (&period.from).into(),
            to: (&period.to).into(),
            stages: stages.collect::<Vec<_>>().into(),
            error: period.error.cast_unsigned(),
        }
    }
}

impl StoredPeriod {
    /// `None` if the name of a stage is no text.
    fn read(&self) -> Option<Period> {
        let stage = |stage: &StoredStage| {
            let name = String::from_utf8(stage.name.as_slice().to_vec()).ok()?;
            Some((name, stage.value.cast_signed()))
        };
        Some(Period {
            begin: UnixTime::from_millis(self.begin),
            end: UnixTime::from_millis(self.end),
            from: self.from.read(),
            to: self.to.read(),
            stages: self.stages.iter().map(stage).collect::<Option<_>>()?,
            error: self.error.cast_signed(),
        })
    }
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

#[cfg(test)]
mod tests {
    use super::super::TariffProfile;
    use super::*;

    /// What ledgers of gateways have: section 3 of docs/spec/evaluation.md, by hand.
    const PERIOD: &str = "\
        000001a0f454e700 000001a19430f980 \
        000001a194233de0 01 07 0000000000000384 \
        000001a19430f980 01 07 00000000000003e8 \
        000e 05 746f74616c 0000000000000064 \
        0000000000000000";

    #[test]
    fn stored_bytes_are_those_of_the_specification() {
        let tariff: TariffProfile =
            serde_yaml::from_str("{ name: grid, taf: 1, obis: 1.8.0, unit: Wh, scale: -1 }")
                .unwrap();
        let reading = |time: &str, value| RegisterReading {
            time: UnixTime::from_millis(
                u64::try_from(time.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap(),
            ),
            device: DeviceId::from([7].as_slice()),
            value,
        };
        let state = BillingState::default();
        let first = reading("2026-10-31T22:45:00Z", 900);
        let (state, _) = state.advance(&tariff, &first).unwrap();
        let last = reading("2026-10-31T23:00:00Z", 1_000);
        let (next, closed) = state.advance(&tariff, &last).unwrap();
        let hex = |text: String| crate::text::hex(&text).unwrap();
        let closed = closed.unwrap();
        assert_eq!(closed.encode().unwrap(), hex(format!("01 01 {PERIOD}")));
        assert_eq!(
            ClosedPeriod::decode(&closed.encode().unwrap()),
            Some(closed)
        );
        let running = next.encode().unwrap();
        let head = hex("01 0100010800ff ff".to_owned());
        assert!(running.starts_with(&head), "{running:x?}");
        assert_eq!(running.len() - head.len(), hex(PERIOD.to_owned()).len());
        assert_eq!(BillingState::decode(&running), Some(next));
    }
}
