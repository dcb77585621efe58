//! Bars over time as SVG, and the same in words and as a table.

use dcnet_obis::{ScaledInteger, Unit};
use maud::{Markup, PreEscaped, html};

use super::drawing::{self, FORMS, Form, Place};
use super::speech::{Speech, is_energy};

/// A chart of one quantity.
pub(super) struct Chart {
    /// Names its elements: unique within the page.
    pub(super) id: String,
    /// What it shows.
    pub(super) title: String,
    /// The same in a sentence, with what is noteworthy.
    pub(super) about: String,
    /// Heading of the table's first column.
    pub(super) when: String,
    pub(super) bars: Vec<Bar>,
    /// Heights count 10^scale of it.
    pub(super) unit: Unit,
    pub(super) scale: i8,
}

/// A bar, or the place of one.
pub(super) struct Bar {
    /// Which time, in words.
    pub(super) name: String,
    /// At the axis; on small screens only if it is an important one.
    pub(super) tick: Option<(String, Weight)>,
    pub(super) state: State,
    pub(super) href: Option<String>,
}

/// How much of a bar there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// All rounds have a value.
    Whole(i128),
    /// Some rounds have none: so many of so many.
    Partial { sum: i128, missing: u64, of: u64 },
    /// No round has one, though there should be.
    Gap,
    /// It is not over yet.
    Future,
    /// Nothing is kept of that time.
    Before,
}

/// Whether a mark at the axis stands on small screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Minor,
    Major,
}

impl State {
    pub(super) fn height(self) -> Option<i128> {
        match self {
            Self::Whole(sum) | Self::Partial { sum, .. } => Some(sum),
            Self::Gap | Self::Future | Self::Before => None,
        }
    }
}

impl Chart {
    /// The chart with its words and numbers.
    pub(super) fn figure(&self, l: Speech) -> Markup {
        let is_any = |wanted: fn(&State) -> bool| self.bars.iter().any(|bar| wanted(&bar.state));
        html! {
            figure.chart id=(self.id) {
                figcaption { (self.title) }
                @for form in &FORMS { (self.svg(l, form)) }
                p.legend {
                    @if is_any(|state| matches!(state, State::Partial { .. })) {
                        span.key.partial { (l.say("incomplete", "unvollständig")) }
                    }
                    @if is_any(|state| *state == State::Gap) {
                        span.key.gap { (l.say("no reading", "kein Messwert")) }
                    }
                }
                details {
                    summary { (l.say("The numbers", "Die Zahlen")) }
                    (self.table(l))
                }
            }
        }
    }

    /// What is said of a bar.
    fn words(&self, l: Speech, state: State) -> String {
        let amount = |sum| {
            l.amount(ScaledInteger::new(sum, self.scale), Some(self.unit))
                .to_string()
        };
        match state {
            State::Whole(sum) => amount(sum),
            State::Partial { sum, missing, of } => {
                let amount = amount(sum);
                l.tell(
                    format!("{amount} ({missing} of {of} rounds without a reading)"),
                    format!("{amount} ({missing} von {of} Runden ohne Messwert)"),
                )
            }
            State::Gap => l.say("no reading", "kein Messwert").to_owned(),
            State::Future => l.say("not over yet", "noch nicht vorbei").to_owned(),
            State::Before => l
                .say("nothing is kept of it", "nicht aufgezeichnet")
                .to_owned(),
        }
    }

    fn table(&self, l: Speech) -> Markup {
        let rows = self.bars.iter().filter(|bar| bar.state != State::Future);
        html! {
            div.scroll tabindex="0" role="region" aria-label=(self.title) {
                table {
                    caption { (self.title) }
                    thead { tr {
                        th scope="col" { (self.when) }
                        th.number scope="col" { (l.say("Value", "Wert")) }
                    } }
                    tbody {
                        @for bar in rows {
                            tr {
                                th scope="row" {
                                    @if let Some(href) = &bar.href { a href=(href) { (bar.name) } }
                                    @else { (bar.name) }
                                }
                                td.number { (self.words(l, bar.state)) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn svg(&self, l: Speech, form: &Form) -> Markup {
        let top = self.top();
        let mut drawing = String::new();
        // Drawing into a string cannot fail; and without a picture the table remains.
        let places = drawing::draw(self, l, form, top, &mut drawing).unwrap_or_default();
        let inner = drawing
            .split_once('>')
            .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
            .map_or("", |(inner, _)| inner);
        let (title, about) = (
            format!("{}-{}-title", self.id, form.class),
            format!("{}-{}-about", self.id, form.class),
        );
        let view = format!("0 0 {} {}", form.size.0, form.size.1);
        let is_linked = self.bars.iter().any(|bar| bar.href.is_some());
        let labelled = format!("{title} {about}");
        let name = html! {
            title id=(title) { (self.title) }
            desc id=(about) { (self.about) }
        };
        html! {
            @if is_linked {
                // A picture has no links in it: they stand beside it.
                svg class=(format!("plot {}", form.class)) viewBox=(view) role="group" aria-label=(self.title) {
                    g role="img" aria-labelledby=(labelled) { (name) (PreEscaped(inner)) }
                    @for (bar, place) in self.bars.iter().zip(&places) { (self.linked(l, bar, *place)) }
                }
            } @else {
                svg class=(format!("plot {}", form.class)) viewBox=(view) role="img" aria-labelledby=(labelled) {
                    (name)
                    (PreEscaped(inner))
                    @for (bar, place) in self.bars.iter().zip(&places) { (self.hover(l, bar, *place)) }
                }
            }
        }
    }

    fn linked(&self, l: Speech, bar: &Bar, place: Place) -> Markup {
        let text = format!("{}: {}", bar.name, self.words(l, bar.state));
        html! {
            @if let Some(href) = &bar.href {
                a href=(href) aria-label=(text) { (hit(place, &text)) }
            } @else {
                (hit(place, &text))
            }
        }
    }

    fn hover(&self, l: Speech, bar: &Bar, place: Place) -> Markup {
        hit(
            place,
            &format!("{}: {}", bar.name, self.words(l, bar.state)),
        )
    }

    /// The upper end of the axis and the distance of its lines: of the largest bar, rounded up.
    fn top(&self) -> (i64, i64) {
        let most = self.bars.iter().filter_map(|bar| bar.state.height()).max();
        let most = i64::try_from(most.unwrap_or(0))
            .unwrap_or(i64::MAX / 4)
            .clamp(4, i64::MAX / 4);
        let mut step = 1_i64;
        // 1, 2, 5, 10, 20, …: at most five lines.
        let mut factors = [2, 5, 10].into_iter().cycle();
        let mut power = 1_i64;
        while most.div_euclid(step) >= 5 {
            let factor = factors.next().unwrap_or(10);
            step = power.saturating_mul(factor);
            if factor == 10 {
                power = step;
            }
        }
        (
            most.div_euclid(step).saturating_add(1).saturating_mul(step),
            step,
        )
    }

    /// The axis in thousands, if the bars reach one.
    pub(super) fn axis(&self, top: i64) -> (i8, String) {
        let thousand = ScaledInteger::new(1, 3);
        if is_energy(self.unit) && ScaledInteger::new(top.into(), self.scale) >= thousand {
            (-3, format!("k{}", self.unit))
        } else {
            (0, self.unit.to_string())
        }
    }
}

fn hit((x, y, width, height): Place, text: &str) -> Markup {
    html! {
        rect.hit x=(x) y=(y) width=(width) height=(height) { title { (text) } }
    }
}

#[cfg(test)]
mod tests {
    use dcnet_obis::Language;

    use super::*;

    const L: Speech = Speech(Language::German);

    fn chart(states: &[State]) -> Chart {
        let bar = |(number, state): (usize, &State)| Bar {
            name: format!("Zeit <{number}>"),
            tick: Some((number.to_string(), Weight::Major)),
            state: *state,
            href: (number == 1).then(|| "/day/2026-11-26".to_owned()),
        };
        Chart {
            id: "test".to_owned(),
            title: "Bezug".to_owned(),
            about: "Worte".to_owned(),
            when: "Zeit".to_owned(),
            bars: states.iter().enumerate().map(bar).collect(),
            unit: Unit::WATT_HOUR,
            scale: -1,
        }
    }

    #[test]
    fn a_gap_is_a_gap_and_what_is_not_over_is_nothing() {
        let partial = State::Partial {
            sum: 50,
            missing: 1,
            of: 4,
        };
        let chart = chart(&[
            State::Whole(100),
            partial,
            State::Gap,
            State::Future,
            State::Before,
        ]);
        let html = chart.figure(L).into_string();
        let count = |colour: &str| html.matches(&format!("fill=\"{colour}\"")).count();
        // Once for each form.
        assert_eq!(
            (count("#010101"), count("#020202"), count("#030303")),
            (2, 2, 2)
        );
        assert!(
            html.contains("0,0050\u{a0}kWh (1 von 4 Runden ohne Messwert)"),
            "{html}"
        );
        assert!(html.contains("Zeit &lt;2&gt;: kein Messwert"));
        assert!(
            !html.contains("Zeit &lt;3&gt;</th>"),
            "the table has no future"
        );
        assert!(!html.contains("style="), "no inline style");
        assert_eq!(html.matches("<a href=\"/day/2026-11-26\"").count(), 3);
    }

    #[test]
    fn axes_end_above_the_largest_bar_and_have_few_lines() {
        for most in [0, 1, 3, 4, 5, 9, 10, 49, 50, 99, 1_234, 999_999, i128::MAX] {
            let (top, step) = chart(&[State::Whole(most)]).top();
            assert!(
                i128::from(top) > most.min((i64::MAX / 4).into()) || most == i128::MAX,
                "{most}"
            );
            assert!((2..=5).contains(&(top / step)), "{most}: {top} {step}");
        }
    }

    #[test]
    fn axes_count_in_thousands_from_the_first_thousand() {
        assert_eq!(chart(&[]).axis(9_999), (0, "Wh".to_owned()));
        assert_eq!(chart(&[]).axis(10_000), (-3, "kWh".to_owned()));
    }
}
