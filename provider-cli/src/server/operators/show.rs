//! What operators are shown, out of the store: no matter which server serves a net.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::problem::Problem;
use super::super::routes::{Api, Message};
use super::ask::{Entries, Names, Nothing, OfMember, OfNet, OfRound, Trail};
use super::json;
use crate::operator::{Operator, Role};
use crate::service::{AdminError, Listing, NetSums, NetView, Page, RoundSums, RoundView};

type Shared = State<Arc<Api>>;
type Answer = Result<Response, Problem>;

/// The same with names of members for those who look after nets, and without for consumers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    inline,
    description = "With names of members for administrators and auditors, and without for consumers."
)]
pub(super) enum ByRole<Full, Sums> {
    /// For administrators and auditors.
    Full(Full),
    /// For consumers.
    Sums(Sums),
}

pub(super) type Nets = ByRole<Page<NetView>, Page<NetSums>>;
pub(super) type Net = ByRole<NetView, NetSums>;
pub(super) type Rounds = ByRole<Page<RoundView>, Page<RoundSums>>;
pub(super) type Round = ByRole<RoundView, RoundSums>;

impl<Full, Sums: From<Full>> ByRole<Full, Sums> {
    fn of(operator: &Operator, full: Full) -> Self {
        match operator.role() {
            Role::Administrator | Role::Auditor => Self::Full(full),
            Role::Consumer => Self::Sums(full.into()),
        }
    }
}

impl<Full, Sums: From<Full>> ByRole<Page<Full>, Page<Sums>> {
    fn page_of(operator: &Operator, full: Page<Full>) -> Self {
        match operator.role() {
            Role::Administrator | Role::Auditor => Self::Full(full),
            Role::Consumer => Self::Sums(full.map(Sums::from)),
        }
    }
}

pub(super) async fn nets(State(api): Shared, operator: Operator, names: Names) -> Answer {
    let after = names.after()?;
    let only = match operator.role() {
        Role::Administrator | Role::Auditor => None,
        Role::Consumer => Some(operator.nets()),
    };
    let admin = api.service.admin();
    let nets = api.look(admin.nets_after(only, after, names.limit)).await?;
    Ok(json(&Nets::page_of(&operator, nets)))
}

pub(super) async fn net(
    State(api): Shared,
    operator: Operator,
    OfNet(net): OfNet,
    _: Nothing,
) -> Answer {
    let net = api.look(api.service.admin().net(net)).await?;
    Ok(json(&Net::of(&operator, net)))
}

pub(super) async fn descriptor(State(api): Shared, OfNet(net): OfNet, _: Nothing) -> Answer {
    let descriptor = api.look(api.service.admin().descriptor(net)).await?;
    Ok(Message(descriptor.encode().into()).into_response())
}

pub(super) async fn log(State(api): Shared, OfNet(net): OfNet, page: Entries) -> Answer {
    let admin = api.service.admin();
    let entries = admin.log_after(net, page.after, page.limit);
    Ok(json(&api.look(entries).await?))
}

pub(super) async fn health(State(api): Shared, OfNet(net): OfNet, _: Nothing) -> Answer {
    Ok(json(&api.look(api.service.admin().health(net)).await?))
}

pub(super) async fn members(State(api): Shared, OfNet(net): OfNet, names: Names) -> Answer {
    let after = names.after()?;
    let admin = api.service.admin();
    let members = admin.members_after(net, after, names.limit);
    Ok(json(&api.look(members).await?))
}

pub(super) async fn member(
    State(api): Shared,
    OfMember(net, client): OfMember,
    _: Nothing,
) -> Answer {
    let admin = api.service.admin();
    Ok(json(&api.look(admin.member(net, client)).await?))
}

pub(super) async fn rounds(
    State(api): Shared,
    operator: Operator,
    OfNet(net): OfNet,
    which: Listing,
) -> Answer {
    let admin = api.service.admin();
    let rounds = api.look(admin.rounds_after(net, which)).await?;
    Ok(json(&Rounds::page_of(&operator, rounds)))
}

pub(super) async fn round(
    State(api): Shared,
    operator: Operator,
    OfRound(net, round): OfRound,
    _: Nothing,
) -> Answer {
    let round = api.look(api.service.admin().round(net, round)).await?;
    Ok(json(&Round::of(&operator, round)))
}

pub(super) async fn rosters(
    State(api): Shared,
    OfRound(net, round): OfRound,
    _: Nothing,
) -> Answer {
    let admin = api.service.admin();
    Ok(json(&api.look(admin.rosters(net, round)).await?))
}

pub(super) async fn corrections(State(api): Shared, OfNet(net): OfNet, which: Listing) -> Answer {
    let admin = api.service.admin();
    Ok(json(&api.look(admin.corrections_after(net, which)).await?))
}

pub(super) async fn correction(
    State(api): Shared,
    OfRound(net, round): OfRound,
    _: Nothing,
) -> Answer {
    let admin = api.service.admin();
    Ok(json(&api.look(admin.correction(net, round)).await?))
}

pub(super) async fn trail(State(api): Shared, page: Trail) -> Answer {
    let admin = api.service.admin();
    let entries = admin.trail_after(page.after, page.limit);
    Ok(json(&api.look(entries).await?))
}

pub(super) async fn trail_head(State(api): Shared, _: Nothing) -> Answer {
    Ok(json(&api.look(api.service.admin().trail_head()).await?))
}

impl Api {
    /// What is read of the store, when it is this one's turn.
    pub(super) async fn look<T>(
        &self,
        reading: impl Future<Output = Result<T, AdminError>>,
    ) -> Result<T, Problem> {
        let in_turn = async {
            // It is never closed.
            let _turn = self.turns.answers.acquire().await;
            reading.await
        };
        self.in_time(Duration::ZERO, in_turn).await
    }
}
