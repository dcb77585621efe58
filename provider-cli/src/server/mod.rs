//! HTTPS for gateways, and for whoever asks a witness: `docs/spec/http-api.md`.

mod body;
mod config;
mod connection;
mod dashboard;
mod listening;
mod membership_log;
mod plain;
mod problem;
mod routes;
mod tls;
mod witness;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use dcnet_protocol::signature::{KeyError, SigningKey};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use config::{ConfigError, Limits};
pub use dashboard::DashboardOptions;
pub use problem::{MEDIA_TYPE as PROBLEM_MEDIA_TYPE, TYPE_PREFIX as PROBLEM_TYPE_PREFIX};
pub use tls::TlsError;
pub use witness::{WitnessOptions, start_witness};

use crate::service::overview::{Extras, ExtrasError};
use crate::service::{Service, StartError};
use crate::witness::{ClientError, FolderError, ListedWitness, WitnessClient};
use dashboard::Dashboard;
use listening::Listening;
use tls::Authorities;

/// Media type of all bodies that are not problem details.
pub const MEDIA_TYPE: &str = "application/vnd.dcnet";

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
    /// Who is asked to cosign the nets' membership logs.
    pub witnesses: Vec<ListedWitness>,
    /// The operator's dashboard, if it is wanted.
    pub dashboard: Option<DashboardOptions>,
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
    /// A witness.
    #[error(transparent)]
    Witness(#[from] ClientError),
    /// The folder of a witness that is to be served.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Store and nets.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What the dashboard shows besides.
    #[error(transparent)]
    Dashboard(#[from] ExtrasError),
    /// The dashboard's address.
    #[error(
        "the dashboard is for the loopback only, and {0} is not on it; put a reverse proxy or an SSH tunnel before it"
    )]
    Exposed(SocketAddr),
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
    /// Of a witness there is none: no task of its own writes.
    service: Option<Weak<Service>>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the server has shown that it gets on: it still accepts, and what was to be written
    /// has been. Never, if it hangs.
    pub async fn gets_on(&self) {
        if self.accepting.is_finished() {
            std::future::pending::<()>().await;
        }
        if let Some(service) = self.service.as_ref().and_then(Weak::upgrade) {
            service.gets_on().await;
        }
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

/// Loads what [`start`] needs: certificates, keys, witnesses, and looks at the store. Nothing is changed,
/// nothing listens, and a server may be running with the same files.
///
/// # Errors
/// [`ServeError`] says what is missing or wrong.
pub async fn check(options: &Options) -> Result<(), ServeError> {
    Loaded::from(options)?;
    Ok(Service::check(&options.store).await?)
}

/// What a server has read of its files.
struct Loaded {
    authorities: Authorities,
    tls: ServerConfig,
    key: SigningKey,
    witnesses: Vec<WitnessClient>,
    extras: Option<Extras>,
}

impl Loaded {
    fn from(options: &Options) -> Result<Self, ServeError> {
        let authorities = Authorities::from_file(&options.gateway_ca)?;
        let (certificate, key) = (&options.tls_certificate, &options.tls_key);
        let witnesses = options.witnesses.iter().map(WitnessClient::new);
        let dashboard = options.dashboard.as_ref();
        if let Some(dashboard) = dashboard.filter(|options| !options.listen.ip().is_loopback()) {
            return Err(ServeError::Exposed(dashboard.listen));
        }
        Ok(Self {
            extras: dashboard.map(DashboardOptions::load).transpose()?,
            tls: tls::config(certificate, key, Some(&authorities))?,
            key: read_signing_key(options.signing_key.clone())?,
            witnesses: witnesses.collect::<Result<_, _>>()?,
            authorities,
        })
    }
}

async fn start_with(options: Options, plain_readings: bool) -> Result<Running, ServeError> {
    let Loaded {
        authorities,
        tls,
        key,
        witnesses,
        extras,
    } = Loaded::from(&options)?;
    let limits = options.limits;
    let (listener, address) = listen_at(options.listen).await?;
    let dashboard = match options.dashboard.zip(extras) {
        Some((options, extras)) => {
            let (listener, address) = listen_at(options.listen).await?;
            Some((listener, address, options, extras))
        }
        None => None,
    };
    let service = Arc::new(Service::start(&options.store, key, witnesses).await?);
    if plain_readings {
        service.create_plain_table().await?;
    }
    let router = routes::router(Arc::clone(&service), limits.clone(), plain_readings);
    let (stop, stopping) = watch::channel(false);
    if let Some((listener, address, options, extras)) = dashboard {
        let dashboard = Dashboard::new(service.overview(extras));
        // It has a handle on the store and none on the service, which stops without it.
        tokio::spawn(dashboard::serve(
            listener,
            dashboard,
            options.scope(),
            stopping.clone(),
        ));
        tracing::info!("the dashboard is shown at http://{address}");
    }
    let listening = Listening {
        limits,
        authorities: Some(authorities),
        tls: Arc::new(tls),
        router,
        stopping,
    };
    let weak = Arc::downgrade(&service);
    let accepting = tokio::spawn(async move {
        listening.run(listener, || service.stop_waiting()).await;
        match Arc::try_unwrap(service) {
            Ok(service) => service.stop().await,
            // Connections that were cut off still hold it; the store is sound without a farewell.
            Err(service) => service.stop_waiting(),
        }
        tracing::info!("stopped");
    });
    Ok(Running {
        address,
        stop,
        accepting,
        service: Some(weak),
    })
}

async fn listen_at(asked: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen {
        address: asked,
        source,
    };
    let listener = TcpListener::bind(asked).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn read_signing_key(path: PathBuf) -> Result<SigningKey, ServeError> {
    match crate::files::read_key(&path) {
        Ok(pem) => SigningKey::from_pkcs8_pem(&pem)
            .map_err(|source| ServeError::SigningKey { path, source }),
        Err(source) => Err(ServeError::ReadSigningKey { path, source }),
    }
}
