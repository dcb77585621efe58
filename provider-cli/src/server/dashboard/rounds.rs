//! The newest rounds of all nets.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use dcnet_protocol::provider::RoundOutcome;
use maud::{Markup, html};

use super::Dashboard;
use super::ask::{encoded, local};
use super::frame::{Fault, Place, answer, whole};
use super::words::{status, sum};
use crate::service::overview::{NetState, Scope};

/// Rounds in the list.
const ROUNDS: usize = 100;

pub(super) async fn page(
    State(dashboard): State<Dashboard>,
    Extension(scope): Extension<Arc<Scope>>,
) -> Response {
    answer(&dashboard, made(&dashboard, &scope).await)
}

async fn made(dashboard: &Dashboard, scope: &Scope) -> Result<Markup, Fault> {
    let snapshot = dashboard.overview.snapshot().await?;
    let zone = &dashboard.overview.extras.zone;
    let nets = snapshot.nets.iter().filter(|state| scope.has(state.net()));
    let mut rounds: Vec<(u64, &NetState, &RoundOutcome)> = nets
        .flat_map(|state| {
            let schedule = state.descriptor.schedule();
            let rounds = state.latest.iter();
            rounds.map(move |outcome| (schedule.border(outcome.round).secs(), state, outcome))
        })
        .collect();
    rounds.sort_by_key(|(end, ..)| std::cmp::Reverse(*end));
    rounds.truncate(ROUNDS);
    let time = |end: u64| {
        local(
            i64::try_from(end).unwrap_or(i64::MAX),
            zone,
            "%a %Y-%m-%d %H:%M:%S %Z",
        )
    };
    let body = html! {
        @if rounds.is_empty() {
            p { "No round is final yet." }
        } @else {
            p.note { "The newest " (rounds.len()) ", of each net the latest." }
            div.scroll.tall tabindex="0" role="region" aria-label="The newest rounds" {
                table {
                    thead { tr {
                        th scope="col" { "End" }
                        th scope="col" { "Net" }
                        th scope="col" { "Status" }
                        th.number scope="col" { "Sum" }
                        th.number scope="col" { "Readings" }
                        th.number scope="col" { "Missing" }
                    } }
                    tbody {
                        @for (end, state, outcome) in rounds {
                            tr {
                                td { (time(end)) }
                                th scope="row" {
                                    a href=(format!("{}/nets/{}", dashboard.base, encoded(state.net().as_str()))) { (state.net()) }
                                }
                                td { (status(outcome.status)) }
                                td.number { (sum(state, outcome, 0).unwrap_or_else(|| "–".to_owned())) }
                                td.number { (outcome.contributors.len()) " of " (outcome.members) }
                                td.number { (outcome.missing.len()) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(whole(dashboard, Place::Rounds, "Rounds", &body, true))
}
