//! `dcnet serve`.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::dashboard::DashboardArgs;
use super::{CliError, Outcome, StoreArg, output};
use crate::monitoring::DEFAULT_NETS;
use crate::server::{self, Limits, MetricsOptions, Options, ReplicaOptions, Running};
use crate::witness::ListedWitness;

/// Where programs with OpenTelemetry look for their collector.
const OTLP_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

const AFTER_HELP: &str = "\
When the server is ready it prints on standard output where it listens:
  listening on https://ADDRESS:PORT
  metrics on http://ADDRESS:PORT/metrics      (with --metrics-listen)
SIGTERM and SIGINT end it gracefully: requests in progress finish, the store is closed.
Certificates, TLS key and revocation lists may be replaced while it runs. It reads them again when
they have changed, or at once on SIGHUP; what cannot be used changes nothing and is told in the log.
Start, stop and such a reading are written into the audit trail (dcnet audit-log show), with the
system's user; a server that cannot write that it starts does not start.
The log goes to standard error; DCNET_LOG sets its detail, such as DCNET_LOG=debug. Lines of one
request have one request_id; the client is told it in X-Request-Id, and may choose it there.

A configuration file names limits that differ from the defaults, in YAML:
  connections: 4096        # at a time
  handshake_seconds: 10    # for the TLS handshake
  idle_seconds: 60         # until a complete request head must be there
  body_seconds: 10         # for a request's body
  answer_seconds: 10       # for an answer
  connection_minutes: 60   # then certificates are looked at again
  frame_bytes: 65536       # largest frame
  body_bytes: 262144       # largest other body
  header_bytes: 8192       # all header fields together
  header_fields: 64
  streams: 64              # per HTTP/2 connection
  shutdown_seconds: 30     # for requests in progress
  lease_seconds: 5         # without a sign of life: then other servers take over
  retention:               # days; older ones are deleted, and nothing unless it is named
    keep_rounds_days: 1095
    keep_rosters_days: 365
    keep_epochs_days: 365
    keep_left_inboxes_days: 30

Several servers may share a PostgreSQL store, behind any load balancer: give each the same signing key
and certificates, and an address of its own as --replica-listen.

Witnesses cosign the membership log of every net; gateways may demand that some of them have. A list
of them, in which ca is a file of root certificates beside the list, and key what
`dcnet witness init` printed:
  - name: w-1
    url: https://witness.example:8444
    key: 02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5
    ca: w-1-ca.pem
A witness that does not answer holds nothing up. It is asked again, and the log says so once.

Metrics for Prometheus tell numbers of the server and of nets, never of a household. They go out
without TLS and without a password, so only on the loopback: --metrics-listen 127.0.0.1:9464. On
the same address /healthz says whether the server gets on.

Traces of requests, transactions and ends of rounds go to a collector of OpenTelemetry over plain
HTTP: --otlp http://127.0.0.1:4318. One that does not answer holds nothing up.

The dashboard shows the operator in a browser how the nets are, and load curves of nets and
regions. It only reads. It is plain HTTP on the loopback and has no password: whoever may log in
to this machine sees it. From elsewhere it is reached through an SSH tunnel
(ssh -L 8445:127.0.0.1:8445 HOST, then http://127.0.0.1:8445), or a reverse proxy that asks who
comes.

Examples:
  dcnet serve --store dcnet.sqlite3 --tls-cert provider/provider-tls.pem \\
    --tls-key provider/provider-tls.key.pem --gateway-ca lab-ca/ca.pem \\
    --signing-key provider/provider-signing.key.pem
  dcnet serve … --dashboard-listen 127.0.0.1:8445 --evidence-dir evidence \\
    --reference-profile standard-load-profiles.csv";

/// Arguments of `dcnet serve`.
#[derive(Debug, Args)]
#[command(
    after_help = AFTER_HELP,
    group = ArgGroup::new("shown_to").args(["dashboard_listen", "operator_ca"]).multiple(true)
)]
pub(super) struct Serve {
    #[command(flatten)]
    store: StoreArg,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// The server's certificate chain, PEM.
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
    /// Certificates of the authorities whose gateways may connect, PEM.
    #[arg(long, value_name = "FILE")]
    gateway_ca: PathBuf,
    /// Their revocation lists, PEM: certificates that are not accepted any more.
    #[arg(long, value_name = "FILE")]
    gateway_crl: Option<PathBuf>,
    /// Certificates of the operators' authorities, PEM; without them operators have no way in.
    #[arg(long, value_name = "FILE")]
    operator_ca: Option<PathBuf>,
    /// Their revocation lists, PEM.
    #[arg(long, value_name = "FILE", requires = "operator_ca")]
    operator_crl: Option<PathBuf>,
    /// The provider's key for statements, PKCS #8 PEM on P-256.
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,
    /// Witnesses that are asked to cosign the membership logs, YAML.
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
    /// Address and port for the other servers of a PostgreSQL store, which hand on to this one what
    /// is for its nets; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    replica_listen: Option<SocketAddr>,
    /// Host and port under which the other servers reach that [default: the address listened on].
    #[arg(long, value_name = "HOST:PORT", requires = "replica_listen")]
    replica_address: Option<String>,
    /// Limits, YAML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port for metrics over plain HTTP: GET /metrics, GET /healthz.
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// Take an address that is no loopback address: whoever reaches it learns names and sizes of the
    /// nets, and when rounds fail.
    #[arg(long, requires = "metrics_listen")]
    metrics_allow_remote: bool,
    /// Nets that have metrics of their own; further ones are in the totals only.
    #[arg(long, value_name = "NUMBER", requires = "metrics_listen", default_value_t = DEFAULT_NETS)]
    metrics_nets: usize,
    /// Collector of OpenTelemetry that traces are sent to; without this option the one that
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` names, if it names any.
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    #[command(flatten)]
    dashboard: DashboardArgs,
    /// Folder with evidence (*.bin) that owners of gateways sent in: verified, and shown on the
    /// dashboard, and to administrators and auditors over HTTPS.
    #[arg(long, value_name = "DIR", requires = "shown_to")]
    evidence_dir: Option<PathBuf>,
    /// Form of the log.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Load all files and look at the store, say what is wrong, and end: nothing listens, nothing is
    /// changed, and a server may be running meanwhile.
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Serve {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        start_log(self.log_format);
        if self.check {
            let checked = self.check().await;
            return checked.map_err(|error| CliError::Check(Box::new(error)));
        }
        // Before the server starts: a signal in between must not kill it.
        let signals = Signals::catch()?;
        let running = server::start(self.options()?).await?;
        signals.end(running).await
    }

    async fn check(self) -> Result<Outcome, CliError> {
        server::check(&self.options()?).await?;
        output::text("ready to serve")?;
        Ok(Outcome::Done)
    }

    fn options(self) -> Result<Options, CliError> {
        let limits = self
            .config
            .as_deref()
            .map_or(Ok(Limits::default()), Limits::from_file)?;
        let witnesses = self
            .witnesses
            .as_deref()
            .map_or(Ok(Vec::new()), ListedWitness::from_file)?;
        let metrics = self.metrics_listen.map(|listen| MetricsOptions {
            listen,
            allow_remote: self.metrics_allow_remote,
            nets: self.metrics_nets,
        });
        let otlp = self
            .otlp
            .or_else(|| std::env::var(OTLP_VARIABLE).ok())
            .filter(|endpoint| !endpoint.is_empty());
        Ok(Options {
            store: self.store.store,
            replica: self.replica_listen.map(|listen| ReplicaOptions {
                listen,
                address: self.replica_address,
            }),
            listen: self.listen,
            tls_certificate: self.tls_cert,
            tls_key: self.tls_key,
            gateway_ca: self.gateway_ca,
            gateway_crl: self.gateway_crl,
            operator_ca: self.operator_ca,
            operator_crl: self.operator_crl,
            signing_key: self.signing_key,
            witnesses,
            metrics,
            otlp,
            dashboard: self.dashboard.options(),
            evidence_dir: self.evidence_dir,
            limits,
        })
    }
}

/// The signals that end a server, and the one by which it reads its files again.
pub(super) struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they do not kill the process any more.
    pub(super) fn catch() -> Result<Self, CliError> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup()).map_err(CliError::Runtime)?,
            terminate: signal(SignalKind::terminate()).map_err(CliError::Runtime)?,
            interrupt: signal(SignalKind::interrupt()).map_err(CliError::Runtime)?,
        })
    }

    /// Says where the server listens; returns when one of the signals has ended it.
    pub(super) async fn end(mut self, running: Running) -> Result<Outcome, CliError> {
        announce(&running)?;
        tell_manager(&[
            NotifyState::Ready,
            NotifyState::Status(&format!("listening on https://{}", running.address())),
        ]);
        let reloading = async {
            while self.hang_up.recv().await.is_some() {
                running.reload();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("SIGTERM"),
            _ = self.interrupt.recv() => tracing::info!("SIGINT"),
            () = reloading => {}
            () = keep_watchdog(&running) => {}
        }
        tell_manager(&[
            NotifyState::Stopping,
            NotifyState::Status("shutting down: requests in progress finish"),
        ]);
        running.stop().await;
        Ok(Outcome::Done)
    }
}

/// Tells the service manager that the server gets on, each time that it has shown it.
async fn keep_watchdog(running: &Running) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    loop {
        running.gets_on().await;
        tell_manager(&[NotifyState::Watchdog]);
        tokio::time::sleep(limit / 3).await;
    }
}

/// The service manager (systemd), if there is one.
pub(super) fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told anything");
    }
}

fn announce(running: &Running) -> io::Result<()> {
    let metrics = running.metrics_address();
    let metrics = metrics.map(|address| format!("metrics on http://{address}/metrics\n"));
    let text = format!(
        "listening on https://{}\n{}",
        running.address(),
        metrics.unwrap_or_default()
    );
    let mut out = io::stdout().lock();
    // In one piece: whoever waits for the first line may go away after it.
    out.write_all(text.as_bytes())?;
    // A pipe would keep the line back, and whoever started us waits for it.
    out.flush()
}

pub(super) fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("DCNET_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    // An error means that a log is running already, which does as well.
    let _ = match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}
