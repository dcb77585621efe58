//! One connection: handshake, whom the certificate names, requests, and the end of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::{CertificateError, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service as _;
use tracing::Instrument as _;

use super::asked::Asked;
use super::config::{Limits, length};
use super::problem::Problem;
use super::tls::Authorities;
use crate::monitoring::{Handshake, Metrics};
use crate::service::{Client, now};

/// A refused client may still be writing; its bytes are read for so long, so that the refusal is
/// not lost in a reset.
const LINGER: Duration = Duration::from_secs(1);

/// Hard limit of hyper's buffer for a request head. Our own limits are below it, so that what
/// exceeds them by little gets problem details.
const HEAD_BUFFER: usize = 64 * 1024;

/// The same for HTTP/2.
const HEAD_LIST: u32 = 64 * 1024;

/// Interval of HTTP/2 pings that find peers which vanished.
const PING: Duration = Duration::from_secs(20);

/// What all connections share.
pub(super) struct Connections {
    limits: Limits,
    authorities: Option<Authorities>,
    acceptor: TlsAcceptor,
    router: Router,
    stopping: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
}

/// Whom the client's certificate names; nobody where certificates are not asked for.
type Identity = Result<Option<Client>, Problem>;

impl Connections {
    pub(super) fn new(
        limits: Limits,
        authorities: Option<Authorities>,
        tls: Arc<ServerConfig>,
        router: Router,
        stopping: watch::Receiver<bool>,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.requests.limit(limits.connections);
        Self {
            limits,
            authorities,
            acceptor: TlsAcceptor::from(tls),
            router,
            stopping,
            metrics,
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let _open = self.metrics.requests.connected();
        // Small answers go out at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "no TCP_NODELAY");
        }
        let handshake = self.acceptor.accept(stream).into_fallible();
        let stream = match timeout(self.limits.handshake(), handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, stream))) => {
                let (reason, hint) = diagnosis(&error);
                self.metrics.requests.handshake_refused(reason);
                tracing::warn!(%peer, %error, hint, "TLS handshake refused");
                linger(stream).await;
                return;
            }
            Err(_) => {
                let timeout = Handshake::Timeout;
                self.metrics.requests.handshake_refused(timeout);
                tracing::warn!(%peer, "TLS handshake took too long");
                return;
            }
        };
        let identity = self.identity(&stream);
        match &identity {
            Ok(Some(client)) => tracing::debug!(%peer, client = %client.id, "connected"),
            Ok(None) => tracing::debug!(%peer, "connected"),
            Err(problem) => tracing::warn!(%peer, problem = problem.slug(), "unusable client"),
        }
        self.http(stream, peer, identity).await;
    }

    fn identity(&self, stream: &TlsStream<TcpStream>) -> Identity {
        let Some(authorities) = &self.authorities else {
            return Ok(None);
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        if chain.is_empty() {
            return Err(Problem::no_certificate());
        }
        authorities
            .client(chain, now())
            .map(Some)
            .map_err(|error| Problem::bad_certificate(error.to_string()))
    }

    async fn http(&self, stream: TlsStream<TcpStream>, peer: SocketAddr, identity: Identity) {
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let requests = Arc::new(Requests {
            router: self.router.clone(),
            header_bytes: length(self.limits.header_bytes),
            header_fields: length(self.limits.header_fields),
            identity,
            activity: Activity::new(),
            metrics: Arc::clone(&self.metrics),
        });
        let service = {
            let requests = Arc::clone(&requests);
            service_fn(move |request| Arc::clone(&requests).answer(request))
        };
        let io = TokioIo::new(stream);
        let ended = if h2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(self.limits.streams)
                .max_header_list_size(HEAD_LIST)
                .keep_alive_interval(PING)
                .keep_alive_timeout(self.limits.handshake());
            self.drive(builder.serve_connection(io, service), &requests.activity)
                .await
        } else {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.idle())
                .max_buf_size(HEAD_BUFFER)
                .serve_connection(io, service);
            self.drive(connection, &requests.activity).await
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    /// Runs a connection until its client closes it, it has been idle or open for too long, or the
    /// server stops. Requests in progress finish, but not for ever.
    async fn drive<C: GracefulConnection>(
        &self,
        connection: C,
        activity: &Activity,
    ) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        let mut stopping = self.stopping.clone();
        loop {
            tokio::select! {
                ended = connection.as_mut() => return ended,
                _ = stopping.wait_for(|stopping| *stopping) => break,
                () = sleep_until(activity.ends(&self.limits)) => {
                    if activity.ends(&self.limits) <= Instant::now() {
                        break;
                    }
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        timeout(self.limits.shutdown(), connection)
            .await
            .unwrap_or(Ok(()))
    }
}

/// What the requests of one connection share.
struct Requests {
    router: Router,
    header_bytes: usize,
    header_fields: usize,
    identity: Identity,
    activity: Activity,
    metrics: Arc<Metrics>,
}

impl Requests {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response, Infallible> {
        let _busy = self.activity.begin();
        let asked = Asked::new(&request);
        let span = asked.span();
        async {
            let Ok(response) = self.route(request).await;
            Ok(asked.answered(response, &self.metrics.requests))
        }
        .instrument(span)
        .await
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response, Infallible> {
        let client = match self.admit(&request) {
            Ok(client) => client,
            Err(problem) => return Ok(problem.into_response()),
        };
        let mut request = request.map(Body::new);
        if let Some(client) = client {
            request.extensions_mut().insert(client);
        }
        // A router is always ready.
        self.router.clone().call(request).await
    }

    fn admit(&self, request: &Request<Incoming>) -> Identity {
        let headers = request.headers();
        if headers.len() > self.header_fields {
            return Err(Problem::headers_too_large(&format!(
                "{} fields",
                self.header_fields
            )));
        }
        let bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if bytes > self.header_bytes {
            return Err(Problem::headers_too_large(&format!(
                "{} bytes",
                self.header_bytes
            )));
        }
        self.identity.clone()
    }
}

/// When a connection was opened and last used.
struct Activity {
    opened: Instant,
    /// Requests in progress.
    busy: AtomicU64,
    /// Milliseconds from `opened` to the end of the last request.
    last: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            busy: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    fn begin(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }

    /// When the connection is to be ended, as things stand.
    fn ends(&self, limits: &Limits) -> Instant {
        let old = self.opened + limits.connection_age();
        if self.busy.load(Ordering::Relaxed) > 0 {
            return old.max(Instant::now() + limits.idle());
        }
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        old.min(self.opened + last + limits.idle())
    }
}

/// A request in progress.
struct Busy<'a>(&'a Activity);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let elapsed = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(elapsed, Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Closes a refused connection so that the TLS alert arrives: half-close, then read what comes.
async fn linger(mut stream: TcpStream) {
    let farewell = async {
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether it worked makes no difference any more.
    let _ = timeout(LINGER, farewell).await;
}

/// Why a handshake failed, and what the owner of a refused gateway can do about it.
fn diagnosis(error: &std::io::Error) -> (Handshake, &'static str) {
    let reason = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match reason {
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer => (
                Handshake::UnknownIssuer,
                "the client's certificate was issued by another authority than --gateway-ca",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                Handshake::Expired,
                "the client's certificate has expired: issue a new one, or check both clocks",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                Handshake::NotYetValid,
                "the client's certificate is not valid yet: check both clocks",
            ),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
                Handshake::WrongPurpose,
                "the client's certificate is not for TLS clients: it showed its signing \
                 certificate instead of its TLS certificate",
            ),
            CertificateError::BadSignature => (
                Handshake::BadSignature,
                "the client's certificate was altered or signed by a namesake of the authority",
            ),
            _ => (
                Handshake::BadCertificate,
                "the client's certificate is not valid",
            ),
        },
        Some(rustls::Error::AlertReceived(_)) => (
            Handshake::RefusedByClient,
            "the client refused this server: it may trust another root or expect another name",
        ),
        Some(_) => (
            Handshake::Protocol,
            "the client does not speak TLS 1.2 or 1.3 as this server does",
        ),
        None => (
            Handshake::Broken,
            "the connection ended during the handshake",
        ),
    }
}
