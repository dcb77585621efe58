//! Starting a server: files are read, sockets bound, nets started, in this order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use axum::Router;
use dcnet_protocol::signature::SigningKey;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

use super::config::Limits;
use super::dashboard::{self, Dashboard};
use super::listening::Listening;
use super::reload::{self, Files, Trust};
use super::routes::Api;
use super::{Options, Running, ServeError, metrics, replicas, routes};
use crate::monitoring::{Exporter, Metrics, Traces, collector_url};
use crate::service::overview::{Extras, evidence_folder};
use crate::service::{EvidenceFolder, Replica, Service, Start};
use crate::witness::WitnessClient;

/// What a server has read of its files.
pub(super) struct Loaded {
    files: Files,
    trust: Trust,
    key: SigningKey,
    witnesses: Vec<WitnessClient>,
    extras: Option<Extras>,
    evidence: Option<Arc<EvidenceFolder>>,
}

impl Loaded {
    pub(super) fn from(options: &Options) -> Result<Self, ServeError> {
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
        let dashboard = options.dashboard.as_ref();
        if let Some(dashboard) = dashboard.filter(|options| !options.listen.ip().is_loopback()) {
            return Err(ServeError::Exposed(dashboard.listen));
        }
        let evidence = options.evidence_dir.as_deref();
        let evidence = evidence.map(evidence_folder).transpose()?;
        let extras = dashboard.map(|options| options.load(evidence.clone()));
        Ok(Self {
            extras: extras.transpose()?,
            evidence,
            trust: files.read()?,
            key: read_signing_key(options.signing_key.clone())?,
            witnesses: witnesses.collect::<Result<_, _>>()?,
            files,
        })
    }
}

/// The sockets that are listened on. They are bound before nets are read, which may take its time: an
/// address in use is said at once.
struct Ports {
    gateways: (TcpListener, SocketAddr),
    scraped: Option<(TcpListener, SocketAddr)>,
    dashboard: Option<(TcpListener, SocketAddr)>,
    /// For other servers of the same database.
    beside: Option<(TcpListener, SocketAddr)>,
}

impl Ports {
    async fn bind(options: &Options) -> Result<Self, ServeError> {
        let optional = async |asked: Option<SocketAddr>| match asked {
            Some(asked) => listen_at(asked).await.map(Some),
            None => Ok(None),
        };
        let metrics = options.metrics.as_ref().map(|metrics| metrics.listen);
        let dashboard = options.dashboard.as_ref();
        let replica = options.replica.as_ref();
        Ok(Self {
            gateways: listen_at(options.listen).await?,
            scraped: optional(metrics).await?,
            dashboard: optional(dashboard.map(|dashboard| dashboard.listen)).await?,
            beside: optional(replica.map(|replica| replica.listen)).await?,
        })
    }

    /// This server as others of the same database see it.
    fn replica(&self, options: &Options) -> Result<Replica, ServeError> {
        let bound = self.beside.as_ref().map(|(_, address)| address.to_string());
        let given = options.replica.as_ref();
        let given = given.and_then(|replica| replica.address.clone());
        Ok(Replica {
            name: replicas::server_name(self.gateways.1)?,
            address: given.or(bound).unwrap_or_default(),
            lease: options.limits.lease(),
        })
    }
}

/// Counters, and where traces go.
fn watch_over(options: &Options) -> Result<(Arc<Metrics>, Option<Exporter>), ServeError> {
    let labelled = options.metrics.as_ref().map(|metrics| metrics.nets);
    let (traces, exporter) = match &options.otlp {
        Some(endpoint) => {
            let (traces, exporter) = Exporter::start(endpoint)?;
            (traces, Some(exporter))
        }
        None => (Traces::default(), None),
    };
    let metrics = Metrics::with_traces(labelled.unwrap_or(0), &traces);
    Ok((Arc::new(metrics), exporter))
}

pub(super) async fn start_with(
    options: Options,
    plain_readings: bool,
) -> Result<Running, ServeError> {
    let Loaded {
        files,
        trust,
        key,
        witnesses,
        extras,
        evidence,
    } = Loaded::from(&options)?;
    let ports = Ports::bind(&options).await?;
    let (metrics, exporter) = watch_over(&options)?;
    let group = replicas::Group::new(&key)?;
    let start = Start {
        store: &options.store,
        key,
        witnesses,
        replica: ports.replica(&options)?,
        metrics: Arc::clone(&metrics),
        retention: options.limits.retention,
    };
    let service = Service::start(start).await?;
    if plain_readings {
        service.create_plain_table().await?;
    }
    let limits = options.limits;
    let api = Api::new(&service, &limits, group.client(), evidence);
    let routers = routes::routers(&Arc::new(api), plain_readings);
    let (stop, stopping) = watch::channel(false);
    let beside = match ports.beside {
        None => None,
        Some(bound) => {
            let serving = (routers.for_replicas, replicas::limits(&limits));
            let trust = Trust::fixed(group.server()?);
            Some(listen_beside(bound, serving, trust, &stopping, &metrics))
        }
    };
    if let (Some((listener, address)), Some((options, extras))) =
        (ports.dashboard, options.dashboard.zip(extras))
    {
        let dashboard = Dashboard::new(service.overview(extras));
        let (scope, stopping) = (options.scope(), stopping.clone());
        // It has a handle on the store and none on the service, which stops without it.
        tokio::spawn(dashboard::serve(listener, dashboard, scope, stopping));
        tracing::info!("the dashboard is shown at http://{address}");
    }
    let (trust, reload) = keep_files(files, trust, stopping.clone());
    tokio::spawn(tell_end(trust.clone(), Arc::clone(&metrics)));
    tokio::spawn(note_certificates(trust.clone(), Arc::downgrade(&service)));
    let listening = Listening {
        limits,
        trust,
        router: routers.for_gateways,
        stopping: stopping.clone(),
        metrics: Arc::clone(&metrics),
    };
    let weak = Arc::downgrade(&service);
    let metrics_address = ports.scraped.as_ref().map(|(_, address)| *address);
    if let Some((listener, _)) = ports.scraped {
        tokio::spawn(metrics::serve(listener, metrics, weak.clone(), stopping));
    }
    let (listener, address) = ports.gateways;
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

/// Writes into the audit trail that certificates were read again. The server does not wait for it: what was
/// revoked is to be refused at once, also while the store does not answer.
async fn note_certificates(mut trust: watch::Receiver<Arc<Trust>>, service: Weak<Service>) {
    while trust.changed().await.is_ok() {
        let Some(service) = service.upgrade() else {
            return;
        };
        if let Err(error) = service.note_certificates().await {
            tracing::error!(%error, "the audit trail does not have it that certificates were read again");
        }
    }
}

/// Has files read again until the server stops, and when it is notified.
pub(super) fn keep_files(
    files: Files,
    trust: Trust,
    stopping: watch::Receiver<bool>,
) -> (watch::Receiver<Arc<Trust>>, Arc<Notify>) {
    let (sender, trust) = watch::channel(Arc::new(trust));
    let reload = Arc::new(Notify::new());
    tokio::spawn(reload::keep(files, sender, Arc::clone(&reload), stopping));
    (trust, reload)
}

pub(super) async fn listen_at(asked: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
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
