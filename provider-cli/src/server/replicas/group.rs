//! The certificates by which the servers of one store know each other.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dcnet_protocol::signature::{KeyError, SigningKey};
use hyper::Method;
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::lookup_host;

/// What every server's certificate is for, wherever it listens: the address is in the store.
const NAME: &str = "server.dcnet.internal";

/// Of the secret out of which the authority's key is made.
const LABEL: &str = "dcnet/v1 authority of servers";

/// Longest time for an answer: a long poll, and what the other server takes besides.
const ANSWER: Duration = Duration::from_secs(45);

/// To a server on the same network.
const CONNECT: Duration = Duration::from_millis(500);

/// Between signs of life on a connection, and for an answer to one.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Why servers cannot know each other.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// No key of the authority.
    #[error("cannot derive the key for certificates among servers: {0}")]
    Key(#[from] KeyError),
    /// The derived secret is no scalar of the curve: as likely as a guessed key.
    #[error("the key for certificates among servers is none on P-256")]
    Scalar,
    /// The library that writes certificates.
    #[error("cannot make a certificate for other servers: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS.
    #[error("cannot set up TLS towards other servers: {0}")]
    Tls(#[from] rustls::Error),
    /// The verifier of the others' certificates.
    #[error("cannot check the certificates of other servers: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
}

/// One server's certificate, and the authority of all of them.
pub(in crate::server) struct Group {
    roots: Arc<RootCertStore>,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    peers: Peers,
}

/// Ways to the other servers; cheap to clone.
#[derive(Clone)]
pub(in crate::server) struct Peers(Arc<Ways>);

struct Ways {
    tls: ClientConfig,
    clients: Mutex<HashMap<String, reqwest::Client>>,
}

/// Ways that are kept. There are as many as servers; those that restart may come with a new port.
const MOST_WAYS: usize = 64;

/// The name of a server that listens at `address`: no other one has it, and the same one has it again
/// when it has been started anew, so that it need not wait for its own leases to run out.
pub(in crate::server) fn server_name(address: SocketAddr) -> Result<String, ReplicaError> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if !host.trim().is_empty() {
        return Ok(format!("{}/{address}", host.trim()));
    }
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|_| ReplicaError::Random)?;
    Ok(crate::service::hex(&bytes))
}

impl Peers {
    /// A request to the server at `address`, host and port; none if there is no way to it.
    pub(super) async fn request(
        &self,
        method: Method,
        address: &str,
        path: &str,
    ) -> Option<reqwest::RequestBuilder> {
        let port = address.rsplit_once(':')?.1;
        let client = self.client(address).await?;
        Some(client.request(method, format!("https://{NAME}:{port}{path}")))
    }

    async fn client(&self, address: &str) -> Option<reqwest::Client> {
        let known = |ways: &Ways| {
            let clients = ways.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.get(address).cloned()
        };
        if let Some(client) = known(&self.0) {
            return Some(client);
        }
        let client = self
            .connect(address)
            .await
            .map_err(|error| tracing::warn!(%address, %error, "no way to another server"))
            .ok()?;
        let mut clients = self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_WAYS {
            clients.clear();
        }
        clients.insert(address.to_owned(), client.clone());
        Some(client)
    }

    async fn connect(&self, address: &str) -> Result<reqwest::Client, WayError> {
        let addresses: Vec<_> = lookup_host(address).await?.collect();
        Ok(reqwest::Client::builder()
            .tls_backend_preconfigured(self.0.tls.clone())
            .http2_prior_knowledge()
            .no_proxy()
            .resolve_to_addrs(NAME, &addresses)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A server that vanished with its machine closes nothing.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build()?)
    }
}

#[derive(Debug, thiserror::Error)]
enum WayError {
    #[error("its name cannot be looked up: {0}")]
    Name(#[from] std::io::Error),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl Group {
    /// A new certificate for this server under the authority that follows from the provider's key.
    pub(in crate::server) fn new(provider: &SigningKey) -> Result<Self, ReplicaError> {
        let (authority, authority_key) = authority(provider)?;
        let root = authority.self_signed(&authority_key)?;
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone())?;
        let roots = Arc::new(roots);

        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let issuer = Issuer::from_params(&authority, &authority_key);
        let certificate = params.signed_by(&key, &issuer)?.der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());

        let mut tls = ClientConfig::builder_with_provider(crypto())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(
                vec![certificate.clone()],
                PrivateKeyDer::Pkcs8(key.clone_key()),
            )?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            roots,
            certificate,
            key,
            peers: Peers(Arc::new(Ways {
                tls,
                clients: Mutex::default(),
            })),
        })
    }

    /// A way to the others.
    pub(in crate::server) fn client(&self) -> Peers {
        self.peers.clone()
    }

    /// For the port that others reach.
    pub(in crate::server) fn server(&self) -> Result<ServerConfig, ReplicaError> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), crypto())
                .build()?;
        let mut config = ServerConfig::builder_with_provider(crypto())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![self.certificate.clone()],
                PrivateKeyDer::Pkcs8(self.key.clone_key()),
            )?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn crypto() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The authority: the same at all servers with the same signing key.
fn authority(provider: &SigningKey) -> Result<(CertificateParams, KeyPair), ReplicaError> {
    let secret = provider.derive_secret(LABEL)?;
    let key = p256::SecretKey::from_slice(secret.as_slice()).map_err(|_| ReplicaError::Scalar)?;
    let der = key.to_pkcs8_der().map_err(|_| ReplicaError::Scalar)?;
    let key = PrivatePkcs8KeyDer::from(der.as_bytes());
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "servers of one dcnet provider");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok((params, key))
}
