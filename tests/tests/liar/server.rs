//! The liar's HTTPS interface: mutual TLS, long polls, problem details, and answers that never end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use dcnet_protocol::certificate::{TrustAnchor, Usage};
use dcnet_protocol::codec::Wire;
use dcnet_protocol::message::SignedReceipt;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Input, Refusal};
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::SigningKey;
use dcnet_provider::pki::ProviderFiles;
use dcnet_tests::harness::NetPlan;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::time::{Interval, interval};
use tokio_rustls::TlsAcceptor;

use crate::lies::Lie;
use crate::provider::{Liar, descriptor, now};

/// How often a long poll looks.
const LOOK: Duration = Duration::from_millis(30);
/// Between two bytes of an answer that never ends.
const DRIP: Duration = Duration::from_millis(400);

/// The liar, running in this process.
pub(crate) struct Server {
    shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    _stop: tokio::sync::oneshot::Sender<Infallible>,
}

struct Shared {
    liar: Mutex<Liar>,
    anchor: TrustAnchor,
    plan: NetPlan,
}

/// An answer: whole, or byte by byte for ever.
enum Answer {
    Whole(Option<Bytes>),
    Drip(Interval),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Drip(interval) => {
                let drop = Bytes::from_static(b"\0");
                interval
                    .poll_tick(context)
                    .map(|_| Some(Ok(Frame::data(drop))))
            }
        }
    }
}

impl Server {
    /// Starts it with the provider's own keys, and with `ca` as the gateways' authority.
    pub(crate) fn start(plan: &NetPlan, files: &ProviderFiles, ca: &std::path::Path) -> Self {
        let ca = CertificateDer::from_pem_file(ca).unwrap();
        let anchor = TrustAnchor::from_der(&ca).unwrap();
        let key = std::fs::read_to_string(&files.signing_key).unwrap();
        let key = SigningKey::from_pkcs8_pem(&key).unwrap();
        let shared = Arc::new(Shared {
            liar: Mutex::new(Liar::new(plan, key, anchor.clone())),
            anchor,
            plan: plan.clone(),
        });
        let tls = TlsAcceptor::from(Arc::new(tls(files, ca)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<Infallible>();
        let serving = shared.clone();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let ticking = async {
                    loop {
                        serving.liar().tick();
                        tokio::time::sleep(LOOK).await;
                    }
                };
                tokio::select! {
                    () = accept(listener, tls, serving.clone()) => {}
                    () = ticking => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            shared,
            address,
            _stop: stop,
        }
    }

    pub(crate) fn liar(&self) -> MutexGuard<'_, Liar> {
        self.shared.liar()
    }
}

impl Shared {
    fn liar(&self) -> MutexGuard<'_, Liar> {
        // A failed script is told of where it failed.
        self.liar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tls(files: &ProviderFiles, ca: CertificateDer<'static>) -> ServerConfig {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto.clone())
        .build()
        .unwrap();
    let chain = CertificateDer::pem_file_iter(&files.tls_certificate).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&files.tls_key).unwrap();
    let mut config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let chain = stream.get_ref().1.peer_certificates();
            let chain = chain.unwrap_or_default().iter();
            let chain: Vec<_> = chain.map(|certificate| certificate.to_vec()).collect();
            let Ok(identity) = shared.anchor.verify(&chain, Usage::Tls, now()) else {
                return;
            };
            let service = service_fn(|request| answer(identity.client, request, shared.clone()));
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    client: ClientId,
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Answer>, Infallible> {
    let mut response = route(client, request, &shared).await;
    let date = httpdate::fmt_http_date(SystemTime::now()).parse().unwrap();
    response.headers_mut().insert(hyper::header::DATE, date);
    Ok(response)
}

async fn route(client: ClientId, request: Request<Incoming>, shared: &Shared) -> Response<Answer> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return problem(400, "broken");
    };
    let bytes = body.to_bytes().to_vec();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let field = |name: &str| -> u64 {
        let fields = query.split('&').filter_map(|field| field.split_once('='));
        let mut values = fields.filter(|(key, _)| *key == name);
        values
            .find_map(|(_, value)| value.parse().ok())
            .unwrap_or(0)
    };
    let path = parts.uri.path().strip_prefix("/v1/nets/demo");
    let path = path.unwrap_or("?").to_owned();
    let asked = format!("{} {path}?{query}", parts.method);
    shared.liar().requests.push((client, asked));
    let until = Instant::now() + Duration::from_secs(field("wait"));
    if let Some(round) = path
        .strip_prefix("/rounds/")
        .and_then(|rest| rest.strip_suffix("/roster"))
    {
        let round = Round::new(round.parse().unwrap());
        if shared.liar().lie_to(client) == Some(Lie::Drip) {
            return Response::new(Answer::Drip(interval(DRIP)));
        }
        let after = u8::try_from(field("after")).unwrap();
        loop {
            if let Some(roster) = shared.liar().roster(client, round, after) {
                return ok(roster.encode());
            }
            if Instant::now() >= until {
                return nothing();
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    if path == "/inbox" {
        loop {
            let inbox = shared.liar().inbox(client, field("after"));
            if !inbox.deliveries.is_empty() || Instant::now() >= until {
                return ok(inbox.encode());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    let mut liar = shared.liar();
    match (&parts.method, path.as_str()) {
        (&Method::GET, "") if liar.lie_to(client) == Some(Lie::OtherDescriptor) => {
            ok(descriptor(&shared.plan, &liar.key, &shared.anchor, 249).encode())
        }
        (&Method::GET, "") => ok(liar.descriptor.encode()),
        (&Method::GET, "/log/draw-list") => shown(liar.draw_list(client, field("from"))),
        (&Method::GET, "/log/common") => {
            shown(liar.provider.common_log(field("small"), field("large")))
        }
        (&Method::GET, entry) if entry.starts_with("/log/") => {
            let entry = entry.trim_start_matches("/log/");
            match entry.strip_suffix("/members") {
                None => shown(liar.log_proof(client, entry.parse().unwrap(), field("from"))),
                Some(list) => {
                    let at = query.strip_prefix("at=").unwrap().split(',');
                    let at: Vec<u32> = at.map(|index| index.parse().unwrap()).collect();
                    shown(liar.listed(client, list.parse().unwrap(), &at))
                }
            }
        }
        (&Method::GET, member) => {
            let member = member.strip_prefix("/members/");
            let member = member.and_then(|name| name.parse().ok());
            match member.and_then(|member| liar.provider.package(&member)) {
                Some(package) => ok(package.encode()),
                None => problem(404, "unknown-member"),
            }
        }
        (&Method::POST, "/frames") => match liar.frame(client, bytes) {
            Ok(None) => problem(503, "down"),
            outcome => reply(outcome),
        },
        (&Method::POST, "/envelopes") => {
            let from = client;
            reply(liar.post(Input::Envelope { from, bytes }))
        }
        _ => problem(404, "not-found"),
    }
}

fn reply(outcome: Result<Option<SignedReceipt>, Refusal>) -> Response<Answer> {
    match outcome {
        Ok(Some(receipt)) => ok(receipt.encode()),
        Ok(None) => nothing(),
        Err(refusal) => problem(refusal.status(), refusal.slug()),
    }
}

fn shown(outcome: Result<impl Wire, Refusal>) -> Response<Answer> {
    match outcome {
        Ok(message) => ok(message.encode()),
        Err(refusal) => problem(refusal.status(), refusal.slug()),
    }
}

fn nothing() -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn ok(bytes: Vec<u8>) -> Response<Answer> {
    Response::new(Answer::Whole(Some(bytes.into())))
}

fn problem(status: u16, slug: &str) -> Response<Answer> {
    let body = serde_json::json!({
        "type": format!("urn:dcnet:problem:{slug}"),
        "title": slug,
        "detail": "so says the liar",
        "status": status,
    });
    let mut response = Response::new(Answer::Whole(Some(body.to_string().into())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
