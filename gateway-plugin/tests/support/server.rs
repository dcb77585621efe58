//! The provider's HTTPS interface over a [`Net`]: mutual TLS, long polls, problem details.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use dcnet_protocol::certificate::{TrustAnchor, Usage};
use dcnet_protocol::codec::Wire;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::provider::{Input, Refusal, Reply};
use dcnet_protocol::round::Round;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::net::{Net, Shape, now};
use super::pki::{Authority, Household};

/// A provider that runs in this process.
pub struct Server {
    shared: Arc<Shared>,
    pub address: SocketAddr,
    pub gateways: Authority,
    pub providers: Authority,
    _stop: tokio::sync::oneshot::Sender<Infallible>,
}

struct Shared {
    net: Mutex<Net>,
    anchor: TrustAnchor,
    /// The interface answers nobody.
    down: AtomicBool,
    /// Takes frames, but its answers to them are lost.
    deaf: AtomicBool,
    /// Added to its clock in the `Date` header, in seconds.
    skew: AtomicI64,
}

impl Server {
    pub fn start(shape: Shape) -> Self {
        let (gateways, providers) = (Authority::new(), Authority::new());
        let shared = Arc::new(Shared {
            net: Mutex::new(Net::new(&gateways, shape)),
            anchor: gateways.anchor(),
            down: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            skew: AtomicI64::new(0),
        });
        let tls = TlsAcceptor::from(Arc::new(tls(&gateways, &providers)));
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
                        serving.net.lock().unwrap().tick();
                        tokio::time::sleep(Duration::from_millis(25)).await;
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
            gateways,
            providers,
            _stop: stop,
        }
    }

    pub fn household(&self, client: &str, device: &std::path::Path) -> Household {
        Household::new(
            &self.gateways,
            &self.providers,
            client,
            self.address,
            device,
        )
    }

    pub fn net(&self) -> MutexGuard<'_, Net> {
        self.shared.net.lock().unwrap()
    }

    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }

    pub fn set_deaf(&self, deaf: bool) {
        self.shared.deaf.store(deaf, Ordering::Relaxed);
    }

    pub fn set_skew(&self, seconds: i64) {
        self.shared.skew.store(seconds, Ordering::Relaxed);
    }

    /// Waits until `condition` holds.
    pub fn wait<T>(&self, what: &str, mut condition: impl FnMut(&Net) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = condition(&self.net()) {
                return found;
            }
            assert!(
                started.elapsed() < Duration::from_secs(90),
                "waited too long for {what}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn tls(gateways: &Authority, providers: &Authority) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(gateways.certificate.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .unwrap();
    let issued = providers.server();
    let key = PrivateKeyDer::try_from(issued.key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![issued.certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if shared.down.load(Ordering::Relaxed) {
            continue; // closes the connection
        }
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let chain: Vec<_> = stream
                .get_ref()
                .1
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| certificate.to_vec())
                .collect();
            let identity = shared.anchor.verify(&chain, Usage::Tls, now()).unwrap();
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
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = if shared.down.load(Ordering::Relaxed) {
        problem(503, "down", "the provider of this test is down")
    } else {
        route(client, request, &shared).await
    };
    let skew = shared.skew.load(Ordering::Relaxed);
    let time = SystemTime::now().checked_add(Duration::from_secs(skew.max(0).unsigned_abs()));
    let time =
        time.and_then(|time| time.checked_sub(Duration::from_secs(skew.min(0).unsigned_abs())));
    let date = httpdate::fmt_http_date(time.unwrap()).parse().unwrap();
    response.headers_mut().insert(hyper::header::DATE, date);
    Ok(response)
}

async fn route(
    client: ClientId,
    request: Request<Incoming>,
    shared: &Shared,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes().to_vec();
    let path = parts
        .uri
        .path()
        .strip_prefix("/v1/nets/bench")
        .unwrap_or("?")
        .to_owned();
    let lock = || shared.net.lock().unwrap();
    let query = parts.uri.query().unwrap_or_default();
    let field = |name: &str| -> u64 {
        let fields = query.split('&').filter_map(|field| field.split_once('='));
        fields
            .filter(|(key, _)| *key == name)
            .find_map(|(_, v)| v.parse().ok())
            .unwrap()
    };
    let until = |wait: u64| Instant::now() + Duration::from_secs(wait);
    // What is asked about the log stands in the query.
    let asked = path
        .strip_prefix("/log/")
        .map_or(String::new(), |_| format!("?{query}"));
    lock()
        .requests
        .push((now(), format!("{} {path}{asked}", parts.method)));
    let of_round = path
        .strip_prefix("/rounds/")
        .and_then(|rest| rest.strip_suffix("/roster"));
    if let Some(round) = of_round {
        let round = Round::new(round.parse().unwrap());
        let after = u8::try_from(field("after")).unwrap();
        let until = until(field("wait"));
        loop {
            let roster = lock().roster(client, round, after);
            if let Some(roster) = roster {
                return ok(roster.encode());
            }
            if Instant::now() >= until {
                return nothing();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    match (&parts.method, path.as_str()) {
        (&Method::GET, "") => ok(lock().descriptor.encode()),
        (&Method::GET, "/log/draw-list") => shown(lock().draw_list(client, field("from"))),
        (&Method::GET, "/log/common") => shown(lock().common_log(field("small"), field("large"))),
        (&Method::GET, entry) if entry.starts_with("/log/") => {
            let entry = entry.trim_start_matches("/log/");
            match entry.strip_suffix("/members") {
                None => shown(lock().log_proof(client, entry.parse().unwrap(), field("from"))),
                Some(list) => {
                    let at = query.strip_prefix("at=").unwrap().split(',');
                    let at: Vec<u32> = at.map(|index| index.parse().unwrap()).collect();
                    shown(lock().listed(client, list.parse().unwrap(), &at))
                }
            }
        }
        (&Method::GET, "/inbox") => {
            let until = until(field("wait"));
            loop {
                let inbox = lock().inbox(client, field("after"));
                if !inbox.deliveries.is_empty() || Instant::now() >= until {
                    return ok(inbox.encode());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        (&Method::GET, member) => {
            let member = member
                .strip_prefix("/members/")
                .and_then(|name| name.parse().ok());
            match member.and_then(|member| lock().provider().package(&member).cloned()) {
                Some(package) => ok(package.encode()),
                None => problem(404, "unknown-member", "no such member"),
            }
        }
        (&Method::POST, "/frames") => frame(client, bytes, shared),
        (&Method::POST, "/envelopes") => {
            let mut net = lock();
            let outcome = net.post(Input::Envelope {
                from: client,
                bytes,
            });
            reply(&net, outcome)
        }
        _ => problem(404, "not-found", "no such resource"),
    }
}

fn frame(client: ClientId, bytes: Vec<u8>, shared: &Shared) -> Response<Full<Bytes>> {
    let mut net = shared.net.lock().unwrap();
    if let Ok(frame) = dcnet_protocol::frame::Frame::decode(&bytes)
        && matches!(
            frame.notification(),
            Notification::Transmit
                | Notification::Resend
                | Notification::Pads
                | Notification::Reveal
        )
    {
        let (notification, round) = (frame.notification(), frame.header().round);
        net.seen.push((client, notification, round, bytes.clone()));
    }
    let outcome = net.post(Input::Frame {
        from: client,
        bytes,
    });
    if shared.deaf.load(Ordering::Relaxed) {
        return problem(503, "down", "the answer of this test is lost");
    }
    reply(&net, outcome)
}

fn reply(net: &Net, outcome: Result<Reply, Refusal>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(Reply::Receipt(receipt)) => ok(net.sign_for_the_house(receipt).encode()),
        Ok(Reply::Relayed) => nothing(),
        Err(refusal) => problem(refusal.status(), refusal.slug(), &refusal.to_string()),
    }
}

fn shown(outcome: Result<impl Wire, Refusal>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(message) => ok(message.encode()),
        Err(refusal) => problem(refusal.status(), refusal.slug(), &refusal.to_string()),
    }
}

fn nothing() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn ok(bytes: Vec<u8>) -> Response<Full<Bytes>> {
    Response::new(Full::from(bytes))
}

fn problem(status: u16, slug: &str, detail: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({
        "type": format!("urn:dcnet:problem:{slug}"),
        "title": slug,
        "detail": detail,
        "status": status,
    });
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
