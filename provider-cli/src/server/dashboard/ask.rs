//! What is asked for: times, pages of a list; and addresses of pages.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span as Length, Timestamp};
use serde::Deserialize;

use super::frame::Fault;
use crate::service::overview::{LONGEST, Span, fits};

/// Shortest time that is shown, in rounds.
const FEWEST_ROUNDS: i64 = 4;

/// The query of a page with a curve.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// First instant: RFC 3339, or local time without a zone, or a local day.
    pub(super) from: Option<String>,
    /// Before which instant it ends.
    pub(super) to: Option<String>,
    /// Index of the slot.
    #[serde(default)]
    pub(super) slot: usize,
    /// Page of the list of members.
    #[serde(default)]
    pub(super) page: usize,
}

impl Ask {
    /// The time that is asked for. If none is: today; the last hours or rounds where that would be too much
    /// for one page. `interval` is the length of a round in seconds, `nets` how many are added up.
    pub(super) fn span(
        &self,
        zone: &TimeZone,
        now: i64,
        interval: u64,
        nets: usize,
    ) -> Result<Span, Fault> {
        let empty = |text: &&String| !text.is_empty();
        let (from, to) = (
            self.from.as_ref().filter(empty),
            self.to.as_ref().filter(empty),
        );
        let span = match (from, to) {
            (None, None) => {
                let rounds = i64::try_from(interval).unwrap_or(900) * 16;
                let last = |length| Span {
                    from: now - length,
                    to: now,
                };
                let wanted = [day(zone, now, 0)?, last(4 * 3600)];
                let fitting = wanted
                    .into_iter()
                    .find(|span| fits(*span, interval, zone, nets));
                fitting.unwrap_or(last(rounds))
            }
            (Some(from), None) => {
                let from = instant(from, zone)?;
                Span {
                    from,
                    to: day(zone, from, 1)?.from,
                }
            }
            (None, Some(to)) => {
                let to = instant(to, zone)?;
                Span {
                    from: day(zone, to - 1, 0)?.from,
                    to,
                }
            }
            (Some(from), Some(to)) => Span {
                from: instant(from, zone)?,
                to: instant(to, zone)?,
            },
        };
        let shortest = least(interval);
        if span.to <= span.from {
            return Err(question("the time shown has to end after it begins"));
        }
        if span.to - span.from > LONGEST {
            return Err(question("a curve shows a week at most"));
        }
        if span.to - span.from < shortest {
            let told = format!("a curve shows at least {FEWEST_ROUNDS} rounds, here {shortest} s");
            return Err(Fault::Question(told));
        }
        Ok(span)
    }
}

fn question(text: &str) -> Fault {
    Fault::Question(text.to_owned())
}

/// The local day that holds `time`, or so many days later.
pub(super) fn day(zone: &TimeZone, time: i64, later: i64) -> Result<Span, Fault> {
    let out = || question("this time is beyond the calendar");
    let time = Timestamp::from_second(time).map_err(|_| out())?;
    let date = zone.to_datetime(time).date();
    let date = date
        .checked_add(Length::new().days(later))
        .map_err(|_| out())?;
    let begin = |date: Date| {
        let start = zone.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| out())?;
        Ok::<_, Fault>(start.as_second())
    };
    Ok(Span {
        from: begin(date)?,
        to: begin(date.tomorrow().map_err(|_| out())?)?,
    })
}

/// An instant as an address or the form has it. Of a local time that is there twice the first one is
/// meant; one that is not there is moved on by the hour that is left out.
fn instant(text: &str, zone: &TimeZone) -> Result<i64, Fault> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_second());
    }
    let local = text.parse::<DateTime>().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Fault::Question(format!(
            "{shown:?} is no time such as 2026-11-28T06:00 or 2026-11-28T05:00:00Z"
        ))
    })?;
    let time = zone.to_timestamp(local);
    let time = time.map_err(|_| question("this time is beyond the calendar"))?;
    Ok(time.as_second())
}

/// Shortest time that is shown, in seconds, where rounds are `interval` seconds long.
pub(super) fn least(interval: u64) -> i64 {
    i64::try_from(interval)
        .unwrap_or(900)
        .saturating_mul(FEWEST_ROUNDS)
}

/// For an address: UTC.
pub(super) fn utc(time: i64) -> String {
    Timestamp::from_second(time).map_or_else(|_| time.to_string(), |time| time.to_string())
}

/// For the form and for people: local.
pub(super) fn local(time: i64, zone: &TimeZone, format: &str) -> String {
    Timestamp::from_second(time).map_or_else(
        |_| time.to_string(),
        |time| {
            time.to_zoned_datetime(zone.clone())
                .strftime(format)
                .to_string()
        },
    )
}

/// A text as one segment of a path, or as a value in a query.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) {
            all.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(all, "%{byte:02X}");
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        jiff::tz::TimeZoneDatabase::bundled()
            .get("Europe/Berlin")
            .unwrap()
    }

    fn asked(from: &str, to: &str) -> Result<(String, String), String> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let ask = Ask {
            from: text(from),
            to: text(to),
            ..Ask::default()
        };
        let now = "2026-10-25T12:00:00Z"
            .parse::<Timestamp>()
            .unwrap()
            .as_second();
        let span = ask
            .span(&berlin(), now, 900, 1)
            .map_err(|fault| fault.to_string())?;
        Ok((utc(span.from), utc(span.to)))
    }

    #[test]
    fn times_are_understood_in_all_forms() {
        let long_day = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        for (from, to, expected) in [
            ("", "", long_day),
            ("2026-10-25", "", long_day),
            ("2026-10-25T00:00", "2026-10-26T00:00", long_day),
            ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", long_day),
            (
                "2026-03-29T01:30",
                "2026-03-29T03:30",
                ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
            ),
            // Twice there: the first one. Not there: an hour on.
            (
                "2026-10-25T02:30",
                "2026-10-25T05:00",
                ("2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"),
            ),
            (
                "2026-03-29T02:30",
                "2026-03-29T06:00",
                ("2026-03-29T01:30:00Z", "2026-03-29T04:00:00Z"),
            ),
            (
                "",
                "2026-11-28T06:00",
                ("2026-11-27T23:00:00Z", "2026-11-28T05:00:00Z"),
            ),
        ] {
            let expected = (expected.0.to_owned(), expected.1.to_owned());
            assert_eq!(asked(from, to), Ok(expected), "{from} {to}");
        }
    }

    #[test]
    fn questions_without_an_answer_are_refused_with_a_reason() {
        for (from, to, told) in [
            ("yesterday", "", "\"yesterday\" is no time"),
            (
                "2026-11-28T06:00",
                "2026-11-28T06:00",
                "end after it begins",
            ),
            (
                "2026-11-28T06:00",
                "2026-11-28T05:00",
                "end after it begins",
            ),
            ("2026-11-01", "2026-11-28", "a week at most"),
            ("2026-11-28T06:00", "2026-11-28T06:45", "at least 4 rounds"),
            ("9999-12-31", "", "beyond the calendar"),
        ] {
            let refused = asked(from, to).unwrap_err();
            assert!(refused.contains(told), "{from} {to}: {refused}");
        }
    }

    #[test]
    fn where_a_day_is_too_much_it_is_less() {
        let now = 1_795_824_000;
        let length = |interval, nets| {
            let span = Ask::default().span(&berlin(), now, interval, nets);
            let span = span.unwrap_or_else(|fault| panic!("{fault}"));
            span.to - span.from
        };
        assert_eq!(length(900, 300), 86_400);
        assert_eq!(length(900, 1000), 4 * 3600);
        assert_eq!(length(3, 2), 4 * 3600);
        assert_eq!(length(900, 100_000), 16 * 900);
    }

    #[test]
    fn what_stands_in_addresses_comes_back() {
        assert_eq!(encoded("elbe-4"), "elbe-4");
        assert_eq!(encoded("Straße 1/2?"), "Stra%C3%9Fe%201%2F2%3F");
    }
}
