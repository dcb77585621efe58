//! Where the page is shown: on an address of the profile's, and to programs on this machine at a socket
//! in the state directory.

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use dcnet_profiles::home::HomePage;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::access::{self, Access, Peer};
use super::certificate::{self, Own};
use super::places::{MOST, Places};
use super::{House, SOCKET, api, pages};
use crate::config::PageFiles;
use crate::retry::Pauses;

/// Pauses before an address that is in use is tried again.
const PAUSES: Pauses = Pauses::new(Duration::from_secs(1), Duration::from_mins(1));
/// After a failed `accept`, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the head of a request, and between two requests of a connection.
const IDLE: Duration = Duration::from_secs(30);
/// For so long a connection stays, whatever its client does.
const LONGEST: Duration = Duration::from_mins(10);
/// Time for an answer that is under way when a connection has to end.
const GRACE: Duration = Duration::from_secs(5);
/// Largest head of a request, in bytes.
const HEAD: usize = 16 * 1024;
/// How often the listener looks at what changes with time.
const LOOK: Duration = Duration::from_mins(1);

/// Shows the page where the profile says, for ever.
pub(super) async fn network(house: &Arc<House>, page: &HomePage, files: &PageFiles) {
    let tls = Tls::of(house, page, files).await;
    let listener = bind(page.listen).await;
    // Port 0 takes a free one.
    let address = listener.local_addr().unwrap_or(page.listen);
    let access = Access::new(page, files.password.clone(), &house.client);
    let access = Arc::new(access);
    let admit = from_fn_with_state(Arc::clone(&access), access::admit);
    let router = router(house).layer(admit).layer(from_fn(access::guard));
    let own = tls
        .fingerprint
        .as_ref()
        .map_or(String::new(), |fingerprint| {
            format!("; the SHA-256 fingerprint of its own certificate is {fingerprint}")
        });
    let scheme = if page.is_https() { "https" } else { "http" };
    tracing::info!(
        event = "home.page",
        "the page is shown at {scheme}://{address}{own}"
    );
    accept(&listener, tls, &router, &access, house).await;
}

/// Answers programs of the owner at a socket in the state directory, for ever: who may enter that may
/// read the ledger, too.
pub(super) async fn local(house: &Arc<House>) {
    // Before, the directory may be another daemon's.
    opened(house).await;
    let path = house.profile.state.join(SOCKET);
    let socket = match Socket::bind(&path) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(
                event = "home.page",
                "{}: {error}; `dcnet-gateway logbook` has nobody to ask",
                path.display()
            );
            return std::future::pending().await;
        }
    };
    let router = router(house).layer(from_fn(access::guard));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.listener.accept(), if connections.len() < MOST => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, None, router.clone()));
                }
                Err(_) => sleep(ACCEPT_AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn router(house: &Arc<House>) -> Router {
    let router = pages::router().merge(api::router());
    router.with_state(Arc::clone(house))
}

/// Returns when the ledger has been opened, and with it the state directory is this daemon's.
async fn opened(house: &House) {
    if house.ledger.clone().changed().await.is_err() {
        std::future::pending::<()>().await; // the daemon ends
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    let mut pause = PAUSES;
    let mut told = String::new();
    loop {
        let error = match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => error.to_string(),
        };
        if told != error {
            tracing::warn!(
                event = "home.page",
                "the page cannot be shown: the address {address} (home.page.listen) cannot be used: \
                 {error}; trying again"
            );
            told = error;
        }
        sleep(pause.pause()).await;
    }
}

/// A socket that is removed when the daemon ends.
struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Replaces what a daemon that was killed left.
    fn bind(path: &Path) -> io::Result<Self> {
        remove(path)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = remove(&self.path); // the next daemon removes it
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How connections are secured.
struct Tls<'a> {
    acceptor: Option<TlsAcceptor>,
    /// Of the page's own certificate, if it has one.
    fingerprint: Option<String>,
    /// What was last said to be wrong.
    told: String,
    house: &'a House,
    page: &'a HomePage,
    files: &'a PageFiles,
}

impl<'a> Tls<'a> {
    /// Waits until there is a certificate.
    async fn of(house: &'a House, page: &'a HomePage, files: &'a PageFiles) -> Self {
        let mut tls = Self {
            acceptor: files.tls.clone().map(TlsAcceptor::from),
            fingerprint: None,
            told: String::new(),
            house,
            page,
            files,
        };
        if page.is_https() && tls.acceptor.is_none() {
            opened(house).await;
            let mut pause = PAUSES;
            tls.renew();
            while tls.acceptor.is_none() {
                sleep(pause.pause()).await;
                tls.renew();
            }
        }
        tls
    }

    /// Whether the certificate is of the page's own making.
    fn is_own(&self) -> bool {
        self.page.is_https() && self.files.tls.is_none()
    }

    /// Makes another certificate if the one in use is about to expire.
    fn renew(&mut self) {
        let names = certificate::names(self.page);
        let (state, now) = (&self.house.profile.state, self.house.clock.now());
        match certificate::own(state, &names, &self.files.clients, now) {
            Ok(Own {
                config,
                fingerprint,
                is_new,
            }) => {
                if self.fingerprint.as_ref() == Some(&fingerprint) {
                    return;
                }
                if is_new {
                    tracing::info!(
                        event = "home.page",
                        "the page has made a certificate; its SHA-256 fingerprint is {fingerprint}"
                    );
                }
                self.acceptor = Some(TlsAcceptor::from(config));
                self.fingerprint = Some(fingerprint);
            }
            Err(error) => {
                let error = error.to_string();
                if self.told != error {
                    tracing::warn!(
                        event = "home.page",
                        "the page has no certificate to be shown with: {error}; trying again"
                    );
                    self.told = error;
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    mut tls: Tls<'_>,
    router: &Router,
    access: &Access,
    house: &House,
) {
    const EACH: u64 = 12 * 3600 * 1000;
    let places = Places::default();
    let mut looked = house.clock.now();
    let mut look = interval(LOOK);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    let Some(place) = places.take(peer) else {
                        continue; // and hangs up
                    };
                    let (router, acceptor) = (router.clone(), tls.acceptor.clone());
                    connections.spawn(async move {
                        greet(stream, peer, acceptor, router).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!("the page cannot accept a connection: {error}");
                    sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = look.tick() => {
                access.guesses.tell();
                let now = house.clock.now();
                if tls.is_own() && now.millis().abs_diff(looked.millis()) > EACH {
                    looked = now;
                    tls.renew();
                }
            }
        }
    }
}

/// From a connection to its end.
async fn greet(stream: TcpStream, peer: IpAddr, acceptor: Option<TlsAcceptor>, router: Router) {
    let _ = stream.set_nodelay(true); // only slower without it
    let Some(acceptor) = acceptor else {
        return serve(stream, Some(peer), router).await;
    };
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, Some(peer), router).await,
        Ok(Err(error)) => tracing::debug!(%peer, "no TLS with a client of the page: {error}"),
        Err(_) => tracing::debug!(%peer, "a client of the page took too long for TLS"),
    }
}

/// The requests of a connection.
async fn serve<S>(stream: S, peer: Option<IpAddr>, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer));
        }
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = sleep(LONGEST) => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection to the page ended: {error}");
    }
}
