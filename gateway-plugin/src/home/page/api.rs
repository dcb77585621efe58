//! What programs ask for: the logbooks and the status as JSON, the status as metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::House;
use super::records::{self, Extract, Logbook, MOST};
use crate::daemon::metrics;

/// Records in an answer, unless it was asked for another number.
const USUAL: usize = 100;

pub(super) fn router() -> Router<Arc<House>> {
    Router::new()
        .route("/api/logbook/{book}", get(logbook))
        .route("/api/status", get(status))
        .route("/metrics", get(metrics))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    before: Option<u64>,
    limit: usize,
    bytes: bool,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            before: None,
            limit: USUAL,
            bytes: false,
        }
    }
}

async fn logbook(
    State(house): State<Arc<House>>,
    Path(book): Path<Logbook>,
    Query(keys): Query<Keys>,
) -> Response {
    if !(1..=MOST).contains(&keys.limit) {
        let text = format!("limit: 1 to {MOST}\n");
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let extract = Extract {
        book,
        before: keys.before,
        limit: keys.limit,
        bytes: keys.bytes,
    };
    let view = house.ledger.borrow().clone();
    let read = move || {
        records::read(&view, &house.profile.evaluation.slots, &extract)
            .map(|records| json(&records))
            .map_err(|error| error.to_string())
    };
    let failed = |text: String| {
        tracing::warn!(event = "home.page", "a logbook cannot be shown: {text}");
        (StatusCode::INTERNAL_SERVER_ERROR, text + "\n").into_response()
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(answer) => answer.unwrap_or_else(failed),
        Err(error) => failed(error.to_string()),
    }
}

async fn status(State(house): State<Arc<House>>) -> Response {
    let mut status = house.status.borrow().clone();
    // The daemon keeps this of its file only.
    status.updated = house.clock.now().millis();
    json(&status)
}

async fn metrics(State(house): State<Arc<House>>) -> Response {
    let status = house.status.borrow().clone();
    match metrics::text(&status) {
        Ok(text) => {
            let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, form)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
