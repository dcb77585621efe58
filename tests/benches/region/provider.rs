//! The provider as a process of its own: what it uses is its own then.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::SigningKey;
use dcnet_provider::Location;
use dcnet_provider::bench::Direct;
use dcnet_provider::pki::ProviderFiles;
use dcnet_provider::server::{Limits, Options, start};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::wire::{Kind, Request, Response, answer, receive};

/// Tells a process that it is the provider, and how its requests come.
const ROLE: &str = "DCNET_REGION_PROVIDER";
const STORE: &str = "DCNET_REGION_PROVIDER_STORE";
const FOLDER: &str = "DCNET_REGION_PROVIDER_FOLDER";

/// The files of a provider.
pub(crate) fn files(folder: &Path) -> ProviderFiles {
    ProviderFiles::in_folder(&folder.join("provider"))
}

/// A running provider.
pub(crate) struct Provider {
    child: Child,
    /// The provider ends with it.
    _stdin: ChildStdin,
    /// What it said when it was ready.
    said: String,
}

impl Provider {
    /// Takes requests without TLS.
    pub(crate) fn direct(folder: &Path, store: &str) -> Self {
        Self::start("direct", folder, store)
    }

    /// The server as `dcnet serve` is one.
    pub(crate) fn tls(folder: &Path, store: &str) -> Self {
        Self::start("tls", folder, store)
    }

    fn start(role: &str, folder: &Path, store: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, role)
            .env(STORE, store)
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert!(!said.is_empty(), "the provider did not start");
        Self {
            _stdin: child.stdin.take().unwrap(),
            child,
            said: said.trim().to_owned(),
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        Path::new(&self.said)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.said.parse().unwrap()
    }

    /// Processor time of the process so far, in microseconds.
    pub(crate) fn cpu(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name of the program, in brackets, may hold spaces.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
        // utime and stime, in hundredths of a second on every Linux there is.
        (ticks(11) + ticks(12)) * 10_000
    }

    /// Resident memory in bytes: now, and at most until now.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
                * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Nothing of its state is looked at afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process is a provider: then it is one until its driver ends.
pub(crate) fn is_one() -> bool {
    let Ok(role) = std::env::var(ROLE) else {
        return false;
    };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let Ok(store) = std::env::var(STORE).unwrap().parse::<Location>();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(|| {
        // The driver says nothing; it is gone when this returns.
        let _ = std::io::stdin().lines().next();
        std::process::exit(0);
    });
    runtime.block_on(async {
        if role == "direct" {
            serve(&folder, store).await;
        } else {
            let running = start(options(&folder, store)).await.unwrap();
            ready(&running.address().to_string());
            std::future::pending::<()>().await;
        }
    });
    true
}

fn ready(text: &str) {
    println!("{text}");
    std::io::stdout().flush().unwrap();
}

async fn serve(folder: &Path, store: Location) {
    let key = std::fs::read_to_string(files(folder).signing_key).unwrap();
    let authority = CertificateDer::from_pem_file(folder.join("ca/ca.pem")).unwrap();
    let direct = Direct::start(
        &store,
        SigningKey::from_pkcs8_pem(&key).unwrap(),
        Sha256::digest(&authority).into(),
    );
    let direct = Arc::new(direct.await.unwrap());
    let socket = folder.join("socket");
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    ready(socket.to_str().unwrap());
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let direct = Arc::clone(&direct);
        tokio::spawn(async move {
            while let Some(requests) = receive(&mut stream).await.unwrap() {
                let responses = carry_out(&direct, requests).await;
                answer(&mut stream, &responses).await.unwrap();
            }
        });
    }
}

/// All requests of a batch at the same time, each as a task of its own: so they come from handlers.
async fn carry_out(direct: &Arc<Direct>, requests: Vec<Request>) -> Vec<Response> {
    let arrived = Instant::now();
    let mut tasks = JoinSet::new();
    let count = requests.len();
    for (index, request) in requests.into_iter().enumerate() {
        let direct = Arc::clone(direct);
        tasks.spawn(async move {
            let body = one(&direct, request).await;
            let took = arrived.elapsed();
            (index, Response { took, body })
        });
    }
    let mut responses: Vec<Option<Response>> = (0..count).map(|_| None).collect();
    while let Some(done) = tasks.join_next().await {
        let (index, response) = done.unwrap();
        responses[index] = Some(response);
    }
    responses.into_iter().flatten().collect()
}

async fn one(direct: &Direct, request: Request) -> Result<Vec<u8>, String> {
    let Request {
        client, net, wait, ..
    } = request;
    let text = |error: dcnet_provider::bench::DirectError| error.to_string();
    let round = Round::new(request.number);
    match request.kind {
        Kind::Frame => {
            let receipt = direct.frame(client, net, request.body).await;
            Ok(receipt.map_err(text)?.encode())
        }
        Kind::Roster => {
            let behind = (round, request.step);
            let roster = direct.roster(client, net, behind, wait).await;
            Ok(roster
                .map_err(text)?
                .map(|bytes| bytes.to_vec())
                .unwrap_or_default())
        }
        Kind::Inbox => direct
            .inbox(client, net, request.number, wait)
            .await
            .map_err(text),
        Kind::Outcome => {
            let outcome = direct.outcome(net, round).await;
            let outcome = outcome.map_err(|error| error.to_string())?;
            Ok(outcome.map(|outcome| outcome.encode()).unwrap_or_default())
        }
    }
}

/// Long enough for connections to be kept between the rounds of a benchmark.
const IDLE: Duration = Duration::from_mins(10);

fn options(folder: &Path, store: Location) -> Options {
    let files = files(folder);
    Options {
        store,
        replica: None,
        listen: "127.0.0.1:0".parse().unwrap(),
        tls_certificate: files.tls_certificate,
        tls_key: files.tls_key,
        gateway_ca: folder.join("ca/ca.pem"),
        gateway_crl: None,
        operator_ca: None,
        operator_crl: None,
        signing_key: files.signing_key,
        dashboard: None,
        evidence_dir: None,
        witnesses: Vec::new(),
        metrics: None,
        otlp: None,
        limits: Limits {
            connections: 20_000,
            idle_seconds: u32::try_from(IDLE.as_secs()).unwrap(),
            ..Limits::default()
        },
    }
}
