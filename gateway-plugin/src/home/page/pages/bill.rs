//! Registers for the bill: TAF-1, TAF-2 and TAF-6.

use std::io;

use axum::response::Response;
use dcnet_obis::{ScaledInteger, Unit};
use dcnet_profiles::TariffProfile;
use dcnet_profiles::tariff::{ClosedPeriod, Closure, DailyValues, Period, Zone};
use maud::{Markup, html};

use super::ask::Ask;
use super::frame::{Fault, Page, Place, blocking};
use super::speech::Speech;
use super::words::value_name;
use crate::tariffs::{self, Registers, Shown};

pub(super) async fn page(ask: Ask) -> Response {
    blocking(ask, whole).await
}

fn whole(ask: &Ask) -> Result<Page, Fault> {
    let l = ask.l;
    let profile = &ask.house.profile;
    let shown = match tariffs::read(&profile.state) {
        Ok(shown) => shown,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Fault::Tariffs(error)),
    };
    let body = html! {
        p.lead {
            (l.say(
                "Registers for the bill are counted here and stay here: nothing of them goes into a net.",
                "Register für die Abrechnung werden hier gezählt und bleiben hier: nichts davon geht in ein Netz.",
            ))
        }
        @if profile.tariffs.is_empty() && shown.is_empty() {
            p.empty { (l.say("The profile has no tariffs.", "Das Profil hat keine Tarife.")) }
        }
        @for tariff in &profile.tariffs {
            @let found = shown.iter().find(|shown| shown.name == tariff.name);
            section { (one(l, tariff, found)) }
        }
    };
    Ok(Page {
        place: Some(Place::Tariffs),
        title: l
            .say("Registers for the bill", "Register für die Abrechnung")
            .to_owned(),
        body,
    })
}

fn one(l: Speech, tariff: &TariffProfile, shown: Option<&Shown>) -> Markup {
    let kind = match tariff.taf.number() {
        1 => l.say(
            "one value for each billing period",
            "ein Wert je Abrechnungszeitraum",
        ),
        2 => l.say("stages by time", "Tarifstufen nach der Uhrzeit"),
        _ => l.say("values at midnight", "Werte um Mitternacht"),
    };
    html! {
        h2 { (tariff.name) }
        p.hint {
            "TAF-" (tariff.taf.number()) ", " (kind) " · " (value_name(l, tariff.obis)) " " span.code { (tariff.obis.short()) }
        }
        @match shown.map(|shown| (&shown.kept.registers, &shown.closed)) {
            None => { (nothing(l)) }
            Some((Registers::Daily(values), _)) => { (daily(l, tariff, values)) }
            Some((Registers::Billing(state), closed)) => {
                @if let Some(running) = state.running() { (self::running(l, tariff, &running.period)) }
                @else { (nothing(l)) }
                @if !closed.is_empty() { (self::closed(l, tariff, closed)) }
            }
        }
    }
}

fn nothing(l: Speech) -> Markup {
    html! { p.empty { (l.say("Nothing was counted yet.", "Es wurde noch nichts gezählt.")) } }
}

fn amount(l: Speech, tariff: &TariffProfile, value: impl Into<i128>) -> String {
    l.amount(
        ScaledInteger::new(value.into(), tariff.scale),
        Some(unit(tariff)),
    )
    .to_string()
}

fn unit(tariff: &TariffProfile) -> Unit {
    tariff.unit
}

fn total(stages: &[(String, i64)], error: i64) -> i128 {
    let stages = stages.iter().map(|(_, value)| i128::from(*value));
    stages.sum::<i128>() + i128::from(error)
}

/// A stage as the profile names it; the only register of a tariff without stages has no name there.
fn stage<'a>(l: Speech, tariff: &TariffProfile, name: &'a str) -> &'a str {
    if tariff.stages.is_empty() {
        l.say("Register", "Register")
    } else {
        name
    }
}

fn running(l: Speech, tariff: &TariffProfile, running: &Period) -> Markup {
    let zone = &tariff.zone;
    html! {
        h3 { (l.say("Running period", "Laufender Zeitraum")) }
        p.total { span.big { (amount(l, tariff, total(&running.stages, running.error))) } }
        dl.facts {
            @if !tariff.stages.is_empty() {
                @for (name, value) in &running.stages {
                    div { dt { (name) } dd { (amount(l, tariff, *value)) } }
                }
            }
            div {
                dt { (l.say("Error register", "Fehlerregister")) }
                dd { (amount(l, tariff, running.error)) }
                dd.hint { (l.say("could not be assigned to a stage", "ließ sich keiner Stufe zuordnen")) }
            }
            div {
                dt { (l.say("Period", "Zeitraum")) }
                dd { (date(l, zone, running.begin)) " – " (date(l, zone, running.end)) }
            }
            div {
                dt { (l.say("Counted", "Gezählt")) }
                dd { (l.moment(zone, running.from.time)) " – " (l.moment(zone, running.to.time)) }
                dd.hint { (amount(l, tariff, running.from.value)) " – " (amount(l, tariff, running.to.value)) }
            }
        }
    }
}

fn closed(l: Speech, tariff: &TariffProfile, closed: &[ClosedPeriod]) -> Markup {
    let zone = &tariff.zone;
    let why = |closure| match closure {
        Closure::Ended => l.say("ended", "beendet"),
        Closure::Gap => l.say("no reading at its end", "kein Messwert am Ende"),
        Closure::Replaced => l.say("the meter was replaced", "Zähler gewechselt"),
        Closure::Changed => l.say("the tariff was changed", "Tarif geändert"),
    };
    html! {
        h3 { (l.say("Closed periods", "Abgeschlossene Zeiträume")) }
        table.stack {
            caption { (l.say("Closed periods, the newest first", "Abgeschlossene Zeiträume, der neueste zuerst")) }
            thead { tr {
                th scope="col" { (l.say("Period", "Zeitraum")) }
                th.number scope="col" { (l.say("Total", "Summe")) }
                th.number scope="col" { (l.say("Stages", "Stufen")) }
                th.number scope="col" { (l.say("Error register", "Fehlerregister")) }
                th scope="col" { (l.say("Closed because", "Abgeschlossen, weil")) }
            } }
            tbody {
                @for ClosedPeriod { period, closure } in closed.iter().rev() {
                    tr {
                        th scope="row" { (date(l, zone, period.begin)) " – " (date(l, zone, period.end)) }
                        td.number data-label=(l.say("Total", "Summe")) { (amount(l, tariff, total(&period.stages, period.error))) }
                        td.number data-label=(l.say("Stages", "Stufen")) {
                            ul.plain {
                                @for (name, value) in &period.stages {
                                    li { (stage(l, tariff, name)) " " (amount(l, tariff, *value)) }
                                }
                            }
                        }
                        td.number data-label=(l.say("Error register", "Fehlerregister")) { (amount(l, tariff, period.error)) }
                        td data-label=(l.say("Closed because", "Abgeschlossen, weil")) { (why(*closure)) }
                    }
                }
            }
        }
    }
}

fn daily(l: Speech, tariff: &TariffProfile, values: &DailyValues) -> Markup {
    let zone = &tariff.zone;
    let mut rows = Vec::new();
    let mut before: Option<&dcnet_profiles::tariff::RegisterReading> = None;
    for value in values.values() {
        // Of the day before, if its midnight was read as well and nothing was replaced.
        let advance = before.filter(|before| {
            let day = zone.local(before.time).map(jiff::civil::DateTime::date);
            let next = day.and_then(|day| zone.midnight(day.tomorrow().ok()?));
            next == Some(value.time) && before.device == value.device
        });
        let advance = advance.and_then(|before| value.value.checked_sub(before.value));
        rows.push((value, advance));
        before = Some(value);
    }
    html! {
        @if rows.is_empty() { (nothing(l)) }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(tariff.name) {
                table {
                    caption { (l.say("Register at midnight, the newest first", "Zählerstand um Mitternacht, der neueste zuerst")) }
                    thead { tr {
                        th scope="col" { (l.say("Midnight", "Mitternacht")) }
                        th.number scope="col" { (l.say("Register", "Zählerstand")) }
                        th.number scope="col" { (l.say("Day before", "Tag davor")) }
                    } }
                    tbody {
                        @for (value, advance) in rows.iter().rev() {
                            tr {
                                th scope="row" { (date(l, zone, value.time)) }
                                td.number { (amount(l, tariff, value.value)) }
                                td.number {
                                    @if let Some(advance) = advance { (amount(l, tariff, *advance)) }
                                    @else { "—" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn date(l: Speech, zone: &Zone, time: dcnet_protocol::round::UnixTime) -> String {
    zone.local(time)
        .map_or_else(|| "—".to_owned(), |local| l.date(local.date()))
}
