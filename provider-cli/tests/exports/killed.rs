//! Killed at any moment while the store grows: nothing is missing, nothing counts twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::published;
use crate::receiver::Receiver;
use crate::servers::{Server, influxdb, mosquitto, postgres};
use crate::store::{Lab, lines, truth};

const FIRST: u64 = 1_983_001;
/// Growth of the store beside each life of the exporter.
const STEP: u64 = 90;
/// Lives of the exporter.
const LIVES: u64 = 24;
const SECRET: &str = "s3cret-of-the-test";

/// The targets that are on this machine.
struct Targets {
    receiver: Receiver,
    broker: Option<Server>,
    database: Option<(Server, String)>,
    influx: Option<Server>,
}

impl Targets {
    async fn start() -> Self {
        Self {
            receiver: Receiver::start(),
            broker: mosquitto(),
            database: postgres(),
            influx: influxdb().await,
        }
    }

    fn configuration(&self) -> String {
        let mut text = format!(
            "state: cursors
poll_seconds: 1
exporters:
  - name: lake
    file: {{path: sums.jsonl, format: jsonl}}
  - name: sheet
    nets: [elbe-4]
    file: {{path: sums.csv, format: csv}}
  - name: hook
    http: {{url: \"http://127.0.0.1:{}/in?key={SECRET}\", token: {{env: TEST_SECRET}}}}
",
            self.receiver.port
        );
        let mut add = |name: &str, sink: String| {
            let _ = writeln!(text, "  - name: {name}\n    {sink}");
        };
        if let Some(broker) = &self.broker {
            let secret = "user: me, password: {file: secret}";
            let port = broker.port;
            add(
                "bus",
                format!("mqtt: {{host: 127.0.0.1, port: {port}, topic: sums, {secret}}}"),
            );
        }
        if let Some((database, socket)) = &self.database {
            let url = format!(
                "postgres://dcnet@localhost:{}/postgres?host={socket}",
                database.port
            );
            add(
                "tables",
                format!("postgres: {{url: \"{url}\", table: public.sums}}"),
            );
        }
        if let Some(influx) = &self.influx {
            let url = format!("http://127.0.0.1:{}/write?db=grid", influx.port);
            add("series", format!("influx: {{url: \"{url}\"}}"));
        }
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_and_nothing_counts_twice() {
    let lab = Lab::new(&["elbe-4", "elbe-5"]).await;
    let secret = lab.write("secret", SECRET);
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let targets = Targets::start().await;
    let config = lab.write("exports.yaml", &targets.configuration());
    let config = config.to_str().unwrap();
    let reader = targets.broker.as_ref().map(Server::subscribe);

    let end = live_and_die(&lab, config).await;

    // An absent round is told of when a later one is final.
    let last = (FIRST..end).rev().find(|round| round % 11 != 8).unwrap();
    let of =
        |net: &str| -> Vec<Value> { (FIRST..=last).flat_map(|round| truth(net, round)).collect() };
    let all: Vec<Value> = of("elbe-4").into_iter().chain(of("elbe-5")).collect();
    let all = by_key(all, false);

    // Files: each value once.
    assert!(
        by_key(lines(&lab.path("sums.jsonl")), false) == all,
        "JSON Lines"
    );
    let sheet = csv::Reader::from_path(lab.path("sums.csv"))
        .unwrap()
        .into_records();
    let sheet: Vec<String> = sheet.map(|record| record.unwrap()[5].to_owned()).collect();
    let rounds: Vec<String> = of("elbe-4")
        .iter()
        .map(|v| v["round"].to_string())
        .collect();
    assert_eq!(sheet, rounds);

    assert!(by_key(posted(&targets.receiver), true) == all, "HTTP");
    if let Some((_reader, messages)) = &reader {
        let messages = arrived(messages, last).await;
        assert!(by_key(messages, true) == all, "MQTT");
    }
    if let Some((database, _)) = &targets.database {
        assert!(by_key(rows(database), false) == all, "PostgreSQL");
    }
    if let Some(influx) = &targets.influx {
        compare(influx, &all).await;
    }

    let status = lab.export(&["status", "--json", "--config", config]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(published::fault("export-status", &status), None);
    let line = lines(&lab.path("sums.jsonl")).remove(0);
    assert_eq!(published::fault("export-jsonl", &line), None);
    for position in status.as_array().unwrap() {
        assert_eq!(position["round"], last, "{position}");
        assert_eq!(position["waiting"], 0, "{position}");
    }
}

/// Lets the store grow while the exporter is killed again and again, and lets it finish in the end.
/// The round behind the last one.
async fn live_and_die(lab: &Lab, config: &str) -> u64 {
    let mut next = FIRST;
    let mut log = Vec::new();
    for life in 0..LIVES {
        let exporter = lab.start(&["run", "--config", config]);
        let born = Instant::now();
        // From the first instruction to long after everything has arrived.
        let death = Duration::from_millis(20 + life * 67 % 450);
        for net in [0, 1] {
            lab.finish(net, next..next + STEP).await;
        }
        next += STEP;
        tokio::time::sleep(death.saturating_sub(born.elapsed())).await;
        log.extend(exporter.kill());
    }
    // What the receiver refuses fails with --once; once more, then.
    let started = Instant::now();
    loop {
        let output = lab.export(&["run", "--once", "--config", config]);
        log.extend(&output.stderr);
        if output.status.success() {
            break;
        }
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("status 503"), "{told}");
        assert!(started.elapsed() < Duration::from_secs(20), "{told}");
    }
    let log = String::from_utf8(log).unwrap();
    assert!(!log.contains(SECRET), "{log}");
    next
}

/// What the receiver took.
fn posted(receiver: &Receiver) -> Vec<Value> {
    let taken = receiver.taken.lock().unwrap().clone();
    let mut bodies = BTreeMap::new();
    for (head, body) in &taken {
        assert!(head.contains(&format!("Bearer {SECRET}")), "{head}");
        let key = head
            .lines()
            .find(|line| line.starts_with("idempotency-key"))
            .unwrap();
        // One key is one set of values, whenever it comes.
        assert_eq!(bodies.entry(key).or_insert(body), &body, "{key}");
    }
    taken
        .iter()
        .flat_map(|(_, body)| body.as_array().unwrap().clone())
        .collect()
}

/// What psql reads.
pub fn rows(database: &Server) -> Vec<Value> {
    const TIME: &str = "AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'";
    let rows = database.query(&format!(
        "SELECT json_build_object('net', net, 'region', region, 'obis', obis, 'unit', unit, \
         'scale', scale, 'round', round, 'start', to_char(start {TIME}), 'end', \
         to_char(\"end\" {TIME}), 'value', value::text, 'contributors', contributors, \
         'members', members, 'quality', quality, 'reason', reason) FROM public.sums"
    ));
    let rows = rows.unwrap();
    rows.lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

/// Holds what InfluxDB answers against the truth.
async fn compare(influx: &Server, all: &BTreeMap<String, Value>) {
    let answer = influx
        .influx("SELECT net, obis, round, value, quality, contributors, \"end\" FROM dcnet")
        .await;
    let rows = answer["results"][0]["series"][0]["values"]
        .as_array()
        .unwrap();
    assert_eq!(rows.len(), all.len());
    for row in rows {
        let obis = text(row, 2);
        let start = jiff::Timestamp::from_nanosecond(row[0].as_i64().unwrap().into()).unwrap();
        let key = format!("{} {obis} {start}", text(row, 1));
        assert_eq!(row[5], all[&key]["quality"], "{key}");
        assert_eq!(row[6], all[&key]["contributors"], "{key}");
        let end = jiff::Timestamp::from_nanosecond(row[7].as_i64().unwrap().into()).unwrap();
        assert_eq!(all[&key]["end"], end.to_string(), "{key}");
        // It counts in the unit's power of ten: tenths of Wh, hundreds of W.
        let number = row[4].as_i64().map(|number| {
            if obis.contains(":1.8.0") {
                format!("{}.{}", number / 10, number % 10)
            } else {
                (number * 100).to_string()
            }
        });
        assert_eq!(json!(number), all[&key]["value"], "{key}");
    }
}

/// Values by their key. What comes again is the same as before, if it may come again at all.
fn by_key(values: Vec<Value>, may_repeat: bool) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for value in values {
        let text = |name: &str| value[name].as_str().unwrap();
        let key = format!("{} {} {}", text("net"), text("obis"), text("start"));
        if let Some(before) = all.insert(key, value.clone()) {
            assert!(may_repeat, "twice: {value}");
            assert_eq!(before, value);
        }
    }
    all
}

/// The messages, when the last ones of both nets are there.
async fn arrived(path: &Path, last: u64) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let written = std::fs::read_to_string(path).unwrap();
        let complete = written
            .rsplit_once('\n')
            .map_or("", |(complete, _)| complete);
        let messages: Vec<Value> = complete
            .lines()
            .filter(|line| !line.starts_with("sums/probe"))
            .map(|line| {
                let (topic, payload) = line.split_once(" {").unwrap();
                let value: Value = serde_json::from_str(&format!("{{{payload}")).unwrap();
                let named = format!("sums/{}/{}", text(&value, "net"), text(&value, "obis"));
                assert_eq!(topic, named);
                value
            })
            .collect();
        let ends = |net: &str| {
            let of = |value: &&Value| value["net"] == net && value["round"] == last;
            messages.iter().filter(of).count() >= 2
        };
        if ends("elbe-4") && ends("elbe-5") {
            return messages;
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{} messages",
            messages.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn text(value: &Value, at: impl serde_json::value::Index) -> &str {
    value[at].as_str().unwrap()
}
