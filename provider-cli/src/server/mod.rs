//! HTTPS for gateways and operators, and for whoever asks a witness: `docs/spec/http-api.md`.

mod asked;
mod authorities;
mod body;
mod config;
mod connection;
mod dashboard;
mod listening;
mod membership_log;
mod metrics;
mod operators;
mod peer;
mod plain;
mod problem;
mod reload;
mod replicas;
mod routes;
mod start;
mod tls;
mod witness;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use dcnet_protocol::signature::KeyError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use crate::monitoring::TracesError;
pub use crate::service::care::Retention;
pub use config::{ConfigError, Limits};
pub use dashboard::DashboardOptions;
pub use metrics::MetricsOptions;
pub use problem::{MEDIA_TYPE as PROBLEM_MEDIA_TYPE, TYPE_PREFIX as PROBLEM_TYPE_PREFIX};
pub use replicas::ReplicaError;
pub use tls::TlsError;
pub use witness::{WitnessOptions, start_witness};

use crate::monitoring::Exporter;
use crate::service::overview::ExtrasError;
use crate::service::{Location, Service, StartError};
use crate::witness::{ClientError, FolderError, ListedWitness};

/// Media type of all bodies that are not problem details.
pub const MEDIA_TYPE: &str = "application/vnd.dcnet";

/// Everything that a server is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The store; a file is made if it is not there.
    pub store: Location,
    /// How other servers on the same database reach this one, if they do.
    pub replica: Option<ReplicaOptions>,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The server's certificate chain, PEM.
    pub tls_certificate: PathBuf,
    /// Its private key, PEM.
    pub tls_key: PathBuf,
    /// Certificates of the gateways' authorities, PEM.
    pub gateway_ca: PathBuf,
    /// Their revocation lists, PEM, one for each authority.
    pub gateway_crl: Option<PathBuf>,
    /// Certificates of the operators' authorities, PEM; without them operators have no way in.
    pub operator_ca: Option<PathBuf>,
    /// Their revocation lists, PEM, one for each authority.
    pub operator_crl: Option<PathBuf>,
    /// The provider's key for statements, PKCS #8 PEM.
    pub signing_key: PathBuf,
    /// Who is asked to cosign the nets' membership logs.
    pub witnesses: Vec<ListedWitness>,
    /// Where monitoring may ask for metrics; nowhere without.
    pub metrics: Option<MetricsOptions>,
    /// The endpoint of a collector of OpenTelemetry that traces are sent to; nowhere without.
    pub otlp: Option<String>,
    /// The operator's dashboard, if it is wanted.
    pub dashboard: Option<DashboardOptions>,
    /// A folder of evidence that was received: shown on the dashboard, and to operators over HTTPS.
    pub evidence_dir: Option<PathBuf>,
    /// Limits.
    pub limits: Limits,
}

/// How other servers on the same database reach this one.
#[derive(Debug, Clone)]
pub struct ReplicaOptions {
    /// Address to listen on for other servers; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host and port under which they reach it; the address listened on, if none is given.
    pub address: Option<String>,
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
    /// Certificates among the servers of one store.
    #[error(transparent)]
    Replicas(#[from] ReplicaError),
    /// Store and nets.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The collector of traces.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Metrics would be served to strangers.
    #[error(
        "metrics are not served on {0}, which is no loopback address: they go out without TLS and \
         without a password, and tell names and sizes of all nets, how many members were missing in a \
         round, and when a certificate ends or the store fails. Let the monitoring ask over the loopback \
         or a tunnel, or say --metrics-allow-remote if nobody else can reach that address"
    )]
    MetricsRemote(SocketAddr),
    /// What is shown besides what the store has.
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
    reload: Arc<Notify>,
    accepting: JoinHandle<()>,
    /// Of a witness there is none: no task of its own writes.
    service: Option<Weak<Service>>,
    metrics: Option<SocketAddr>,
    traces: Option<Exporter>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are served, if they are.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Reads certificates, keys and revocation lists again, now. It does so by itself as well, a few
    /// seconds after one of the files has changed. If they cannot be used, the log says why, and the
    /// server goes on with what it has.
    pub fn reload(&self) {
        self.reload.notify_one();
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
        if let Some(traces) = self.traces {
            traces.finish().await;
        }
    }
}

/// The description of what operators can ask for (`docs/spec/openapi.json`): `OpenAPI` 3.1.
///
/// # Errors
/// None but want of memory: it is written into a string.
pub fn openapi() -> Result<String, serde_json::Error> {
    operators::describe::published()
}

/// Starts a server.
///
/// # Errors
/// [`ServeError`] says what is missing or in the way; nothing runs then.
pub async fn start(options: Options) -> Result<Running, ServeError> {
    start::start_with(options, false).await
}

/// A server that also takes pseudonymised readings in the clear, with the durability of frames:
/// what the benchmark compares frames with. No command starts it.
///
/// # Errors
/// As [`start`].
#[doc(hidden)]
pub async fn start_with_plain_readings(options: Options) -> Result<Running, ServeError> {
    start::start_with(options, true).await
}

/// Loads what [`start`] needs: certificates, keys, witnesses, and looks at the store. Nothing is changed,
/// nothing listens, and a server may be running with the same files.
///
/// # Errors
/// [`ServeError`] says what is missing or wrong.
pub async fn check(options: &Options) -> Result<(), ServeError> {
    start::Loaded::from(options)?;
    Ok(Service::check(&options.store).await?)
}
