//! A witness's server: section "Witnesses" of `docs/spec/http-api.md`.
//!
//! Whoever asks need not show who it is: what is cosigned is signed by the provider itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::membership::checkpoint::LogFault;
use dcnet_protocol::membership::witness::{CosignError, CosignRequest};
use hyper::{Request, StatusCode};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::config::Limits;
use super::listening::Listening;
use super::problem::Problem;
use super::reload::Files;
use super::routes::{Message, health, unknown_method, unknown_path};
use super::start::{keep_files, listen_at};
use super::{Running, ServeError, asked, body};
use crate::monitoring::Metrics;
use crate::service::now;
use crate::witness::{COSIGN_PATH, CosignRefusal, Witnessing};

/// Largest request in bytes: a path of 64 hashes and a checkpoint need less than 3 KiB.
const MAX_REQUEST: usize = 8 * 1024;

/// Everything that a witness is started with.
#[derive(Debug, Clone)]
pub struct WitnessOptions {
    /// The witness's folder.
    pub folder: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The server's certificate chain, PEM.
    pub tls_certificate: PathBuf,
    /// Its private key, PEM.
    pub tls_key: PathBuf,
    /// Limits.
    pub limits: Limits,
}

struct Api {
    witnessing: Witnessing,
    limits: Limits,
}

/// Starts a witness.
///
/// # Errors
/// [`ServeError`] says what is missing or in the way; nothing runs then.
pub async fn start_witness(options: WitnessOptions) -> Result<Running, ServeError> {
    let WitnessOptions {
        folder,
        listen,
        tls_certificate,
        tls_key,
        limits,
    } = options;
    let files = Files {
        certificate: tls_certificate,
        key: tls_key,
        gateways: None,
        operators: (None, None),
    };
    let trust = files.read()?;
    let witnessing = Witnessing::open(&folder)?;
    let (listener, address) = listen_at(listen).await?;
    tracing::info!(witness = %witnessing.name(), "serving as witness");
    let (stop, stopping) = watch::channel(false);
    let (trust, reload) = keep_files(files, trust, stopping.clone());
    let listening = Listening {
        limits: limits.clone(),
        trust,
        router: router(witnessing, limits),
        stopping,
        // Nobody can ask a witness for them.
        metrics: Arc::new(Metrics::new(0)),
    };
    let accepting = tokio::spawn(async move {
        // No request waits for anything.
        listening.run(listener, || ()).await;
        tracing::info!("stopped");
    });
    Ok(Running {
        address,
        stop,
        reload,
        accepting,
        service: None,
        metrics: None,
        traces: None,
    })
}

fn router(witnessing: Witnessing, limits: Limits) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route(COSIGN_PATH, post(cosign))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn(asked::name_route))
        .with_state(Arc::new(Api { witnessing, limits }))
}

async fn cosign(State(api): State<Arc<Api>>, request: Request<Body>) -> Result<Message, Problem> {
    let bytes = body::read(request, MAX_REQUEST, &api.limits).await?;
    let request = CosignRequest::decode(&bytes)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "malformed", error.to_string()))?;
    let seconds = api.limits.answer_seconds;
    let patience = api.limits.answer();
    // It waits for the disk.
    let cosigning = spawn_blocking(move || api.witnessing.cosign(&request, now()));
    match timeout(patience, cosigning).await {
        Ok(Ok(cosigned)) => Ok(Message(cosigned?.encode().into())),
        Ok(Err(error)) => {
            tracing::error!(%error, "a request ended badly");
            Err(unavailable("the witness failed; nothing was cosigned"))
        }
        Err(_) => Err(Problem::slow(seconds)),
    }
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail).retry(5)
}

impl From<CosignRefusal> for Problem {
    fn from(refusal: CosignRefusal) -> Self {
        let detail = refusal.to_string();
        let problem = |status, slug| Self::new(status, slug, detail);
        match refusal {
            CosignRefusal::UnknownNet(_) => problem(StatusCode::NOT_FOUND, "unknown-net"),
            // What is wrong with a witness's disk is for its owner, who finds it in the log.
            CosignRefusal::Folder(_) => unavailable("what was cosigned before cannot be told"),
            CosignRefusal::Cosign(error) => match error {
                CosignError::OldSize { size, .. } => {
                    problem(StatusCode::CONFLICT, "old-size").with_size(size)
                }
                CosignError::Shrunk { size, .. } => {
                    problem(StatusCode::CONFLICT, "shrunk").with_size(size)
                }
                CosignError::Log(fault) => match fault {
                    LogFault::Signature(_) => problem(StatusCode::FORBIDDEN, "signature"),
                    LogFault::WrongNet { .. } | LogFault::WrongDescriptor => {
                        problem(StatusCode::CONFLICT, "wrong-net")
                    }
                    LogFault::Fork(_) => problem(StatusCode::CONFLICT, "fork"),
                    LogFault::Impossible(_)
                    | LogFault::NotExtended { .. }
                    | LogFault::Entry { .. } => {
                        problem(StatusCode::UNPROCESSABLE_ENTITY, "not-extended")
                    }
                },
            },
        }
    }
}
