//! What the audit trail has of exports and refusals, and that it is true.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::common::operators::get;
use crate::lists::all;
use crate::world::{FIRST, ROUNDS, World};
use crate::{Lab, on_both};

/// The trail, as soon as its last entry says that an export broke off.
async fn broken_off(world: &World) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let noted = all(world, &world.anna, "/audit-log", 50).await;
        if noted.last().unwrap()["action"] == "export-broken-off" {
            return noted;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{noted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn what_cannot_be_exported_whole_does_not_look_whole(lab: Lab) {
    let world = World::new(lab).await;
    let last = FIRST + ROUNDS - 1;
    let damage = "UPDATE rounds SET outcome = substr(outcome, 1, 3)";
    let damage = format!("{damage} WHERE net = 'elbe-4' AND round = {last}");
    world.lab.store.execute(&damage).await;
    let path = "/v1/operators/nets/elbe-4/export?format=jsonl";
    let url = format!("{}{path}", world.server.url);
    let response = world.otto.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    // Asking again does not help.
    let path = format!("/v1/operators/nets/elbe-4/rounds/{last}");
    let told = get(&world.otto, &world.server, &path).await;
    told.problem(500, "store-damaged");
    // Nor in the trail: both entries, by the one who asked.
    let noted = broken_off(&world).await;
    let [begun, ended] = &noted[noted.len() - 2..] else {
        panic!("{noted:?}");
    };
    assert_eq!(begun["action"], "exported", "{begun}");
    assert_eq!(begun["actor"], ended["actor"]);
    assert_eq!(ended["net"], "elbe-4");
    let told = ended["detail"].as_str().unwrap();
    let number = &begun["number"];
    let entry = format!("entry {number}, jsonl over HTTPS: ");
    assert!(
        told.starts_with(&entry) && told.ends_with("bytes at most have left"),
        "{told}"
    );
    // The other ones go on.
    let path = "/v1/operators/nets/weser/export?format=jsonl";
    get(&world.otto, &world.server, path).await.ok();
    // At the command line it is the same.
    let file = world.lab.path("sums.csv");
    let args = ["export", "csv", "elbe-4", "--out", file.to_str().unwrap()];
    let output = world.lab.dcnet(&args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!file.exists());
    let noted = all(&world, &world.otto, "/audit-log", 50).await;
    let actions: Vec<_> = noted
        .iter()
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions[1..],
        [
            "exported",
            "export-broken-off",
            "exported",
            "exported",
            "export-broken-off"
        ]
    );
    let told = noted[5]["detail"].as_str().unwrap();
    let entry = format!("entry 5, csv to {}: ", file.display());
    assert!(told.starts_with(&entry), "{told}");
    let verified = world.lab.dcnet(&["audit-log", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
    let (_, log) = world.server.end("-TERM");
    assert!(log.contains("an export is broken off"), "{log}");
}
on_both!(what_cannot_be_exported_whole_does_not_look_whole, beside others);

async fn exports_and_refusals_are_in_the_audit_trail(lab: Lab) {
    let world = World::new(lab).await;
    let nets = "/v1/operators/nets";
    let export = format!("{nets}/elbe-4/export?format=jsonl");
    get(&world.grid, &world.server, &export).await.ok();
    // Nothing leaves with a head, and nothing is noted.
    let url = format!("{}{export}", world.server.url);
    assert!(
        world
            .grid
            .head(url)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    for _ in 0..25 {
        let refused = get(&world.grid, &world.server, &format!("{nets}/weser/rounds")).await;
        refused.problem(403, "wrong-role");
    }
    get(&world.otto, &world.server, &format!("{nets}/weser/rounds"))
        .await
        .ok();
    let noted = all(&world, &world.otto, "/audit-log", 7).await;
    assert_eq!(
        noted,
        world
            .lab
            .dcnet_published(&["audit-log", "show"])
            .as_array()
            .unwrap()[..]
    );
    let chained = chain(&noted);
    assert_eq!(noted[0]["action"], "server-started");
    let noted = &noted[1..];
    let operator = serde_json::json!({"kind": "operator", "name": "grid", "role": "consumer"});
    assert!(
        noted.iter().all(|entry| entry["actor"] == operator),
        "{noted:?}"
    );
    assert_eq!(noted[0]["action"], "exported");
    assert_eq!(noted[0]["net"], "elbe-4");
    assert_eq!(noted[0]["detail"], "jsonl over HTTPS");
    // A program that tries again and again does not fill the trail.
    assert_eq!(noted.len(), 21);
    for entry in &noted[1..] {
        assert_eq!(
            (&entry["action"], &entry["net"]),
            (&"refused".into(), &"weser".into())
        );
    }
    assert!(
        noted[20]["detail"]
            .as_str()
            .unwrap()
            .contains("further ones")
    );
    let head = get(&world.anna, &world.server, "/v1/operators/audit-log/head")
        .await
        .ok();
    let head: Value = serde_json::from_slice(&head).unwrap();
    let verified = world.lab.dcnet_published(&["audit-log", "verify"]);
    assert_eq!(head["head"], verified["head"]);
    assert_eq!(head["head"], chained);
}
on_both!(exports_and_refusals_are_in_the_audit_trail, beside others);

/// The head as an auditor computes it from the pages alone.
#[track_caller]
fn chain(entries: &[Value]) -> String {
    let mut hash = [0; 32];
    for entry in entries {
        hash = Sha256::new()
            .chain_update("dcnet audit trail v1")
            .chain_update(entry["number"].as_u64().unwrap().to_be_bytes())
            .chain_update(hash)
            .chain_update(entry["text"].as_str().unwrap())
            .finalize()
            .into();
    }
    let digits = hash.map(|byte| format!("{byte:02x}")).concat();
    format!("{}:{digits}", entries.len())
}

async fn an_export_that_nobody_takes_is_not_told_as_taken(lab: Lab) {
    let world = World::new(lab).await;
    // A client that takes little at a time, and then goes away.
    let window = 16 * 1024;
    let slow = Client::builder()
        .http2_initial_stream_window_size(window)
        .http2_initial_connection_window_size(window);
    let files = world.lab.path("operators").join("grid");
    let [certificate, key] = ["tls.pem", "tls.key.pem"].map(|name| files.join(name));
    let slow = world.lab.http_of(slow, Some((&certificate, &key)));
    let path = "/v1/operators/nets/elbe-4/export?format=jsonl";
    let url = format!("{}{path}", world.server.url);
    let mut response = slow.get(&url).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let noted = broken_off(&world).await;
    assert_eq!(noted.len(), 3, "{noted:?}");
    assert_eq!(noted[2]["actor"]["name"], "grid");
    let told = noted[2]["detail"].as_str().unwrap();
    assert!(
        told.starts_with("entry 2, jsonl over HTTPS: the client took no more of it"),
        "{told}"
    );
    // Nor at the command line, where whoever reads has had enough: no failure, and not the whole.
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcnet"));
    let command = command.args(["export", "jsonl", "elbe-4", "--store"]);
    let mut export = command
        .arg(world.lab.store.location())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = export.stdout.take().unwrap();
    out.read_exact(&mut [0; 100]).unwrap();
    drop(out);
    assert!(export.wait().unwrap().success());
    let noted = all(&world, &world.otto, "/audit-log", 50).await;
    assert_eq!(noted.len(), 5, "{noted:?}");
    assert_eq!(noted[4]["action"], "export-broken-off");
    assert_eq!(noted[4]["actor"]["kind"], "console");
    let told = noted[4]["detail"].as_str().unwrap();
    let begins = "entry 4, jsonl to standard output: cannot write: ";
    assert!(told.starts_with(begins), "{told}");
}
on_both!(an_export_that_nobody_takes_is_not_told_as_taken, beside others);

async fn what_is_refused_before_it_begins_is_no_export(lab: Lab) {
    let world = World::new(lab).await;
    let taken = world.lab.path("taken.csv");
    std::fs::write(&taken, "mine").unwrap();
    let taken = taken.to_str().unwrap();
    for args in [
        &["export", "csv", "elbe-4", "--out", taken][..],
        &["export", "csv", "--values", "elbe-4", "--out", taken],
        &["export", "json", "elbe-4", "--out", taken],
        &["export", "parquet", "elbe-4", "--out", taken],
        &["export", "jsonl", "elbe-4", "nowhere"],
    ] {
        let output = world.lab.dcnet(args);
        assert!(!output.status.success(), "{output:?}");
    }
    let path = "/v1/operators/nets/gone/export?format=jsonl";
    let answer = get(&world.grid, &world.server, path).await;
    answer.problem(404, "unknown-net");
    assert_eq!(std::fs::read(taken).unwrap(), b"mine");
    let noted = all(&world, &world.otto, "/audit-log", 50).await;
    assert_eq!(noted.len(), 1, "{noted:?}");
}
on_both!(what_is_refused_before_it_begins_is_no_export, beside others);

async fn a_consumer_who_asks_for_what_auditors_read_is_written_down(lab: Lab) {
    let world = World::new(lab).await;
    let asked = [
        "nets/{net}/audit",
        "nets/{net}/log",
        "nets/{net}/rounds/{round}/rosters",
        "evidence",
    ];
    for path in asked {
        let path = path.replace("{net}", "elbe-4").replace("{round}", "7");
        let answer = get(&world.grid, &world.server, &format!("/v1/operators/{path}")).await;
        answer.problem(403, "wrong-role");
    }
    let noted = all(&world, &world.otto, "/audit-log", 50).await;
    assert_eq!(noted.len(), 1 + asked.len(), "{noted:?}");
    for (entry, path) in noted[1..].iter().zip(asked) {
        let of_net = path.starts_with("nets/");
        assert_eq!(entry["action"], "refused", "{entry}");
        assert_eq!(entry["actor"]["name"], "grid", "{entry}");
        assert_eq!(entry["net"] == "elbe-4", of_net, "{entry}");
        let told = entry["detail"].as_str().unwrap();
        let begins = format!("/v1/operators/{path}: this takes the role administrator or auditor");
        assert!(told.starts_with(&begins), "{told}");
    }
}
on_both!(a_consumer_who_asks_for_what_auditors_read_is_written_down, beside others);
