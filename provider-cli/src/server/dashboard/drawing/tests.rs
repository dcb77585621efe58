//! Axes, lines and marks.

use super::*;

fn point(start: i64, state: State) -> Point {
    Point {
        start,
        end: start + 900,
        state,
        corrected: 0,
        failed: 0,
        yesterday: None,
        last_week: None,
        reference: None,
    }
}

#[test]
fn axes_hold_all_values_and_zero_at_round_numbers() {
    for values in [
        vec![],
        vec![0],
        vec![1],
        vec![4_938_000, 12_000_000],
        vec![-3, 5],
        vec![-7_000_000],
        vec![i64::MAX, i64::MIN],
    ] {
        let points: Vec<_> = values
            .iter()
            .map(|value| point(0, State::Value(*value)))
            .collect();
        let axis = Axis::of(&points);
        assert!(
            axis.low <= 0 && axis.high > 0 || axis.high == 0 && axis.low < 0,
            "{axis:?}"
        );
        assert_eq!((axis.low % axis.step, axis.high % axis.step), (0, 0));
        let lines = (axis.high - axis.low) / axis.step;
        assert!((1..=7).contains(&lines), "{values:?}: {axis:?}");
        for value in values.iter().filter(|value| value.unsigned_abs() < 1 << 58) {
            assert!((axis.low..=axis.high).contains(value), "{value}: {axis:?}");
        }
    }
    assert_eq!(label(2_500_000, true), "2.5");
    assert_eq!(label(-20_000_000, true), "\u{2212}20");
    assert_eq!(label(0, false), "0");
    assert_eq!(label(230_100, false), "230.1");
}

#[test]
fn lines_break_where_there_is_no_value_and_gaps_are_areas() {
    let points = [
        point(0, State::Value(1)),
        point(900, State::Value(2)),
        point(1800, State::Gap),
        point(2700, State::Gap),
        point(3600, State::Value(0)),
        point(4500, State::Pending),
    ];
    let of = |point: &Point| match point.state {
        State::Value(value) => Some(value),
        _ => None,
    };
    assert_eq!(
        steps(&points, &of),
        [
            vec![(0, 1), (900, 1), (900, 2), (1800, 2)],
            vec![(3600, 0), (4500, 0)],
        ]
    );
    assert_eq!(gaps(&points), [(1800, 3600)]);
}

#[test]
fn marks_stand_at_local_times() {
    let berlin = jiff::tz::TimeZoneDatabase::bundled()
        .get("Europe/Berlin")
        .unwrap();
    let at = |time: &str| time.parse::<Timestamp>().unwrap().as_second();
    let texts = |from: &str, to: &str, most| -> Vec<String> {
        let span = Span {
            from: at(from),
            to: at(to),
        };
        marks(span, &berlin, most)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    };
    // The night with 25 hours: two o'clock comes twice.
    assert_eq!(
        texts("2026-10-24T22:00:00Z", "2026-10-25T05:00:00Z", 8),
        [
            "00:00", "01:00", "02:00", "02:00", "03:00", "04:00", "05:00", "06:00"
        ]
    );
    assert_eq!(
        texts("2026-11-27T23:00:00Z", "2026-11-28T23:00:00Z", 4),
        ["00:00", "06:00", "12:00", "18:00", "00:00"]
    );
    let days = texts("2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z", 8);
    assert_eq!(days.first().map(String::as_str), Some("Mon 19"));
    assert_eq!(days.len(), 8);
    assert_eq!(
        texts("2026-11-28T10:00:03Z", "2026-11-28T10:00:40Z", 4),
        ["11:00:15", "11:00:30"]
    );
}
