//! Days as the standard load profiles of the BDEW know them: three kinds in three seasons.
//!
//! Source: VDEW, Repräsentative VDEW-Lastprofile (1999), and BDEW, Standardlastprofile Strom. Holidays
//! are those of all German states; 24 and 31 December count as Saturdays.

use jiff::civil::{Date, Weekday};

/// Part of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Season {
    /// 1 November to 20 March.
    Winter,
    /// 15 May to 14 September.
    Summer,
    /// The rest.
    Transition,
}

/// Kind of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Workday,
    Saturday,
    /// Holidays, too.
    Sunday,
}

impl Season {
    pub(super) const ALL: [Self; 3] = [Self::Winter, Self::Summer, Self::Transition];

    pub(super) fn of(date: Date) -> Self {
        match (date.month(), date.day()) {
            (11.. | ..=2, _) | (3, ..=20) => Self::Winter,
            (5, 15..) | (6..=8, _) | (9, ..=14) => Self::Summer,
            _ => Self::Transition,
        }
    }

    /// As files of profiles name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Winter => "winter",
            Self::Summer => "summer",
            Self::Transition => "transition",
        }
    }
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Workday, Self::Saturday, Self::Sunday];

    pub(super) fn of(date: Date) -> Self {
        let is_eve = date.month() == 12 && matches!(date.day(), 24 | 31);
        if date.weekday() == Weekday::Sunday || is_holiday(date) {
            Self::Sunday
        } else if date.weekday() == Weekday::Saturday || is_eve {
            Self::Saturday
        } else {
            Self::Workday
        }
    }

    /// As files of profiles name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Workday => "workday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

/// Whether the day is a holiday in all German states.
fn is_holiday(date: Date) -> bool {
    // Good Friday, Easter Monday, Ascension, Whit Monday.
    const FROM_EASTER: [i32; 4] = [-2, 1, 39, 50];
    let is_fixed = matches!(
        (date.month(), date.day()),
        (1 | 5, 1) | (10, 3) | (12, 25 | 26)
    );
    is_fixed || {
        let days = i32::from(date.day_of_year()) - i32::from(easter(date.year()).day_of_year());
        FROM_EASTER.contains(&days)
    }
}

/// Easter Sunday of the Gregorian calendar (Gauss' algorithm as Lichtenberg corrected it).
fn easter(year: i16) -> Date {
    let year_number = i32::from(year);
    let century = year_number / 100;
    let leap_days = (3 * century + 3) / 4;
    let moon_shift = 15 + leap_days - (8 * century + 13) / 25;
    let lunar = year_number % 19;
    let seed = (19 * lunar + moon_shift) % 30;
    let full_moon = 21 + seed - (seed + lunar / 11) / 29;
    let sunday = 7 - (year_number + year_number / 4 + 2 - leap_days) % 7;
    let days = full_moon + 7 - (full_moon - sunday) % 7;
    // A day of March, counted on into April.
    let (month, day) = if days > 31 { (4, days - 31) } else { (3, days) };
    i8::try_from(day)
        .ok()
        .and_then(|day| Date::new(year, month, day).ok())
        .unwrap_or(Date::ZERO)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn easter_is_where_calendars_have_it() {
        for (year, month, day) in [
            (1999, 4, 4),
            (2000, 4, 23),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2038, 4, 25), // the latest
            (2049, 4, 18), // where Gauss' own rule was wrong
        ] {
            assert_eq!(easter(year), date(year, month, day));
        }
    }

    #[test]
    fn days_are_of_their_kind() {
        for (day, kind) in [
            (date(2026, 4, 3), Kind::Sunday),     // Good Friday
            (date(2026, 4, 6), Kind::Sunday),     // Easter Monday
            (date(2026, 5, 14), Kind::Sunday),    // Ascension
            (date(2026, 5, 25), Kind::Sunday),    // Whit Monday
            (date(2026, 10, 3), Kind::Sunday),    // a Saturday, but a holiday
            (date(2026, 12, 24), Kind::Saturday), // a Thursday
            (date(2023, 12, 24), Kind::Sunday),   // a Sunday
            (date(2026, 6, 4), Kind::Workday),    // Corpus Christi: not everywhere
            (date(2026, 11, 28), Kind::Saturday),
            (date(2026, 11, 30), Kind::Workday),
        ] {
            assert_eq!(Kind::of(day), kind, "{day}");
        }
    }

    #[test]
    fn seasons_begin_and_end_on_their_days() {
        for (month, day, season) in [
            (3, 20, Season::Winter),
            (3, 21, Season::Transition),
            (5, 14, Season::Transition),
            (5, 15, Season::Summer),
            (9, 14, Season::Summer),
            (9, 15, Season::Transition),
            (10, 31, Season::Transition),
            (11, 1, Season::Winter),
            (1, 1, Season::Winter),
        ] {
            assert_eq!(Season::of(date(2026, month, day)), season, "{month}-{day}");
        }
    }
}
