//! The resources: section "Resources" of `docs/spec/http-api.md`.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{QueryRejection, RawPathParamsRejection};
use axum::extract::{Path, Query, RawPathParams, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::names::{ClientId, NameError, NetId};
use dcnet_protocol::round::Round;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use serde::Deserialize;
use tokio::time::timeout;

use super::body;
use super::config::{Limits, length};
use super::problem::Problem;
use super::replicas::Peers;
use super::{MEDIA_TYPE, asked, membership_log, operators, plain, replicas};
use crate::service::{Client, EvidenceFolder, Service, ServiceError};

/// Longest that a look into the inbox or for a roster may wait, in seconds.
const LONGEST_WAIT: u64 = 25;

/// What every handler is given.
pub(super) struct Api {
    pub(super) service: Arc<Service>,
    pub(super) limits: Limits,
    /// Other servers of the same database, if there can be any.
    pub(super) peers: Option<Peers>,
    /// How much is done for operators at a time.
    pub(super) turns: operators::Turns,
    /// Evidence that was received, if there is a folder for it.
    pub(super) evidence: Option<Arc<EvidenceFolder>>,
}

type Shared = State<Arc<Api>>;

/// What is served, and to whom.
pub(super) struct Routers {
    pub(super) for_gateways: Router,
    /// The same, handed on by other servers.
    pub(super) for_replicas: Router,
}

/// All routes. Every refusal is a [`Problem`], those of unknown paths and methods, too.
pub(super) fn routers(api: &Arc<Api>, plain_readings: bool) -> Routers {
    let mut router = Router::new()
        .route("/v1/nets/{net}", get(descriptor))
        .route("/v1/nets/{net}/members", get(members))
        .route("/v1/nets/{net}/members/{client}", get(package))
        .route("/v1/nets/{net}/frames", post(frame))
        .route("/v1/nets/{net}/envelopes", post(envelope))
        .route("/v1/nets/{net}/inbox", get(inbox))
        .route("/v1/nets/{net}/rounds/{round}/roster", get(roster))
        .merge(membership_log::routes())
        .layer(from_fn_with_state(Arc::clone(api), replicas::hand_on))
        .layer(from_fn(readable_path));
    if plain_readings {
        router = router.route("/bench/nets/{net}/readings", post(plain::reading));
    }
    let router = router
        .route("/healthz", get(health))
        .merge(operators::routes(api))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn(asked::name_route))
        .with_state(Arc::clone(api));
    Routers {
        for_replicas: router.clone().layer(from_fn(replicas::accept)),
        for_gateways: router,
    }
}

/// An encoding of the specification as a response.
pub(super) struct Message(pub(super) Bytes);

impl IntoResponse for Message {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.0.into());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

pub(super) async fn health() -> &'static str {
    "ok\n"
}

async fn descriptor(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
) -> Result<Message, Problem> {
    let net = name(&net)?;
    api.in_time(Duration::ZERO, api.service.descriptor(client, net))
        .await
        .map(Message)
}

async fn members(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
) -> Result<Message, Problem> {
    let net = name(&net)?;
    let list = api
        .in_time(Duration::ZERO, api.service.members(client, net))
        .await?;
    Ok(Message(list.into()))
}

async fn package(
    State(api): Shared,
    client: Client,
    Path((net, member)): Path<(String, String)>,
) -> Result<Message, Problem> {
    let (net, member): (NetId, ClientId) = (name(&net)?, name(&member)?);
    let package = api
        .in_time(Duration::ZERO, api.service.package(client, net, member))
        .await?;
    Ok(Message(package.into()))
}

async fn frame(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
    request: Request<Body>,
) -> Result<Message, Problem> {
    let net = name(&net)?;
    let bytes = body::read(request, length(api.limits.frame_bytes), &api.limits).await?;
    let receipt = api
        .in_time(Duration::ZERO, api.service.frame(client, net, bytes))
        .await?;
    Ok(Message(receipt.encode().into()))
}

async fn envelope(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
    request: Request<Body>,
) -> Result<StatusCode, Problem> {
    let net = name(&net)?;
    let bytes = body::read(request, length(api.limits.body_bytes), &api.limits).await?;
    api.in_time(Duration::ZERO, api.service.envelope(client, net, bytes))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The query of an inbox.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait: u64,
}

async fn inbox(
    State(api): Shared,
    client: Client,
    Path(net): Path<String>,
    look: Result<Query<Look>, QueryRejection>,
) -> Result<Message, Problem> {
    let net = name(&net)?;
    let Query(look) = look.map_err(|error| Problem::bad_request(error.body_text()))?;
    let wait = patience(look.wait)?;
    let inbox = api
        .in_time(wait, api.service.inbox(client, net, look.after, wait))
        .await?;
    Ok(Message(inbox.into()))
}

/// The query of a roster.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    after: u8,
    #[serde(default)]
    wait: u64,
}

async fn roster(
    State(api): Shared,
    client: Client,
    Path((net, round)): Path<(String, String)>,
    step: Result<Query<Step>, QueryRejection>,
) -> Result<Response, Problem> {
    let net = name(&net)?;
    let Ok(round) = round.parse().map(Round::new) else {
        return Err(Problem::bad_request("a round is a number below 2^64"));
    };
    let Query(step) = step.map_err(|error| Problem::bad_request(error.body_text()))?;
    let wait = patience(step.wait)?;
    let roster = api.service.roster(client, net, round, step.after, wait);
    Ok(match api.in_time(wait, roster).await? {
        Some(roster) => Message(roster).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// For how long a request may be held.
fn patience(seconds: u64) -> Result<Duration, Problem> {
    if seconds <= LONGEST_WAIT {
        Ok(Duration::from_secs(seconds))
    } else {
        let detail = format!("wait is {seconds} s, at most {LONGEST_WAIT} s are offered");
        Err(Problem::bad_request(detail))
    }
}

/// Refuses paths that are no text as handlers refuse names that are none.
async fn readable_path(
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request<Body>,
    next: Next,
) -> Response {
    match parameters {
        Ok(_) => next.run(request).await,
        Err(error) => Problem::bad_request(error.body_text()).into_response(),
    }
}

pub(super) async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(uri.path())
}

pub(super) async fn unknown_method(method: Method) -> Problem {
    Problem::method(&method)
}

impl Api {
    pub(super) fn new(
        service: &Arc<Service>,
        limits: &Limits,
        peers: Peers,
        evidence: Option<Arc<EvidenceFolder>>,
    ) -> Self {
        Self {
            service: Arc::clone(service),
            limits: limits.clone(),
            peers: service.is_shared().then_some(peers),
            turns: operators::Turns::default(),
            evidence,
        }
    }

    /// The answer, if it comes within the limit beyond `wait`.
    pub(super) async fn in_time<T, E>(
        &self,
        wait: Duration,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        match timeout(wait + self.limits.answer(), answer).await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(_) => Err(Problem::slow(self.limits.answer_seconds)),
        }
    }
}

/// A name out of a path.
pub(super) fn name<T: FromStr<Err = NameError>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: NameError| Problem::bad_request(error.to_string()))
}
