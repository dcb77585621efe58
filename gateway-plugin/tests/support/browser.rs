//! Somebody who asks for the household's page.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpSocket, TcpStream};

use super::pki::Issued;

/// A client of the page, with a password and a certificate or without.
pub struct Browser {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    base: String,
    pub password: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Browser {
    /// At `base`, such as `http://127.0.0.1:8480`; trusts `roots` and shows the certificate `own`.
    pub fn new(base: &str, roots: &[CertificateDer<'static>], own: Option<&Issued>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone()).unwrap();
        }
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store);
        let tls = match own {
            None => tls.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::Pkcs8(own.key.serialize_der().into());
                tls.with_client_auth_cert(vec![own.certificate.der().clone()], key)
                    .unwrap()
            }
        };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self {
            http,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            base: base.to_owned(),
            password: None,
        }
    }

    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// With further lines of the head; `None` if there is no connection.
    pub fn ask(&self, method: &str, path: &str, head: &[(&str, &str)]) -> Option<Answer> {
        let method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(password) = &self.password {
            request = request.basic_auth("anybody", Some(password));
        }
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            Some(Answer {
                status: answer.status().as_u16(),
                headers: answer.headers().clone(),
                text: answer.text().await.ok()?,
            })
        })
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).unwrap()
    }

    /// Opens connections from the address `from`, which say nothing until they are dropped.
    pub fn say_nothing(&self, count: usize, from: &str, to: &str) -> Vec<TcpStream> {
        let connect = async {
            let mut all = Vec::new();
            for _ in 0..count {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(from.parse().unwrap()).unwrap();
                all.push(socket.connect(to.parse().unwrap()).await.unwrap());
            }
            all
        };
        self.runtime.block_on(connect)
    }

    /// Waits until somebody answers.
    pub fn wait(&self) {
        let started = Instant::now();
        while self.ask("GET", "/api/status", &[]).is_none() {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "nobody answers at {}",
                self.base
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a program gets at the socket in the state directory: head and body.
pub fn at_socket(state: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(state.join("home.sock")).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
