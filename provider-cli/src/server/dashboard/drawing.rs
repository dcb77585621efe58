//! Curves drawn as SVG, in integers.
//!
//! The drawing has colours that stand for a meaning; the style sheet puts others in their place, for
//! light and dark, and strokes of their own.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ask::local;
use super::chart::Chart;
use super::words::is_power;
use crate::service::overview::{Point, Span, State};

const THIS: RGBColor = RGBColor(1, 1, 1);
const YESTERDAY: RGBColor = RGBColor(2, 2, 2);
const GAP: RGBColor = RGBColor(3, 3, 3);
const GRID: RGBColor = RGBColor(4, 4, 4);
const TEXT: RGBColor = RGBColor(5, 5, 5);
const WEEK: RGBColor = RGBColor(6, 6, 6);
const REFERENCE: RGBColor = RGBColor(7, 7, 7);
const CORRECTED: RGBColor = RGBColor(8, 8, 8);
const FAILED: RGBColor = RGBColor(9, 9, 9);
const ZERO: RGBColor = RGBColor(10, 10, 10);

/// Width, height, and how many marks of time there are at most.
pub(super) struct Form {
    pub(super) size: (u32, u32),
    pub(super) class: &'static str,
    marks: i64,
}

pub(super) const FORMS: [Form; 2] = [
    Form {
        size: (960, 320),
        class: "wide",
        marks: 12,
    },
    Form {
        size: (340, 240),
        class: "narrow",
        marks: 4,
    },
];

/// Size of letters, in pixels.
const FONT: u32 = 14;
/// Space around the curves, in pixels.
const LEFT: u32 = 58;
const RIGHT: u32 = 14;
const TOP: u32 = 26;
const BOTTOM: u32 = 24;

/// Where the curves are in the picture, in pixels.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
    /// Of each point from where to where.
    pub(super) columns: Vec<(i32, i32)>,
}

/// What a line is drawn of.
type Value<'a> = &'a dyn Fn(&Point) -> Option<i64>;

type DrawResult<T> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// Draws into `picture`.
pub(super) fn draw(chart: &Chart<'_>, form: &Form, picture: &mut String) -> DrawResult<Place> {
    let Span { from, to } = chart.curve.span;
    let points = &chart.curve.points;
    let axis = Axis::of(points);
    let root = SVGBackend::with_string(picture, form.size).into_drawing_area();
    let plot = ChartBuilder::on(&root)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM)
        .build_cartesian_2d(from..to, axis.low..axis.high)?;
    let at = |x: i64, y: i64| plot.backend_coord(&(x.clamp(from, to), y));
    let style = |anchor| {
        TextStyle::from(("sans-serif", FONT).into_font())
            .color(&TEXT)
            .pos(anchor)
    };
    let (left, bottom) = at(from, axis.low);
    let (right, top) = at(to, axis.high);

    let mut value = axis.low;
    while value <= axis.high {
        let (_, y) = at(from, value);
        let colour = if value == 0 { ZERO } else { GRID };
        root.draw(&PathElement::new([(left, y), (right, y)], colour))?;
        let anchor = Pos::new(HPos::Right, VPos::Center);
        let text = label(value, is_power(chart.quantity));
        root.draw(&Text::new(text, (left - 6, y), style(anchor)))?;
        value = value.saturating_add(axis.step);
    }
    let unit = if is_power(chart.quantity) { "k" } else { "" };
    let anchor = Pos::new(HPos::Left, VPos::Top);
    let unit = format!("{unit}{}", chart.quantity.unit);
    root.draw(&Text::new(unit, (2, 2), style(anchor)))?;
    for (time, text) in marks(chart.curve.span, chart.zone, form.marks) {
        let (x, _) = at(time, axis.low);
        root.draw(&PathElement::new([(x, top), (x, bottom + 4)], GRID))?;
        let anchor = Pos::new(HPos::Center, VPos::Top);
        let x = x.clamp(left, right - 12);
        root.draw(&Text::new(text, (x, bottom + 7), style(anchor)))?;
    }

    // As high as the picture: nobody takes it for a 0.
    for (begin, end) in gaps(points) {
        let area = [(at(begin, 0).0, top), (at(end, 0).0, bottom)];
        root.draw(&Rectangle::new(area, GAP.filled()))?;
    }
    let current = |point: &Point| match point.state {
        State::Value(value) => Some(value),
        _ => None,
    };
    let lines: [(Value<'_>, RGBColor); 4] = [
        (&|point| point.reference, REFERENCE),
        (&|point| point.last_week, WEEK),
        (&|point| point.yesterday, YESTERDAY),
        (&current, THIS),
    ];
    for (of, colour) in lines {
        for line in steps(points, of) {
            let line: Vec<_> = line.into_iter().map(|(x, y)| at(x, y)).collect();
            root.draw(&PathElement::new(line, colour))?;
        }
    }
    for point in points {
        let middle = point.start.saturating_add((point.end - point.start) / 2);
        let (x, _) = at(middle, 0);
        if point.corrected > 0 {
            let y = current(point).map_or(top + 12, |value| at(middle, value).1);
            root.draw(&TriangleMarker::new((x, y - 9), 5, CORRECTED.filled()))?;
        }
        if point.failed > 0 {
            root.draw(&Cross::new((x, top + 12), 4, FAILED))?;
        }
    }
    root.present()?;
    let columns = points
        .iter()
        .map(|point| (at(point.start, 0).0, at(point.end, 0).0))
        .collect();
    drop(plot);
    drop(root);
    Ok(Place {
        left,
        right,
        top,
        bottom,
        columns,
    })
}

/// The vertical axis in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    low: i64,
    high: i64,
    step: i64,
}

impl Axis {
    /// Over all values and 0, with at most seven lines at round numbers.
    fn of(points: &[Point]) -> Self {
        const LARGEST: i64 = i64::MAX / 16;
        let values = points.iter().flat_map(|point| {
            let value = match point.state {
                State::Value(value) => Some(value),
                _ => None,
            };
            [value, point.yesterday, point.last_week, point.reference]
        });
        let (mut low, mut high) = (0, 0);
        for value in values.flatten() {
            low = low.min(value.max(-LARGEST));
            high = high.max(value.min(LARGEST));
        }
        if low == high {
            high = 1000;
        }
        let range = high - low;
        let mut power = 1_i64;
        let step = loop {
            let fits = |factor: &i64| range.div_euclid(power.saturating_mul(*factor)) < 5;
            if let Some(factor) = [1, 2, 5].into_iter().find(fits) {
                break power.saturating_mul(factor);
            }
            power = power.saturating_mul(10);
        };
        Self {
            low: low.div_euclid(step) * step,
            high: (high + step - 1).div_euclid(step) * step,
            step,
        }
    }
}

/// A number at the axis, without zeros at its end.
fn label(value: i64, is_power: bool) -> String {
    let digits = if is_power { 6 } else { 3 };
    let divisor = 10_u64.pow(digits);
    let number = value.unsigned_abs();
    let sign = if value < 0 { "\u{2212}" } else { "" };
    let width = usize::try_from(digits).unwrap_or(6);
    let decimals = format!("{:0width$}", number % divisor);
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{decimals}", number / divisor)
}

/// Gaps beside each other are one.
fn gaps(points: &[Point]) -> Vec<(i64, i64)> {
    let mut gaps: Vec<(i64, i64)> = Vec::new();
    for point in points.iter().filter(|point| point.state == State::Gap) {
        match gaps.last_mut() {
            Some((_, end)) if *end == point.start => *end = point.end,
            _ => gaps.push((point.start, point.end)),
        }
    }
    gaps
}

/// A line with a step at each border, broken where there is no value.
fn steps(points: &[Point], of: &dyn Fn(&Point) -> Option<i64>) -> Vec<Vec<(i64, i64)>> {
    let mut lines: Vec<Vec<(i64, i64)>> = Vec::new();
    let mut is_broken = true;
    for point in points {
        let Some(value) = of(point) else {
            is_broken = true;
            continue;
        };
        if std::mem::take(&mut is_broken) {
            lines.push(Vec::new());
        }
        if let Some(line) = lines.last_mut() {
            line.extend([(point.start, value), (point.end, value)]);
        }
    }
    lines
}

/// Marks of time at round local times, `most` at most.
fn marks(span: Span, zone: &TimeZone, most: i64) -> Vec<(i64, String)> {
    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const STEPS: [i64; 14] = [
        1,
        5,
        15,
        60,
        300,
        900,
        1800,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        2 * DAY,
    ];
    let length = span.to - span.from;
    let step = STEPS
        .into_iter()
        .find(|step| length / step <= most)
        .unwrap_or(2 * DAY);
    let format = match step {
        ..60 => "%H:%M:%S",
        60..DAY => "%H:%M",
        _ => "%a %d",
    };
    // Zones are a whole number of quarters of an hour from UTC.
    let look = step.min(900);
    let mut time = span.from.div_euclid(look) * look;
    let mut marks = Vec::new();
    while time <= span.to {
        if time >= span.from
            && let Ok(instant) = Timestamp::from_second(time)
        {
            let clock = zone.to_datetime(instant);
            let seconds = i64::from(clock.hour()) * HOUR
                + i64::from(clock.minute()) * 60
                + i64::from(clock.second());
            let is_day = step < 2 * DAY || clock.day() % 2 == 0;
            if seconds % step.min(DAY) == 0 && is_day {
                marks.push((time, local(time, zone, format)));
            }
        }
        time += look;
    }
    marks
}

#[cfg(test)]
mod tests;
