//! Several servers on one PostgreSQL database, behind a real load balancer.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dcnet_tests::harness::{Lab, NetPlan, Process, wait_for};
use dcnet_tests::port::free_port;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::runtime::Runtime;

/// Names a PostgreSQL server in which tests may make databases.
const SERVER: &str = "DCNET_POSTGRES";

/// A new database, as `--store` takes it; none where there is no server or no load balancer.
pub(crate) fn database(name: &str) -> Option<PathBuf> {
    let Ok(server) = std::env::var(SERVER) else {
        eprintln!("skipped: {SERVER} names no PostgreSQL server");
        return None;
    };
    let mut balancer = Command::new("haproxy");
    if balancer.arg("-v").stdout(Stdio::null()).status().is_err() {
        let must = std::env::var_os("DCNET_SHARED").is_some();
        assert!(!must, "haproxy is not on this machine");
        eprintln!("skipped: haproxy is not on this machine");
        return None;
    }
    let name = format!("{name}_{}", std::process::id());
    runtime().block_on(async {
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    let (address, _) = server.rsplit_once('/').unwrap();
    Some(format!("{address}/{name}").into())
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

/// Servers and the balancer before them.
pub(crate) struct Servers {
    folder: PathBuf,
    store: PathBuf,
    all: Vec<Server>,
    balancer: Child,
}

struct Server {
    /// For gateways, for other servers.
    ports: (u16, u16),
    process: Option<Process>,
}

impl Servers {
    /// Starts `count` servers, and gives the gateways the balancer's address.
    pub(crate) fn start(lab: &mut Lab, count: usize) -> Self {
        let folder = lab.folder().to_owned();
        fs::write(folder.join("server.yaml"), "lease_seconds: 1\n").unwrap();
        let servers: Vec<_> = (0..count)
            .map(|_| Server {
                ports: (free_port(), free_port()),
                process: None,
            })
            .collect();
        let port = free_port();
        let balancer = balance(&folder, port, &servers);
        let store = lab.store();
        let mut started = Self {
            folder,
            store,
            all: servers,
            balancer,
        };
        for index in 0..count {
            started.start_one(lab, index);
        }
        lab.use_provider_at(format!("127.0.0.1:{port}")).unwrap();
        started
    }

    /// Starts a server, anew at the ports that it had.
    pub(crate) fn start_one(&mut self, lab: &Lab, index: usize) {
        let files = lab.provider_files();
        let (gateways, servers) = self.all[index].ports;
        let (listen, beside) = (
            format!("127.0.0.1:{gateways}"),
            format!("127.0.0.1:{servers}"),
        );
        let (config, ca) = (self.folder.join("server.yaml"), lab.ca());
        let arguments: [&std::ffi::OsStr; 17] = [
            "serve".as_ref(),
            "--store".as_ref(),
            self.store.as_ref(),
            "--listen".as_ref(),
            listen.as_ref(),
            "--replica-listen".as_ref(),
            beside.as_ref(),
            "--config".as_ref(),
            config.as_ref(),
            "--tls-cert".as_ref(),
            files.tls_certificate.as_ref(),
            "--tls-key".as_ref(),
            files.tls_key.as_ref(),
            "--gateway-ca".as_ref(),
            ca.as_ref(),
            "--signing-key".as_ref(),
            files.signing_key.as_ref(),
        ];
        let name = format!("server-{index}");
        let log = self.folder.join(format!("{name}.log"));
        let (process, line) = lab.program().start_dcnet(&name, &arguments, &log).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        self.all[index].process = Some(process);
    }

    pub(crate) fn kill(&mut self, index: usize) {
        let process = self.all[index].process.take().unwrap();
        process.kill().unwrap();
    }

    /// Which of them serves the net, as the database says.
    pub(crate) fn holder(&self) -> Option<usize> {
        let url = self.store.to_str().unwrap();
        let replica: Option<String> = runtime().block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar("SELECT replica FROM leases WHERE net = $1")
                .bind(NetPlan::NET)
                .fetch_optional(&mut connection)
                .await
                .unwrap()
        });
        let replica = replica?;
        let is_it = |server: &Server| replica.ends_with(&format!(":{}", server.ports.0));
        self.all.iter().position(is_it)
    }

    /// Times that the net has changed hands.
    pub(crate) fn term(&self) -> i64 {
        let url = self.store.to_str().unwrap();
        runtime().block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar("SELECT term FROM leases WHERE net = $1")
                .bind(NetPlan::NET)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.balancer.kill();
        let _ = self.balancer.wait();
    }
}

/// A load balancer that looks five times a second who is there, and passes TLS through.
fn balance(folder: &Path, port: u16, servers: &[Server]) -> Child {
    let mut config = format!(
        "defaults\n mode tcp\n timeout connect 500ms\n timeout client 1m\n timeout server 1m\n retries 3\n \
         option redispatch 1\n\
         frontend gateways\n bind 127.0.0.1:{port}\n default_backend servers\n\
         backend servers\n balance roundrobin\n"
    );
    for (index, server) in servers.iter().enumerate() {
        let port = server.ports.0;
        writeln!(
            config,
            " server s{index} 127.0.0.1:{port} check inter 200ms fall 1 rise 1 \
             on-marked-down shutdown-sessions"
        )
        .unwrap();
    }
    let path = folder.join("haproxy.cfg");
    fs::write(&path, config).unwrap();
    let log = fs::File::create(folder.join("haproxy.log")).unwrap();
    let child = Command::new("haproxy")
        .arg("-f")
        .arg(&path)
        .arg("-db")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_for("the load balancer", Duration::from_secs(10), || {
        Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
    })
    .unwrap();
    child
}
