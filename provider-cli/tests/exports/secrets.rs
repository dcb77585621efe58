//! Targets that ask who sends, over TLS where they have it. A secret that is wrong is said in clear words, loses
//! nothing, and shows nowhere.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::https::{Keys, Target};
use crate::killed::rows;
use crate::servers::{
    influxdb_with_users, mosquitto_for_all, mosquitto_with_tls, postgres_with_tls,
};
use crate::store::{Lab, Running, truth};

const FIRST: u64 = 1_983_001;
/// Behind the last round; that one has an outcome.
const END: u64 = FIRST + 20;

/// What nobody is to read.
const RIGHT: &str = "s3cret-of-the-test";
const WRONG: &str = "wr0ng-of-the-test";
/// "me:s3cret-of-the-test", as it stands there.
const IN_A_HEADER: &str = "bWU6czNjcmV0LW9mLXRoZS10ZXN0";

/// In place at once, and nobody else may read it.
fn write_secret(lab: &Lab, secret: &str) {
    let new = lab.write("secret.new", secret);
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(new, lab.path("secret")).unwrap();
}

/// What stands in a log, a table or a trail.
#[track_caller]
fn is_discreet(text: &str) {
    for secret in [RIGHT, WRONG, IN_A_HEADER] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// What a run of the exporters says that brings everything to its target or fails.
fn once(lab: &Lab, config: &str) -> (Output, String) {
    let config = lab.write("exports.yaml", config);
    let output = lab.export(&["run", "--once", "--config", config.to_str().unwrap()]);
    let log = String::from_utf8(output.stderr.clone()).unwrap();
    is_discreet(&log);
    (output, log)
}

/// It fails for this reason, and says so.
#[track_caller]
fn fails(lab: &Lab, config: &str, reason: &str) {
    let (output, log) = once(lab, config);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains(reason), "{log}");
}

#[track_caller]
fn works(lab: &Lab, config: &str) {
    let (output, log) = once(lab, config);
    assert!(output.status.success(), "{log}");
}

fn configuration(exporters: &str) -> String {
    format!("state: cursors\npoll_seconds: 1\nexporters:\n{exporters}")
}

fn all() -> Vec<Value> {
    (FIRST..END)
        .flat_map(|round| truth("elbe-4", round))
        .collect()
}

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A log that grows.
struct Log {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Log {
    fn of(exporter: &mut Running) -> Self {
        let text = Arc::<Mutex<String>>::default();
        let lines = BufReader::new(exporter.take_stderr()).lines();
        let shared = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            for line in lines {
                let mut text = shared.lock().unwrap();
                text.push_str(&line.unwrap());
                text.push('\n');
            }
        });
        Self { text, reader }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// All of it, when whoever writes it has ended.
    fn whole(self) -> String {
        self.reader.join().unwrap();
        self.text.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_said_and_nothing_is_lost_until_it_is_right() {
    let lab = Lab::new(&["elbe-4"]).await;
    let middle = FIRST + 10;
    lab.finish(0, FIRST..middle).await;
    let influx = Target::start(&format!("Token {RIGHT}")).await;
    let hook = Target::start(&format!("Bearer {RIGHT}")).await;
    let ca = |target: &Target| target.keys.files.root_certificate.display().to_string();
    let text = configuration(&format!(
        "  - name: series\n    influx: {{url: \"https://localhost:{}/api/v2/write?org=grid&bucket=sums\", \
         ca: {}, token: {{file: secret}}}}\n  - name: hook\n    http: {{url: \"https://localhost:{}/sums\", \
         ca: {}, token: {{file: secret}}}}\n",
        influx.port,
        ca(&influx),
        hook.port,
        ca(&hook)
    ));
    let config = lab.write("exports.yaml", &text);
    let config = config.to_str().unwrap();
    write_secret(&lab, WRONG);
    let mut exporter = lab.start(&["run", "--config", config, "--log-format", "json"]);
    let log = Log::of(&mut exporter);
    wait_for("both refuse", || {
        !influx.refused().is_empty() && !hook.refused().is_empty()
    })
    .await;
    assert!(influx.taken().is_empty() && hook.taken().is_empty());
    // Rounds go on, and somebody notices.
    lab.finish(0, middle..END).await;
    write_secret(&lab, RIGHT);
    let posted = |target: &Target| -> String {
        let taken = target.taken().into_iter();
        taken.map(|posted| posted.body).collect()
    };
    let lines = all().len();
    wait_for("everything arrives", || {
        let values = hook.taken().into_iter();
        let values = values.map(|it| it.body.matches("\"net\"").count());
        values.sum::<usize>() == lines && posted(&influx).lines().count() == lines
    })
    .await;

    wait_for("both are told of again", || {
        log.text().matches("goes on").count() == 2
    })
    .await;
    let ended = Command::new("kill")
        .args(["-TERM", &exporter.id().to_string()])
        .status();
    assert!(ended.unwrap().success());
    let log = log.whole();
    assert!(exporter.wait().success(), "{log}");
    for (port, path) in [(influx.port, "/api/v2/write"), (hook.port, "/sums")] {
        let told = format!(
            "https://localhost:{port}{path} does not take values: status 401, it does not accept the token"
        );
        assert_eq!(log.matches(&told).count(), 1, "{log}");
    }
    // It was told again what it had said.
    assert!(log.contains("unauthorized access: "), "{log}");
    is_discreet(&log);

    // InfluxDB's own word for it, and where HTTP's is asked for, that one.
    for (target, scheme) in [(&influx, "Token"), (&hook, "Bearer")] {
        let shown = target.refused().remove(0).authorization;
        assert_eq!(shown, Some(format!("{scheme} {WRONG}")));
    }
    let query = influx.taken().remove(0).uri.query().map(str::to_owned);
    assert_eq!(query.as_deref(), Some("org=grid&bucket=sums"));
    let written = lab.export(&["influx", "elbe-4"]).stdout;
    assert_eq!(posted(&influx), String::from_utf8(written).unwrap());
    let objects = hook.taken().into_iter().flat_map(|posted| {
        assert!(posted.key.unwrap().starts_with("hook/elbe-4/"));
        serde_json::from_str::<Vec<Value>>(&posted.body).unwrap()
    });
    assert_eq!(objects.collect::<Vec<_>>(), all());

    for args in [&["--json"][..], &[]] {
        let status = lab.export(&[&["status", "--config", config][..], args].concat());
        let status = String::from_utf8(status.stdout).unwrap();
        assert!(
            status.contains("series") && status.contains("hook"),
            "{status}"
        );
        assert!(status.contains(&(END - 1).to_string()), "{status}");
        is_discreet(&status);
        let mut trail = Command::new(env!("CARGO_BIN_EXE_dcnet"));
        let trail = trail.args(["audit-log", "show", "--store", &lab.store]);
        let trail = trail.args(args).output().unwrap();
        let trail = String::from_utf8(trail.stdout).unwrap();
        for name in ["series: ", "hook: "] {
            assert!(trail.contains(name), "{trail}");
        }
        is_discreet(&trail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_of_ones_own_decides_who_is_told_anything() {
    let lab = Lab::new(&["elbe-4"]).await;
    lab.finish(0, FIRST..END).await;
    write_secret(&lab, RIGHT);
    let target = Target::start(&format!("Bearer {RIGHT}")).await;
    let to = |host: &str, ca: &Path, token: &str| {
        configuration(&format!(
            "  - name: hook\n    http: {{url: \"https://{host}:{}/sums?key={RIGHT}\", ca: {}{token}}}\n",
            target.port,
            ca.display()
        ))
    };
    let root = &target.keys.files.root_certificate;
    let token = ", token: {file: secret}";
    let other = to("localhost", &target.keys.other_root(), token);
    fails(&lab, &other, "invalid peer certificate: UnknownIssuer");
    // The certificate is for localhost.
    let other = to("127.0.0.1", root, token);
    fails(&lab, &other, "certificate not valid for name");
    assert!(target.refused().is_empty(), "neither was told anything");
    let silent = to("localhost", root, "");
    fails(
        &lab,
        &silent,
        "status 401, it asks for `token`, or for `user` and `password`",
    );
    let user = to("localhost", root, ", user: me, password: {file: secret}");
    let told = "status 401, it does not accept user and password: ";
    fails(&lab, &user, told);
    let shown = target.refused().into_iter().map(|it| it.authorization);
    let basic = Some(format!("Basic {IN_A_HEADER}"));
    assert_eq!(shown.collect::<Vec<_>>(), [None, basic]);
    assert!(target.taken().is_empty());
    works(&lab, &to("localhost", root, token));
    let objects = target.taken().into_iter();
    let objects = objects.flat_map(|it| serde_json::from_str::<Vec<Value>>(&it.body).unwrap());
    assert_eq!(objects.collect::<Vec<_>>(), all());
}

#[tokio::test(flavor = "multi_thread")]
async fn influxdb_takes_user_and_password_over_tls() {
    let keys = Keys::new();
    let Some(influx) = influxdb_with_users(&keys.files).await else {
        return;
    };
    let lab = Lab::new(&["elbe-4"]).await;
    lab.finish(0, FIRST..END).await;
    let to = |user: &str| {
        configuration(&format!(
            "  - name: series\n    influx: {{url: \"https://localhost:{}/write?db=grid\", ca: {}, user: {user}, \
             password: {{file: secret}}}}\n",
            influx.port,
            keys.files.root_certificate.display()
        ))
    };
    let refuses = "/write does not take values: status ";
    write_secret(&lab, WRONG);
    let told = format!("{refuses}401, it does not accept user and password: ");
    fails(&lab, &to("me"), &told);
    write_secret(&lab, RIGHT);
    let guest = format!("CREATE USER guest WITH PASSWORD '{RIGHT}'");
    influx.influx(&guest).await;
    let told = format!("{refuses}403, the rights of the user do not suffice: ");
    fails(&lab, &to("guest"), &told);
    works(&lab, &to("me"));
    let answer = influx.influx("SELECT count(round) FROM dcnet").await;
    let count = &answer["results"][0]["series"][0]["values"][0][1];
    assert_eq!(count, &json!(all().len()), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_takes_values_from_whom_it_knows_or_from_all() {
    let keys = Keys::new();
    let Some((strict, over_tls)) = mosquitto_with_tls(&keys.files) else {
        return;
    };
    let open = mosquitto_for_all().unwrap();
    let lab = Lab::new(&["elbe-4"]).await;
    lab.finish(0, FIRST..END).await;
    let to = |name: &str, port: u16, who: &str| {
        configuration(&format!(
            "  - name: {name}\n    mqtt: {{host: 127.0.0.1, port: {port}, topic: sums{who}}}\n"
        ))
    };
    let me = ", user: me, password: {file: secret}";
    let readers = [strict.subscribe(), open.subscribe()];
    write_secret(&lab, WRONG);
    let broker = format!(
        "the MQTT broker 127.0.0.1:{} does not take values: ",
        strict.port
    );
    let told = format!("{broker}it does not accept user me with this password");
    fails(&lab, &to("known", strict.port, me), &told);
    let told = format!("{broker}it asks for `user` and `password`");
    fails(&lab, &to("known", strict.port, ""), &told);
    write_secret(&lab, RIGHT);
    // Over TLS, under its root only, and by its name.
    let tls = |root: &Path, host: &str| {
        configuration(&format!(
            "  - name: known\n    mqtt: {{host: {host}, port: {over_tls}, topic: sums{me}, ca: {}}}\n",
            root.display()
        ))
    };
    let root = &keys.files.root_certificate;
    fails(&lab, &tls(&keys.other_root(), "localhost"), "UnknownIssuer");
    fails(&lab, &tls(root, "127.0.0.1"), "not valid for name");
    works(&lab, &tls(root, "localhost"));
    works(&lab, &to("anybody", open.port, ""));
    for (_reader, messages) in &readers {
        let read = || -> Vec<Value> {
            let text = std::fs::read_to_string(messages).unwrap();
            let lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let values = lines.filter_map(|line| line.split_once(" {"));
            values
                .map(|(_, value)| serde_json::from_str(&format!("{{{value}")).unwrap())
                .collect()
        };
        wait_for("all messages", || read().len() >= all().len()).await;
        assert_eq!(read(), all(), "each once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_behind_tls_is_filled_where_its_root_is_trusted() {
    let keys = Keys::new();
    let Some(database) = postgres_with_tls(&keys.files) else {
        return;
    };
    let lab = Lab::new(&["elbe-4"]).await;
    lab.finish(0, FIRST..END).await;
    let url = |host: &str, options: &str| {
        format!(
            "postgres://dcnet@{host}:{}/postgres?{options}",
            database.port
        )
    };
    let to = |url: &str| {
        configuration(&format!(
            "  - name: tables\n    postgres: {{url: \"{url}\", table: public.sums, password: {{file: secret}}}}\n"
        ))
    };
    let verified = |root: &Path| format!("sslmode=verify-full&sslrootcert={}", root.display());
    let other = verified(&keys.other_root());
    let root = verified(&keys.files.root_certificate);
    write_secret(&lab, RIGHT);
    for (host, options, told) in [
        ("localhost", "sslmode=disable", "no encryption"),
        (
            "localhost",
            other.as_str(),
            "invalid peer certificate: UnknownIssuer",
        ),
        ("127.0.0.1", root.as_str(), "certificate not valid for name"),
    ] {
        fails(&lab, &to(&url(host, options)), told);
    }
    let url = url("localhost", &root);
    write_secret(&lab, WRONG);
    let told = "password authentication failed for user \"dcnet\"";
    fails(&lab, &to(&url), told);
    let tables = database.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables.as_deref(), Some("0\n"));
    write_secret(&lab, RIGHT);
    for _ in 0..2 {
        works(&lab, &to(&url));
        let mut found = rows(&database);
        found.sort_by_key(|value| (value["round"].as_u64(), value["obis"].to_string()));
        assert_eq!(found, all());
    }

    // The store takes such an address, too.
    let look = |url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcnet"));
        let command = command.args(["store", "check", "--store", url]);
        command.env("PGPASSWORD", RIGHT).output().unwrap()
    };
    let looked = look(&url);
    assert!(looked.status.success(), "{looked:?}");
    let refused = look(&url.replace(&root, &other));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("invalid peer certificate: UnknownIssuer"),
        "{told}"
    );
}
