//! Certificates, keys and revocation lists, read again while the server runs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dcnet_protocol::round::UnixTime;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::authorities::{Ageing, Clients};
use super::tls::{self, TlsError};
use crate::pki::Facts;
use crate::service::now;

/// Time between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// Time between two warnings of what will soon be too old.
const WARN: Duration = Duration::from_hours(1);

/// Changes when a file is written or replaced; none, if it cannot be looked at.
type Stamp = Option<(u64, i64, i64, u64)>;

/// Where certificates and lists are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// None: certificates of clients are not asked for.
    pub(super) gateways: Option<(PathBuf, Option<PathBuf>)>,
    pub(super) operators: (Option<PathBuf>, Option<PathBuf>),
}

/// What handshakes and requests are judged by.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) tls: Arc<ServerConfig>,
    /// Whose clients may connect; `None` serves everybody, certificates are not asked for.
    pub(super) clients: Option<Clients>,
    own: Option<Ageing>,
    /// Of the files, from before they were read.
    stamps: Vec<Stamp>,
}

impl Files {
    /// Reads them all.
    pub(super) fn read(&self) -> Result<Trust, TlsError> {
        let stamps = self.stamps();
        let clients = match &self.gateways {
            None => None,
            Some((gateways, list)) => Some(Clients::read(
                (gateways, list.as_deref()),
                (self.operators.0.as_deref(), self.operators.1.as_deref()),
            )?),
        };
        let tls = tls::config(&self.certificate, &self.key, clients.as_ref())?;
        let own = CertificateDer::from_pem_file(&self.certificate).ok();
        let own = own.and_then(|der| Facts::of(&der));
        Ok(Trust {
            tls: Arc::new(tls),
            clients,
            stamps,
            own: own.map(|facts| {
                let what = "the server's certificate".to_owned();
                Ageing::of(what, facts.not_before, facts.not_after)
            }),
        })
    }

    fn stamps(&self) -> Vec<Stamp> {
        let gateways = self.gateways.iter();
        let gateways = gateways.flat_map(|(ca, list)| std::iter::once(ca).chain(list));
        let operators = self.operators.0.iter().chain(&self.operators.1);
        [&self.certificate, &self.key]
            .into_iter()
            .chain(gateways)
            .chain(operators)
            .map(|path| stamp(path))
            .collect()
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}

impl Trust {
    /// What does not change and asks no files: for clients whom the handshake lets through.
    pub(super) fn fixed(tls: ServerConfig) -> Self {
        Self {
            tls: Arc::new(tls),
            clients: None,
            own: None,
            stamps: Vec::new(),
        }
    }

    /// When the server's certificate ends.
    pub(super) fn certificate_ends(&self) -> Option<UnixTime> {
        self.own.as_ref().map(|own| own.ends)
    }

    /// Writes into the log what will soon be too old, or is.
    pub(super) fn warn(&self) {
        let now = now();
        let clients = self.clients.iter().flat_map(Clients::ageing);
        for it in self.own.iter().cloned().chain(clients) {
            let days = it.ends.millis_since(now) / (24 * 3600 * 1000);
            if it.ends <= now {
                tracing::error!("{} is too old: make a new one (dcnet help pki)", it.what);
            } else if it.warn <= now {
                tracing::warn!(
                    "{} ends in {days} days: make a new one (dcnet help pki)",
                    it.what
                );
            }
        }
    }
}

/// Looks at the files until the server stops, at once when `asked`. What cannot be used changes nothing:
/// the server goes on with what it has.
pub(super) async fn keep(
    files: Files,
    trust: watch::Sender<Arc<Trust>>,
    asked: Arc<Notify>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut read = trust.borrow().stamps.clone();
    let mut seen = read.clone();
    let mut warned = Instant::now();
    trust.borrow().warn();
    loop {
        let is_asked = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = asked.notified() => true,
            () = sleep(LOOK) => false,
        };
        let found = files.stamps();
        // Certificate and key are two files: both are to be there before they are read.
        let is_settled = found == seen;
        seen.clone_from(&found);
        if is_asked || (found != read && is_settled) {
            match files.read() {
                Ok(new) => {
                    tracing::info!("certificates, keys and revocation lists were read again");
                    new.warn();
                    trust.send_replace(Arc::new(new));
                }
                Err(error) => {
                    tracing::error!(%error, "the changed files are not used, what was read before is");
                }
            }
            read = found;
            warned = Instant::now();
        } else if warned.elapsed() >= WARN {
            trust.borrow().warn();
            warned = Instant::now();
        }
    }
}
