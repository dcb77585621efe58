//! HTTPS for gateways: `docs/spec/http-api.md`.

mod body;
mod config;
mod connection;
mod membership_log;
mod plain;
mod problem;
mod routes;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use dcnet_protocol::signature::{KeyError, SigningKey};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep, timeout};

pub use config::{ConfigError, Limits};
pub use problem::{MEDIA_TYPE as PROBLEM_MEDIA_TYPE, TYPE_PREFIX as PROBLEM_TYPE_PREFIX};
pub use tls::TlsError;

use crate::service::{Service, StartError};
use config::length;
use connection::Connections;
use tls::Authorities;

/// Media type of all bodies that are not problem details.
pub const MEDIA_TYPE: &str = "application/vnd.dcnet";

/// After a failed `accept`, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Everything that a server is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store's file; made if it is not there.
    pub store: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The server's certificate chain, PEM.
    pub tls_certificate: PathBuf,
    /// Its private key, PEM.
    pub tls_key: PathBuf,
    /// Certificates of the gateways' authorities, PEM.
    pub gateway_ca: PathBuf,
    /// The provider's key for statements, PKCS #8 PEM.
    pub signing_key: PathBuf,
    /// Limits.
    pub limits: Limits,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Certificates and keys for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The signing key's file.
    #[error("cannot read the signing key {}: {source}", path.display())]
    ReadSigningKey {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The signing key itself.
    #[error("the signing key {}: {source}; `dcnet pki provider` makes one", path.display())]
    SigningKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Store and nets.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A server that runs.
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests in progress finish, stops the nets and closes the store.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the accepting task ended badly");
        }
    }
}

/// Starts a server.
///
/// # Errors
/// [`ServeError`] says what is missing or in the way; nothing runs then.
pub async fn start(options: Options) -> Result<Running, ServeError> {
    start_with(options, false).await
}

/// A server that also takes pseudonymised readings in the clear, with the durability of frames:
/// what the benchmark compares frames with. No command starts it.
///
/// # Errors
/// As [`start`].
#[doc(hidden)]
pub async fn start_with_plain_readings(options: Options) -> Result<Running, ServeError> {
    start_with(options, true).await
}

async fn start_with(options: Options, plain_readings: bool) -> Result<Running, ServeError> {
    let Options {
        store,
        listen,
        tls_certificate,
        tls_key,
        gateway_ca,
        signing_key,
        limits,
    } = options;
    let authorities = Authorities::from_file(&gateway_ca)?;
    let tls = tls::config(&tls_certificate, &tls_key, &authorities)?;
    let key = read_signing_key(signing_key)?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| ServeError::Listen {
            address: listen,
            source,
        })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen {
        address: listen,
        source,
    })?;
    let service = Arc::new(Service::start(&store, key).await?);
    if plain_readings {
        service.create_plain_table().await?;
    }
    let router = routes::router(Arc::clone(&service), limits.clone(), plain_readings);
    let (stop, stopping) = watch::channel(false);
    let server = Server {
        limits,
        authorities,
        tls: Arc::new(tls),
        router,
        service,
        stopping,
    };
    let accepting = tokio::spawn(server.run(listener));
    Ok(Running {
        address,
        stop,
        accepting,
    })
}

fn read_signing_key(path: PathBuf) -> Result<SigningKey, ServeError> {
    match std::fs::read_to_string(&path) {
        Ok(pem) => SigningKey::from_pkcs8_pem(&pem)
            .map_err(|source| ServeError::SigningKey { path, source }),
        Err(source) => Err(ServeError::ReadSigningKey { path, source }),
    }
}

struct Server {
    limits: Limits,
    authorities: Authorities,
    tls: Arc<ServerConfig>,
    router: Router,
    service: Arc<Service>,
    stopping: watch::Receiver<bool>,
}

impl Server {
    async fn run(self, listener: TcpListener) {
        let Self {
            limits,
            authorities,
            tls,
            router,
            service,
            mut stopping,
        } = self;
        let slots = Arc::new(Semaphore::new(length(limits.connections)));
        let grace = limits.shutdown();
        // Closed when the last connection has dropped its sender.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let connections = Arc::new(Connections::new(
            limits,
            authorities,
            tls,
            router,
            stopping.clone(),
        ));
        loop {
            let accepted = async {
                // The slot first: what cannot be served waits in the kernel's queue.
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            };
            let (slot, accepted) = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (connections, alive) = (Arc::clone(&connections), alive.clone());
                    tokio::spawn(async move {
                        connections.serve(stream, peer).await;
                        drop((slot, alive));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop((listener, alive));
        tracing::info!("shutting down: no new connections, requests in progress finish");
        service.stop_waiting();
        if timeout(grace, all_gone.recv()).await.is_err() {
            tracing::warn!("some requests did not finish in time and are cut off");
        }
        drop(connections);
        match Arc::try_unwrap(service) {
            Ok(service) => service.stop().await,
            // Connections that were cut off still hold it; the store is sound without a farewell.
            Err(service) => service.stop_waiting(),
        }
        tracing::info!("stopped");
    }
}
