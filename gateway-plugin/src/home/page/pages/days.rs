//! What the registers counted: today, on each of the last days, and on one of them.

use axum::extract::Path;
use axum::response::Response;
use dcnet_obis::{ObisCode, ScaledInteger};
use dcnet_profiles::evaluation::Slot;
use jiff::civil::{Date, DateTime};
use maud::{Markup, html};

use super::ask::Ask;
use super::chart::{Bar, Chart, State, Weight};
use super::frame::{Fault, Page, Place, blocking, fault_page};
use super::series::{Series, Tally, counting, day, parts_of};
use super::speech::{Speech, clock, length};
use super::words::slot_name;

/// Days that are shown: as many as readings are kept of in quarters of an hour.
const DAYS: usize = 42;

pub(super) async fn list(ask: Ask) -> Response {
    blocking(ask, list_page).await
}

pub(super) async fn one(ask: Ask, path: Path<String>) -> Response {
    match date(&path) {
        Some(date) => blocking(ask, move |ask| day_page(ask, date)).await,
        None => fault_page(&ask, &Fault::NotFound),
    }
}

/// A date as our own links have it, and in no other form.
fn date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

fn current_date(ask: &Ask) -> Option<Date> {
    Some(ask.zone().local(ask.house.clock.now())?.date())
}

/// The part of the first page about today.
pub(super) fn today(ask: &Ask) -> Result<Markup, Fault> {
    let l = ask.l;
    let date = current_date(ask).ok_or(Fault::NotFound)?;
    let charts = charts_of(ask, date, Level::Below)?;
    Ok(html! {
        section aria-labelledby="today" {
            h2 #today { (l.say("Today", "Heute")) }
            (charts)
            p { a href="/days" { (l.say("The last six weeks", "Die letzten sechs Wochen")) } }
        }
    })
}

fn day_page(ask: &Ask, date: Date) -> Result<Page, Fault> {
    let l = ask.l;
    let current = current_date(ask).ok_or(Fault::NotFound)?;
    let (begin, end) = day(ask.zone(), date).ok_or(Fault::NotFound)?;
    if date > current {
        return Err(Fault::NotFound);
    }
    let hours = end.millis_since(begin) / 3_600_000;
    let (before, after) = (date.yesterday().ok(), date.tomorrow().ok());
    let body = html! {
        @if hours != 24 {
            p.hint {
                (l.tell(
                    format!("Clocks were set on this day: it had {hours} hours."),
                    format!("An diesem Tag wurden die Uhren umgestellt: er hatte {hours} Stunden."),
                ))
            }
        }
        (charts_of(ask, date, Level::Page)?)
        nav.pager aria-label=(l.say("Days", "Tage")) {
            @if let Some(before) = before { a href=(format!("/day/{before}")) { "« " (l.date(before)) } }
            a href="/days" { (l.say("All days", "Alle Tage")) }
            @if let Some(after) = after.filter(|after| *after <= current) {
                a href=(format!("/day/{after}")) { (l.date(after)) " »" }
            }
        }
    };
    Ok(Page {
        place: Some(Place::Days),
        title: format!("{}, {}", l.weekday(date), l.date(date)),
        body,
    })
}

/// A chart for each register, of the rounds of a day.
fn charts_of(ask: &Ask, date: Date, level: Level) -> Result<Markup, Fault> {
    let (l, zone) = (ask.l, ask.zone());
    let span = day(zone, date).ok_or(Fault::NotFound)?;
    let Some(series) = read(ask, span)? else {
        return Ok(nothing_yet(l));
    };
    let spans = parts_of(zone, date, series.schedule());
    // On days on which clocks are set, times are told with their distance from UTC.
    let is_changed = span.1.millis_since(span.0) != 86_400_000;
    let texts = spans.iter().map(|(begin, end)| {
        let from = zone.local(*begin).map(|local| clock(local, false));
        let to = zone.local(*end).map(|local| clock(local, false));
        let text = format!("{}–{}", from.unwrap_or_default(), to.unwrap_or_default());
        let offset = zone.text(*begin).filter(|_| is_changed);
        let offset = offset.and_then(|text| {
            text.get(19..)
                .map(|rest| rest.trim_start_matches(|c| c != '+' && c != '-').to_owned())
        });
        offset.map_or_else(|| text.clone(), |offset| format!("{text} (UTC{offset})"))
    });
    let texts: Vec<_> = texts.collect();
    let is_single = spans
        .iter()
        .all(|(begin, end)| end.millis_since(*begin) == series.schedule().interval_millis());
    let evaluation = &ask.house.profile.evaluation;
    let charts = counting(evaluation).enumerate().map(|(number, slot)| {
        let tallies = series.tallies(evaluation, slot, &spans);
        let bars = tallies.iter().zip(&texts).map(|(tally, text)| Bar {
            name: text.clone(),
            tick: zone.local(tally.span.0).and_then(hour_mark),
            state: state(tally),
            href: None,
        });
        let bars: Vec<_> = bars.collect();
        let title = format!(
            "{}, {}",
            slot_name(l, slot),
            if is_single {
                l.say("by round", "je Runde").to_owned()
            } else {
                let (begin, end) = spans.first().copied().unwrap_or(span);
                let length = length(end.millis_since(begin) / 1_000);
                l.tell(format!("by {length}"), format!("je {length}"))
            }
        );
        let about = about(l, slot, &tallies, &bars);
        let chart = Chart {
            id: format!("chart-{number}"),
            title,
            about,
            when: l.say("Time", "Zeit").to_owned(),
            bars,
            unit: slot.unit,
            scale: slot.scale,
        };
        html! { (total(l, slot, &tallies, level)) (chart.figure(l)) }
    });
    Ok(whole(l, charts.collect()))
}

fn list_page(ask: &Ask) -> Result<Page, Fault> {
    let (l, zone) = (ask.l, ask.zone());
    let current = current_date(ask).ok_or(Fault::NotFound)?;
    let mut dates: Vec<_> = std::iter::successors(Some(current), |date| date.yesterday().ok())
        .take(DAYS)
        .collect();
    dates.reverse();
    let spans: Vec<_> = dates.iter().filter_map(|date| day(zone, *date)).collect();
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return Err(Fault::NotFound);
    };
    let body = if let Some(series) = read(ask, (first.0, last.1))? {
        let evaluation = &ask.house.profile.evaluation;
        let charts = counting(evaluation).enumerate().map(|(number, slot)| {
            let tallies = series.tallies(evaluation, slot, &spans);
            let bars = tallies
                .iter()
                .zip(&dates)
                .map(|(tally, date)| day_bar(l, tally, *date));
            let bars: Vec<_> = bars.collect();
            let title = format!("{}, {}", slot_name(l, slot), l.say("by day", "je Tag"));
            let about = about(l, slot, &tallies, &bars);
            let chart = Chart {
                id: format!("chart-{number}"),
                title,
                about,
                when: l.say("Day", "Tag").to_owned(),
                bars,
                unit: slot.unit,
                scale: slot.scale,
            };
            html! { (total(l, slot, &tallies, Level::Page)) (chart.figure(l)) }
        });
        let charts = charts.collect();
        html! {
            p.lead { (l.say("Choose a day to see its rounds.", "Wählen Sie einen Tag, um seine Runden zu sehen.")) }
            (whole(l, charts))
        }
    } else {
        nothing_yet(l)
    };
    Ok(Page {
        place: Some(Place::Days),
        title: l
            .say("The last six weeks", "Die letzten sechs Wochen")
            .to_owned(),
        body,
    })
}

fn day_bar(l: Speech, tally: &Tally, date: Date) -> Bar {
    // A day that is not over has a bar of what there is.
    let state = state(tally);
    let is_monday = date.weekday() == jiff::civil::Weekday::Monday;
    let weeks = date.iso_week_date().week() % 2;
    let weight = if weeks == 0 {
        Weight::Major
    } else {
        Weight::Minor
    };
    Bar {
        name: format!(
            "{}, {}{}",
            l.weekday(date),
            l.date(date),
            // Only today is in the list and not over.
            if tally.is_future {
                l.say(" (so far)", " (bisher)")
            } else {
                ""
            }
        ),
        tick: is_monday.then(|| (l.short_date(date), weight)),
        href: (!matches!(state, State::Before | State::Future)).then(|| format!("/day/{date}")),
        state,
    }
}

fn read(ask: &Ask, span: super::series::Span) -> Result<Option<Series>, Fault> {
    Series::read(&ask.ledger(), ask.house.clock.now(), span)
}

fn state(tally: &Tally) -> State {
    match (tally.known, tally.missing) {
        (0, 0) if tally.is_future => State::Future,
        (0, 0) => State::Before,
        (0, _) => State::Gap,
        (_, 0) => State::Whole(tally.sum),
        (known, missing) => State::Partial {
            sum: tally.sum,
            missing,
            of: known + missing,
        },
    }
}

fn hour_mark(local: DateTime) -> Option<(String, Weight)> {
    let weight = match local.hour() {
        0 | 6 | 12 | 18 => Weight::Major,
        hour if hour % 3 == 0 => Weight::Minor,
        _ => return None,
    };
    (local.minute() == 0).then(|| (clock(local, false), weight))
}

/// The chart in words.
fn about(l: Speech, slot: &Slot, tallies: &[Tally], bars: &[Bar]) -> String {
    let amount = |sum| {
        l.amount(ScaledInteger::new(sum, slot.scale), Some(slot.unit))
            .to_string()
    };
    let known: u64 = tallies.iter().map(|tally| tally.known).sum();
    let missing: u64 = tallies.iter().map(|tally| tally.missing).sum();
    if known == 0 {
        return l
            .say("There is no reading.", "Es gibt keinen Messwert.")
            .to_owned();
    }
    let sum = amount(tallies.iter().map(|tally| tally.sum).sum());
    let mut text = l.tell(format!("{sum} in all."), format!("Insgesamt {sum}."));
    let most = tallies.iter().zip(bars).max_by_key(|(tally, _)| tally.sum);
    if let Some((tally, bar)) = most.filter(|(tally, _)| tally.sum > 0) {
        let (most, name) = (amount(tally.sum), &bar.name);
        text.push_str(&l.tell(
            format!(" Most: {most}, {name}."),
            format!(" Am meisten: {most}, {name}."),
        ));
    }
    if missing > 0 {
        let of = known + missing;
        text.push_str(&l.tell(
            format!(" Rounds without a reading: {missing} of {of}."),
            format!(" Runden ohne Messwert: {missing} von {of}."),
        ));
    }
    text
}

/// Below which heading charts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// That of the page.
    Page,
    /// One of its parts.
    Below,
}

/// The sum of a chart, in large figures.
fn total(l: Speech, slot: &Slot, tallies: &[Tally], level: Level) -> Markup {
    let sum = tallies.iter().map(|tally| tally.sum).sum();
    let known: u64 = tallies.iter().map(|tally| tally.known).sum();
    let missing: u64 = tallies.iter().map(|tally| tally.missing).sum();
    let name = match slot.code() {
        ObisCode::ACTIVE_ENERGY_IMPORT => l.say("Consumption", "Verbrauch").to_owned(),
        ObisCode::ACTIVE_ENERGY_EXPORT => l.say("Feed-in", "Einspeisung").to_owned(),
        _ => slot_name(l, slot),
    };
    html! {
        @match level {
            Level::Page => { h2.register { (name) } }
            Level::Below => { h3 { (name) } }
        }
        p.total {
            @if known > 0 {
                span.big { (l.amount(ScaledInteger::new(sum, slot.scale), Some(slot.unit))) }
                @if missing > 0 {
                    " " span.hint {
                        (l.tell(
                            format!("rounds without a reading: {missing}"),
                            format!("Runden ohne Messwert: {missing}"),
                        ))
                    }
                }
            } @else {
                span.hint { (l.say("no reading yet", "noch kein Messwert")) }
            }
        }
    }
}

fn whole(l: Speech, charts: Vec<Markup>) -> Markup {
    html! {
        @if charts.is_empty() {
            p.empty {
                (l.say(
                    "This net asks for no register, so there is nothing to add up.",
                    "Dieses Netz fragt nach keinem Zählerstand, daher gibt es nichts zusammenzuzählen.",
                ))
            }
        }
        @for chart in charts { (chart) }
    }
}

fn nothing_yet(l: Speech) -> Markup {
    html! {
        p.empty {
            (l.say(
                "The gateway has not been in contact with its net yet; rounds are counted from then on.",
                "Das Gateway hatte noch keine Verbindung zu seinem Netz; Runden werden ab dann gezählt.",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_one_form() {
        assert_eq!(date("2026-11-26"), Some(Date::constant(2026, 11, 26)));
        for wrong in ["2026-11-31", "20261126", "2026-11-26T00:00", "", "today"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hours_are_marked_where_they_begin() {
        let mark = |hour, minute| hour_mark(Date::constant(2026, 11, 26).at(hour, minute, 0, 0));
        assert_eq!(mark(6, 0), Some(("06:00".to_owned(), Weight::Major)));
        assert_eq!(mark(9, 0), Some(("09:00".to_owned(), Weight::Minor)));
        assert_eq!(mark(6, 15), None);
        assert_eq!(mark(7, 0), None);
    }
}
