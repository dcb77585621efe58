//! A region: the sum over its nets.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::Dashboard;
use super::ask::encoded;
use super::chart::Chart;
use super::curves::Here;
use super::frame::{Fault, Place, answer, whole};
use super::net::{Question, days};
use super::words::{count, health};
use crate::service::now;
use crate::service::overview::{NetState, Reference, RegionCurve, Scope, SetAside};

/// Nets that are named one by one.
const NAMED: usize = 200;

pub(super) async fn page(
    State(dashboard): State<Dashboard>,
    Extension(scope): Extension<Arc<Scope>>,
    Path(region): Path<String>,
    ask: Question,
) -> Response {
    answer(&dashboard, made(&dashboard, &scope, &region, ask).await)
}

async fn made(
    dashboard: &Dashboard,
    scope: &Scope,
    region: &str,
    ask: Question,
) -> Result<Markup, Fault> {
    let Query(ask) = ask.map_err(|error| Fault::Question(error.body_text()))?;
    let overview = &dashboard.overview;
    let snapshot = overview.snapshot().await?;
    let is_of = |state: &&NetState| state.descriptor.region() == region && scope.has(state.net());
    let states: Vec<&NetState> = snapshot.nets.iter().filter(is_of).collect();
    let leader = states.iter().find(|state| !state.latest.is_empty());
    let leader = leader.or(states.first()).ok_or(Fault::NotFound)?;
    let zone = &overview.extras.zone;
    let now = i64::try_from(now().secs()).unwrap_or(i64::MAX);
    let path = format!("{}/regions/{}", dashboard.base, encoded(region));
    let here = Here {
        path: &path,
        span: ask.span(zone, now, leader.interval(), states.len())?,
        slot: super::curves::slot(&ask, leader)?,
        zone,
        interval: leader.interval(),
        now,
    };
    let found = overview.region_curve(&states, here.slot, here.span).await?;
    let body = html! {
        section aria-labelledby="load" {
            h2 #load { "Load curve" }
            @if let Some(found) = &found {
                p {
                    "The sum of " strong { (count(u64::try_from(found.nets.len()).unwrap_or(u64::MAX), "net", "nets")) }
                    ". A round counts if each of them has a sum; where one has none there is a gap."
                }
                (here.slots(leader))
                (here.controls()?)
                (figure(dashboard, &here, region, found))
            } @else {
                p { "No net of this region had a round yet." }
            }
        }
        section aria-labelledby="nets" {
            h2 #nets { "Nets" }
            ul.names {
                @for state in states.iter().take(NAMED) {
                    li {
                        a href=(format!("{}/nets/{}", dashboard.base, encoded(state.net().as_str()))) { (state.net()) }
                        " " (health(state))
                        @if let Some(why) = found.as_ref().and_then(|found| aside(found, state)) { " " span.soft { (why) } }
                    }
                }
            }
            @if states.len() > NAMED { p.note { "and " (states.len() - NAMED) " more" } }
        }
    };
    Ok(whole(
        dashboard,
        Place::Below,
        &format!("Region {region}"),
        &body,
        true,
    ))
}

fn figure(dashboard: &Dashboard, here: &Here<'_>, region: &str, found: &RegionCurve) -> Markup {
    let reference = dashboard.overview.extras.reference.as_ref();
    let reference = reference.filter(|_| found.quantity.is_load);
    let title = format!(
        "{} of {region}, {}",
        found.quantity.obis,
        days(here.span, here.zone)
    );
    Chart {
        title: &title,
        curve: &found.curve,
        quantity: &found.quantity,
        zone: here.zone,
        least: super::ask::least(here.interval),
        kwh_per_year: reference.map(Reference::kwh_per_year),
    }
    .figure()
}

/// Why a net is not in the sum.
fn aside(found: &RegionCurve, state: &NetState) -> Option<&'static str> {
    let (_, why) = found.aside.iter().find(|(net, _)| *net == state.net())?;
    Some(match why {
        SetAside::NoRound => "not counted: it had no round yet",
        SetAside::OtherInterval => "not counted: its rounds are of another length",
        SetAside::OtherSlot => "not counted: it sums other quantities",
    })
}
