//! Where monitoring asks: plain HTTP, on the loopback unless the operator says otherwise.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::ServeError;
use crate::monitoring::{DEFAULT_NETS, Metrics};
use crate::service::Service;

/// Connections at a time; monitoring needs one or two.
const CONNECTIONS: usize = 16;

/// A connection without a request for so long is closed. Prometheus asks every minute at least.
const IDLE: Duration = Duration::from_mins(2);

/// Within so long a server that gets on shows it.
const GETS_ON: Duration = Duration::from_secs(5);

/// After a failed `accept`, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// How metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsOptions {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether that may be another address than a loopback one.
    pub allow_remote: bool,
    /// Nets that have series of their own; further ones are in the totals only.
    pub nets: usize,
}

impl MetricsOptions {
    /// Metrics on `listen`, which is to be a loopback address, with the default number of nets.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            allow_remote: false,
            nets: DEFAULT_NETS,
        }
    }

    pub(super) fn check(&self) -> Result<(), ServeError> {
        if self.allow_remote || self.listen.ip().to_canonical().is_loopback() {
            Ok(())
        } else {
            Err(ServeError::MetricsRemote(self.listen))
        }
    }
}

/// Answers until the server stops.
pub(super) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    service: Weak<Service>,
    mut stopping: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (metrics, service) = (Arc::clone(&metrics), service.clone());
                let mut stopping = stopping.clone();
                tokio::spawn(async move {
                    let _slot = slot;
                    tokio::select! {
                        _ = stopping.wait_for(|stopping| *stopping) => {}
                        ended = connection(stream, &metrics, &service) => {
                            if let Err(error) = ended {
                                tracing::debug!(%peer, %error, "monitoring's connection ended");
                            }
                        }
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for metrics");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    metrics: &Metrics,
    service: &Weak<Service>,
) -> Result<(), hyper::Error> {
    let answer = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(answer(&request, metrics, service).await)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

async fn answer(
    request: &Request<Incoming>,
    metrics: &Metrics,
    service: &Weak<Service>,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "only GET is offered here\n";
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text);
        let offered = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, offered);
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let (media_type, text) = if takes_open_metrics(request) {
                (OPEN_METRICS, metrics.open_metrics())
            } else {
                (PROMETHEUS_TEXT, metrics.prometheus_text())
            };
            text.map_or_else(
                |_| {
                    let text = "the metrics could not be written\n";
                    respond(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, text)
                },
                |text| respond(StatusCode::OK, media_type, text),
            )
        }
        "/healthz" => {
            if gets_on(service).await {
                respond(StatusCode::OK, PLAIN, "ok\n")
            } else {
                let text = "the server does not get on: what is to be written is not\n";
                respond(StatusCode::SERVICE_UNAVAILABLE, PLAIN, text)
            }
        }
        _ => {
            let text = "there are /metrics and /healthz\n";
            respond(StatusCode::NOT_FOUND, PLAIN, text)
        }
    }
}

/// Whether the task that commits answers in time.
async fn gets_on(service: &Weak<Service>) -> bool {
    match service.upgrade() {
        Some(service) => timeout(GETS_ON, service.gets_on()).await.is_ok(),
        None => false,
    }
}

/// Prometheus names what it prefers first, and all that it takes.
fn takes_open_metrics(request: &Request<Incoming>) -> bool {
    let accepted = request.headers().get_all(ACCEPT);
    accepted
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/openmetrics-text"))
}

fn respond(
    status: StatusCode,
    media_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_kept_out_unless_the_operator_lets_them_in() {
        let at = |address: &str| MetricsOptions::new(address.parse().unwrap());
        for loopback in [
            "127.0.0.1:1",
            "127.3.2.1:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            at(loopback).check().unwrap();
        }
        for open in ["0.0.0.0:1", "[::]:1", "192.0.2.7:1", "[2001:db8::1]:1"] {
            let refused = at(open).check().unwrap_err().to_string();
            assert!(refused.contains(open), "{refused}");
            let allowed = MetricsOptions {
                allow_remote: true,
                ..at(open)
            };
            allowed.check().unwrap();
        }
    }
}
