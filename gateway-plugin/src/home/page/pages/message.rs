//! One message that left the house, byte for byte, beside the reading that it hid.

use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::notification::Notification;
use maud::{Markup, html};

use super::ask::Ask;
use super::frame::{Fault, Page, Place, blocking, fault_page};
use super::parts::{self, Part};
use super::sent::{self, slot_names, slot_value};
use super::words::capital;
use crate::hex::hex;
use crate::ledger::{Dispatch, Hidden, Matter, View};

pub(super) async fn one(ask: Ask, Path(name): Path<String>) -> Response {
    let (number, is_download) = match name.strip_suffix(".bin") {
        Some(number) => (number, true),
        None => (name.as_str(), false),
    };
    let Some(number) = number
        .parse()
        .ok()
        .filter(|n: &u64| n.to_string() == number)
    else {
        return fault_page(&ask, &Fault::NotFound);
    };
    if is_download {
        return download(ask, number).await;
    }
    blocking(ask, move |ask| page(ask, number)).await
}

async fn download(ask: Ask, number: u64) -> Response {
    let ledger = ask.ledger();
    let read = tokio::task::spawn_blocking(move || ledger.dispatch(number)).await;
    let fault = match read {
        Ok(Ok(Some(dispatch))) => {
            let name = format!("attachment; filename=\"message-{number}.bin\"");
            let mut response = dispatch.bytes.into_response();
            let headers = response.headers_mut();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            );
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.extend(
                HeaderValue::from_str(&name)
                    .ok()
                    .map(|name| (CONTENT_DISPOSITION, name)),
            );
            return response;
        }
        Ok(Err(error)) => error.into(),
        Ok(Ok(None)) | Err(_) => Fault::NotFound,
    };
    fault_page(&ask, &fault)
}

fn page(ask: &Ask, number: u64) -> Result<Page, Fault> {
    let l = ask.l;
    let ledger = ask.ledger();
    let dispatch = ledger.dispatch(number)?.ok_or(Fault::NotFound)?;
    let schedule = ledger.descriptor()?.map(|descriptor| descriptor.schedule());
    let fates = ledger.outcomes(dispatch.time, &[frame_hash(&dispatch.bytes)].into())?;
    let what = sent::what(ask, &dispatch.matter, schedule.as_ref());
    let names = slot_names(ask);
    let parts = parts::split(l, &dispatch.bytes, &names);
    let body = html! {
        p.lead { (explanation(ask, &dispatch)) }
        dl.facts.thirds {
            div { dt { (l.say("Left at", "Gesendet")) } dd { (l.moment(ask.zone(), dispatch.time)) } }
            div { dt { (l.say("To", "An")) } dd { (sent::recipient(ask, &dispatch.matter)) } }
            div { dt { (l.say("Outcome", "Ergebnis")) } dd { (sent::fate(l, &dispatch, &fates)) } }
            div { dt { (l.say("Size", "Größe")) } dd { (sent::size(l, dispatch.bytes.len())) } }
            @if let Some(hidden) = &dispatch.hidden {
                div {
                    dt { (l.say("Members in the sum", "Mitglieder in der Summe")) }
                    dd { (l.count(hidden.members)) }
                }
                div {
                    dt { (l.say("Neighbours that mask it", "Nachbarn, die sie maskieren")) }
                    dd { (l.count(hidden.neighbours)) }
                }
            }
            div.wide { dt { "SHA-256" } dd { code.hash { (hex(&frame_hash(&dispatch.bytes))) } } }
        }
        @if let Some(hidden) = &dispatch.hidden { (compared(ask, hidden, &dispatch, &names)) }
        section aria-labelledby="bytes" {
            h2 #bytes { (l.say("Byte for byte", "Byte für Byte")) }
            p {
                a href=(format!("/sent/{number}.bin")) download {
                    (l.say("Download the message", "Nachricht herunterladen"))
                }
                " " span.hint {
                    (l.say(
                        "as it was sent, to compute its SHA-256 elsewhere",
                        "wie sie gesendet wurde, um ihren SHA-256 anderswo zu berechnen",
                    ))
                }
            }
            (dump(ask, &parts))
        }
        (neighbours(ask, &ledger, number)?)
    };
    Ok(Page {
        place: Some(Place::Sent),
        title: capital(&what),
        body,
    })
}

fn explanation(ask: &Ask, dispatch: &Dispatch) -> &'static str {
    let l = ask.l;
    if let Matter::Frame {
        notification: Notification::Resend,
        ..
    } = dispatch.matter
    {
        return l.say(
            "This is the superposition of its round once more, without the random numbers that this \
             gateway shares with members that are missing. The reading stays masked by those of all \
             other neighbours.",
            "Das ist die Überlagerung ihrer Runde noch einmal, ohne die Zufallszahlen, die dieses Gateway \
             mit fehlenden Mitgliedern teilt. Der Messwert bleibt durch die aller anderen Nachbarn \
             maskiert.",
        );
    }
    match &dispatch.hidden {
        Some(Hidden {
            values: Some(_), ..
        }) => l.say(
            "On one side stands the reading, on the other what left the house in its place. Each word is \
             the reading plus random numbers that this gateway shares with its neighbours, with each \
             another one; so as long as one of them keeps its own secret, every word is as likely with any \
             reading, and the provider learns nothing from it. Only in the sum over all members do the \
             random numbers cancel out.",
            "Auf der einen Seite steht der Messwert, auf der anderen, was an seiner Stelle das Haus verließ. \
             Jedes Wort ist der Messwert plus Zufallszahlen, die dieses Gateway mit seinen Nachbarn teilt, \
             mit jedem eine andere; solange einer von ihnen seine für sich behält, ist jedes Wort bei jedem \
             Messwert gleich wahrscheinlich, und der Anbieter erfährt nichts daraus. Erst in der Summe über \
             alle Mitglieder heben sich die Zufallszahlen auf.",
        ),
        Some(_) => l.say(
            "This message says that the gateway is there and has no reading. Its words are random numbers \
             that it shares with its neighbours; they cancel out in the sum over all members.",
            "Diese Nachricht sagt, dass das Gateway da ist und keinen Messwert hat. Ihre Wörter sind \
             Zufallszahlen, die es mit seinen Nachbarn teilt; in der Summe über alle Mitglieder heben sie \
             sich auf.",
        ),
        None => l.say(
            "This message holds no reading of its own. It keeps the net together: keys, neighbours, \
             answers that let a sum come out although somebody is missing.",
            "Diese Nachricht enthält keinen eigenen Messwert. Sie hält das Netz zusammen: Schlüssel, \
             Nachbarn, Antworten, mit denen eine Summe zustande kommt, obwohl jemand fehlt.",
        ),
    }
}

/// The reading beside what left in its place.
fn compared(ask: &Ask, hidden: &Hidden, dispatch: &Dispatch, names: &[String]) -> Markup {
    let l = ask.l;
    let words = parts::words(&dispatch.bytes).unwrap_or_default();
    let values = hidden.values.as_ref();
    html! {
        section aria-labelledby="compared" {
            h2 #compared { (l.say("What it hid, and what left", "Was sie verbarg, und was ging")) }
            table.stack {
                caption { (l.say("Reading and masked words", "Messwert und maskierte Wörter")) }
                thead { tr {
                    th scope="col" { (l.say("Slot", "Größe")) }
                    th.number scope="col" { (l.say("Reading, stays here", "Messwert, bleibt hier")) }
                    th scope="col" { (l.say("Word that left", "Wort, das ging")) }
                } }
                tbody {
                    @for (index, word) in words.iter().enumerate() {
                        @let value = values.and_then(|values| values.get(index));
                        tr {
                            th scope="row" { (names.get(index).cloned().unwrap_or_else(|| (index + 1).to_string())) }
                            td.number.own data-label=(l.say("Reading", "Messwert")) {
                                @if let Some(value) = value { (slot_value(ask, index, *value)) }
                                @else { (l.say("no reading", "kein Messwert")) }
                            }
                            td data-label=(l.say("Word that left", "Wort, das ging")) {
                                code.masked { (format!("{word:016x}")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn dump(ask: &Ask, parts: &[Part<'_>]) -> Markup {
    let l = ask.l;
    html! {
        table.stack.dump {
            caption { (l.say("The message in its parts", "Die Nachricht in ihren Teilen")) }
            thead { tr {
                th scope="col" { (l.say("Offset", "Stelle")) }
                th scope="col" { (l.say("Part", "Teil")) }
                th scope="col" { (l.say("Bytes", "Bytes")) }
            } }
            tbody {
                @for part in parts {
                    tr class=(part.kind.class()) {
                        td data-label=(l.say("Offset", "Stelle")) { code { (format!("{:04x}", part.offset)) } }
                        th scope="row" {
                            (part.name)
                            @if !part.meaning.is_empty() { span.meaning { (part.meaning) } }
                        }
                        td data-label=(l.say("Bytes", "Bytes")) { code.bytes { (pairs(part.bytes)) } }
                    }
                }
            }
        }
    }
}

/// Bytes as pairs of digits, which break into lines anywhere between them.
fn pairs(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

fn neighbours(ask: &Ask, ledger: &View, number: u64) -> Result<Markup, Fault> {
    let l = ask.l;
    let older = ledger.dispatches(Some(number), 1)?;
    let newer = ledger.dispatch(number.saturating_add(1))?;
    Ok(html! {
        nav.pager aria-label=(l.say("Messages", "Nachrichten")) {
            @if let Some((older, _)) = older.first() {
                a href=(format!("/sent/{older}")) { "« " (l.say("Previous message", "Vorige Nachricht")) }
            }
            a href=(format!("/sent?before={}", number.saturating_add(1))) { (l.say("All messages", "Alle Nachrichten")) }
            @if newer.is_some() {
                a href=(format!("/sent/{}", number.saturating_add(1))) { (l.say("Next message", "Nächste Nachricht")) " »" }
            }
        }
    })
}
