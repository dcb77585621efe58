//! A laboratory: certificates, a store with nets, the real `dcnet` process, and gateways that
//! speak HTTPS with client certificates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    missing_docs,
    reason = "shared by several test binaries, each of which uses a part"
)]

pub mod descriptor;
mod gateway;
pub mod machine;
mod net;
pub mod operators;
#[path = "../../../tests/src/port.rs"]
pub mod port;
pub mod prometheus;
pub mod published;
pub mod statements;
mod store;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use dcnet_protocol::names::ClientId;
use dcnet_protocol::signature::SigningKey;
use dcnet_provider::pki::{Authority, GatewayFiles, ProviderFiles, create_provider};
use reqwest::{Client, ClientBuilder};
use tempfile::TempDir;

pub use gateway::{Answer, Gateway};
pub use net::{Net, holds, now, receipt, roster_path};
pub(crate) use store::on_both;
pub use store::{SERVER, Store, place};

pub const MEDIA_TYPE: &str = "application/vnd.dcnet";
pub const PROBLEM: &str = "application/problem+json";

pub struct Lab {
    pub folder: TempDir,
    pub authority: Authority,
    pub provider: ProviderFiles,
    pub store: Store,
    /// Where the last server on a database listened: the next one is the same server, started anew.
    address: Mutex<Option<String>>,
}

impl Lab {
    /// On a file.
    pub fn new() -> Self {
        Self::on(None)
    }

    /// On a database of its own; none where there is no PostgreSQL server.
    pub fn on_postgres() -> Option<Self> {
        Store::postgres().map(|store| Self::on(Some(store)))
    }

    fn on(store: Option<Store>) -> Self {
        // Every test in the process asks for the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("ca")).unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let provider = create_provider(&folder.path().join("provider"), &names, 30).unwrap();
        let file = folder.path().join("store.sqlite3");
        let store = store.unwrap_or_else(|| Store::Sqlite(file.to_str().unwrap().to_owned()));
        Self {
            folder,
            authority,
            provider,
            store,
            address: Mutex::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of a laboratory that has one.
    pub fn store(&self) -> PathBuf {
        self.path("store.sqlite3")
    }

    /// Runs `dcnet` to its end.
    pub fn dcnet(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dcnet"))
            .args(args)
            .arg("--store")
            .arg(self.store.location())
            .output()
            .unwrap()
    }

    pub fn dcnet_json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.dcnet(args);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// What `dcnet COMMAND SUBCOMMAND … --json` prints, held against the published schema.
    pub fn dcnet_published(&self, args: &[&str]) -> serde_json::Value {
        let value = self.dcnet_json(&[args, &["--json"]].concat());
        let command = args[..2].join("-");
        if let Some(fault) = published::fault(&command, &value) {
            panic!("{command}: {fault}: {value}");
        }
        value
    }

    /// A net that corrects by resending, with rounds of 5 s: 2 s to submit, 1 s to correct. It takes
    /// the frames of a round from 2 s before the border until 2 s after it.
    pub fn create_net(&self, name: &str) {
        self.create_net_with(
            name,
            &self.authority.certificate_path(),
            &["--interval", "5s"],
        );
    }

    pub fn create_net_with(&self, name: &str, ca: &Path, args: &[&str]) {
        let defaults = [
            "--submit-window",
            "2s",
            "--correction-window",
            "1s",
            "--mode",
            "resend",
            "--degree",
            "3",
            "--threshold",
            "2",
        ];
        let given: Vec<&str> = defaults
            .chunks(2)
            .filter(|pair| !args.contains(&pair[0]))
            .flatten()
            .copied()
            .collect();
        let output = self.dcnet(
            &[
                &["net", "create", name, "--min-size", "4"][..],
                &["--slot", "1-0:1.8.0,Wh,-1", "--slot", "1-0:16.7.0,W,0"],
                &["--gateway-ca", ca.to_str().unwrap()],
                &["--signing-key", self.provider.signing_key.to_str().unwrap()],
                &given[..],
                args,
            ]
            .concat(),
        );
        assert!(output.status.success(), "{output:?}");
    }

    /// A net that corrects by double masks, of five of whom one may be missing in a round: rounds of
    /// 12 s, 2 s to submit, 8 s to correct.
    pub fn create_masked_net(&self, name: &str) {
        self.create_net_with(
            name,
            &self.authority.certificate_path(),
            &[
                "--mode",
                "double-mask",
                "--interval",
                "12s",
                "--correction-window",
                "8s",
                "--degree",
                "4",
                "--threshold",
                "3",
                "--max-loss",
                "250",
            ],
        );
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&self.authority.certificate_path(), &[])
    }

    pub fn serve_with(&self, ca: &Path, args: &[&str]) -> Server {
        let server = Server::spawn(&mut self.serve_command(ca, args));
        if let Store::Postgres(_) = self.store {
            let address = server.url.trim_start_matches("https://").to_owned();
            *self.address.lock().unwrap() = Some(address);
        }
        server
    }

    /// `dcnet serve`, not started yet.
    pub fn serve_command(&self, ca: &Path, args: &[&str]) -> Command {
        let address = self.address.lock().unwrap().take();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcnet"));
        command
            .arg("serve")
            .args(["--listen", address.as_deref().unwrap_or("127.0.0.1:0")])
            .arg("--store")
            .arg(self.store.location())
            .arg("--tls-cert")
            .arg(&self.provider.tls_certificate)
            .arg("--tls-key")
            .arg(&self.provider.tls_key)
            .arg("--gateway-ca")
            .arg(ca)
            .arg("--signing-key")
            .arg(&self.provider.signing_key)
            .args(args);
        command
    }

    pub fn gateway(&self, name: &str) -> Gateway {
        self.gateway_of(&self.authority, name)
    }

    pub fn gateway_of(&self, authority: &Authority, name: &str) -> Gateway {
        let id: ClientId = name.parse().unwrap();
        let out = self.path("gateways").join(name);
        let files = if out.exists() {
            GatewayFiles::in_folder(&out)
        } else {
            authority.issue(&id, &out, 30).unwrap()
        };
        let pem = std::fs::read_to_string(&files.sig_key).unwrap();
        let http = self.http(Some((&files.tls_certificate, &files.tls_key)));
        Gateway {
            id,
            key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
            files,
            http,
        }
    }

    pub fn http(&self, identity: Option<(&Path, &Path)>) -> Client {
        self.http_of(Client::builder(), identity)
    }

    /// The same of a client that is peculiar otherwise.
    pub fn http_of(&self, builder: ClientBuilder, identity: Option<(&Path, &Path)>) -> Client {
        let root = std::fs::read(&self.provider.root_certificate).unwrap();
        let root = reqwest::Certificate::from_pem(&root).unwrap();
        let mut builder = builder
            .tls_certs_only([root])
            .timeout(Duration::from_secs(40));
        if let Some((certificate, key)) = identity {
            let mut pem = std::fs::read(certificate).unwrap();
            pem.extend(std::fs::read(key).unwrap());
            builder = builder.identity(reqwest::Identity::from_pem(&pem).unwrap());
        }
        builder.build().unwrap()
    }
}

/// The real process; killed if a test forgets it.
pub struct Server {
    pub url: String,
    /// Where its metrics are, if it was told to serve some.
    pub metrics: Option<String>,
    child: Option<Child>,
    log: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts a command that says where it listens.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let Some(url) = line.trim_end().strip_prefix("listening on ") else {
            child.wait().unwrap();
            panic!("not ready: {}", log.join().unwrap());
        };
        let asked = command.get_args().any(|arg| arg == "--metrics-listen");
        let metrics = asked.then(|| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let url = line.trim_end().strip_prefix("metrics on ").unwrap();
            url.to_owned()
        });
        Self {
            url: url.to_owned(),
            metrics,
            child: Some(child),
            log: Some(log),
        }
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Ends with `signal`: how it ended, and its log.
    pub fn end(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        self.wait()
    }

    pub fn wait(&mut self) -> (ExitStatus, String) {
        let status = self.child.take().unwrap().wait().unwrap();
        (status, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

pub fn four(lab: &Lab) -> Vec<Gateway> {
    ["gw-1", "gw-2", "gw-3", "gw-4"]
        .iter()
        .map(|name| lab.gateway(name))
        .collect()
}
