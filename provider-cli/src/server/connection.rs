//! One connection: handshake, whom the certificate names, requests, and the end of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::CertificateError;
use rustls_pki_types::CertificateDer;
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
use super::peer::{Admitted, Peer, Refusal};
use super::problem::Problem;
use super::reload::Trust;
use crate::monitoring::{Handshake, Metrics};
use crate::service::now;

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
    trust: watch::Receiver<Arc<Trust>>,
    router: Router,
    stopping: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
}

/// Whom the client's certificate names; nobody where certificates are not asked for.
type Identity = Result<Option<Admitted>, Refusal>;

impl Connections {
    pub(super) fn new(
        limits: Limits,
        trust: watch::Receiver<Arc<Trust>>,
        router: Router,
        stopping: watch::Receiver<bool>,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.requests.limit(limits.connections);
        Self {
            limits,
            trust,
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
        let trust = Arc::clone(&self.trust.borrow());
        let handshake = TlsAcceptor::from(Arc::clone(&trust.tls))
            .accept(stream)
            .into_fallible();
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
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain: Vec<_> = shown.iter().map(|der| der.clone().into_owned()).collect();
        let standing = Standing::new(chain, trust);
        match standing.identity() {
            Ok(Some(admitted)) => match admitted.peer {
                Peer::Gateway(client) => tracing::debug!(%peer, client = %client.id, "connected"),
                Peer::Operator(operator) => {
                    let (name, role) = (operator.name(), operator.role());
                    tracing::info!(%peer, %name, %role, "an operator connected");
                }
            },
            Ok(None) => tracing::debug!(%peer, "connected"),
            Err(refusal) => {
                let problem = Problem::from(&refusal).slug();
                tracing::warn!(%peer, problem, reason = %refusal, "unusable client");
            }
        }
        self.http(stream, peer, standing).await;
    }

    async fn http(&self, stream: TlsStream<TcpStream>, peer: SocketAddr, standing: Standing) {
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let requests = Arc::new(Requests {
            router: self.router.clone(),
            header_bytes: length(self.limits.header_bytes),
            header_fields: length(self.limits.header_fields),
            trust: self.trust.clone(),
            standing: Mutex::new(standing),
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
            self.drive(builder.serve_connection(io, service), &requests, peer)
                .await
        } else {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.idle())
                .max_buf_size(HEAD_BUFFER)
                .serve_connection(io, service);
            self.drive(connection, &requests, peer).await
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    /// Runs a connection until its client closes it, it has been idle or open for too long, its
    /// certificate counts no more, or the server stops. Requests in progress finish, but not for ever.
    async fn drive<C: GracefulConnection>(
        &self,
        connection: C,
        requests: &Requests,
        peer: SocketAddr,
    ) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        let mut stopping = self.stopping.clone();
        let mut trust = self.trust.clone();
        let activity = &requests.activity;
        let mut grace = self.limits.shutdown();
        loop {
            tokio::select! {
                ended = connection.as_mut() => return ended,
                _ = stopping.wait_for(|stopping| *stopping) => break,
                Ok(()) = trust.changed() => {
                    let (before, after) = requests.judge();
                    if let (Ok(_), Err(refusal)) = (before, after) {
                        tracing::warn!(%peer, reason = %refusal, "the connection ends");
                        grace = LINGER;
                        break;
                    }
                }
                () = sleep_until(activity.ends(&self.limits)) => {
                    if activity.ends(&self.limits) <= Instant::now() {
                        break;
                    }
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        timeout(grace, connection).await.unwrap_or(Ok(()))
    }
}

/// What the requests of one connection share.
struct Requests {
    router: Router,
    header_bytes: usize,
    header_fields: usize,
    trust: watch::Receiver<Arc<Trust>>,
    standing: Mutex<Standing>,
    activity: Activity,
    metrics: Arc<Metrics>,
}

/// What a connection's client has shown, and what follows from it.
struct Standing {
    chain: Vec<CertificateDer<'static>>,
    /// By which it was judged.
    trust: Arc<Trust>,
    identity: Identity,
}

impl Standing {
    fn new(chain: Vec<CertificateDer<'static>>, trust: Arc<Trust>) -> Self {
        let identity = match &trust.clients {
            None => Ok(None),
            Some(clients) => clients.admit(&chain, now()).map(Some),
        };
        Self {
            chain,
            trust,
            identity,
        }
    }

    /// As it is now: a certificate may have come to its end, or an operators' revocation list.
    fn identity(&self) -> Identity {
        match &self.identity {
            Ok(Some(admitted)) if admitted.not_after < now() => Err(Refusal::Expired),
            identity => identity.clone(),
        }
    }
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
        let admitted = match self.admit(&request) {
            Ok(admitted) => admitted,
            Err(problem) => return Ok(problem.into_response()),
        };
        let mut request = request.map(Body::new);
        if let Some(admitted) = admitted {
            request.extensions_mut().insert(admitted.peer.clone());
            request.extensions_mut().insert(admitted);
        }
        // A router is always ready.
        self.router.clone().call(request).await
    }

    /// Judges the client by what is trusted now, if that has changed: before and after.
    fn judge(&self) -> (Identity, Identity) {
        let trust = Arc::clone(&self.trust.borrow());
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = standing.identity();
        if !Arc::ptr_eq(&trust, &standing.trust) {
            let chain = std::mem::take(&mut standing.chain);
            *standing = Standing::new(chain, trust);
        }
        (before, standing.identity())
    }

    fn admit(&self, request: &Request<Incoming>) -> Result<Option<Admitted>, Problem> {
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
        self.judge().1.map_err(|refusal| Problem::from(&refusal))
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
                "the client's certificate was issued by another authority than --gateway-ca and \
                 --operator-ca",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                Handshake::Expired,
                "the client's certificate has expired: issue a new one, or check both clocks",
            ),
            CertificateError::Revoked => (
                Handshake::Revoked,
                "the client's certificate is revoked: it needs another one, or was stolen",
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
