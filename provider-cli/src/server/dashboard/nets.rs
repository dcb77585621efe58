//! All nets: worst first, or as asked; a page of them at a time.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use dcnet_protocol::names::NetId;
use maud::{Markup, html};
use serde::Deserialize;

use super::Dashboard;
use super::ask::{encoded, local};
use super::evidence::Look;
use super::frame::{Fault, Place, answer, whole};
use super::words::{badge, count, health, status, sum};
use crate::service::overview::{Health, NetState, Scope};

/// Nets on a page.
const NETS: usize = 50;
/// Regions in the choice.
const REGIONS: usize = 200;

/// The query.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// Part of a net's name or region.
    #[serde(default)]
    find: String,
    /// Only nets that are so.
    #[serde(default)]
    state: String,
    #[serde(default)]
    sort: Sort,
    #[serde(default)]
    page: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Worst,
    Name,
    Region,
}

impl Sort {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Worst, "worst", "worst first"),
        (Self::Name, "name", "by name"),
        (Self::Region, "region", "by region"),
    ];

    fn word(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(sort, ..)| *sort == self);
        found.map_or("worst", |(_, word, _)| word)
    }
}

pub(super) async fn page(
    State(dashboard): State<Dashboard>,
    Extension(scope): Extension<Arc<Scope>>,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Response {
    answer(&dashboard, made(&dashboard, &scope, choice).await)
}

async fn made(
    dashboard: &Dashboard,
    scope: &Scope,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Result<Markup, Fault> {
    let Query(choice) = choice.map_err(|error| Fault::Question(error.body_text()))?;
    let wanted = Health::ALL
        .into_iter()
        .find(|health| health.word() == choice.state);
    if wanted.is_none() && !choice.state.is_empty() {
        let words: Vec<_> = Health::ALL.into_iter().map(Health::word).collect();
        let words = words.join(", ");
        return Err(Fault::Question(format!("state is none of {words}")));
    }
    let snapshot = dashboard.overview.snapshot().await?;
    let evidence = super::evidence::look(dashboard, scope).await;
    let all: Vec<&NetState> = snapshot
        .nets
        .iter()
        .filter(|state| scope.has(state.net()))
        .collect();
    let proofs = evidence.as_ref().map(Look::by_net).unwrap_or_default();
    let find = choice.find.trim().to_lowercase();
    let mut chosen: Vec<&NetState> = all
        .iter()
        .filter(|state| wanted.is_none_or(|wanted| state.health() == wanted))
        .filter(|state| {
            let has = |text: &str| text.to_lowercase().contains(&find);
            find.is_empty() || has(state.net().as_str()) || has(state.descriptor.region())
        })
        .copied()
        .collect();
    sort(&mut chosen, choice.sort, &proofs);
    let pages = chosen.len().div_ceil(NETS).max(1);
    let page = choice.page.min(pages - 1);
    let shown: Vec<_> = chosen
        .iter()
        .skip(page * NETS)
        .take(NETS)
        .copied()
        .collect();
    let taken = i64::try_from(snapshot.taken).unwrap_or(i64::MAX);
    let taken = local(taken, &dashboard.overview.extras.zone, "%H:%M:%S %Z");
    let body = html! {
        (totals(dashboard, &all, evidence.as_ref()))
        (form(&choice, &regions(&all)))
        @if chosen.is_empty() {
            p { @if all.is_empty() { "There is no net yet: " code { "dcnet net create" } " makes one." } @else { "No net is so." } }
        } @else {
            ul.cards {
                @for state in &shown { (card(dashboard, state, proofs.get(&state.net()).copied().unwrap_or(0))) }
            }
        }
        @if pages > 1 {
            nav.pager aria-label="Pages of nets" {
                @if page > 0 { a href=(address(dashboard, &choice, page - 1)) { "« before" } }
                span { "page " (page + 1) " of " (pages) }
                @if page + 1 < pages { a href=(address(dashboard, &choice, page + 1)) { "next »" } }
            }
        }
        p.note { (chosen.len()) " of " (all.len()) " nets, as they were at " (taken) "." }
    };
    Ok(whole(dashboard, Place::Nets, "Nets", &body, true))
}

fn sort(nets: &mut [&NetState], by: Sort, proofs: &HashMap<NetId, usize>) {
    // The list comes by name, and equal ones stay so.
    match by {
        Sort::Name => {}
        Sort::Region => {
            nets.sort_by(|one, other| one.descriptor.region().cmp(other.descriptor.region()));
        }
        Sort::Worst => nets.sort_by_key(|state| {
            let is_proved = proofs.contains_key(&state.net());
            std::cmp::Reverse((is_proved, state.health(), state.late))
        }),
    }
}

fn address(dashboard: &Dashboard, choice: &Choice, page: usize) -> String {
    let (find, state, sort) = (
        encoded(&choice.find),
        encoded(&choice.state),
        choice.sort.word(),
    );
    format!(
        "{}/?find={find}&state={state}&sort={sort}&page={page}",
        dashboard.base
    )
}

fn regions(all: &[&NetState]) -> Vec<String> {
    let mut regions: Vec<_> = all.iter().map(|state| state.descriptor.region()).collect();
    regions.sort_unstable();
    regions.dedup();
    let named = regions.into_iter().filter(|region| !region.is_empty());
    named.take(REGIONS).map(str::to_owned).collect()
}

fn totals(dashboard: &Dashboard, all: &[&NetState], evidence: Option<&Look>) -> Markup {
    let number = |health: Health| all.iter().filter(|state| state.health() == health).count();
    let below = all
        .iter()
        .filter(|state| state.active < state.min_size())
        .count();
    let corrections: u64 = all.iter().map(|state| state.day.corrected).sum();
    let members: usize = all.iter().map(|state| state.active).sum();
    html! {
        dl.facts {
            div { dt { "Nets" } dd { (all.len()) } }
            div { dt { "Active members" } dd { (members) } }
            div { dt { "Late nets" } dd { (number(Health::Late)) } }
            div { dt { "Last round failed" } dd { (number(Health::Failed)) } }
            div { dt { "Below minimum size" } dd { (below) } }
            div { dt { "Corrections in 24 hours" } dd { (corrections) } }
            div { dt { "Evidence received" } dd {
                @match evidence {
                    None => "no folder",
                    Some(look) => a href=(format!("{}/evidence", dashboard.base)) {
                        @if look.proofs() > 0 { (badge("bad", "!", &look.proofs().to_string())) } @else { "none" }
                    },
                }
            } }
        }
    }
}

fn form(choice: &Choice, regions: &[String]) -> Markup {
    html! {
        form.times method="get" role="search" {
            label for="find" { "Name or region" }
            input #find type="search" name="find" value=(choice.find) list="regions";
            datalist #regions { @for region in regions { option value=(region) {} } }
            label for="state" { "State" }
            select #state name="state" {
                option value="" selected[choice.state.is_empty()] { "all" }
                @for health in Health::ALL {
                    option value=(health.word()) selected[choice.state == health.word()] { (health.word()) }
                }
            }
            label for="sort" { "Order" }
            select #sort name="sort" {
                @for (sort, word, name) in Sort::ALL {
                    option value=(word) selected[choice.sort == sort] { (name) }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn card(dashboard: &Dashboard, state: &NetState, proofs: usize) -> Markup {
    let net = state.net();
    let region = state.descriptor.region();
    let base = dashboard.base;
    let last = state.latest.first();
    html! {
        li.card {
            h2 { a href=(format!("{base}/nets/{}", encoded(net.as_str()))) { (net) } }
            p {
                (health(state))
                @if proofs > 0 {
                    " " (badge("bad", "!", &format!("evidence: {}", count(u64::try_from(proofs).unwrap_or(u64::MAX), "file", "files"))))
                }
            }
            dl {
                @if !region.is_empty() {
                    div { dt { "Region" } dd { a href=(format!("{base}/regions/{}", encoded(region))) { (region) } } }
                }
                div { dt { "Members" } dd {
                    (state.active) " of at least " (state.min_size())
                    @if state.active < state.min_size() { " " (badge("warn", "▽", "too few")) }
                } }
                div { dt { "Last round" } dd {
                    @match last {
                        None => "none yet",
                        Some(last) => {
                            (status(last.status))
                            @if let Some(sum) = sum(state, last, 0) { " " (sum) }
                        },
                    }
                } }
                div { dt { "24 hours" } dd { (state.day.corrected) " corrected, " (state.day.failed) " failed" } }
            }
        }
    }
}
