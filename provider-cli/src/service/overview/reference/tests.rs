//! The reader of profiles, and what it computes.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::*;

/// A profile whose values say where they come from: 100 W and as many as the quarter's number, twice
/// that on Sundays, thrice in summer.
fn made_up() -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for season in Season::ALL {
        for kind in Kind::ALL {
            for quarter in 0..QUARTERS {
                let power = (100 + quarter)
                    * if kind == Kind::Sunday { 2 } else { 1 }
                    * if season == Season::Summer { 3 } else { 1 };
                let (hour, minute) = (quarter / 4, quarter % 4 * 15);
                let (season, kind) = (season.word(), kind.word());
                writeln!(text, "H0,{season},{kind},{hour:02}:{minute:02},{power}.5").unwrap();
            }
        }
    }
    text + "G0,winter,workday,nonsense of others is not looked at,x\n"
}

fn reference(kwh_per_year: u32) -> Reference {
    Reference {
        days: read(made_up().as_bytes()).unwrap(),
        kwh_per_year,
    }
}

#[test]
fn power_follows_day_season_quarter_and_households() {
    let berlin = jiff::tz::TimeZoneDatabase::bundled()
        .get("Europe/Berlin")
        .unwrap();
    let at = |time: &str, households, kwh| {
        let power = reference(kwh).power(time.parse().unwrap(), &berlin, households);
        power.unwrap()
    };
    // A Monday of winter, 00:00 local: 100.5 W at day 334 of the year, whose factor is 1.1794.
    let d = civil::date(2026, 11, 30);
    assert_eq!(d.day_of_year(), 334);
    let f = factor(d);
    assert_eq!(at("2026-11-29T23:00:00Z", 1, 1000), 100_500 * f / 10_000);
    assert_eq!(at("2026-11-29T23:14:59Z", 1, 1000), 100_500 * f / 10_000);
    assert_eq!(at("2026-11-29T23:15:00Z", 1, 1000), 101_500 * f / 10_000);
    assert_eq!(
        at("2026-11-29T23:00:00Z", 7, 2500),
        100_500 * 7 * 2500 * f / 10_000_000
    );
    // A Sunday of summer.
    let f = factor(civil::date(2026, 7, 5));
    assert_eq!(at("2026-07-04T22:00:00Z", 1, 1000), 600_500 * f / 10_000);
    // Both 02:30 of the night that has 25 hours.
    let f = factor(civil::date(2026, 10, 25));
    for time in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
        assert_eq!(at(time, 1, 1000), 220_500 * f / 10_000, "{time}");
    }
}

#[test]
fn the_dynamic_factor_is_that_of_the_polynomial() {
    // Computed beside it in floating point and rounded to four decimals.
    for (month, day, expected) in [
        (1, 1, 12_420),
        (4, 1, 10_640),
        (7, 1, 7_959),
        (12, 31, 12_572),
    ] {
        let exact = {
            let d = f64::from(civil::date(2026, month, day).day_of_year());
            let factor = 1e4
                * (-3.92e-10 * d.powi(4) + 3.20e-7 * d.powi(3) - 7.02e-5 * d.powi(2)
                    + 2.10e-3 * d
                    + 1.24);
            format!("{factor:.0}")
        };
        let factor = factor(civil::date(2026, month, day));
        assert_eq!(factor.to_string(), exact, "{month}-{day}");
        assert_eq!(factor, expected, "{month}-{day}");
    }
}

#[test]
fn wrong_files_are_refused_with_line_and_reason() {
    let good = made_up();
    let first = "H0,winter,workday,00:00,100.5\n";
    assert!(good.contains(first));
    for (instead, told) in [
        ("H0,winter,workday,00:00\n", "4 fields"),
        ("H0,fall,workday,00:00,1\n", "\"fall\""),
        ("H0,winter,monday,00:00,1\n", "\"monday\""),
        ("H0,winter,workday,24:00,1\n", "\"24:00\""),
        ("H0,winter,workday,00:10,1\n", "\"00:10\""),
        ("H0,winter,workday,00:00,-1\n", "\"-1\""),
        ("H0,winter,workday,00:00,1e3\n", "\"1e3\""),
        ("H0,winter,workday,00:00,NaN\n", "\"NaN\""),
    ] {
        match read(good.replace(first, instead).as_bytes()) {
            Err(Wrong::Line(2, what)) => assert!(what.contains(told), "{what}"),
            other => panic!("{instead}: {other:?}"),
        }
    }
    let twice = good.clone() + first;
    assert!(
        matches!(read(twice.as_bytes()), Err(Wrong::Line(867, what)) if what.contains("twice"))
    );
    let lacking = good.replace(first, "");
    let expected = Wrong::Lacks("H0 winter workday 00:00".to_owned());
    assert_eq!(read(lacking.as_bytes()).unwrap_err(), expected);
    let columns = "profile,period\n";
    assert!(
        matches!(read(columns.as_bytes()), Err(Wrong::Line(1, what)) if what.contains("columns"))
    );
    assert!(matches!(read(b""), Err(Wrong::Lacks(_))));
    let header = COLUMNS.join(",");
    let expected = Wrong::Lacks("H0 winter workday".to_owned());
    assert_eq!(read(header.as_bytes()).unwrap_err(), expected);
    assert!(matches!(read(b"\xff\xfe"), Err(Wrong::Line(1, _))));
}

/// The data set of the BDEW, where there is one: 1,000 kWh in a year, to half a per cent.
#[test]
fn a_year_of_the_published_profile_is_a_thousand_kilowatt_hours() {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED does not name the folder with the data sets");
        return;
    };
    let file = Path::new(&shared).join("datasets/bdew-standard-load-profiles.csv");
    let profile = Reference::from_file(&file, 1000).unwrap();
    let start: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
    let quarters = 365 * 96;
    let sum: i128 = (0..quarters)
        .map(|number| {
            let time = Timestamp::from_second(start.as_second() + number * 900).unwrap();
            profile.power(time, &TimeZone::UTC, 1).unwrap()
        })
        .sum();
    let kilowatt_hours = sum / 4 / 1_000_000;
    assert!((995..=1005).contains(&kilowatt_hours), "{kilowatt_hours}");
}
