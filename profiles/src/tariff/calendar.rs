//! Which tariff stage holds when, and where billing periods begin.

use std::fmt;
use std::str::FromStr;

use dcnet_protocol::round::UnixTime;
use jiff::civil::{Date, Time};
use serde::Deserialize;

use super::{INTERVAL, TariffProfile};
use crate::schema;
use crate::text;

/// What a day looks like: from when on which stage holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "day")]
pub struct DayProfile {
    /// Its name, for weeks and special days.
    pub name: String,
    /// In the order of the day, the first at 00:00.
    pub switches: Vec<Switch>,
}

/// A stage begins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "switch")]
pub struct Switch {
    /// Local time of day.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::TimeOfDay")]
    pub at: TimeOfDay,
    /// Which stage.
    pub stage: String,
}

/// A season: which day profile each weekday has, from a day of the year on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "season")]
pub struct Season {
    /// First day, every year. The last season of the year goes on until the first begins.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::YearDay")]
    pub from: YearDay,
    /// Day profiles of Monday to Sunday.
    pub week: [String; 7],
}

/// A day that differs from its weekday.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "special day")]
pub struct SpecialDay {
    /// When.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::SpecialDate")]
    pub date: SpecialDate,
    /// Its day profile.
    pub day: String,
}

/// A local time of day, at a quarter of an hour: `06:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(Time);

impl TimeOfDay {
    /// The beginning of the day.
    pub const MIDNIGHT: Self = Self(Time::midnight());
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

impl FromStr for TimeOfDay {
    type Err = NoDate;
    fn from_str(text: &str) -> Result<Self, NoDate> {
        let wrong = || NoDate {
            got: text.to_owned(),
            form: "a quarter of an hour as 06:00 or 21:45, from 00:00 to 23:45",
        };
        let (hour, minute) = two_digits(text, ':').ok_or_else(wrong)?;
        if minute % 15 == 0 {
            Time::new(hour, minute, 0, 0).map(Self).map_err(|_| wrong())
        } else {
            Err(wrong())
        }
    }
}

/// A day of every year: `12-25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct YearDay {
    month: i8,
    day: i8,
}

impl fmt::Display for YearDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

impl From<Date> for YearDay {
    fn from(date: Date) -> Self {
        let (month, day) = (date.month(), date.day());
        Self { month, day }
    }
}

impl FromStr for YearDay {
    type Err = NoDate;
    fn from_str(text: &str) -> Result<Self, NoDate> {
        two_digits(text, '-')
            .and_then(|(month, day)| Date::new(2000, month, day).ok()) // has the 29th of February
            .map(Self::from)
            .ok_or_else(|| NoDate {
                got: text.to_owned(),
                form: "a day of the year as 12-25 (month, day)",
            })
    }
}

/// One day, or the same day of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialDate {
    /// `2026-04-03`
    Once(Date),
    /// `12-25`
    EveryYear(YearDay),
}

impl FromStr for SpecialDate {
    type Err = NoDate;
    fn from_str(text: &str) -> Result<Self, NoDate> {
        if let Ok(day) = text.parse() {
            return Ok(Self::EveryYear(day));
        }
        let plain = text.len() == 10;
        let date = plain.then(|| text.parse().ok()).flatten();
        date.map(Self::Once).ok_or_else(|| NoDate {
            got: text.to_owned(),
            form: "a day as 2026-04-03, or as 12-25 for every year",
        })
    }
}

/// Neither a day nor a time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is not {form}")]
pub struct NoDate {
    /// What stands there.
    pub got: String,
    /// What should.
    pub form: &'static str,
}

fn two_digits(text: &str, between: char) -> Option<(i8, i8)> {
    let (left, right) = text.split_once(between)?;
    let digits = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    Some((digits(left)?, digits(right)?))
}

/// Longest time over which a stage is followed.
const MAX_DAYS: usize = 400;

impl TariffProfile {
    /// The number of the stage that holds from `time` on: what the clocks show decides, so an hour
    /// that is shown twice is switched twice. `None`: nothing is said of that time.
    pub fn stage_at(&self, time: UnixTime) -> Option<usize> {
        if self.stages.is_empty() {
            return Some(0);
        }
        let local = self.zone.local(time)?;
        let switches = &self.day_profile(local.date())?.switches;
        let switch = switches
            .iter()
            .rfind(|switch| switch.at.0 <= local.time())?;
        self.stages.iter().position(|stage| *stage == switch.stage)
    }

    /// The stage that holds from `from` to `to` without a break, if there is one.
    pub fn stage_between(&self, from: UnixTime, to: UnixTime) -> Option<usize> {
        let stage = self.stage_at(from)?;
        if self.stages.is_empty() {
            return Some(stage);
        }
        let (first, last) = (self.zone.local(from)?.date(), self.zone.local(to)?.date());
        let mut switches = self.zone.changes(from, to);
        let mut date = first;
        for _ in 0..MAX_DAYS {
            for switch in &self.day_profile(date)?.switches {
                switches.extend(self.zone.instants(date.to_datetime(switch.at.0)));
            }
            if date >= last {
                let within = |time: &UnixTime| from < *time && *time < to;
                let mut switches = switches.into_iter().filter(within);
                let same = switches.all(|time| self.stage_at(time) == Some(stage));
                return same.then_some(stage);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The billing period in which `time` lies: where it begins, and where the next one does.
    pub fn period_at(&self, time: UnixTime) -> Option<(UnixTime, UnixTime)> {
        let date = self.zone.local(time)?.date();
        let (months, anchor) = (i16::from(self.months), i16::from(self.first_month));
        let into = (i16::from(date.month()) - anchor).rem_euclid(months);
        let month = |ahead: i16| {
            let count = date.year() * 12 + i16::from(date.month()) - 1 + ahead;
            let month = i8::try_from(count.rem_euclid(12) + 1).ok()?;
            let first = Date::new(count.div_euclid(12), month, 1).ok()?;
            self.zone.midnight(first)
        };
        Some((month(-into)?, month(months - into)?))
    }

    fn day_profile(&self, date: Date) -> Option<&DayProfile> {
        let special = self.special_days.iter().find(|special| match special.date {
            SpecialDate::Once(day) => day == date,
            SpecialDate::EveryYear(day) => day == date.into(),
        });
        let name = if let Some(special) = special {
            &special.day
        } else {
            let begun = |season: &&Season| season.from <= date.into();
            let season = self.seasons.iter().rfind(begun).or(self.seasons.last())?;
            let weekday = date.weekday().to_monday_zero_offset();
            season.week.get(usize::try_from(weekday).ok()?)?
        };
        self.days.iter().find(|day| day.name == *name)
    }
}

/// Whether a register is read at that time of day: every interval.
const _: () = assert!(INTERVAL == 15 * 60 * 1000, "TimeOfDay counts in these");
