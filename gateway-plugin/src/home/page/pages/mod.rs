//! The pages themselves.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use super::House;

/// All pages.
pub(super) fn router() -> Router<Arc<House>> {
    Router::new().route("/", get(overview))
}

async fn overview(State(house): State<Arc<House>>) -> Markup {
    let status = house.status.borrow().clone();
    html! {
        (DOCTYPE)
        html lang="en" {
            head { title { "dcnet" } }
            body { h1 { (house.client) } p { (status.phase) } }
        }
    }
}
