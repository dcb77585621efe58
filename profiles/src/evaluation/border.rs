//! What the meters showed at a round's border, and how the ledger keeps it.

use dcnet_obis::ObisCode;
use dcnet_protocol::round::UnixTime;
use tls_codec::{Deserialize as _, Serialize as _};
use tls_codec::{TlsByteVecU8, TlsDeserialize, TlsSerialize, TlsSize, TlsVecU8, TlsVecU16};

use crate::meter::DeviceId;

/// What the meters showed at a round's border: of each the latest complete telegram not after it,
/// and what was observed over the round that ends there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BorderReading {
    /// The border.
    pub border: UnixTime,
    /// One for each meter that a slot reads, in the order of the profile.
    pub meters: Vec<MeterBorder>,
}

impl BorderReading {
    /// The meter of that name; without a name the first.
    pub(super) fn meter(&self, name: Option<&str>) -> Option<&MeterBorder> {
        match name {
            // What was stored before meters had names in it is of the only meter there was.
            Some(name) => self
                .meters
                .iter()
                .find(|meter| meter.meter == name || meter.meter.is_empty()),
            None => self.meters.first(),
        }
    }
}

/// What one meter showed at a border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterBorder {
    /// Its name in the profile; empty in what was stored when a profile had one meter.
    pub meter: String,
    /// When the telegram came in.
    pub time: UnixTime,
    /// Which device showed it; empty if the source does not tell.
    pub device: DeviceId,
    /// One for each slot that reads the meter, but for those that are lacking.
    pub values: Vec<BorderValue>,
    /// Slots over the round that have no value.
    pub lacking: Vec<(ObisCode, Lack)>,
}

/// A register or a momentary value at a border, or a value over the round that ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BorderValue {
    /// For which slot: its code in the net.
    pub obis: ObisCode,
    /// `value` counts 10^scale units.
    pub scale: i8,
    /// Floored to the scale.
    pub value: i64,
    /// The meter's own resolution: it counts in steps of 10^resolution units.
    pub resolution: i8,
}

/// Why a slot over a round has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The round was not observed as a whole.
    Partial,
    /// A value of the round came with a fatal status.
    FatalStatus,
    /// The value does not fit into a word.
    TooLarge,
}

// -- stored form ---------------------------------------------------------------------------------

/// Written until profiles had more than one meter.
#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredFirst {
    version: u8,
    border: u64,
    time: u64,
    device: TlsByteVecU8,
    values: TlsVecU16<StoredValue>,
}

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct Stored {
    version: u8,
    border: u64,
    meters: TlsVecU16<StoredMeter>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredMeter {
    meter: TlsByteVecU8,
    time: u64,
    device: TlsByteVecU8,
    values: TlsVecU16<StoredValue>,
    lacking: TlsVecU8<StoredLack>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredValue {
    obis: [u8; 6],
    scale: u8,
    value: u64,
    resolution: u8,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredLack {
    obis: [u8; 6],
    why: u8,
}

const FIRST_VERSION: u8 = 1;
const STORED_VERSION: u8 = 2;

impl BorderReading {
    /// For the ledger: a stored series survives restarts.
    ///
    /// # Errors
    ///
    /// A name, a device id or the slots are longer than any meter's.
    pub fn encode(&self) -> Result<Vec<u8>, tls_codec::Error> {
        let meters: Vec<_> = self.meters.iter().map(StoredMeter::from).collect();
        Stored {
            version: STORED_VERSION,
            border: self.border.millis(),
            meters: meters.into(),
        }
        .tls_serialize_detached()
    }

    /// What [`Self::encode`] wrote, in this version or the one before; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.first() {
            Some(&FIRST_VERSION) => {
                let stored = StoredFirst::tls_deserialize_exact(bytes).ok()?;
                Some(Self {
                    border: UnixTime::from_millis(stored.border),
                    meters: vec![MeterBorder {
                        meter: String::new(),
                        time: UnixTime::from_millis(stored.time),
                        device: DeviceId::from(stored.device.as_slice()),
                        values: stored.values.iter().map(BorderValue::from).collect(),
                        lacking: Vec::new(),
                    }],
                })
            }
            Some(&STORED_VERSION) => {
                let stored = Stored::tls_deserialize_exact(bytes).ok()?;
                let meters = stored.meters.iter().map(StoredMeter::read);
                Some(Self {
                    border: UnixTime::from_millis(stored.border),
                    meters: meters.collect::<Option<_>>()?,
                })
            }
            _ => None,
        }
    }
}

impl From<&MeterBorder> for StoredMeter {
    fn from(meter: &MeterBorder) -> Self {
        let value = |value: &BorderValue| StoredValue {
            obis: value.obis.to_bytes(),
            scale: value.scale.cast_unsigned(),
            value: value.value.cast_unsigned(),
            resolution: value.resolution.cast_unsigned(),
        };
        let lack = |(obis, lack): &(ObisCode, Lack)| StoredLack {
            obis: obis.to_bytes(),
            why: match lack {
                Lack::Partial => 1,
                Lack::FatalStatus => 2,
                Lack::TooLarge => 3,
            },
        };
        Self {
            meter: meter.meter.as_bytes().into(),
            time: meter.time.millis(),
            device: meter.device.as_bytes().into(),
            values: meter.values.iter().map(value).collect::<Vec<_>>().into(),
            lacking: meter.lacking.iter().map(lack).collect::<Vec<_>>().into(),
        }
    }
}

impl StoredMeter {
    fn read(&self) -> Option<MeterBorder> {
        let lack = |stored: &StoredLack| {
            let lack = match stored.why {
                1 => Lack::Partial,
                2 => Lack::FatalStatus,
                3 => Lack::TooLarge,
                _ => return None,
            };
            Some((stored.obis.into(), lack))
        };
        Some(MeterBorder {
            meter: String::from_utf8(self.meter.as_slice().to_vec()).ok()?,
            time: UnixTime::from_millis(self.time),
            device: DeviceId::from(self.device.as_slice()),
            values: self.values.iter().map(BorderValue::from).collect(),
            lacking: self.lacking.iter().map(lack).collect::<Option<_>>()?,
        })
    }
}

impl From<&StoredValue> for BorderValue {
    fn from(value: &StoredValue) -> Self {
        Self {
            obis: value.obis.into(),
            scale: value.scale.cast_signed(),
            value: value.value.cast_signed(),
            resolution: value.resolution.cast_signed(),
        }
    }
}
