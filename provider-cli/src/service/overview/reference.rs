//! The reference line: what as many households would use by the standard load profile H0.
//!
//! The file has the static values of the BDEW: mean power in W of each quarter of an hour for 1,000 kWh
//! per year, `timestamp` being the beginning of the quarter. What makes H0 follow the year is a factor
//! for each day (the "dynamic" profile), which is not in the file and computed here.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::calendar::{Kind, Season};
use crate::files;

/// Largest file that is looked at, in bytes.
const MAX_FILE: u64 = 8 * 1024 * 1024;
/// The profile that is used, and the columns that there have to be.
const PROFILE: &str = "H0";
const COLUMNS: [&str; 5] = ["profile_id", "period", "day", "timestamp", "watts"];
/// Quarters of an hour in a day.
const QUARTERS: usize = 96;
/// For so many kWh per year the values stand.
const YEAR: i128 = 1000;

/// The profile H0.
#[derive(Debug)]
pub(crate) struct Reference {
    /// Mean power in mW, by season and kind of day.
    days: HashMap<(Season, Kind), Vec<i64>>,
    /// What a household uses in a year.
    kwh_per_year: u32,
}

/// Why a file is no reference profile.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It cannot be read.
    #[error("cannot read the reference profile {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is larger than any profile.
    #[error("the reference profile {} has more than {MAX_FILE} bytes", .0.display())]
    Size(PathBuf),
    /// A line is not as it should be.
    #[error("the reference profile {}, line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// Something is not in it.
    #[error("the reference profile {} lacks {what}", path.display())]
    Lacks {
        /// The file.
        path: PathBuf,
        /// What.
        what: String,
    },
}

impl Reference {
    /// Reads a CSV file with the columns `profile_id,period,day,timestamp,watts`; rows of other profiles
    /// than H0 are not looked at further.
    pub(crate) fn from_file(path: &Path, kwh_per_year: u32) -> Result<Self, ReferenceError> {
        let bytes = files::read_at_most(path, MAX_FILE).map_err(|source| ReferenceError::Read {
            path: path.to_owned(),
            source,
        })?;
        let bytes = bytes.ok_or_else(|| ReferenceError::Size(path.to_owned()))?;
        let days = read(&bytes).map_err(|wrong| wrong.in_file(path))?;
        Ok(Self { days, kwh_per_year })
    }

    /// What a household uses in a year, in kWh.
    pub(crate) fn kwh_per_year(&self) -> u32 {
        self.kwh_per_year
    }

    /// Mean power of `households` in the quarter of an hour that holds `time`, in mW.
    pub(super) fn power(&self, time: Timestamp, zone: &TimeZone, households: u64) -> Option<i128> {
        let local = zone.to_datetime(time);
        let day = self
            .days
            .get(&(Season::of(local.date()), Kind::of(local.date())))?;
        let hour = usize::try_from(local.hour()).ok()?;
        let minute = usize::try_from(local.minute()).ok()?;
        let power = i128::from(*day.get(hour * 4 + minute / 15)?);
        let scaled = power * i128::from(households) * i128::from(self.kwh_per_year);
        Some(scaled * factor(local.date()) / (YEAR * FACTOR_ONE))
    }
}

/// A factor of 1.
const FACTOR_ONE: i128 = 10_000;

/// The dynamic factor of H0 in ten-thousandths, to which the BDEW rounds it:
/// −3.92·10⁻¹⁰ d⁴ + 3.20·10⁻⁷ d³ − 7.02·10⁻⁵ d² + 2.10·10⁻³ d + 1.24, where d is the day of the year.
fn factor(date: civil::Date) -> i128 {
    let d = i128::from(date.day_of_year());
    // In units of 10⁻¹².
    let exact = -392 * d.pow(4) + 320_000 * d.pow(3) - 70_200_000 * d.pow(2)
        + 2_100_000_000 * d
        + 1_240_000_000_000;
    (exact + 50_000_000) / 100_000_000
}

type Days = HashMap<(Season, Kind), Vec<i64>>;

/// What is wrong with a file, without its name.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Line(u64, String),
    Lacks(String),
}

impl Wrong {
    fn in_file(self, path: &Path) -> ReferenceError {
        let path = path.to_owned();
        match self {
            Self::Line(line, what) => ReferenceError::Line { path, line, what },
            Self::Lacks(what) => ReferenceError::Lacks { path, what },
        }
    }
}

fn read(bytes: &[u8]) -> Result<Days, Wrong> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut days: HashMap<(Season, Kind), [Option<i64>; QUARTERS]> = HashMap::new();
    let mut is_first = true;
    for (index, record) in reader.records().enumerate() {
        let counted = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
        let record = record.map_err(|error| Wrong::Line(counted, error.to_string()))?;
        let line = record.position().map_or(counted, csv::Position::line);
        let wrong = |what: String| Wrong::Line(line, what);
        let fields: Vec<&str> = record.iter().map(str::trim).collect();
        if std::mem::take(&mut is_first) {
            if fields != COLUMNS {
                return Err(wrong(format!(
                    "the columns are {}, not {}",
                    shown(&fields.join(",")),
                    COLUMNS.join(",")
                )));
            }
            continue;
        }
        let [profile, period, day, time, watts] = fields[..] else {
            return Err(wrong(format!("{} fields instead of 5", fields.len())));
        };
        if profile != PROFILE {
            continue;
        }
        let season = Season::ALL
            .into_iter()
            .find(|season| season.word() == period);
        let season = season.ok_or_else(|| {
            let what = shown(period);
            wrong(format!(
                "the period {what} is none of winter, summer, transition"
            ))
        })?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == day);
        let kind = kind.ok_or_else(|| {
            let what = shown(day);
            wrong(format!(
                "the day {what} is none of workday, saturday, sunday"
            ))
        })?;
        let quarter = quarter(time).ok_or_else(|| {
            let what = shown(time);
            wrong(format!(
                "the timestamp {what} is no quarter of an hour from 00:00 to 23:45"
            ))
        })?;
        let power = milliwatts(watts).ok_or_else(|| {
            let what = shown(watts);
            wrong(format!(
                "{what} is no power in W with at most three decimals"
            ))
        })?;
        let place = days.entry((season, kind)).or_insert([None; QUARTERS]);
        let place = place.get_mut(quarter).map(|place| place.replace(power));
        if place.flatten().is_some() {
            let (season, kind) = (season.word(), kind.word());
            return Err(wrong(format!(
                "{PROFILE} {season} {kind} {time} stands there twice"
            )));
        }
    }
    if is_first {
        return Err(Wrong::Lacks("everything: it is empty".to_owned()));
    }
    whole(&days)
}

/// All days with all quarters.
fn whole(found: &HashMap<(Season, Kind), [Option<i64>; QUARTERS]>) -> Result<Days, Wrong> {
    let mut days = Days::new();
    for season in Season::ALL {
        for kind in Kind::ALL {
            let name = format!("{PROFILE} {} {}", season.word(), kind.word());
            let quarters = found
                .get(&(season, kind))
                .ok_or_else(|| Wrong::Lacks(name.clone()))?;
            let mut day = Vec::with_capacity(QUARTERS);
            for (quarter, power) in quarters.iter().enumerate() {
                let (hour, minute) = (quarter / 4, quarter % 4 * 15);
                day.push(
                    power.ok_or_else(|| Wrong::Lacks(format!("{name} {hour:02}:{minute:02}")))?,
                );
            }
            days.insert((season, kind), day);
        }
    }
    Ok(days)
}

/// Number of a quarter of an hour from `HH:MM`.
fn quarter(text: &str) -> Option<usize> {
    let (hour, minute) = text.split_once(':')?;
    let is_two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !is_two_digits(hour) || !is_two_digits(minute) {
        return None;
    }
    let (hour, minute): (usize, usize) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60 && minute % 15 == 0).then_some(hour * 4 + minute / 15)
}

/// A power of at most 1 MW, exactly.
fn milliwatts(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 6 || decimals.len() > 3 {
        return None;
    }
    if !is_number(whole) || !is_number(decimals) {
        return None;
    }
    format!("{whole}{decimals:0<3}").parse().ok()
}

/// A short quotation of what stands in a file.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
