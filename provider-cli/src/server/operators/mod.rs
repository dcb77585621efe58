//! What the server has for operators: section "Operators" of `docs/spec/http-api.md`.
//!
//! [`table::OPERATIONS`] is the one list of what there is. The routes are made out of it, who may ask
//! is decided by it ([`admit`]), and so is the description that is published ([`describe`]).

mod ask;
pub(super) mod describe;
mod export;
mod judge;
mod order;
mod refusals;
mod show;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{Extension, RawPathParams, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use dcnet_protocol::names::NetId;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::body;
use super::peer::Admitted;
use super::problem::{Problem, moment};
use super::routes::{Api, name};
use crate::operator::{AccessError, Operator};
use crate::service::AdminError;
use refusals::Refusals;
use table::{OPERATIONS, Operation};

/// Answers to operators that are being put together at a time: gateways come first.
const ANSWERS: usize = 4;

/// Exports under way at a time.
const EXPORTS: usize = 4;

/// How much is done for operators at a time.
pub(super) struct Turns {
    answers: Semaphore,
    exports: Arc<Semaphore>,
    /// What computes for long: one at a time, so that there is a processor left for gateways.
    judging: Arc<Semaphore>,
    refusals: Refusals,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            answers: Semaphore::new(ANSWERS),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            judging: Arc::new(Semaphore::new(1)),
            refusals: Refusals::default(),
        }
    }
}

/// All paths for operators.
pub(super) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    OPERATIONS.iter().fold(Router::new(), |router, operation| {
        let admit = from_fn_with_state((Arc::clone(api), operation), admit);
        router.route(operation.path, (operation.handler)().route_layer(admit))
    })
}

/// Lets only those through who have one of the roles that the operation is for, and may read the net
/// that the path names, whether or not there is one.
async fn admit(
    State((api, operation)): State<(Arc<Api>, &'static Operation)>,
    operator: Operator,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let named = match named_net(parameters) {
        Ok(named) => named,
        Err(problem) => {
            body::discard(request, &api.limits).await;
            return problem.into_response();
        }
    };
    match allowed(operation, &operator, named) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            refusals::note(&api, &operator, operation, named, &error).await;
            body::discard(request, &api.limits).await;
            Problem::from(error).into_response()
        }
    }
}

fn allowed(
    operation: &Operation,
    operator: &Operator,
    net: Option<NetId>,
) -> Result<(), AccessError> {
    operator.require(operation.roles)?;
    net.map_or(Ok(()), |net| operator.require_net(&net))
}

fn named_net(
    parameters: Result<RawPathParams, RawPathParamsRejection>,
) -> Result<Option<NetId>, Problem> {
    let parameters = parameters.map_err(|error| Problem::bad_request(error.body_text()))?;
    let net = parameters.iter().find(|(key, _)| *key == "net");
    net.map(|(_, net)| name(net)).transpose()
}

/// Whom a certificate names.
#[derive(Debug, Serialize, JsonSchema)]
struct Who {
    name: String,
    /// `administrator`, `auditor` or `consumer`.
    role: &'static str,
    /// The nets that a consumer may read; empty for other roles, which read all.
    nets: Vec<String>,
    /// When the certificate ends, RFC 3339, UTC.
    not_after: String,
}

/// Whom the certificate names, and until when.
async fn whoami(
    operator: Operator,
    Extension(admitted): Extension<Admitted>,
    _: ask::Nothing,
) -> Response {
    json(&Who {
        name: operator.name().to_string(),
        role: operator.role().word(),
        nets: operator.nets().iter().map(NetId::to_string).collect(),
        not_after: moment(admitted.not_after),
    })
}

/// A JSON document as a response.
fn json(value: &impl Serialize) -> Response {
    let text = match serde_json::to_string(value) {
        Ok(text) => text,
        Err(error) => return not_written(&error),
    };
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer that cannot be put into words is a fault of this program.
fn not_written(error: &serde_json::Error) -> Response {
    tracing::error!(%error, "an answer cannot be written");
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(
        status,
        "internal",
        "the answer cannot be written; the log says why",
    )
    .into_response()
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let not_found = |slug, detail| Self::new(StatusCode::NOT_FOUND, slug, detail);
        match error {
            AdminError::UnknownNet(net) => {
                not_found("unknown-net", format!("there is no net {net} here"))
            }
            AdminError::UnknownRound { net, round } => {
                let detail = format!("round {round} of net {net} is not final or never was");
                not_found("unknown-round", detail)
            }
            AdminError::UnknownMember { net, client } => {
                let detail = format!("{client} is no member of net {net} and never was");
                not_found("unknown-member", detail)
            }
            AdminError::NoCorrection { net, round } => {
                let detail = format!(
                    "round {round} of net {net} has no correction: nobody was missing, or it is not known"
                );
                not_found("unknown-correction", detail)
            }
            AdminError::UnknownOrder { net, number } => {
                not_found("unknown-order", format!("net {net} has no order {number}"))
            }
            damage if damage.is_damage() => {
                tracing::error!(error = %damage, "what is stored cannot be read");
                let detail = "what is stored of this cannot be read, and asking again does not help: \
                              tell whoever runs the server (`dcnet store check`)";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store-damaged", detail)
            }
            error @ (AdminError::Store(_) | AdminError::Descriptor(_)) => {
                tracing::error!(%error, "cannot read for an operator");
                let detail = "the store does not answer; ask again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail).retry(5)
            }
        }
    }
}
