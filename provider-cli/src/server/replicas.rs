//! Requests for nets that another server of the same database serves: section "Between servers" of
//! `docs/spec/http-api.md`.
//!
//! A gateway may come to any of the servers, by way of any load balancer. The one that it comes to
//! hands the request on to the one that serves the net, and the answer back. Servers know each other
//! by certificates of an authority whose key follows from the provider's signing key: whoever holds
//! that key may speak for the provider anyhow.

mod group;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use tokio::time::{Instant, sleep, timeout};

pub use group::ReplicaError;
pub(super) use group::{Group, Peers, server_name};

use super::body;
use super::config::{Limits, length};
use super::peer::Peer;
use super::problem::Problem;
use super::routes::{Api, name};
use crate::service::{Client, Place, ServiceError};

/// The gateway that a request is from, as the server says that it came to: its name, and the SHA-256
/// of its authority's certificate.
const CLIENT: HeaderName = HeaderName::from_static("dcnet-client");
const AUTHORITY: HeaderName = HeaderName::from_static("dcnet-authority");

/// Between two attempts to find the server of a net.
const AGAIN: Duration = Duration::from_millis(50);

/// Beyond the time after which a server's nets are taken over, so long to find the new one.
const PATIENCE: Duration = Duration::from_secs(2);

/// Concurrent requests of one server to another.
const STREAMS: u32 = 65_536;

/// Limits of the port for other servers: they hand on the requests of all gateways over one
/// connection, and have applied the limits for gateways already.
pub(super) fn limits(limits: &Limits) -> Limits {
    Limits {
        streams: STREAMS,
        connection_minutes: 7 * 24 * 60,
        header_bytes: limits.header_bytes.saturating_add(1024),
        header_fields: limits.header_fields.saturating_add(8),
        ..limits.clone()
    }
}

/// A request that another server has handed on: it is not handed on again.
#[derive(Debug, Clone, Copy)]
struct HandedOn;

/// Takes a request from another server: the gateway is who that one says.
pub(super) async fn accept(mut request: Request<Body>, next: Next) -> Response {
    match client(request.headers()) {
        Some(client) => {
            request.extensions_mut().insert(Peer::Gateway(client));
            request.extensions_mut().insert(HandedOn);
            next.run(request).await
        }
        None => Problem::bad_request("another server names the gateway that asks").into_response(),
    }
}

fn client(headers: &HeaderMap) -> Option<Client> {
    let id = headers.get(CLIENT)?.to_str().ok()?.parse().ok()?;
    let digits = headers.get(AUTHORITY)?.to_str().ok()?;
    Some(Client {
        id,
        authority: crate::service::unhex(digits)?,
    })
}

/// Hands a request on if another server serves its net, and lets it through otherwise.
pub(super) async fn hand_on(
    State(api): State<Arc<Api>>,
    parameters: RawPathParams,
    request: Request<Body>,
    then: Next,
) -> Response {
    let handed_on = request.extensions().get::<HandedOn>().is_some();
    let client = match request.extensions().get() {
        Some(Peer::Gateway(client)) => Some(*client),
        _ => None,
    };
    let named = parameters.iter().find(|(key, _)| *key == "net");
    // What is wrong with a name is said by whoever reads it, as without other servers.
    let net = named.and_then(|(_, text)| name(text).ok());
    let (Some(peers), Some(client), Some(net), false) = (&api.peers, client, net, handed_on) else {
        return then.run(request).await;
    };
    match api.service.place(net).await {
        // As without other servers: the handler says what is wrong.
        Ok(Place::Here) | Err(_) => return then.run(request).await,
        Ok(Place::At(_)) => {}
    }
    let asked = match Asked::read(request, &api.limits).await {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let deadline = Instant::now() + api.limits.lease() + PATIENCE;
    loop {
        let answer = match api.service.place(net).await {
            Ok(Place::Here) => return then.run(asked.request()).await,
            Ok(Place::At(address)) => peers.ask(&address, client, &asked).await,
            Err(error) => return error.into_response(),
        };
        match answer {
            Some(answer) => return answer,
            None if Instant::now() < deadline => {
                // Stopped, or killed and not missed yet: the store knows who is next.
                api.service.not_there(net);
                sleep(AGAIN).await;
            }
            None => return ServiceError::Moving(net).into_response(),
        }
    }
}

/// A request, read to its end so that it can be sent more than once.
struct Asked {
    parts: hyper::http::request::Parts,
    body: Bytes,
}

impl Asked {
    async fn read(request: Request<Body>, limits: &Limits) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = if parts.method == Method::POST {
            let largest = if parts.uri.path().ends_with("/frames") {
                limits.frame_bytes
            } else {
                limits.body_bytes
            };
            let whole = Request::from_parts(parts.clone(), body);
            body::read(whole, length(largest), limits).await?.into()
        } else {
            Bytes::new()
        };
        Ok(Self { parts, body })
    }

    fn request(self) -> Request<Body> {
        Request::from_parts(self.parts, Body::from(self.body))
    }
}

impl Peers {
    /// The other server's answer; none if it is not there, or does not serve the net any more.
    async fn ask(&self, address: &str, client: Client, asked: &Asked) -> Option<Response> {
        let Asked { parts, body } = asked;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = self
            .request(parts.method.clone(), address, path)
            .await?
            .header(CLIENT, client.id.as_str())
            .header(AUTHORITY, crate::service::hex(&client.authority));
        if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
            request = request.header(CONTENT_TYPE, kind);
        }
        let answer = request.body(body.clone()).send().await;
        match answer {
            Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                let moves = answer.headers().contains_key(MOVES);
                if moves { None } else { relay(answer).await }
            }
            Ok(answer) => relay(answer).await,
            Err(error) => {
                tracing::debug!(%address, %error, "another server does not answer");
                None
            }
        }
    }
}

/// On an answer that says that the net is not here: ask again where it is.
pub(super) const MOVES: HeaderName = HeaderName::from_static("dcnet-moves");

/// Largest answer that is handed back: the log's answers have 1 MiB and a little.
const LARGEST: usize = 64 * 1024 * 1024;

/// For the body of an answer whose head is there.
const BODY: Duration = Duration::from_secs(10);

async fn relay(answer: reqwest::Response) -> Option<Response> {
    let answer: hyper::http::Response<reqwest::Body> = answer.into();
    let (parts, body) = answer.into_parts();
    let body = timeout(BODY, Limited::new(body, LARGEST).collect()).await;
    let body = body.ok()?.ok()?.to_bytes();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = parts.status;
    for name in [CONTENT_TYPE, CACHE_CONTROL, RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Some(response)
}
