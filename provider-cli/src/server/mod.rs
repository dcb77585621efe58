//! HTTPS for gateways and operators, and for whoever asks a witness: `docs/spec/http-api.md`.

mod asked;
mod authorities;
mod body;
mod config;
mod connection;
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
mod tls;
mod witness;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use axum::Router;
use dcnet_protocol::signature::{KeyError, SigningKey};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

pub use crate::monitoring::TracesError;
pub use config::{ConfigError, Limits};
pub use metrics::MetricsOptions;
pub use problem::{MEDIA_TYPE as PROBLEM_MEDIA_TYPE, TYPE_PREFIX as PROBLEM_TYPE_PREFIX};
pub use replicas::ReplicaError;
pub use tls::TlsError;
pub use witness::{WitnessOptions, start_witness};

use crate::monitoring::{Exporter, Metrics, Traces, collector_url};
use crate::service::{Location, Replica, Service, Start, StartError};
use crate::witness::{ClientError, FolderError, ListedWitness, WitnessClient};
use listening::Listening;
use reload::{Files, Trust};

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
    files: Files,
    trust: Trust,
    key: SigningKey,
    witnesses: Vec<WitnessClient>,
}

impl Loaded {
    fn from(options: &Options) -> Result<Self, ServeError> {
        let files = Files {
            certificate: options.tls_certificate.clone(),
            key: options.tls_key.clone(),
            gateways: Some((options.gateway_ca.clone(), options.gateway_crl.clone())),
            operators: (options.operator_ca.clone(), options.operator_crl.clone()),
        };
        let witnesses = options.witnesses.iter().map(WitnessClient::new);
        if let Some(metrics) = &options.metrics {
            metrics.check()?;
        }
        if let Some(endpoint) = &options.otlp {
            collector_url(endpoint)?;
        }
        Ok(Self {
            trust: files.read()?,
            key: read_signing_key(options.signing_key.clone())?,
            witnesses: witnesses.collect::<Result<_, _>>()?,
            files,
        })
    }
}

async fn start_with(options: Options, plain_readings: bool) -> Result<Running, ServeError> {
    let Loaded {
        files,
        trust,
        key,
        witnesses,
    } = Loaded::from(&options)?;
    let limits = options.limits;
    let (listener, address) = listen_at(options.listen).await?;
    let labelled = options.metrics.as_ref().map(|metrics| metrics.nets);
    let (traces, exporter) = match &options.otlp {
        Some(endpoint) => {
            let (traces, exporter) = Exporter::start(endpoint)?;
            (traces, Some(exporter))
        }
        None => (Traces::default(), None),
    };
    let metrics = Arc::new(Metrics::with_traces(labelled.unwrap_or(0), &traces));
    // Before nets are read, which may take its time: an address in use is said at once.
    let scraped = match &options.metrics {
        Some(asked) => Some(listen_at(asked.listen).await?),
        None => None,
    };
    let group = replicas::Group::new(&key)?;
    let beside = match &options.replica {
        Some(replica) => Some((listen_at(replica.listen).await?, replica)),
        None => None,
    };
    let reached_at = match &beside {
        Some(((_, address), replica)) => replica
            .address
            .clone()
            .unwrap_or_else(|| address.to_string()),
        None => String::new(),
    };
    let start = Start {
        store: &options.store,
        key,
        witnesses,
        replica: Replica {
            name: replicas::server_name(address)?,
            address: reached_at,
            lease: limits.lease(),
        },
        metrics: Arc::clone(&metrics),
    };
    let service = Service::start(start).await?;
    if plain_readings {
        service.create_plain_table().await?;
    }
    let routers = routes::routers(&service, &limits, group.client(), plain_readings);
    let (stop, stopping) = watch::channel(false);
    let beside = match beside {
        None => None,
        Some((bound, _)) => {
            let serving = (routers.for_replicas, replicas::limits(&limits));
            let trust = Trust::fixed(group.server()?);
            Some(listen_beside(bound, serving, trust, &stopping, &metrics))
        }
    };
    let (trust, reload) = keep_files(files, trust, stopping.clone());
    tokio::spawn(tell_end(trust.clone(), Arc::clone(&metrics)));
    let listening = Listening {
        limits,
        trust,
        router: routers.for_gateways,
        stopping: stopping.clone(),
        metrics: Arc::clone(&metrics),
    };
    let weak = Arc::downgrade(&service);
    let metrics_address = scraped.as_ref().map(|(_, address)| *address);
    if let Some((listener, _)) = scraped {
        tokio::spawn(metrics::serve(listener, metrics, weak.clone(), stopping));
    }
    let accepting = tokio::spawn(async move {
        listening.run(listener, || service.stop_waiting()).await;
        if let Some(beside) = beside
            && let Err(error) = beside.await
        {
            tracing::error!(%error, "the task for other servers ended badly");
        }
        end(service).await;
    });
    Ok(Running {
        address,
        stop,
        reload,
        accepting,
        service: Some(weak),
        metrics: metrics_address,
        traces: exporter,
    })
}

/// Listens for other servers of the same database.
fn listen_beside(
    (listener, address): (TcpListener, SocketAddr),
    (router, limits): (Router, Limits),
    trust: Trust,
    stopping: &watch::Receiver<bool>,
    metrics: &Arc<Metrics>,
) -> JoinHandle<()> {
    tracing::info!(%address, "listening for other servers");
    let (kept, trust) = watch::channel(Arc::new(trust));
    let listening = Listening {
        limits,
        trust,
        router,
        stopping: stopping.clone(),
        metrics: Arc::clone(metrics),
    };
    tokio::spawn(async move {
        listening.run(listener, || ()).await;
        drop(kept);
    })
}

/// A look at the store may be under way, and holds the service for so long at most.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// Ends the service once nobody uses it any more.
async fn end(mut service: Arc<Service>) {
    let deadline = Instant::now() + LAST_LOOK;
    loop {
        service = match Arc::try_unwrap(service) {
            Ok(service) => {
                service.stop().await;
                break;
            }
            // Connections that were cut off still hold it; the store is sound without a farewell.
            Err(_) if deadline < Instant::now() => break,
            Err(service) => service,
        };
        sleep(Duration::from_millis(10)).await;
    }
    tracing::info!("stopped");
}

/// Tells monitoring when the server's certificate ends, also of those that come later.
async fn tell_end(mut trust: watch::Receiver<Arc<Trust>>, metrics: Arc<Metrics>) {
    loop {
        if let Some(end) = trust.borrow_and_update().certificate_ends() {
            metrics.certificate_ends(end.secs());
        }
        if trust.changed().await.is_err() {
            return;
        }
    }
}

/// Has files read again until the server stops, and when it is notified.
fn keep_files(
    files: Files,
    trust: Trust,
    stopping: watch::Receiver<bool>,
) -> (watch::Receiver<Arc<Trust>>, Arc<Notify>) {
    let (sender, trust) = watch::channel(Arc::new(trust));
    let reload = Arc::new(Notify::new());
    tokio::spawn(reload::keep(files, sender, Arc::clone(&reload), stopping));
    (trust, reload)
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
