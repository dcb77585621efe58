//! The pages themselves: HTML that a browser shows without running anything, charts as SVG, all of it in
//! German and English. The one script brings what the meters say up to date.

mod ask;
mod bill;
mod chart;
mod days;
mod drawing;
mod files;
mod frame;
mod logbooks;
mod message;
mod now;
mod parts;
mod profiles;
mod sent;
mod series;
mod speech;
mod state;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;

use self::ask::Ask;
use super::House;

/// All pages.
pub(super) fn router() -> Router<Arc<House>> {
    Router::new()
        .route("/", get(now::page))
        .route("/now.json", get(now::json))
        .route("/days", get(days::list))
        .route("/day/{date}", get(days::one))
        .route("/sent", get(sent::list))
        .route("/sent/{number}", get(message::one))
        .route("/profiles", get(profiles::page))
        .route("/tariffs", get(bill::page))
        .route("/logbooks/{book}", get(logbooks::one))
        .route("/page.css", get(files::style))
        .route("/page.js", get(files::script))
        .route("/icon.svg", get(files::icon))
        .fallback(nowhere)
}

async fn nowhere(ask: Ask) -> Response {
    frame::fault_page(&ask, &frame::Fault::NotFound)
}
