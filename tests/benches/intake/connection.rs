//! A kept-alive connection of a gateway: real TLS 1.3 with its certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use dcnet_provider::pki::ProviderFiles;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::lab::Gateway;
use crate::requests::Request;

pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(
        gateway: &Gateway,
        provider: &ProviderFiles,
        address: SocketAddr,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(&provider.root_certificate).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        let chain = CertificateDer::pem_file_iter(&gateway.files.tls_certificate)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(&gateway.files.tls_key).unwrap();
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
            .unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Writes a request and reads its whole response, which must be the expected one.
    pub(crate) async fn exchange(&mut self, request: &Request) {
        self.stream.write_all(&request.bytes).await.unwrap();
        self.stream.flush().await.unwrap();
        self.buffer.clear();
        loop {
            let mut piece = [0; 2048];
            let read = self.stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "the server hung up");
            self.buffer.extend_from_slice(&piece[..read]);
            if body(&self.buffer).is_some() {
                break;
            }
        }
        let shown = || String::from_utf8_lossy(&self.buffer).into_owned();
        assert!(self.buffer.starts_with(b"HTTP/1.1 200 "), "{}", shown());
        let body = body(&self.buffer).unwrap();
        assert!(body.starts_with(&request.answer), "{}", shown());
    }
}

/// The body of a response, when it is all there.
fn body(response: &[u8]) -> Option<&[u8]> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, body) = response.split_at(end);
    let head = std::str::from_utf8(head).unwrap().to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let (length, _) = length.split_once("\r\n")?;
    (body.len() >= length.parse().unwrap()).then_some(body)
}
