//! Real servers, each in a folder of its own.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dcnet_provider::pki::ProviderFiles;
use serde_json::Value;
use tempfile::TempDir;

use crate::port::free_port;
use crate::store::has;

const MOSQUITTO: &str = "/usr/sbin/mosquitto";

/// A process that ends with the test.
pub struct Server {
    process: Child,
    folder: TempDir,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait(what: &str, mut is_ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_ready() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{what} did not start"
        );
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn silent(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().unwrap()
}

/// mosquitto, with user `me`.
pub fn mosquitto() -> Option<Server> {
    let (folder, known) = known()?;
    Some(mosquitto_in(folder, &known))
}

/// The same, and the port on which it speaks TLS.
pub fn mosquitto_with_tls(keys: &ProviderFiles) -> Option<(Server, u16)> {
    let (folder, known) = known()?;
    let [certificate, key] = [&keys.tls_certificate, &keys.tls_key].map(|file| {
        let copy = folder.path().join(file.file_name().unwrap());
        std::fs::copy(file, &copy).unwrap();
        let readable = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&copy, readable).unwrap();
        copy.display().to_string()
    });
    let port = free_port();
    let more = format!("{known}\nlistener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}");
    Some((mosquitto_in(folder, &more), port))
}

/// A folder of a broker that knows `me`, and how it says so.
fn known() -> Option<(TempDir, String)> {
    let folder = tempfile::tempdir().unwrap();
    if !has(MOSQUITTO) || !has("mosquitto_sub") {
        return None;
    }
    let passwords = folder.path().join("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["me", "s3cret-of-the-test"])
        .status();
    assert!(made.unwrap().success());
    // The broker gives its rights up before it reads the file.
    for (path, mode) in [(passwords.as_path(), "644"), (folder.path(), "755")] {
        assert!(
            Command::new("chmod")
                .arg(mode)
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    }
    let known = format!("password_file {}", passwords.display());
    Some((folder, known))
}

/// mosquitto, for everybody.
pub fn mosquitto_for_all() -> Option<Server> {
    if !has(MOSQUITTO) || !has("mosquitto_sub") {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    Some(mosquitto_in(folder, "allow_anonymous true"))
}

fn mosquitto_in(folder: TempDir, whom: &str) -> Server {
    let (config, port) = (folder.path().join("mosquitto.conf"), free_port());
    let text = format!("listener {port} 127.0.0.1\n{whom}\nmax_queued_messages 0\n");
    std::fs::write(&config, text).unwrap();
    let process = silent(Command::new(MOSQUITTO).arg("-c").arg(&config));
    wait("mosquitto", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Server {
        process,
        folder,
        port,
    }
}

impl Server {
    /// Subscribes to everything, durably; what arrives stands in the file.
    pub fn subscribe(&self) -> (Server, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages");
        let process = Command::new("mosquitto_sub")
            .args([
                "-p",
                &self.port.to_string(),
                "-u",
                "me",
                "-P",
                "s3cret-of-the-test",
            ])
            .args(["-q", "1", "-c", "-i", "reader", "-t", "sums/#", "-v"])
            .stdout(std::fs::File::create(&path).unwrap())
            .spawn()
            .unwrap();
        // There is no sign of a subscription that is in place but a message that comes through.
        wait("mosquitto_sub", || {
            let sent = Command::new("mosquitto_pub")
                .args([
                    "-p",
                    &self.port.to_string(),
                    "-u",
                    "me",
                    "-P",
                    "s3cret-of-the-test",
                ])
                .args(["-t", "sums/probe", "-m", "probe"])
                .status();
            sent.unwrap().success() && std::fs::metadata(&path).unwrap().len() > 0
        });
        let port = self.port;
        let server = Server {
            process,
            folder,
            port,
        };
        (server, path)
    }
}

/// PostgreSQL on a socket in the folder, which is given.
pub fn postgres() -> Option<(Server, String)> {
    let cluster = Cluster::new()?;
    let socket = cluster.folder.path().to_str().unwrap().to_owned();
    Some((cluster.start(&["listen_addresses="]), socket))
}

/// PostgreSQL for user `dcnet` with a password, over TLS only, with the certificate among `keys`.
pub fn postgres_with_tls(keys: &ProviderFiles) -> Option<Server> {
    let cluster = Cluster::new()?;
    let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n\
                 hostnossl all all 127.0.0.1/32 reject\n";
    std::fs::write(cluster.folder.path().join("data/pg_hba.conf"), rules).unwrap();
    let [certificate, key] = [&keys.tls_certificate, &keys.tls_key].map(|file| {
        let copy = cluster.folder.path().join(file.file_name().unwrap());
        std::fs::copy(file, &copy).unwrap();
        cluster.give(&copy);
        copy.display().to_string()
    });
    let server = cluster.start(&[
        "listen_addresses=127.0.0.1",
        "ssl=on",
        &format!("ssl_cert_file={certificate}"),
        &format!("ssl_key_file={key}"),
    ]);
    let password = "ALTER USER dcnet PASSWORD 's3cret-of-the-test'";
    assert!(server.query(password).is_some());
    Some(server)
}

/// What a PostgreSQL server needs that is not started yet.
struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    is_root: bool,
}

impl Cluster {
    fn new() -> Option<Self> {
        // Debian has the programs of each version in a folder of its own.
        let versions = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten();
        let versions = versions.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let newest = versions.max_by_key(|version| version.parse::<u32>().unwrap_or_default());
        let programs = Path::new("/usr/lib/postgresql")
            .join(newest.unwrap_or_default())
            .join("bin");
        if !has(programs.join("postgres").to_str().unwrap()) {
            return None;
        }
        let cluster = Self {
            folder: tempfile::tempdir().unwrap(),
            programs,
            is_root: Command::new("id").arg("-u").output().unwrap().stdout == b"0\n",
        };
        cluster.give(cluster.folder.path());
        let made = cluster
            .command("initdb")
            .args(["-A", "trust", "-N", "-U", "dcnet", "--locale=C"])
            .args(["-E", "UTF8", "-D"])
            .arg(cluster.folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Some(cluster)
    }

    /// It does not run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        if !self.is_root {
            return Command::new(program);
        }
        // In place of the shell of `su`, so that the process that is killed is the server.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        command.arg(program).current_dir("/");
        command
    }

    /// Makes a file that of the user who runs it.
    fn give(&self, path: &Path) {
        if self.is_root {
            let owned = Command::new("chown").arg("postgres").arg(path).status();
            assert!(owned.unwrap().success());
        }
    }

    fn start(self, settings: &[&str]) -> Server {
        let port = free_port();
        let mut command = self.command("postgres");
        command.args(["-c", "fsync=off", "-p", &port.to_string(), "-k"]);
        command.arg(self.folder.path()).arg("-D");
        command.arg(self.folder.path().join("data"));
        for setting in settings {
            command.args(["-c", setting]);
        }
        let server = Server {
            process: silent(&mut command),
            folder: self.folder,
            port,
        };
        wait("PostgreSQL", || server.query("SELECT 1").is_some());
        server
    }
}

impl Server {
    /// What psql reads.
    pub fn query(&self, statement: &str) -> Option<String> {
        let output = Command::new("psql")
            .args(["-At", "-U", "dcnet", "-d", "postgres", "-c", statement])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(self.folder.path())
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap())
    }
}

/// InfluxDB 1.6 with the database `grid`.
pub async fn influxdb() -> Option<Server> {
    let server = influxdb_with("")?;
    server.influx("CREATE DATABASE grid").await;
    Some(server)
}

/// The same over TLS, with the certificate among `keys`, and for user `me` with a password only.
pub async fn influxdb_with_users(keys: &ProviderFiles) -> Option<Influx> {
    let settings = format!(
        "  auth-enabled = true\n  https-enabled = true\n  https-certificate = \"{}\"\n  https-private-key = \"{}\"\n",
        keys.tls_certificate.display(),
        keys.tls_key.display()
    );
    let server = influxdb_with(&settings)?;
    let root = std::fs::read(&keys.root_certificate).unwrap();
    let root = reqwest::Certificate::from_pem(&root).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]);
    let influx = Influx {
        port: server.port,
        _server: server,
        client: client.build().unwrap(),
    };
    // Whoever comes first makes the first user.
    let user = "CREATE USER me WITH PASSWORD 's3cret-of-the-test' WITH ALL PRIVILEGES";
    influx.influx(user).await;
    influx.influx("CREATE DATABASE grid").await;
    Some(influx)
}

fn influxdb_with(settings: &str) -> Option<Server> {
    if !Path::new("/usr/bin/influxd").exists() && !has("influxd") {
        return None;
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (folder, port, rpc) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n[meta]\n  dir = {:?}\n\
         [data]\n  dir = {:?}\n  wal-dir = {:?}\n[monitor]\n  store-enabled = false\n\
         [http]\n  bind-address = \"127.0.0.1:{port}\"\n  log-enabled = false\n{settings}",
        at("meta"),
        at("data"),
        at("wal")
    );
    let config = folder.path().join("influxdb.conf");
    std::fs::write(&config, text).unwrap();
    let process = silent(Command::new("influxd").arg("-config").arg(&config));
    let server = Server {
        process,
        folder,
        port,
    };
    wait("InfluxDB", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Some(server)
}

impl Server {
    /// What InfluxDB answers.
    pub async fn influx(&self, query: &str) -> Value {
        let base = format!("http://127.0.0.1:{}", self.port);
        ask(reqwest::Client::new().post(queried(&base, query))).await
    }
}

/// InfluxDB for those whom it knows.
pub struct Influx {
    _server: Server,
    pub port: u16,
    client: reqwest::Client,
}

impl Influx {
    /// What it answers.
    pub async fn influx(&self, query: &str) -> Value {
        let base = format!("https://localhost:{}", self.port);
        let asked = self.client.post(queried(&base, query));
        ask(asked.basic_auth("me", Some("s3cret-of-the-test"))).await
    }
}

fn queried(base: &str, query: &str) -> reqwest::Url {
    let mut url: reqwest::Url = format!("{base}/query").parse().unwrap();
    url.query_pairs_mut()
        .extend_pairs([("db", "grid"), ("epoch", "ns"), ("q", query)]);
    url
}

async fn ask(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}
