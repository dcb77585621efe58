//! Local time of a named zone, out of the database that is built in: the gateway needs none.

use std::fmt;
use std::str::FromStr;

use dcnet_protocol::round::UnixTime;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A time zone by its name in the IANA database, such as `Europe/Berlin`.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// `Europe/Berlin`: the legal time of the German market.
    ///
    /// # Panics
    ///
    /// Never: the database is built in.
    #[expect(
        clippy::expect_used,
        reason = "the database is a part of the program, and every test of a tariff goes through here"
    )]
    pub fn berlin() -> Self {
        "Europe/Berlin".parse().expect("the database has it")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What clocks show at `time`; `None` for times beyond the year 9999.
    pub fn local(&self, time: UnixTime) -> Option<DateTime> {
        Some(self.zone.to_datetime(timestamp(time)?))
    }

    /// `2018-01-31T23:00:00+01:00`; `None` for times beyond the year 9999.
    pub fn text(&self, time: UnixTime) -> Option<String> {
        let timestamp = timestamp(time)?;
        let offset = self.zone.to_offset(timestamp);
        Some(timestamp.display_with_offset(offset).to_string())
    }

    /// When the local day begins. Days may have 23 or 25 hours.
    pub fn midnight(&self, date: Date) -> Option<UnixTime> {
        let midnight = self
            .zone
            .to_ambiguous_timestamp(date.at(0, 0, 0, 0))
            .compatible();
        unix(midnight.ok()?)
    }

    /// The one or two points in time at which clocks show `local`, or at which they skip it.
    pub(super) fn instants(&self, local: DateTime) -> impl Iterator<Item = UnixTime> {
        let ambiguous = || self.zone.to_ambiguous_timestamp(local);
        [ambiguous().earlier(), ambiguous().later()]
            .into_iter()
            .filter_map(|time| unix(time.ok()?))
    }

    /// When clocks are set, later than `after` and before `before`; the first 16 of these times.
    pub(super) fn changes(&self, after: UnixTime, before: UnixTime) -> Vec<UnixTime> {
        let Some(after) = timestamp(after) else {
            return Vec::new();
        };
        self.zone
            .following(after)
            .filter_map(|change| unix(change.timestamp()))
            .take_while(|change| *change < before)
            .take(16)
            .collect()
    }
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(time.millis()).ok()?).ok()
}

fn unix(time: Timestamp) -> Option<UnixTime> {
    let millis = u64::try_from(time.as_millisecond()).ok()?;
    Some(UnixTime::from_millis(millis))
}

impl FromStr for Zone {
    type Err = UnknownZone;
    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let unknown = |_| UnknownZone {
            got: name.to_owned(),
        };
        Ok(Self {
            name: name.to_owned(),
            zone: TimeZoneDatabase::bundled().get(name).map_err(unknown)?,
        })
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

/// The database has no such zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is no time zone of the IANA database; write one as Europe/Berlin")]
pub struct UnknownZone {
    /// What was asked for.
    pub got: String,
}
