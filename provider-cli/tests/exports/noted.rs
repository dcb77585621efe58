//! What the audit trail has of exporters.

use serde_json::{Value, json};

use crate::store::Lab;

/// One exporter of each kind; targets that are not there, and secrets wherever they can be.
const EXPORTERS: &str = r#"
state: cursors
exporters:
  - name: lake
    nets: [elbe-4]
    file: {path: sums.jsonl, format: jsonl}
  - name: pipe
    nets: []
    stdout: {format: csv}
  - name: bus
    mqtt: {host: 127.0.0.1, port: 9, topic: sums, user: me, password: {env: TEST_SECRET}}
  - name: tables
    nets: [elbe-4, elbe-5]
    postgres: {url: "postgres://me@127.0.0.1:9/grid", password: {env: TEST_SECRET}, table: sums.t}
  - name: series
    nets: [elbe-5]
    influx: {url: "http://127.0.0.1:9/write?db=grid&p=s3cret", token: {env: TEST_SECRET}}
  - name: hook
    nets: [elbe-5]
    http: {url: "http://127.0.0.1:9/hooks/s3cret"}
"#;

fn trail(lab: &Lab, args: &[&str]) -> Vec<Value> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .args(["audit-log", "show", "--json", "--store", &lab.store])
        .args(args)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test]
async fn exporters_are_named_with_their_nets_and_targets_and_without_secrets() {
    let lab = Lab::new(&["elbe-4", "elbe-5"]).await;
    lab.finish(0, 1_983_001..1_983_003).await;
    let config = lab.write("exports.yaml", EXPORTERS);
    let output = lab.export(&["run", "--once", "--config", config.to_str().unwrap()]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "nobody is at port 9: {output:?}"
    );
    let noted = trail(&lab, &[]);
    let told: Vec<Value> = noted
        .iter()
        .map(|entry| {
            assert_eq!(entry["action"], "exporter-started");
            json!([entry["net"], entry["nets"], entry["detail"]])
        })
        .collect();
    let file = lab.path("sums.jsonl");
    let expected = [
        json!(["elbe-4", [], format!("lake to file {}", file.display())]),
        json!([null, [], "pipe: no net to standard output"]),
        json!([null, [], "bus: all nets to mqtt 127.0.0.1:9, sums/…"]),
        json!([
            null,
            ["elbe-4", "elbe-5"],
            "tables to postgres 127.0.0.1:9/grid, table sums.t"
        ]),
        json!(["elbe-5", [], "series to influx http://127.0.0.1:9"]),
        json!(["elbe-5", [], "hook to http http://127.0.0.1:9"]),
    ];
    assert_eq!(told, expected);
    assert!(!format!("{noted:?}").contains("s3cret"), "{noted:?}");
    let of = |net| {
        let noted = trail(&lab, &["--net", net]);
        let name = |entry: &Value| {
            let detail = entry["detail"].as_str().unwrap();
            detail.split([' ', ':']).next().unwrap().to_owned()
        };
        noted.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(of("elbe-4"), ["lake", "pipe", "bus", "tables"]);
    assert_eq!(of("elbe-5"), ["pipe", "bus", "tables", "series", "hook"]);
}

#[tokio::test]
async fn an_exporter_that_cannot_start_is_not_noted() {
    let lab = Lab::new(&["elbe-4"]).await;
    let text =
        "state: cursors\nexporters: [{name: a, mqtt: {host: h, password: {env: NOT_SET}}}]\n";
    let config = lab.write("exports.yaml", text);
    let output = lab.export(&["run", "--once", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(trail(&lab, &[]).is_empty());
}
