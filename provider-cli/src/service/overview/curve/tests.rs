//! The mathematics of curves: gaps, means, moved clocks.

use std::fmt::Write as _;

use dcnet_protocol::descriptor::SlotSpec;

use super::*;

const QUARTER: u64 = 900;

fn berlin() -> TimeZone {
    jiff::tz::TimeZoneDatabase::bundled()
        .get("Europe/Berlin")
        .unwrap()
}

fn at(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_second()
}

fn span(from: &str, to: &str) -> Span {
    Span {
        from: at(from),
        to: at(to),
    }
}

/// Energy in Wh.
fn energy(interval: u64) -> Quantity {
    let slot = SlotSpec {
        obis: [1, 0, 1, 8, 0, 255],
        unit: 30,
        scale: 0,
    };
    Quantity::of(slot, interval)
}

fn sample(sum: i128) -> Sample {
    Sample {
        sum: Some(sum),
        households: 5,
        ..Sample::default()
    }
}

/// Sums that say which round they are of: 1 Wh per round since `since`.
fn counting(since: &str, rounds: u64) -> Samples {
    let first = u64::try_from(at(since)).unwrap() / QUARTER;
    (0..rounds)
        .map(|number| (first + number, sample(number.into())))
        .collect()
}

fn curve(span: Span, samples: &Samples, due: Option<u64>) -> Curve {
    Curve::over(
        span,
        &Basis {
            interval: QUARTER,
            quantity: &energy(QUARTER),
            zone: &berlin(),
            reference: None,
            samples,
            first: samples.keys().next().copied(),
            due: due.or_else(|| samples.keys().last().copied()),
        },
    )
}

fn values(curve: &Curve, of: impl Fn(&Point) -> Option<i64>) -> Vec<Option<i64>> {
    // Back from mean power in mW to Wh of a quarter of an hour.
    curve
        .points
        .iter()
        .map(|point| of(point).map(|value| value / 4000))
        .collect()
}

fn value(point: &Point) -> Option<i64> {
    match point.state {
        State::Value(value) => Some(value),
        _ => None,
    }
}

#[test]
fn days_have_as_many_points_as_quarters_of_an_hour() {
    for (from, to, count) in [
        ("2026-11-27T23:00:00Z", "2026-11-28T23:00:00Z", 96),
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 92),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 100),
    ] {
        let curve = curve(span(from, to), &Samples::new(), None);
        assert_eq!(
            (curve.points.len(), curve.rounds_per_point),
            (count, 1),
            "{from}"
        );
        assert_eq!(curve.points[0].start, at(from));
        assert_eq!(curve.points[count - 1].end, at(to));
        assert!(curve.has_yesterday);
    }
    // The longest week still has each of its rounds.
    let week = span("2026-10-19T22:00:00Z", "2026-10-26T23:00:00Z");
    assert_eq!(week.seconds(), LONGEST);
    let curve = curve(week, &Samples::new(), None);
    assert_eq!((curve.points.len(), curve.has_yesterday), (676, false));
}

#[test]
fn gaps_are_gaps_and_failed_rounds_are_named() {
    let mut samples = counting("2026-11-28T00:00:00Z", 8);
    let first = *samples.keys().next().unwrap();
    samples.remove(&(first + 2));
    let failed = Sample {
        sum: None,
        households: 0,
        is_failed: true,
        is_corrected: false,
    };
    samples.insert(first + 4, failed);
    samples.get_mut(&(first + 5)).unwrap().is_corrected = true;
    samples.insert(first + 6, sample(0));
    let curve = curve(
        span("2026-11-27T23:30:00Z", "2026-11-28T02:30:00Z"),
        &samples,
        None,
    );
    let states: Vec<_> = curve.points.iter().map(|point| point.state).collect();
    let watt_hours = |number: i64| State::Value(number * 4000);
    assert_eq!(
        states,
        [
            State::Before,
            State::Before,
            watt_hours(0),
            watt_hours(1),
            State::Gap,
            watt_hours(3),
            State::Gap,
            watt_hours(5),
            watt_hours(0), // a sum of 0 is one
            watt_hours(7),
            State::Pending,
            State::Pending,
        ]
    );
    let marks: Vec<_> = curve
        .points
        .iter()
        .map(|point| (point.corrected, point.failed))
        .collect();
    assert_eq!(marks[6..8], [(0, 1), (1, 0)]);
    assert_eq!(marks.iter().filter(|marks| **marks != (0, 0)).count(), 2);
}

#[test]
fn what_is_due_and_not_there_is_a_gap() {
    let samples = counting("2026-11-28T00:00:00Z", 2);
    let last = *samples.keys().last().unwrap();
    let shown = span("2026-11-28T00:00:00Z", "2026-11-28T01:15:00Z");
    let curve = curve(shown, &samples, Some(last + 2));
    let states: Vec<_> = curve.points.iter().map(|point| point.state).collect();
    assert_eq!(states[2..], [State::Gap, State::Gap, State::Pending]);
}

#[test]
fn yesterday_and_last_week_stand_at_the_same_local_time() {
    // From 18 October 00:00 local, summer time; the clocks go back on the 25th at 03:00.
    let samples = counting("2026-10-17T22:00:00Z", 12 * 96);
    let shown = span("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    let curve = curve(shown, &samples, None);
    let last_week = values(&curve, |point| point.last_week);
    let yesterday = values(&curve, |point| point.yesterday);
    let day = |start: i64| -> Vec<Option<i64>> {
        // The hour from 02:00 to 03:00 is there twice.
        let hours = (0..12).chain(8..96);
        hours.map(|quarter| Some(start + quarter)).collect()
    };
    assert_eq!(last_week, day(0));
    assert_eq!(yesterday, day(6 * 96));
    assert_eq!(
        values(&curve, value),
        (0..100).map(|n| Some(7 * 96 + n)).collect::<Vec<_>>()
    );
}

#[test]
fn an_hour_that_was_not_there_is_compared_with_nothing() {
    // The day after the clocks were put forward from 02:00 to 03:00.
    let samples = counting("2026-03-28T23:00:00Z", 3 * 96);
    let curve = curve(
        span("2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"),
        &samples,
        None,
    );
    let yesterday = values(&curve, |point| point.yesterday);
    let expected: Vec<_> = (0..8)
        .map(Some)
        .chain([None; 4])
        .chain((8..92).map(Some))
        .collect();
    assert_eq!(yesterday, expected);
}

#[test]
fn many_rounds_become_means_and_one_without_a_sum_is_a_gap() {
    // A day in rounds of a minute.
    let first = u64::try_from(at("2026-11-27T23:00:00Z")).unwrap() / 60;
    let mut samples: Samples = (0..1440).map(|n| (first + n, sample(n.into()))).collect();
    samples.remove(&(first + 3));
    let curve = Curve::over(
        span("2026-11-27T23:00:00Z", "2026-11-28T23:00:00Z"),
        &Basis {
            interval: 60,
            quantity: &energy(60),
            zone: &berlin(),
            reference: None,
            samples: &samples,
            first: Some(first),
            due: Some(first + 1439),
        },
    );
    assert_eq!((curve.rounds_per_point, curve.points.len()), (3, 480));
    // 0, 1 and 2 Wh in a minute each: 60 W on average.
    assert_eq!(curve.points[0].state, State::Value(60_000));
    assert_eq!(curve.points[1].state, State::Gap);
    assert_eq!(curve.points[2].state, State::Value(7 * 60_000));
}

#[test]
fn what_is_needed_is_read_once() {
    let rounds = |ranges: &[RangeInclusive<u64>]| -> Vec<u64> {
        ranges
            .iter()
            .map(|range| range.end() - range.start() + 1)
            .collect()
    };
    let day = span("2026-11-27T23:00:00Z", "2026-11-28T23:00:00Z");
    // The last week's day; yesterday and today in one. An hour on both sides.
    assert_eq!(
        rounds(&needed(day, QUARTER, &berlin())),
        [96 + 8, 2 * 96 + 8]
    );
    let week = span("2026-11-21T23:00:00Z", "2026-11-28T23:00:00Z");
    assert_eq!(rounds(&needed(week, QUARTER, &berlin())), [2 * 7 * 96 + 8]);
}

#[test]
fn the_reference_is_for_the_households_of_the_sum() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut text = "profile_id,period,day,timestamp,watts\n".to_owned();
    for season in ["winter", "summer", "transition"] {
        for day in ["workday", "saturday", "sunday"] {
            for quarter in 0..96 {
                let (hour, minute) = (quarter / 4, quarter % 4 * 15);
                writeln!(text, "H0,{season},{day},{hour:02}:{minute:02},100").unwrap();
            }
        }
    }
    std::fs::write(&file, text).unwrap();
    let reference = Reference::from_file(file.path(), 1000).unwrap();
    let mut samples = counting("2026-11-28T00:00:00Z", 4);
    let first = *samples.keys().next().unwrap();
    samples.get_mut(&(first + 1)).unwrap().households = 10;
    samples.get_mut(&(first + 2)).unwrap().sum = None;
    samples.get_mut(&(first + 2)).unwrap().households = 0;
    let curve = Curve::over(
        span("2026-11-27T23:45:00Z", "2026-11-28T01:00:00Z"),
        &Basis {
            interval: QUARTER,
            quantity: &energy(QUARTER),
            zone: &berlin(),
            reference: Some(&reference),
            samples: &samples,
            first: Some(first),
            due: None,
        },
    );
    let expected: Vec<_> = curve
        .points
        .iter()
        .map(|point| point.reference.unwrap())
        .collect();
    let one = expected[0] / 5;
    assert!(
        (100_000..130_000).contains(&one),
        "{one}: 100 W, and the factor of November"
    );
    // Before the first sum its households; where there is no sum, those of the last one.
    assert_eq!(
        expected,
        [5, 5, 10, 10, 5].map(|households| one * households)
    );
}
