//! Where the dashboard is served: on the loopback, by plain HTTP, to whoever may sit there; a reverse
//! proxy or a tunnel stands before it if anybody else is to see it.
//!
//! A browser lets a page talk to the host that it came from, and whoever owns a name can let it point to
//! this machine (DNS rebinding). So `Host` has to be a name of the loopback.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower::Service as _;

use super::{Dashboard, router};
use crate::service::overview::Scope;

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// For the head of a request, and between two requests.
const IDLE: Duration = Duration::from_secs(30);
/// A connection ends after so long.
const LONGEST: Duration = Duration::from_mins(10);
/// For an answer under way when a connection has to end.
const GRACE: Duration = Duration::from_secs(5);
/// Largest head of a request, in bytes.
const HEAD: usize = 16 * 1024;
/// After a failed `accept`.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Answers at `listener` until it is to stop.
pub(in crate::server) async fn serve(
    listener: TcpListener,
    dashboard: Dashboard,
    scope: Scope,
    mut stopping: watch::Receiver<bool>,
) {
    let router = guarded(dashboard, scope);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stopping) = (router.clone(), stopping.clone());
                tokio::spawn(async move {
                    connection(stream, router, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the dashboard cannot accept a connection");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// The pages with all that keeps others out.
fn guarded(dashboard: Dashboard, scope: Scope) -> Router {
    router(dashboard)
        .layer(Extension(Arc::new(scope)))
        .layer(from_fn(admit))
}

async fn connection(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        async move { Ok::<_, Infallible>(router.call(request.map(Body::new)).await.into_response()) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async {
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = sleep(LONGEST) => {}
            }
        } => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the dashboard ended");
    }
}

/// Answers only who asks for a name of the loopback.
async fn admit(request: Request, next: Next) -> Response {
    let asked = match request.uri().authority() {
        Some(authority) => Some(authority.as_str().to_owned()),
        None => of(request.headers(), &header::HOST).map(str::to_owned),
    };
    if asked.as_deref().is_some_and(is_loopback) {
        next.run(request).await
    } else {
        let text = "This dashboard answers to localhost and to loopback addresses only. A reverse proxy \
                    has to set the Host header to the address that it forwards to.\n";
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    }
}

/// What holds for every request, wherever it comes in: it only reads, and no other site makes it.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        let text = "nothing can be changed here\n";
        (StatusCode::METHOD_NOT_ALLOWED, allow, text).into_response()
    } else if is_of_another_site(request.headers()) {
        let text = "other sites may not ask for this\n";
        (StatusCode::FORBIDDEN, text).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Parts of the pages that never change say so themselves.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// On each answer: what the browser may do with it.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Whether a browser says that a page of another site asks, other than by a link that was followed.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let says = |name: &'static str| of(headers, &HeaderName::from_static(name));
    match says("sec-fetch-site") {
        None | Some("same-origin" | "none") => false,
        Some(_) => {
            says("sec-fetch-mode") != Some("navigate") || says("sec-fetch-dest") != Some("document")
        }
    }
}

/// The one value of a header; of two nobody knows which counts.
fn of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then(|| first.to_str().ok()).flatten()
}

/// Whether `name`, `name:port`, `address`, `[address]` or `[address]:port` is the loopback.
fn is_loopback(text: &str) -> bool {
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        (address, port.strip_prefix(':').unwrap_or(port))
    } else if text.parse::<IpAddr>().is_ok() {
        (text, "")
    } else {
        text.split_once(':').unwrap_or((text, ""))
    };
    let is_name = host
        .strip_suffix('.')
        .unwrap_or(host)
        .eq_ignore_ascii_case("localhost");
    is_port(port)
        && (is_name
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_loopback_are_answered() {
        for host in [
            "localhost",
            "LocalHost:8445",
            "localhost.:8445",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]:8445",
            "::1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "[::2]",
            "[::1",
            "[::1]x",
            "localhost:http",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
