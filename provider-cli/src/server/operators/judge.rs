//! What is computed for a while before it is shown: audits of nets, and evidence that was received. Both
//! verify signatures, away from the threads that serve gateways, and one at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::super::problem::Problem;
use super::super::routes::Api;
use super::ask::{Nothing, OfNet};
use super::json;
use crate::service::{AdminError, EvidenceView};

/// For so long beyond the limit of an answer this may take: a log of years has many signatures.
const LONG: Duration = Duration::from_mins(1);

type Shared = State<Arc<Api>>;
type Answer = Result<Response, Problem>;

/// Looks at a net's members, key graph and log.
pub(super) async fn audit(State(api): Shared, OfNet(net): OfNet, _: Nothing) -> Answer {
    let turn = api.turn().await?;
    let material = api.look(api.service.admin().audit_material(net)).await?;
    let audit = api.judge(turn, move || material.audit(|_, _| {})).await?;
    Ok(json(&audit.map_err(AdminError::from)?))
}

/// Looks into the folder of evidence.
pub(super) async fn evidence(State(api): Shared, _: Nothing) -> Answer {
    let Some(folder) = api.evidence.clone() else {
        return Ok(json(&EvidenceView::nothing()));
    };
    let turn = api.turn().await?;
    let nets = api.look(api.service.admin().nets_by_hash()).await?;
    let seen = api.judge(turn, move || EvidenceView::of(&folder, &nets));
    match seen.await? {
        Ok(seen) => Ok(json(&seen)),
        Err(error) => {
            tracing::error!(%error, "cannot list the folder of evidence");
            let detail = "the folder of evidence cannot be listed; the log says why";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(Problem::new(status, "store-unavailable", detail).retry(5))
        }
    }
}

impl Api {
    /// When it is this one's turn to have something judged.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.turns.judging).acquire_owned();
        // It is never closed.
        if let Ok(Ok(turn)) = timeout(self.limits.answer(), turn).await {
            return Ok(turn);
        }
        let detail = "another audit is being computed; ask again";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail);
        Err(problem.retry(30))
    }

    /// What `work` finds. Whoever waits for it may go away: the turn ends with the work.
    async fn judge<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let working = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match timeout(LONG + self.limits.answer(), working).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!(%error, "what was to be computed for an operator was not");
                let detail = "it cannot be computed; the log says why";
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Err(Problem::new(status, "internal", detail))
            }
            Err(_) => {
                let limit = self.limits.answer_seconds;
                Err(Problem::slow(limit.saturating_add(60)))
            }
        }
    }
}
