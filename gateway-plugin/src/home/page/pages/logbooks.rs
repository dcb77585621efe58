//! The system's log and the calibration log.

use axum::extract::Path;
use axum::response::Response;
use maud::html;

use super::ask::Ask;
use super::frame::{Fault, Page, Place, blocking, fault_page, pager};
use super::speech::Speech;
use crate::ledger::{Book, Gravity};

/// Lines on one page.
const PAGE: usize = 100;

pub(super) async fn one(ask: Ask, Path(name): Path<String>) -> Response {
    let book = match name.as_str() {
        "system" => Book::System,
        "calibration" => Book::Calibration,
        _ => return fault_page(&ask, &Fault::NotFound),
    };
    blocking(ask, move |ask| page(ask, book)).await
}

fn path(book: Book) -> &'static str {
    match book {
        Book::System => "/logbooks/system",
        Book::Calibration => "/logbooks/calibration",
    }
}

fn title(l: Speech, book: Book) -> &'static str {
    match book {
        Book::System => l.say("System log", "Systemlog"),
        Book::Calibration => l.say("Calibration log", "Eichtechnisches Log"),
    }
}

fn gravity(l: Speech, gravity: Gravity) -> (&'static str, &'static str) {
    match gravity {
        Gravity::Info => ("open", l.say("info", "Info")),
        Gravity::Warning => ("warn", l.say("warning", "Warnung")),
        Gravity::Error => ("bad", l.say("error", "Fehler")),
    }
}

fn page(ask: &Ask, book: Book) -> Result<Page, Fault> {
    let l = ask.l;
    let before = ask.number("before");
    let mut lines = ask.ledger().lines(book, before, PAGE + 1)?;
    let more = lines.len() > PAGE;
    lines.truncate(PAGE);
    let next = lines.last().filter(|_| more).map(|(number, _)| *number);
    let keep = &ask.house.profile.home.logbooks;
    let (about, days) = match book {
        Book::System => (
            l.say(
                "What the gateway did and what failed.",
                "Was das Gateway tat und was misslang.",
            ),
            keep.system,
        ),
        Book::Calibration => (
            l.say(
                "What bears on whether values are right: clock, meter, tariffs, bounds.",
                "Was die Richtigkeit der Werte betrifft: Uhr, Zähler, Tarife, Grenzen.",
            ),
            keep.calibration,
        ),
    };
    let days = l.count(days);
    let body = html! {
        nav.tabs aria-label=(l.say("Logbooks", "Logbücher")) {
            ul {
                @for other in [Book::System, Book::Calibration] {
                    li { a href=(path(other)) aria-current=[(other == book).then_some("page")] { (title(l, other)) } }
                }
                li { a href="/sent" { (l.say("Consumer's log", "Letztverbraucherlog")) } }
            }
        }
        p.lead {
            (about) " "
            (l.tell(format!("Lines are kept for {days} days."), format!("Zeilen werden {days} Tage aufbewahrt.")))
        }
        @if lines.is_empty() {
            p.empty { (l.say("There is no line.", "Es gibt keine Zeile.")) }
        } @else {
            table.stack {
                caption { (l.say("Lines, the newest first", "Zeilen, die neueste zuerst")) }
                thead { tr {
                    th scope="col" { (l.say("Time", "Zeit")) }
                    th scope="col" { (l.say("Gravity", "Schwere")) }
                    th scope="col" { (l.say("Event", "Ereignis")) }
                    th scope="col" { (l.say("In words", "In Worten")) }
                } }
                tbody {
                    @for (_, line) in &lines {
                        @let (class, word) = gravity(l, line.gravity);
                        tr {
                            td data-label=(l.say("Time", "Zeit")) { (l.moment(ask.zone(), line.time)) }
                            td data-label=(l.say("Gravity", "Schwere")) { span class=(format!("state {class}")) { (word) } }
                            th scope="row" { code { (line.event) } }
                            td lang="en" data-label=(l.say("In words", "In Worten")) { (line.text) }
                        }
                    }
                }
            }
            (pager(l, path(book), before.is_none(), next))
        }
    };
    Ok(Page {
        place: Some(Place::Logbooks),
        title: title(l, book).to_owned(),
        body,
    })
}
