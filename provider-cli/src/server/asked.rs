//! A request from its head to its answer: its id, its log lines, and what is counted of it.

use std::time::Instant;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::Next;
use axum::response::Response;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request};
use tracing::Span;

use super::problem::Problem;
use crate::monitoring::{Requests, Served, unique};

/// Carries the id of a request, and of the answer to it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a client.
const LONGEST_ID: usize = 64;

/// A request that is being answered.
pub(super) struct Asked {
    id: String,
    method: Method,
    started: Instant,
}

/// The template of the route that answered, for whoever sees the response only.
#[derive(Clone)]
struct Route(MatchedPath);

impl Asked {
    pub(super) fn new<B>(request: &Request<B>) -> Self {
        let mut given = request.headers().get_all(REQUEST_ID).iter();
        let id = match (given.next(), given.next()) {
            (Some(id), None) => id.to_str().ok().filter(|id| is_safe(id)),
            _ => None,
        };
        Self {
            id: id.map_or_else(new_id, str::to_owned),
            method: request.method().clone(),
            started: Instant::now(),
        }
    }

    /// What every log line of the request is in. The level is that of errors, so that no detail of
    /// the log is without it.
    pub(super) fn span(&self) -> Span {
        tracing::error_span!("request", request_id = %self.id)
    }

    /// Gives the answer the id of its request, logs and counts it.
    pub(super) fn answered(self, mut response: Response, requests: &Requests) -> Response {
        let head = self.method == Method::HEAD;
        let problem = Problem::identify(&mut response, &self.id, head);
        // Safe characters are those of header fields, too.
        if let Ok(id) = HeaderValue::from_str(&self.id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let route = response.extensions_mut().remove::<Route>();
        let served = Served {
            id: &self.id,
            route: route.as_ref().map(|route| route.0.as_str()),
            method: self.method.as_str(),
            status: response.status().as_u16(),
            problem: problem.as_ref().map(Problem::slug),
            took: self.started.elapsed(),
        };
        requests.served(&served);
        tracing::debug!(
            method = served.method,
            route = served.route,
            status = served.status,
            problem = served.problem,
            took = ?served.took,
            "answered"
        );
        response
    }
}

/// Notes at the answer which route gave it.
pub(super) async fn name_route(request: Request<Body>, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

/// Whether an id can stand in a log and a header as it is.
fn is_safe(id: &str) -> bool {
    let is_safe = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_safe)
}

/// An id that no other request has had, and that tells nobody how many requests there have been.
fn new_id() -> String {
    format!("{:016x}", unique())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(given: &[&str]) -> String {
        let mut request = Request::builder();
        for id in given {
            request = request.header(REQUEST_ID, *id);
        }
        Asked::new(&request.body(()).unwrap()).id
    }

    #[test]
    fn a_safe_id_is_taken_over_and_nothing_else() {
        let longest = "a".repeat(64);
        for safe in ["a", "0b.C_d-9", longest.as_str()] {
            assert_eq!(id(&[safe]), safe);
        }
        let too_long = "a".repeat(65);
        for unsafe_id in ["", "a b", "a\tb", "a=b", "a\"", "ä", too_long.as_str()] {
            let made = id(&[unsafe_id]);
            assert_ne!(made, unsafe_id);
            assert!(is_safe(&made) && made.len() == 16, "{made}");
        }
        assert_ne!(id(&["a", "a"]), "a");
        assert_ne!(id(&[]), id(&[]));
    }
}
