//! What a curve's figure says.

use dcnet_protocol::descriptor::SlotSpec;

use super::*;
use crate::service::overview::Span;

fn point(number: i64, state: State) -> Point {
    Point {
        start: 1_795_820_400 + number * 900,
        end: 1_795_820_400 + (number + 1) * 900,
        state,
        corrected: 0,
        failed: 0,
        yesterday: Some(1_000_000),
        last_week: None,
        reference: None,
    }
}

fn figure(points: Vec<Point>) -> String {
    figure_with(points, None)
}

fn figure_with(points: Vec<Point>, kwh_per_year: Option<u32>) -> String {
    let slot = SlotSpec {
        obis: [1, 0, 1, 8, 0, 255],
        unit: 30,
        scale: -1,
    };
    let quantity = Quantity::of(slot, 900);
    let curve = Curve {
        span: Span {
            from: points[0].start,
            to: points[points.len() - 1].end,
        },
        rounds_per_point: 1,
        points,
        has_yesterday: true,
    };
    let chart = Chart {
        title: "A <net>",
        curve: &curve,
        quantity: &quantity,
        zone: &TimeZone::UTC,
        least: 3600,
        kwh_per_year,
    };
    chart.figure().into_string()
}

#[test]
fn gaps_corrected_and_failed_rounds_are_said_and_drawn() {
    let mut corrected = point(1, State::Value(4_938_000));
    corrected.corrected = 1;
    let mut failed = point(2, State::Gap);
    failed.failed = 1;
    let html = figure(vec![
        point(0, State::Value(0)),
        corrected,
        failed,
        point(3, State::Value(1)),
        point(4, State::Pending),
    ]);
    for told in [
        "A &lt;net&gt;",
        ": 4.938\u{a0}kW, ▲ 1 corrected; the day before 1.000\u{a0}kW",
        ": gap: no sum, ✕ 1 failed",
        "3 values between 0.000\u{a0}kW and 4.938\u{a0}kW, 1 gap.",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    // The curve is broken where the gap is, once for each form; the gap is an area.
    let count = |what: &str| html.matches(what).count();
    assert_eq!(count("stroke=\"#010101\""), 2 * 2);
    assert_eq!(count("fill=\"#030303\""), 2);
    assert_eq!(count("fill=\"#080808\""), 2);
    // Of a cross both strokes.
    assert_eq!(count("stroke=\"#090909\""), 2 * 2);
    assert!(!html.contains("style="), "no inline style: {html}");
    // What is not final yet is no row of the numbers.
    assert_eq!(count("<th scope=\"row\">"), 4);
}

#[test]
fn what_is_compared_with_is_drawn_and_said() {
    let compared = |number| Point {
        last_week: Some(2_000_000),
        reference: Some(3_000_000),
        ..point(number, State::Value(number))
    };
    let points = || (0..3).map(compared).collect::<Vec<_>>();
    let html = figure_with(points(), Some(3500));
    for told in [
        "; the day before 1.000\u{a0}kW; the week before 2.000\u{a0}kW; by load profile 3.000\u{a0}kW",
        "the day before</li>",
        "the week before</li>",
        "as many households by load profile H0, 3500 kWh a year each</li>",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    // One line each, once for each form.
    for colour in ["#010101", "#020202", "#060606", "#070707"] {
        let lines = html.matches(&format!("stroke=\"{colour}\"")).count();
        assert_eq!(lines, 2, "{colour}: {html}");
    }
    // Nobody is told of a line that is not there.
    let html = figure(vec![point(0, State::Value(1))]);
    assert!(
        !html.contains("the week before") && !html.contains("by load profile"),
        "{html}"
    );
    assert!(
        !html.contains("#060606") && !html.contains("#070707"),
        "{html}"
    );
}

#[test]
fn long_curves_have_no_words_at_each_point() {
    let points: Vec<_> = (0..672)
        .map(|number| point(number, State::Value(number)))
        .collect();
    let html = figure(points);
    assert!(!html.contains("class=\"hit\""));
    assert!(html.len() < 400_000, "{}", html.len());
}
