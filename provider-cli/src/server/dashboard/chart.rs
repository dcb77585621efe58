//! A curve with its legend and its numbers.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use maud::{Markup, PreEscaped, html};

use super::ask::local;
use super::drawing::{self, FORMS, Form};
use super::words::{amount, count};
use crate::service::overview::{Curve, Point, Quantity, State};

/// Up to so many points each has words of its own in the picture.
const MOST_WORDS: usize = 100;

/// A curve as it is shown.
pub(super) struct Chart<'a> {
    /// Whose it is.
    pub(super) title: &'a str,
    pub(super) curve: &'a Curve,
    pub(super) quantity: &'a Quantity,
    pub(super) zone: &'a TimeZone,
    /// Shortest time that a curve shows, in seconds.
    pub(super) least: i64,
    /// What a household uses in a year in kWh, if there is a reference line.
    pub(super) kwh_per_year: Option<u32>,
}

impl Chart<'_> {
    pub(super) fn figure(&self) -> Markup {
        let has = |of: fn(&Point) -> bool| self.curve.points.iter().any(of);
        html! {
            figure.chart {
                figcaption { (self.title) }
                div #curve tabindex="0" role="group"
                    aria-label="Load curve. Arrow keys move in time, plus and minus zoom, drag to choose a time." {
                    @for form in &FORMS { (self.svg(form)) }
                }
                ul.legend {
                    li { (swatch("this")) "mean power of the sum" }
                    @if has(|point| point.yesterday.is_some()) { li { (swatch("yesterday")) "the day before" } }
                    @if has(|point| point.last_week.is_some()) { li { (swatch("week")) "the week before" } }
                    @if let Some(kwh) = self.kwh_per_year {
                        @if has(|point| point.reference.is_some()) {
                            li { (swatch("reference")) "as many households by load profile H0, " (kwh) " kWh a year each" }
                        }
                    }
                    @if has(|point| point.state == State::Gap) { li { (swatch("gap")) "gap: no sum" } }
                    @if has(|point| point.corrected > 0) { li { span.sign { "▲" } "corrected" } }
                    @if has(|point| point.failed > 0) { li { span.sign { "✕" } "failed" } }
                }
                @if self.curve.rounds_per_point > 1 {
                    p.note { "Each point is the mean of " (self.curve.rounds_per_point) " rounds; where one of them has no sum there is a gap." }
                }
                details #numbers {
                    summary { "The numbers" }
                    (self.table())
                }
            }
        }
    }

    /// What is to be seen, in one sentence.
    fn about(&self) -> String {
        let values = || {
            self.curve
                .points
                .iter()
                .filter_map(|point| match point.state {
                    State::Value(value) => Some(value),
                    _ => None,
                })
        };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let gaps = self
            .curve
            .points
            .iter()
            .filter(|point| point.state == State::Gap)
            .count();
        let span = self.curve.span;
        let time = |time| local(time, self.zone, "%Y-%m-%d %H:%M");
        let of = format!("From {} to {}: ", time(span.from), time(span.to));
        let gaps = count(number(gaps), "gap", "gaps");
        match (values().min(), values().max()) {
            (Some(min), Some(max)) => {
                let (min, max) = (amount(self.quantity, min), amount(self.quantity, max));
                let values = count(number(values().count()), "value", "values");
                format!("{of}{values} between {min} and {max}, {gaps}.")
            }
            _ => format!("{of}no value, {gaps}."),
        }
    }

    fn svg(&self, form: &Form) -> Markup {
        let mut picture = String::new();
        // Drawing into a string cannot fail; and without a picture the numbers remain.
        let place = drawing::draw(self, form, &mut picture).unwrap_or_default();
        let inner = picture
            .split_once('>')
            .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
            .map_or("", |(inner, _)| inner);
        let (width, height) = form.size;
        let (title, about) = (
            format!("{}-title", form.class),
            format!("{}-about", form.class),
        );
        let span = self.curve.span;
        let has_words = self.curve.points.len() <= MOST_WORDS;
        html! {
            svg class=(format!("plot {}", form.class)) viewBox=(format!("0 0 {width} {height}")) role="img"
                aria-labelledby=(format!("{title} {about}"))
                data-from=(span.from) data-to=(span.to) data-left=(place.left) data-right=(place.right)
                data-top=(place.top) data-bottom=(place.bottom) data-least=(self.least) {
                title id=(title) { (self.title) }
                desc id=(about) { (self.about()) }
                (PreEscaped(inner))
                @if has_words {
                    @for (point, (left, right)) in self.curve.points.iter().zip(&place.columns) {
                        rect.hit x=(left) y=(place.top) width=(right - left) height=(place.bottom - place.top) {
                            title { (self.words(point)) }
                        }
                    }
                }
            }
        }
    }

    /// What is said of a point.
    fn words(&self, point: &Point) -> String {
        // Writing to a string cannot fail.
        let mut text = format!("{}: {}", self.time(point), self.value(point));
        for (value, name) in [
            (point.yesterday, "the day before"),
            (point.last_week, "the week before"),
            (point.reference, "by load profile"),
        ] {
            if let Some(value) = value {
                let _ = write!(text, "; {name} {}", amount(self.quantity, value));
            }
        }
        text
    }

    fn time(&self, point: &Point) -> String {
        let form = if point.end - point.start < 60 || point.start % 60 != 0 {
            "%a %Y-%m-%d %H:%M:%S %Z"
        } else {
            "%a %Y-%m-%d %H:%M %Z"
        };
        local(point.start, self.zone, form)
    }

    fn value(&self, point: &Point) -> String {
        let mut text = match point.state {
            State::Value(value) => amount(self.quantity, value),
            State::Gap => "gap: no sum".to_owned(),
            State::Pending => "not final yet".to_owned(),
            State::Before => "before the first round".to_owned(),
        };
        if point.corrected > 0 {
            let _ = write!(text, ", ▲ {} corrected", point.corrected);
        }
        if point.failed > 0 {
            let _ = write!(text, ", ✕ {} failed", point.failed);
        }
        text
    }

    fn table(&self) -> Markup {
        let is_there = |point: &&Point| !matches!(point.state, State::Pending | State::Before);
        let cell = |value: Option<i64>| {
            value.map_or("–".to_owned(), |value| amount(self.quantity, value))
        };
        html! {
            div.scroll tabindex="0" role="region" aria-label="The numbers of the curve" {
                table {
                    thead { tr {
                        th scope="col" { "From" }
                        th.number scope="col" { "Sum" }
                        @if self.curve.has_yesterday { th.number scope="col" { "Day before" } }
                        th.number scope="col" { "Week before" }
                        @if self.kwh_per_year.is_some() { th.number scope="col" { "H0" } }
                    } }
                    tbody {
                        @for point in self.curve.points.iter().filter(is_there) {
                            tr {
                                th scope="row" { (self.time(point)) }
                                td.number { (self.value(point)) }
                                @if self.curve.has_yesterday { td.number { (cell(point.yesterday)) } }
                                td.number { (cell(point.last_week)) }
                                @if self.kwh_per_year.is_some() { td.number { (cell(point.reference)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn swatch(class: &str) -> Markup {
    html! {
        svg class=(format!("swatch {class}")) viewBox="0 0 28 10" width="28" height="10" aria-hidden="true" focusable="false" {
            @if class == "gap" {
                rect x="1" y="1" width="26" height="8" {}
            } @else {
                path d="M0 5H28" {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
