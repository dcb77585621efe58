//! What a meter's telegram says, in the meter's own terms.

use core::fmt;

use crate::{ObisCode, ScaledInteger, Unit};

/// One list of readings as a meter sent it (in SML: one `GetList.Res` message).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram {
    /// The meter's id as sent, in whatever form its maker chose; see [`Telegram::device`].
    pub server_id: Vec<u8>,
    /// The meter's own clock when it took the readings, if it told.
    pub sensor_time: Option<MeterTime>,
    /// The entries in the order in which they were sent.
    pub entries: Vec<Entry>,
}

impl Telegram {
    /// The first entry with this OBIS code.
    pub fn entry(&self, obis: ObisCode) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.obis == obis)
    }

    /// The number under this OBIS code; `None` if the entry is missing or no number.
    pub fn number(&self, obis: ObisCode) -> Option<ScaledInteger> {
        match self.entry(obis)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }
}

/// One value of a telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the value is about.
    pub obis: ObisCode,
    /// The value, its scaler applied.
    pub value: Value,
    /// The unit, if one was sent.
    pub unit: Option<Unit>,
    /// The meter's status word that came with the value; [`Entry::status_word`] reads its bits.
    pub status: Option<u64>,
    /// When the value was taken, if that was sent.
    pub time: Option<MeterTime>,
}

impl Entry {
    /// A number with its unit, without status and time.
    pub const fn number(obis: ObisCode, number: ScaledInteger, unit: Unit) -> Self {
        Self {
            obis,
            value: Value::Number(number),
            unit: Some(unit),
            status: None,
            time: None,
        }
    }

    /// An octet string, such as an id, without unit, status and time.
    pub fn bytes(obis: ObisCode, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            obis,
            value: Value::Bytes(bytes.into()),
            unit: None,
            status: None,
            time: None,
        }
    }

    /// The entry with a status word.
    #[must_use]
    pub fn with_status(self, status: u64) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// The entry with the time at which its value was taken.
    #[must_use]
    pub fn with_time(self, time: MeterTime) -> Self {
        Self {
            time: Some(time),
            ..self
        }
    }
}

/// The value of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number, exact.
    Number(ScaledInteger),
    /// An octet string: an id, a public key, a text in the maker's character set.
    Bytes(Vec<u8>),
    /// A truth value.
    Bool(bool),
    /// A point in time.
    Time(MeterTime),
}

/// A number in decimal, bytes as text if they are printable ASCII and in hexadecimal otherwise.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(out),
            Self::Bytes(bytes) if bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ') => bytes
                .iter()
                .try_for_each(|b| write!(out, "{}", char::from(*b))),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|b| write!(out, "{b:02x}")),
            Self::Bool(value) => value.fmt(out),
            Self::Time(time) => time.fmt(out),
        }
    }
}

/// A point in time as a meter knows it. Most meters have no clock, only a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeterTime {
    /// The meter's seconds index: seconds of operation, with no relation to the calendar.
    SecIndex(u32),
    /// Seconds since 1970-01-01T00:00:00Z.
    Timestamp(u32),
    /// A timestamp with the meter's local time beside it (SML `timestampLocal`).
    Local {
        /// Seconds since 1970-01-01T00:00:00Z.
        timestamp: u32,
        /// Minutes by which local standard time is ahead of UTC.
        local_offset: i16,
        /// Minutes by which summer time is ahead of local standard time.
        season_offset: i16,
    },
}

impl MeterTime {
    /// Seconds since 1970-01-01T00:00:00Z; `None` for a seconds index, which is no such time.
    pub const fn unix_seconds(self) -> Option<u32> {
        match self {
            Self::SecIndex(_) => None,
            Self::Timestamp(timestamp) | Self::Local { timestamp, .. } => Some(timestamp),
        }
    }
}

impl fmt::Display for MeterTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecIndex(seconds) => write!(out, "second {seconds} of operation"),
            Self::Timestamp(timestamp) => write!(out, "{timestamp} s since 1970 UTC"),
            Self::Local {
                timestamp,
                local_offset,
                season_offset,
            } => write!(
                out,
                "{timestamp} s since 1970 UTC, local {local_offset:+} min {season_offset:+} min"
            ),
        }
    }
}
