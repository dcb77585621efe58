//! A target behind TLS that asks who sends: as InfluxDB 2 does, and whatever stands before a service.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, header};
use dcnet_provider::pki::{ProviderFiles, create_provider};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A root of one's own, and a certificate under it for `localhost`.
pub struct Keys {
    folder: TempDir,
    pub files: ProviderFiles,
}

impl Keys {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = create_provider(folder.path(), &["localhost".to_owned()], 2).unwrap();
        Self { folder, files }
    }

    /// Roots that have signed nothing that is shown.
    pub fn other_root(&self) -> PathBuf {
        let folder = self.folder.path().join("other");
        let files = create_provider(&folder, &["localhost".to_owned()], 2).unwrap();
        files.root_certificate
    }
}

/// What was posted.
#[derive(Clone)]
pub struct Posted {
    pub uri: Uri,
    /// How the sender said who it is.
    pub authorization: Option<String>,
    pub key: Option<String>,
    pub body: String,
}

#[derive(Default)]
struct Desk {
    /// What the sender has to say.
    authorization: String,
    taken: Mutex<Vec<Posted>>,
    refused: Mutex<Vec<Posted>>,
}

/// A server that takes what is posted with the right `Authorization`, and nothing else.
pub struct Target {
    pub port: u16,
    pub keys: Keys,
    desk: Arc<Desk>,
}

impl Target {
    pub async fn start(authorization: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let keys = Keys::new();
        let chain = CertificateDer::from_pem_file(&keys.files.tls_certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&keys.files.tls_key).unwrap();
        let tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk = Arc::new(Desk {
            authorization: authorization.to_owned(),
            ..Desk::default()
        });
        let router = Router::new().fallback(take).with_state(Arc::clone(&desk));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    // Whoever does not trust the certificate goes away.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let service = TowerToHyperService::new(router);
                        let connection = http1::Builder::new();
                        let _ = connection
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    }
                });
            }
        });
        Self { port, keys, desk }
    }

    pub fn taken(&self) -> Vec<Posted> {
        self.desk.taken.lock().unwrap().clone()
    }

    pub fn refused(&self) -> Vec<Posted> {
        self.desk.refused.lock().unwrap().clone()
    }
}

/// Tells whoever is refused what it said, as some do.
async fn take(State(desk): State<Arc<Desk>>, request: Request) -> (StatusCode, String) {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let text = |name: &str| Some(head.headers.get(name)?.to_str().unwrap().to_owned());
    let posted = Posted {
        uri: head.uri.clone(),
        authorization: text(header::AUTHORIZATION.as_str()),
        key: text("idempotency-key"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    if posted.authorization.as_ref() == Some(&desk.authorization) {
        desk.taken.lock().unwrap().push(posted);
        return (StatusCode::NO_CONTENT, String::new());
    }
    let shown = posted.authorization.clone().unwrap_or_default();
    let told =
        format!("{{\"code\":\"unauthorized\",\"message\":\"unauthorized access: {shown}\"}}");
    desk.refused.lock().unwrap().push(posted);
    (StatusCode::UNAUTHORIZED, told)
}
