//! Real servers, each in a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::port::free_port;
use crate::store::has;

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
    let program = "/usr/sbin/mosquitto";
    if !has(program) || !has("mosquitto_sub") {
        return None;
    }
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
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
    let config = folder.path().join("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\npassword_file {}\nmax_queued_messages 0\n",
        passwords.display()
    );
    std::fs::write(&config, text).unwrap();
    let process = silent(Command::new(program).arg("-c").arg(&config));
    wait("mosquitto", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Some(Server {
        process,
        folder,
        port,
    })
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
    let folder = tempfile::tempdir().unwrap();
    // It does not run as root.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let command = |program: &str| {
        let program = programs.join(program);
        if !is_root {
            return Command::new(program);
        }
        // In place of the shell of `su`, so that the process that is killed is the server.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        command.arg(program).current_dir("/");
        command
    };
    if is_root {
        let owned = Command::new("chown")
            .arg("postgres")
            .arg(folder.path())
            .status();
        assert!(owned.unwrap().success());
    }
    let data = folder.path().join("data");
    let made = command("initdb")
        .args([
            "-A",
            "trust",
            "-N",
            "-U",
            "dcnet",
            "--locale=C",
            "-E",
            "UTF8",
            "-D",
        ])
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let socket = folder.path().to_str().unwrap().to_owned();
    let process = silent(
        command("postgres")
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-k",
                &socket,
                "-D",
            ])
            .arg(&data),
    );
    let server = Server {
        process,
        folder,
        port: 5432,
    };
    wait("PostgreSQL", || server.query("SELECT 1").is_some());
    Some((server, socket))
}

impl Server {
    /// What psql reads.
    pub fn query(&self, statement: &str) -> Option<String> {
        let output = Command::new("psql")
            .args([
                "-At", "-U", "dcnet", "-d", "postgres", "-c", statement, "-h",
            ])
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
    if !Path::new("/usr/bin/influxd").exists() && !has("influxd") {
        return None;
    }
    let (folder, port, rpc) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n[meta]\n  dir = {:?}\n\
         [data]\n  dir = {:?}\n  wal-dir = {:?}\n[monitor]\n  store-enabled = false\n\
         [http]\n  bind-address = \"127.0.0.1:{port}\"\n  log-enabled = false\n",
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
    server.influx("CREATE DATABASE grid").await;
    Some(server)
}

impl Server {
    /// What InfluxDB answers.
    pub async fn influx(&self, query: &str) -> Value {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut url: reqwest::Url = format!("http://127.0.0.1:{}/query", self.port)
            .parse()
            .unwrap();
        url.query_pairs_mut()
            .extend_pairs([("db", "grid"), ("epoch", "ns"), ("q", query)]);
        let answer = reqwest::Client::new().post(url).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

/// Something that takes JSON, and refuses every third time after it has taken it: what it took then
/// comes again.
pub struct Receiver {
    pub port: u16,
    /// Header and body of each request.
    pub taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::<Mutex<Vec<(String, Value)>>>::default();
        let shared = Arc::clone(&taken);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                // Whoever was killed half-way has delivered nothing.
                let request = stream
                    .ok()
                    .and_then(|stream| request(&stream).map(|r| (stream, r)));
                if let Some((mut stream, request)) = request {
                    shared.lock().unwrap().push(request);
                    let status = if number % 3 == 2 {
                        "503 Later"
                    } else {
                        "200 OK"
                    };
                    let head = "Content-Length: 0\r\nConnection: close";
                    let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}\r\n\r\n");
                }
            }
        });
        Self { port, taken }
    }
}

fn request(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).unwrap()))
}
