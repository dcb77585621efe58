//! What the meters say now, today, and how the gateway is.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use dcnet_obis::{Entry, Unit, Value};
use dcnet_profiles::meter::Source;
use dcnet_protocol::round::UnixTime;
use maud::{Markup, html};
use serde::Serialize;

use super::ask::Ask;
use super::days;
use super::frame::{Fault, Page, Place, blocking};
use super::speech::{Speech, clock};
use super::state;
use super::words::value_name;
use crate::source::Latest;

pub(super) async fn page(ask: Ask) -> Response {
    blocking(ask, whole).await
}

fn whole(ask: &Ask) -> Result<Page, Fault> {
    let l = ask.l;
    let status = ask.house.status.borrow().clone();
    let live = Live::of(ask)?;
    let body = html! {
        (state::notices(l, &status))
        div data-live=(format!("/now.json?lang={}", l.tag()))
            data-lost=(l.say("The gateway does not answer.", "Das Gateway antwortet nicht.")) {
            section aria-labelledby="meters" {
                div.head {
                    h2 #meters { (l.say("What the meters say", "Was die Zähler sagen")) }
                    p.updated {
                        (l.say("updated", "Stand")) " " span data-now="updated" { (live.updated) }
                    }
                }
                div.cards { @for meter in &live.meters { (card(l, meter)) } }
            }
            (days::today(ask)?)
            (state::section(ask, &status, &live.texts))
        }
    };
    Ok(Page {
        place: Some(Place::Now),
        title: l.say("Now and today", "Jetzt und heute").to_owned(),
        body,
    })
}

/// What is brought up to date while somebody looks.
pub(super) async fn json(ask: Ask) -> Response {
    #[derive(Serialize)]
    struct Answer {
        updated: String,
        texts: BTreeMap<String, String>,
        /// Those of the texts that tell of an age that is too great.
        old: Vec<String>,
    }
    let text = tokio::task::spawn_blocking(move || {
        let live = Live::of(&ask).ok()?;
        let meters = live.meters.into_iter();
        let old = meters.filter(|meter| meter.age.as_ref().is_some_and(|(_, is_old)| *is_old));
        let answer = Answer {
            updated: live.updated,
            texts: live.texts,
            old: old.map(|meter| meter.key).collect(),
        };
        serde_json::to_string(&answer).ok()
    });
    match text.await {
        Ok(Some(text)) => {
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (CACHE_CONTROL, "no-store"),
            ];
            (headers, text).into_response()
        }
        Ok(None) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What the page says that changes by the second. Texts have the names of the elements that they
/// stand in.
struct Live {
    updated: String,
    texts: BTreeMap<String, String>,
    meters: Vec<Meter>,
}

struct Meter {
    key: String,
    name: String,
    /// `None` before its first telegram.
    age: Option<(String, bool)>,
    powers: Vec<Row>,
    registers: Vec<Row>,
    rest: Vec<Row>,
}

struct Row {
    key: String,
    name: String,
    code: String,
    value: String,
}

impl Live {
    fn of(ask: &Ask) -> Result<Self, Fault> {
        let (l, house) = (ask.l, &ask.house);
        let now = house.clock.now();
        let meters = house.profile.meters.iter().zip(&house.meters).enumerate();
        let meters = meters.map(|(number, (profile, latest))| {
            let silence = profile.sources.iter().map(Source::silence).max();
            let latest = latest.borrow().clone();
            Meter::of(
                l,
                number,
                &profile.name,
                latest.as_ref(),
                (now, silence.unwrap_or(30)),
            )
        });
        let meters: Vec<_> = meters.collect();
        let schedule = ask
            .ledger()
            .descriptor()?
            .map(|descriptor| descriptor.schedule());
        let mut texts = state::texts(ask, &house.status.borrow(), schedule.as_ref());
        for meter in &meters {
            let age = meter.age.as_ref().map(|(age, _)| age.clone());
            texts.insert(meter.key.clone(), age.unwrap_or_default());
            let rows = meter
                .powers
                .iter()
                .chain(&meter.registers)
                .chain(&meter.rest);
            texts.extend(rows.map(|row| (row.key.clone(), row.value.clone())));
        }
        let updated = ask.zone().local(now).map(|local| clock(local, true));
        Ok(Self {
            updated: updated.unwrap_or_default(),
            texts,
            meters,
        })
    }
}

impl Meter {
    fn of(
        l: Speech,
        number: usize,
        name: &str,
        latest: Option<&Latest>,
        (now, silence): (UnixTime, u64),
    ) -> Self {
        let key = format!("meter-{number}");
        let mut meter = Self {
            name: name.to_owned(),
            age: latest.map(|latest| {
                let is_old = now.millis_since(latest.time) > silence.saturating_mul(1_000);
                (l.ago(latest.time, now), is_old)
            }),
            powers: Vec::new(),
            registers: Vec::new(),
            rest: Vec::new(),
            key,
        };
        let entries = latest.map_or(&[][..], |latest| &latest.telegram.entries);
        for (place, entry) in entries.iter().enumerate() {
            let row = Row {
                key: format!("{}-{place}-{}", meter.key, entry.obis.short()),
                name: value_name(l, entry.obis),
                code: entry.obis.short(),
                value: value(l, entry),
            };
            let is_number = matches!(entry.value, Value::Number(_));
            match entry.unit {
                Some(Unit::WATT) if is_number => meter.powers.push(row),
                _ if is_number && entry.obis.is_energy_register() => meter.registers.push(row),
                _ => meter.rest.push(row),
            }
        }
        meter
    }
}

fn value(l: Speech, entry: &Entry) -> String {
    match &entry.value {
        Value::Number(number) => l.amount(*number, entry.unit).to_string(),
        Value::Bool(true) => l.say("yes", "ja").to_owned(),
        Value::Bool(false) => l.say("no", "nein").to_owned(),
        other => other.to_string(),
    }
}

fn card(l: Speech, meter: &Meter) -> Markup {
    html! {
        section.card aria-labelledby=(format!("{}-name", meter.key)) {
            div.head {
                h3 id=(format!("{}-name", meter.key)) { (meter.name) }
                @if let Some((age, is_old)) = &meter.age {
                    p.age.old[*is_old] data-now=(meter.key) { (age) }
                }
            }
            @if meter.age.is_none() {
                p.empty { (l.say("Nothing was read of this meter yet.", "Von diesem Zähler wurde noch nichts gelesen.")) }
            }
            @if let Some((first, more)) = meter.powers.split_first() {
                dl.power {
                    div { dt { (first.name) } dd.big data-now=(first.key) { (first.value) } }
                    @for row in more { div { dt { (row.name) } dd data-now=(row.key) { (row.value) } } }
                }
            }
            @if !meter.registers.is_empty() {
                dl.rows {
                    @for row in &meter.registers { (line(row)) }
                }
            }
            @if !meter.rest.is_empty() {
                details {
                    summary { (l.say("More that it says", "Was er noch sagt")) }
                    dl.rows { @for row in &meter.rest { (line(row)) } }
                }
            }
        }
    }
}

fn line(row: &Row) -> Markup {
    html! {
        div {
            dt { (row.name) " " @if row.name != row.code { span.code { (row.code) } } }
            dd data-now=(row.key) { (row.value) }
        }
    }
}
