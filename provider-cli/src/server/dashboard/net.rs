//! A net: its curve, its rounds, its members. Members have names and states here, never a reading: the
//! provider has none.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::RoundOutcome;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::Dashboard;
use super::ask::{Ask, encoded, least, local};
use super::chart::Chart;
use super::curves::{Here, slot};
use super::frame::{Fault, Place, answer, whole};
use super::words::{badge, count, health, status, sum};
use crate::service::now;
use crate::service::overview::{Members, NetState, Scope, Span};

/// Rounds in the list.
const ROUNDS: u32 = 20;
/// Members on a page.
const MEMBERS: usize = 100;

pub(super) type Question = Result<Query<Ask>, QueryRejection>;

pub(super) async fn page(
    State(dashboard): State<Dashboard>,
    Extension(scope): Extension<Arc<Scope>>,
    Path(net): Path<String>,
    ask: Question,
) -> Response {
    answer(&dashboard, made(&dashboard, &scope, &net, ask).await)
}

async fn made(
    dashboard: &Dashboard,
    scope: &Scope,
    net: &str,
    ask: Question,
) -> Result<Markup, Fault> {
    let Query(ask) = ask.map_err(|error| Fault::Question(error.body_text()))?;
    let overview = &dashboard.overview;
    let snapshot = overview.snapshot().await?;
    let net: NetId = net.parse().map_err(|_| Fault::NotFound)?;
    // What may not be seen is answered like what is not there.
    let found = snapshot
        .nets
        .iter()
        .find(|state| state.net() == net && scope.has(net));
    let state = found.ok_or(Fault::NotFound)?;
    let zone = &overview.extras.zone;
    let now = i64::try_from(now().secs()).unwrap_or(i64::MAX);
    let path = format!("{}/nets/{}", dashboard.base, encoded(net.as_str()));
    let here = Here {
        path: &path,
        span: ask.span(zone, now, state.interval(), 1)?,
        slot: slot(&ask, state)?,
        zone,
        interval: state.interval(),
        now,
    };
    let (quantity, curve) = overview.net_curve(state, here.slot, here.span).await?;
    let reference = overview
        .extras
        .reference
        .as_ref()
        .filter(|_| quantity.is_load);
    let title = format!("{} of {net}, {}", quantity.obis, days(here.span, zone));
    let chart = Chart {
        title: &title,
        curve: &curve,
        quantity: &quantity,
        zone,
        least: least(here.interval),
        kwh_per_year: reference.map(crate::service::overview::Reference::kwh_per_year),
    };
    let rounds = overview.rounds(state, here.span, ROUNDS).await?;
    let members = overview.members(net).await?;
    let evidence = super::evidence::of_net(dashboard, net).await;
    let body = html! {
        (facts(dashboard, state, evidence))
        section aria-labelledby="load" {
            h2 #load { "Load curve" }
            (here.slots(state))
            (here.controls()?)
            (chart.figure())
        }
        section aria-labelledby="rounds" {
            h2 #rounds { "Rounds" }
            (table(state, &rounds, here.slot, zone))
        }
        section aria-labelledby="members" {
            h2 #members { "Members" }
            (list(&members, ask.page, &path))
        }
    };
    Ok(whole(
        dashboard,
        Place::Below,
        &format!("Net {net}"),
        &body,
        true,
    ))
}

/// What is shown, in words.
pub(super) fn days(span: Span, zone: &TimeZone) -> String {
    let day = |time| local(time, zone, "%a %Y-%m-%d");
    let (first, last) = (day(span.from), day(span.to - 1));
    if first == last {
        first
    } else {
        format!("{first} to {last}")
    }
}

fn facts(dashboard: &Dashboard, state: &NetState, evidence: usize) -> Markup {
    let region = state.descriptor.region();
    let parameters = state.descriptor.parameters();
    html! {
        dl.facts {
            div { dt { "State" } dd { (health(state)) } }
            div { dt { "Region" } dd {
                @if region.is_empty() { "–" }
                @else { a href=(format!("{}/regions/{}", dashboard.base, encoded(region))) { (region) } }
            } }
            div { dt { "Active members" } dd {
                (state.active) " of at least " (state.min_size())
                @if state.active < state.min_size() { " " (badge("warn", "▽", "below minimum size")) }
            } }
            div { dt { "Last 24 hours" } dd {
                (state.day.complete) " complete, " (state.day.corrected) " corrected, " (state.day.failed) " failed"
            } }
            div { dt { "Round" } dd {
                (parameters.interval_s) " s, windows " (parameters.submit_window_s) " s and "
                (parameters.correction_window_s) " s"
            } }
            @if evidence > 0 {
                div { dt { "Evidence" } dd {
                    a href=(format!("{}/evidence", dashboard.base)) {
                        (badge("bad", "!", &count(u64::try_from(evidence).unwrap_or(u64::MAX), "file", "files")))
                    }
                } }
            }
        }
    }
}

fn table(state: &NetState, rounds: &[RoundOutcome], slot: usize, zone: &TimeZone) -> Markup {
    let schedule = state.descriptor.schedule();
    let time = |outcome: &RoundOutcome| {
        let start = schedule.start(outcome.round).secs();
        local(
            i64::try_from(start).unwrap_or(i64::MAX),
            zone,
            "%a %Y-%m-%d %H:%M:%S %Z",
        )
    };
    html! {
        @if rounds.is_empty() {
            p { "No round of this time is final." }
        } @else {
            p.note { "The newest " (rounds.len()) " of the time shown." }
            div.scroll tabindex="0" role="region" aria-label="The newest rounds of this time" {
                table {
                    thead { tr {
                        th scope="col" { "Begin" }
                        th scope="col" { "Status" }
                        th.number scope="col" { "Sum" }
                        th.number scope="col" { "Readings" }
                        th.number scope="col" { "Silent" }
                        th.number scope="col" { "Missing" }
                        th.number scope="col" { "Round" }
                    } }
                    tbody {
                        @for outcome in rounds {
                            tr {
                                th scope="row" { (time(outcome)) }
                                td { (status(outcome.status)) }
                                td.number { (sum(state, outcome, slot).unwrap_or_else(|| "–".to_owned())) }
                                td.number { (outcome.contributors.len()) " of " (outcome.members) }
                                td.number { (outcome.silent.len()) }
                                td.number { (outcome.missing.len()) }
                                td.number { (outcome.round) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn list(members: &Members, page: usize, path: &str) -> Markup {
    let counts = members.counts;
    let pages = members.list.len().div_ceil(MEMBERS).max(1);
    let page = page.min(pages - 1);
    let shown = members.list.iter().skip(page * MEMBERS).take(MEMBERS);
    html! {
        p {
            (counts.active) " active, " (counts.suspended) " suspended, " (counts.exiting) " exiting, "
            (counts.entered) " entered, " (counts.registered) " registered, " (counts.exited) " exited"
        }
        details #names {
            summary { "Names" }
            ul.names { @for (name, status) in shown { li { (name) " " span.soft { (status) } } } }
            @if pages > 1 {
                nav.pager aria-label="Pages of members" {
                    @if page > 0 { a href=(format!("{path}?page={}#members", page - 1)) { "« before" } }
                    span { "page " (page + 1) " of " (pages) }
                    @if page + 1 < pages { a href=(format!("{path}?page={}#members", page + 1)) { "next »" } }
                }
            }
        }
    }
}
