//! The consumer's log: what left the house.

use std::collections::HashMap;

use axum::response::Response;
use dcnet_obis::ScaledInteger;
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, Schedule};
use maud::{Markup, html};

use super::ask::Ask;
use super::frame::{Fault, Page, Place, blocking, pager};
use super::speech::{Speech, clock};
use super::words::slot_name;
use crate::ledger::{Dispatch, Hidden, Matter, Numbered, Outcome, SentEntry};

/// Messages on one page.
const PAGE: usize = 50;

pub(super) async fn list(ask: Ask) -> Response {
    blocking(ask, list_page).await
}

fn list_page(ask: &Ask) -> Result<Page, Fault> {
    let l = ask.l;
    let ledger = ask.ledger();
    let before = ask.number("before");
    let mut dispatches = ledger.dispatches(before, PAGE + 1)?;
    let more = dispatches.len() > PAGE;
    dispatches.truncate(PAGE);
    let oldest = dispatches.iter().map(|(_, dispatch)| dispatch.time).min();
    let frames = dispatches
        .iter()
        .map(|(_, dispatch)| frame_hash(&dispatch.bytes));
    let frames = frames.collect();
    let fates = oldest.map(|oldest| ledger.outcomes(oldest, &frames));
    let fates = fates.transpose()?;
    let fates = fates.unwrap_or_default();
    let schedule = ledger.descriptor()?.map(|descriptor| descriptor.schedule());
    let days = ask.house.profile.home.logbooks.consumer;
    let next = dispatches
        .last()
        .filter(|_| more)
        .map(|(number, _)| *number);
    let body = html! {
        p.lead {
            (l.tell(
                format!("Every message that left the house for the net in the last {days} days. Each can be looked at byte for byte. Questions to the provider (for lists, proofs, rosters, the inbox) carry nothing of a meter and are not listed."),
                format!("Jede Nachricht, die in den letzten {days} Tagen für das Netz das Haus verlassen hat. Jede lässt sich Byte für Byte ansehen. Fragen an den Anbieter (nach Listen, Beweisen, Rostern, dem Postfach) enthalten nichts vom Zähler und sind nicht aufgeführt."),
            ))
        }
        @if dispatches.is_empty() {
            p.empty { (l.say("Nothing was sent yet.", "Es wurde noch nichts gesendet.")) }
        } @else {
            table.stack {
                caption { (l.say("Messages, the newest first", "Nachrichten, die neueste zuerst")) }
                thead { tr {
                    th scope="col" { (l.say("Time", "Zeit")) }
                    th scope="col" { (l.say("What", "Was")) }
                    th scope="col" { (l.say("To", "An")) }
                    th scope="col" { (l.say("Outcome", "Ergebnis")) }
                    th.number scope="col" { (l.say("Size", "Größe")) }
                    th scope="col" { (l.say("Reading that it hid", "Messwert, den sie verbarg")) }
                } }
                tbody { @for one in &dispatches { (row(ask, one, &fates, schedule.as_ref())) } }
            }
            (pager(l, "/sent", before.is_none(), next))
        }
    };
    Ok(Page {
        place: Some(Place::Sent),
        title: l
            .say("What left the house", "Was das Haus verlassen hat")
            .to_owned(),
        body,
    })
}

/// What became of frames, by their hash.
pub(super) type Fates = HashMap<[u8; 32], Vec<SentEntry>>;

fn row(
    ask: &Ask,
    (number, dispatch): &Numbered<Dispatch>,
    fates: &Fates,
    schedule: Option<&Schedule>,
) -> Markup {
    let l = ask.l;
    html! {
        tr {
            td data-label=(l.say("Time", "Zeit")) { (l.moment(ask.zone(), dispatch.time)) }
            th scope="row" { a href=(format!("/sent/{number}")) { (what(ask, &dispatch.matter, schedule)) } }
            td data-label=(l.say("To", "An")) {
                @match &dispatch.matter {
                    Matter::Frame { .. } => { (l.say("provider", "Anbieter")) }
                    Matter::Envelope { to } => { (to) }
                }
            }
            td data-label=(l.say("Outcome", "Ergebnis")) { (fate(l, dispatch, fates)) }
            td.number data-label=(l.say("Size", "Größe")) { (size(l, dispatch.bytes.len())) }
            td data-label=(l.say("Reading", "Messwert")) { (hidden(ask, dispatch.hidden.as_ref())) }
        }
    }
}

/// A message in plain words.
pub(super) fn what(ask: &Ask, matter: &Matter, schedule: Option<&Schedule>) -> String {
    let l = ask.l;
    let (notification, round) = match matter {
        Matter::Envelope { to } => {
            return l.tell(
                format!("message to neighbour {to}"),
                format!("Nachricht an Nachbar {to}"),
            );
        }
        Matter::Frame {
            notification,
            round,
        } => (notification, *round),
    };
    let time = schedule.and_then(|schedule| round_time(ask, schedule, round));
    let time = time.map_or_else(String::new, |time| format!(" ({time})"));
    match notification {
        Notification::Register => l.say("registration", "Anmeldung").to_owned(),
        Notification::Entered => l
            .say("entry with its neighbours", "Eintritt mit seinen Nachbarn")
            .to_owned(),
        Notification::Exiting => l.say("exit", "Austritt").to_owned(),
        Notification::Resend => l.tell(
            format!("superposition of round {round}{time} again, without the pads of missing members"),
            format!("Überlagerung der Runde {round}{time} noch einmal, ohne die Masken fehlender Mitglieder"),
        ),
        Notification::Transmit => l.tell(
            format!("superposition of round {round}{time}"),
            format!("Überlagerung der Runde {round}{time}"),
        ),
        Notification::Pads => l.tell(
            format!("answer to the roster of round {round}{time}: pads of missing members"),
            format!("Antwort auf die Teilnehmerliste der Runde {round}{time}: Masken fehlender Mitglieder"),
        ),
        Notification::Reveal => l.tell(
            format!("answer to the roster of round {round}{time}: share keys"),
            format!("Antwort auf die Teilnehmerliste der Runde {round}{time}: Teilschlüssel"),
        ),
    }
}

/// When a round was, by the clock: `13:00–13:15`.
pub(super) fn round_time(ask: &Ask, schedule: &Schedule, round: Round) -> Option<String> {
    let local = |time| ask.zone().local(time);
    let (from, to) = (
        local(schedule.start(round))?,
        local(schedule.border(round))?,
    );
    let seconds = !schedule.interval_millis().is_multiple_of(60_000);
    Some(format!("{}–{}", clock(from, seconds), clock(to, seconds)))
}

/// To whom a message went, in full.
pub(super) fn recipient(ask: &Ask, matter: &Matter) -> String {
    let provider = &ask.house.profile.communication.provider;
    match matter {
        Matter::Frame { .. } => provider.to_string(),
        Matter::Envelope { to } => ask.l.tell(
            format!("{to}, sealed, through the provider"),
            format!("{to}, verschlossen, über den Anbieter"),
        ),
    }
}

/// What became of a message.
pub(super) fn fate(l: Speech, dispatch: &Dispatch, fates: &Fates) -> Markup {
    if matches!(dispatch.matter, Matter::Envelope { .. }) {
        return html! { span.hint { (l.say("without a receipt", "ohne Quittung")) } };
    }
    let entries = fates.get(&frame_hash(&dispatch.bytes));
    let mut outcomes = entries
        .into_iter()
        .flatten()
        .map(|entry| (entry.outcome, entry.time));
    let acknowledged = outcomes
        .clone()
        .find(|(outcome, _)| *outcome == Outcome::Acknowledged);
    let (class, text) = match acknowledged.or_else(|| outcomes.next_back()) {
        Some((Outcome::Acknowledged, _)) => ("good", l.say("acknowledged", "quittiert")),
        Some((Outcome::Refused, _)) => ("bad", l.say("refused", "abgelehnt")),
        Some((Outcome::Unanswered, _)) => ("bad", l.say("no answer", "keine Antwort")),
        None => ("open", l.say("not yet", "noch nicht")),
    };
    html! { span class=(format!("state {class}")) { (text) } }
}

pub(super) fn size(l: Speech, bytes: usize) -> String {
    format!(
        "{}\u{a0}B",
        l.count(i128::try_from(bytes).unwrap_or(i128::MAX))
    )
}

/// The reading that a message hid, in short.
fn hidden(ask: &Ask, hidden: Option<&Hidden>) -> Markup {
    let l = ask.l;
    let Some(hidden) = hidden else {
        return html! { span.hint { "—" } };
    };
    let Some(values) = &hidden.values else {
        return html! { span.hint { (l.say("no reading", "kein Messwert")) } };
    };
    let names = slot_names(ask);
    html! {
        ul.plain {
            @for (index, value) in values.iter().enumerate() {
                li {
                    @if let Some(name) = names.get(index) { span.hint { (name) } " " }
                    (slot_value(ask, index, *value))
                }
            }
        }
    }
}

/// Names of the slots, in the order of the words.
pub(super) fn slot_names(ask: &Ask) -> Vec<String> {
    let slots = ask.house.profile.evaluation.slots.iter();
    slots.map(|slot| slot_name(ask.l, slot)).collect()
}

/// A value of a slot, with its unit.
pub(super) fn slot_value(ask: &Ask, index: usize, value: i64) -> String {
    let slot = ask.house.profile.evaluation.slots.get(index);
    let scale = slot.map_or(0, dcnet_profiles::evaluation::Slot::word_scale);
    let unit = slot.map(dcnet_profiles::evaluation::Slot::word_unit);
    ask.l
        .amount(ScaledInteger::new(value.into(), scale), unit)
        .to_string()
}
