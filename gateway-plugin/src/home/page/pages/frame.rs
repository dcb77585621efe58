//! What all pages have in common: head, navigation, foot; and pages about what is not there.

use axum::http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use dcnet_obis::Language;
use maud::{DOCTYPE, Markup, html};

use super::ask::{Ask, LANGUAGE_COOKIE};
use super::files;
use super::speech::Speech;
use crate::ledger::LedgerError;

/// Where in the navigation a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Now,
    Days,
    Sent,
    Tariffs,
    Profiles,
    Logbooks,
}

impl Place {
    const ALL: [Self; 6] = [
        Self::Now,
        Self::Days,
        Self::Sent,
        Self::Tariffs,
        Self::Profiles,
        Self::Logbooks,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Now => "/",
            Self::Days => "/days",
            Self::Sent => "/sent",
            Self::Tariffs => "/tariffs",
            Self::Profiles => "/profiles",
            Self::Logbooks => "/logbooks/system",
        }
    }

    fn name(self, l: Speech) -> &'static str {
        match self {
            Self::Now => l.say("Today", "Heute"),
            Self::Days => l.say("Six weeks", "Sechs Wochen"),
            Self::Sent => l.say("Sent", "Gesendet"),
            Self::Tariffs => l.say("Bill", "Abrechnung"),
            Self::Profiles => l.say("Profiles", "Profile"),
            Self::Logbooks => l.say("Logbooks", "Logbücher"),
        }
    }
}

/// A page without its frame.
pub(super) struct Page {
    pub(super) place: Option<Place>,
    /// Its heading, and in the browser's tab.
    pub(super) title: String,
    pub(super) body: Markup,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nothing has this address.
    #[error("there is no such page")]
    NotFound,
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The tariffs cannot be read.
    #[error(transparent)]
    Tariffs(std::io::Error),
}

/// Makes a page where it may wait for the disk.
pub(super) async fn blocking<F>(ask: Ask, body: F) -> Response
where
    F: FnOnce(&Ask) -> Result<Page, Fault> + Send + 'static,
{
    let made = tokio::task::spawn_blocking(move || match body(&ask) {
        Ok(page) => whole(&ask, StatusCode::OK, &page),
        Err(fault) => fault_page(&ask, &fault),
    });
    made.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The page about what is not there.
pub(super) fn fault_page(ask: &Ask, fault: &Fault) -> Response {
    let l = ask.l;
    let (status, title, text) = match fault {
        Fault::NotFound => (
            StatusCode::NOT_FOUND,
            l.say("There is no such page", "Diese Seite gibt es nicht"),
            l.say(
                "What was here is no longer kept, or the address is wrong.",
                "Was hier stand, wird nicht mehr aufbewahrt, oder die Adresse stimmt nicht.",
            ),
        ),
        Fault::Ledger(_) | Fault::Tariffs(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            l.say(
                "This cannot be read at the moment",
                "Das lässt sich gerade nicht lesen",
            ),
            l.say(
                "The gateway goes on working. What it says about it:",
                "Das Gateway arbeitet weiter. Was es dazu sagt:",
            ),
        ),
    };
    let told = (status != StatusCode::NOT_FOUND).then(|| fault.to_string());
    let body = html! {
        p { (text) }
        @if let Some(told) = told { p lang="en" { code { (told) } } }
        p { a href="/" { (l.say("Back to today", "Zurück zu heute")) } }
    };
    let page = Page {
        place: None,
        title: title.to_owned(),
        body,
    };
    whole(ask, status, &page)
}

/// Puts the frame around a page.
fn whole(ask: &Ask, status: StatusCode, page: &Page) -> Response {
    let l = ask.l;
    let client = &ask.house.client;
    let markup = html! {
        (DOCTYPE)
        html lang=(l.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="same-origin";
                title { (page.title) " · " (client) }
                link rel="icon" type="image/svg+xml" href=(files::ICON.address());
                link rel="stylesheet" href=(files::STYLE.address());
                script src=(files::SCRIPT.address()) defer {}
            }
            body {
                a.skip href="#main" { (l.say("Skip to the content", "Zum Inhalt springen")) }
                (header(ask, page.place))
                main #main tabindex="-1" {
                    h1 { (page.title) }
                    (page.body)
                }
                (footer(l))
            }
        }
    };
    let mut response = (status, markup).into_response();
    let headers = response.headers_mut();
    // It shows readings: no copy stays in the browser.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    if ask.chosen
        && let Ok(cookie) = HeaderValue::from_str(&format!(
            "{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict",
            l.tag()
        ))
    {
        headers.append(SET_COOKIE, cookie);
    }
    response
}

fn header(ask: &Ask, here: Option<Place>) -> Markup {
    let l = ask.l;
    let languages = [
        (Speech(Language::English), "English"),
        (Speech(Language::German), "Deutsch"),
    ];
    html! {
        header.top {
            div.bar {
                a.brand href="/" {
                    (files::mark())
                    span { span.name { (ask.house.client) } " " span.what { (l.say("metering gateway", "Messgateway")) } }
                }
                ul.languages aria-label=(l.say("Language", "Sprache")) {
                    @for (other, name) in languages {
                        li {
                            a href=(ask.in_language(other)) lang=(other.tag()) hreflang=(other.tag())
                                aria-current=[(other == l).then_some("true")] { (name) }
                        }
                    }
                }
            }
            nav aria-label=(l.say("Pages", "Seiten")) {
                ul {
                    @for place in Place::ALL {
                        li {
                            a href=(place.path()) aria-current=[(Some(place) == here).then_some("page")] {
                                (place.name(l))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn footer(l: Speech) -> Markup {
    html! {
        footer {
            p {
                (l.say(
                    "This page comes from the gateway in your house. It only reads, loads nothing from \
                     elsewhere, and tells nobody that you looked.",
                    "Diese Seite kommt vom Gateway in Ihrem Haus. Sie liest nur, lädt nichts von anderswo \
                     und verrät niemandem, dass Sie nachgesehen haben.",
                ))
            }
            p { "dcnet-gateway " (env!("CARGO_PKG_VERSION")) }
        }
    }
}

/// A link to what is older, and one to what is newest, below a list.
pub(super) fn pager(l: Speech, path: &str, is_first: bool, before: Option<u64>) -> Markup {
    html! {
        @if !is_first || before.is_some() {
            nav.pager aria-label=(l.say("More pages", "Weitere Seiten")) {
                @if !is_first { a href=(path) { "« " (l.say("Newest", "Neueste")) } }
                @if let Some(before) = before {
                    a href=(format!("{path}?before={before}")) { (l.say("Older", "Ältere")) " »" }
                }
            }
        }
    }
}
