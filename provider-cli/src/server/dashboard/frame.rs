//! What all pages have in common: head, navigation, foot; and pages about what is not there.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::{Dashboard, files};
use crate::StoreError;
use crate::service::overview::ShowError;

/// How often a page that is looked at is asked for again, in milliseconds.
const REFRESH: u32 = 5000;

/// Where in the navigation a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Nets,
    Rounds,
    Evidence,
    /// A page below these.
    Below,
}

impl Place {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Nets, "/", "Nets"),
        (Self::Rounds, "/rounds", "Rounds"),
        (Self::Evidence, "/evidence", "Evidence"),
    ];
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nothing that may be seen has this address.
    #[error("nothing that is shown here has this address")]
    NotFound,
    /// The question.
    #[error("{0}")]
    Question(String),
    /// Too much, or the store.
    #[error(transparent)]
    Show(#[from] ShowError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Show(error.into())
    }
}

impl Fault {
    /// The page that says so.
    pub(super) fn page(&self, dashboard: &Dashboard) -> Response {
        let (status, title) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such page"),
            Self::Question(_) => (StatusCode::BAD_REQUEST, "This cannot be shown"),
            Self::Show(ShowError::TooMuch { .. }) => {
                (StatusCode::BAD_REQUEST, "This is too much for one page")
            }
            Self::Show(error) => {
                tracing::error!(%error, "the dashboard cannot show a page");
                let title = "This cannot be read at the moment";
                (StatusCode::INTERNAL_SERVER_ERROR, title)
            }
        };
        let body = html! {
            p { (self.to_string()) "." }
            p { a href=(format!("{}/", dashboard.base)) { "All nets" } }
        };
        let page = whole(dashboard, Place::Below, title, &body, false);
        (status, page).into_response()
    }
}

/// A page, or the one about why it is not there.
pub(super) fn answer(dashboard: &Dashboard, page: Result<Markup, Fault>) -> Response {
    match page {
        Ok(page) => page.into_response(),
        Err(fault) => fault.page(dashboard),
    }
}

pub(super) async fn nothing_there(State(dashboard): State<Dashboard>) -> Response {
    Fault::NotFound.page(&dashboard)
}

/// Puts the frame around a page; `is_live`: it shows what happens, and is asked for again.
pub(super) fn whole(
    dashboard: &Dashboard,
    here: Place,
    title: &str,
    body: &Markup,
    is_live: bool,
) -> Markup {
    let base = dashboard.base;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · dcnet" }
                link rel="icon" type="image/svg+xml" href=(files::ICON.address(base));
                link rel="stylesheet" href=(files::STYLE.address(base));
                script src=(files::SCRIPT.address(base)) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    p.brand { a href=(format!("{base}/")) { "dcnet" } " " span { "sums of many, readings of nobody" } }
                    nav aria-label="Pages" {
                        ul {
                            @for (place, path, name) in Place::ALL {
                                li {
                                    a href=(format!("{base}{path}")) aria-current=[(place == here).then_some("page")] { (name) }
                                }
                            }
                        }
                    }
                }
                main #main tabindex="-1" {
                    h1 { (title) }
                    @if is_live {
                        div #live data-refresh=(REFRESH) { (body) }
                    } @else {
                        (body)
                    }
                }
                footer {
                    p { "This dashboard only reads, and loads nothing from elsewhere. A sum is over at least as many \
                         members as its net demands; the provider has no reading of anybody." }
                    p { "dcnet " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    }
}
