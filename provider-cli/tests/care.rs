//! Care of the store: backups under load and what comes of them, checks, retention.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;
#[path = "care/full.rs"]
mod full;
#[path = "care/load.rs"]
mod load;
#[path = "care/server_life.rs"]
mod server_life;
#[path = "care/spread.rs"]
mod spread;
#[path = "care/trail.rs"]
mod trail;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::machine::{Machine, join};
use common::{Lab, Net, Server, Store, four, now, on_both};
use dcnet_protocol::round::Round;
use serde_json::Value;

const NAMES: [&str; 5] = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5"];

/// Runs `dcnet` on a store that is not the laboratory's.
fn on(store: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .args(args)
        .args(["--store", store])
        .output()
        .unwrap()
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn rounds(store: &str) -> Vec<Value> {
    let list = ok(&on(store, &["round", "list", "elbe-5", "--json"]));
    let list: Value = serde_json::from_str(&list).unwrap();
    let rounds = list.get("rounds").unwrap_or(&list);
    rounds.as_array().unwrap().clone()
}

/// A store of the other kind; a second file where there is no PostgreSQL server.
fn other(lab: &Lab, name: &str, than: &Store) -> Store {
    let file = || Store::Sqlite(lab.path(name).to_str().unwrap().to_owned());
    match than {
        Store::Sqlite(_) => Store::postgres().unwrap_or_else(file),
        Store::Postgres(_) => file(),
    }
}

async fn until_final(
    lab: &Lab,
    server: &Server,
    net: &Net,
    machines: &mut [Machine],
    round: Round,
) -> Value {
    let started = Instant::now();
    loop {
        let output = lab.dcnet(&["round", "show", "elbe-5", &round.to_string(), "--json"]);
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).unwrap();
        }
        let reports: Vec<_> = machines.iter().map(|machine| &machine.reports).collect();
        assert!(started.elapsed() < Duration::from_secs(20), "{reports:#?}");
        for machine in &mut *machines {
            machine.step(server, net).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn sum_of(lab: &Lab, server: &Server, net: &Net, machines: &mut [Machine], round: Round) {
    net.wait_for(round).await;
    for (machine, value) in machines.iter_mut().zip([1000, 200, 30, 4, 0]) {
        machine.submit(server, net, round, [value, value]).await;
    }
    let shown = until_final(lab, server, net, machines, round).await;
    assert_eq!(shown["status"], "complete", "{shown}");
    assert_eq!(shown["sums"][1]["value"], "1234", "{shown}");
}

on_both!(a_backup_under_load_is_restored_and_the_net_goes_on);
async fn a_backup_under_load_is_restored_and_the_net_goes_on(mut lab: Lab) {
    lab.create_masked_net("elbe-5");
    let server = lab.serve();
    let asker = lab.gateway("gw-1");
    let net = Net::fetch(&server, &asker, "elbe-5").await;
    let mut machines: Vec<Machine> = (1..)
        .zip(NAMES)
        .map(|(seed, name)| Machine::new(&lab, &net, name, seed))
        .collect();
    join(&server, &net, &mut machines).await;
    let round = net.descriptor.schedule().round_at(now());
    sum_of(&lab, &server, &net, &mut machines, round).await;

    // Frames of the next round come in while the backup is made.
    let round = round.next();
    net.wait_for(round).await;
    machines[0].submit(&server, &net, round, [1, 1]).await;
    let file = lab.path("backup.dcnet");
    let file = file.to_str().unwrap();
    let backup = Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .args(["store", "backup", file, "--store", lab.store.location()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for machine in &mut machines[1..4] {
        machine.submit(&server, &net, round, [1, 1]).await;
    }
    let backup = tokio::task::spawn_blocking(|| backup.wait_with_output().unwrap());
    ok(&backup.await.unwrap());
    let stats = lab.dcnet_published(&["store", "stats"]);
    // On a slow machine the round may be over by now, and its frames erased.
    let is_open = now() < net.descriptor.schedule().submit_deadline(round);
    assert!(
        !is_open || stats["nets"][0]["frames_held"].as_u64() > Some(0),
        "{stats}"
    );
    machines[4].submit(&server, &net, round, [1, 1]).await;
    until_final(&lab, &server, &net, &mut machines, round).await;
    ok(&lab.dcnet(&["store", "check"]));
    let published = rounds(lab.store.location());
    server.end("-TERM");

    // It is a store that is read, and one that nobody works on.
    ok(&on(file, &["store", "check"]));
    let kept = rounds(file);
    assert!(!kept.is_empty() && published.starts_with(&kept), "{kept:?}");
    let stats: Value = serde_json::from_str(&ok(&on(file, &["store", "stats", "--json"]))).unwrap();
    assert_eq!(stats["nets"][0]["frames_held"], 0, "{stats}");
    refuse(&lab.dcnet(&["store", "backup", file]), "exists already");
    refuse(
        &on(file, &["store", "prune", "--keep-rounds", "1"]),
        "is a backup",
    );
    refuse(
        &on(lab.store.location(), &["store", "restore", file]),
        "empty",
    );
    let first = std::mem::replace(&mut lab.store, Store::Sqlite(file.to_owned()));
    let ca = lab.authority.certificate_path();
    refuse(
        &lab.serve_command(&ca, &[]).output().unwrap(),
        "is a backup",
    );

    // Into the other kind, and from there back into the first.
    let second = other(&lab, "second.sqlite3", &first);
    let third = other(&lab, "third.sqlite3", &second);
    let again = lab.path("again.dcnet");
    let again = again.to_str().unwrap();
    ok(&on(second.location(), &["store", "restore", file]));
    ok(&on(second.location(), &["store", "backup", again]));
    ok(&on(third.location(), &["store", "restore", again]));
    for store in [&second, &third] {
        ok(&on(store.location(), &["store", "check"]));
        assert!(rounds(store.location()).starts_with(&kept));
    }

    // Members go on with it, in the first round that was not closed.
    lab.store = third;
    let closed = rounds(lab.store.location()).last().unwrap().clone();
    assert_eq!(closed["status"], "failed", "{closed}");
    let open = Round::new(closed["round"].as_u64().unwrap()).next();
    let server = lab.serve();
    sum_of(&lab, &server, &net, &mut machines, open).await;
    let faults: Vec<_> = machines
        .iter()
        .flat_map(|machine| &machine.reports)
        .filter(|report| report.contains("Fault") || report.contains("Evidence"))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    ok(&lab.dcnet(&["store", "check"]));
}

#[track_caller]
fn refuse(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(why), "{text}");
}

/// A net of which one round is final.
async fn one_round(lab: &Lab) -> (Server, Round) {
    lab.create_net("elbe-5");
    let server = lab.serve();
    let gateways = four(lab);
    let net = Net::fetch(&server, &gateways[0], "elbe-5").await;
    net.enter_all(&server, &gateways).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    net.wait_for(round).await;
    for gateway in &gateways {
        let frame = net.transmit(gateway.id, epoch, round, &[1, 2]);
        gateway.frame(&server, &net, &frame).await.ok();
    }
    (server, round)
}

on_both!(a_check_finds_what_must_not_be_there);
async fn a_check_finds_what_must_not_be_there(lab: Lab) {
    let (server, round) = one_round(&lab).await;
    server.end("-TERM");
    ok(&lab.dcnet(&["store", "check"]));
    let found = async |spoil: &str| -> Vec<(String, String)> {
        lab.store.execute(spoil).await;
        let output = lab.dcnet(&["store", "check"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let checked = lab.dcnet_published(&["store", "check"]);
        let problems = checked["problems"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        problems
            .map(|problem| (text(&problem["kind"]), text(&problem["text"])))
            .collect()
    };
    let frame = format!(
        "INSERT INTO frames (net, round, client, epoch, transmission, words, hash) \
         SELECT net, {round}, client, 1, TRUE, record, record FROM members \
         WHERE net = 'elbe-5' AND client = 'gw-1'"
    );
    let problems = found(&frame).await;
    assert_eq!(problems[0].0, "not-erased", "{problems:?}");
    assert!(problems[0].1.contains("1 rows of frames"), "{problems:?}");
    lab.store.execute("DELETE FROM frames").await;
    let problems = found("UPDATE inbox_heads SET last = 0 WHERE client = 'gw-2'").await;
    assert_eq!(problems[0].0, "inconsistent", "{problems:?}");
    assert!(problems[0].1.contains("beyond the head"), "{problems:?}");
    lab.store
        .execute("UPDATE inbox_heads SET last = 1000")
        .await;
    let moved = format!("UPDATE rounds SET round = {round} - 1 WHERE round = {round}");
    let problems = found(&moved).await;
    assert!(problems[0].1.contains("has the outcome of"), "{problems:?}");
    let back = format!("UPDATE rounds SET round = {round} WHERE round = {round} - 1");
    lab.store.execute(&back).await;
    ok(&lab.dcnet(&["store", "check"]));
    let problems = found("DELETE FROM membership_log WHERE idx = 1").await;
    let kinds: Vec<&str> = problems.iter().map(|(kind, _)| kind.as_str()).collect();
    assert!(kinds.contains(&"log-inconsistent"), "{problems:?}");
    // What is not sound is not restored, either.
    let file = lab.path("unsound.dcnet");
    ok(&lab.dcnet(&["store", "backup", file.to_str().unwrap()]));
    let target = lab.path("target.sqlite3");
    let args = ["store", "restore", file.to_str().unwrap()];
    refuse(&on(target.to_str().unwrap(), &args), "is not sound");
    let nothing = on(target.to_str().unwrap(), &["net", "show", "elbe-5"]);
    assert_eq!(nothing.status.code(), Some(4), "{nothing:?}");
}

on_both!(what_is_too_old_goes_and_the_rest_stays);
async fn what_is_too_old_goes_and_the_rest_stays(lab: Lab) {
    let (server, round) = one_round(&lab).await;
    // Rounds of 5 s: so many are about 3 and 30 days.
    let old = async |ago: u64| {
        let statement = format!(
            "INSERT INTO rounds (net, round, outcome) SELECT net, round - {ago}, outcome FROM rounds \
             WHERE net = 'elbe-5' AND round = {round}"
        );
        lab.store.execute(&statement).await;
    };
    let count = async || lab.store.number("SELECT COUNT(*) FROM rounds").await;
    old(51_840).await;
    old(518_400).await;
    assert_eq!(count().await, 3);
    let prune = |more: &[&str]| lab.dcnet_published(&[&["store", "prune"], more].concat());
    assert_eq!(prune(&[]), serde_json::json!([]));
    let dry = prune(&["--keep-rounds", "10", "--dry-run"]);
    assert_eq!(dry[0]["rows"], 1, "{dry}");
    assert_eq!(count().await, 3, "a dry run deletes nothing");
    // What stops on its way was begun by somebody: the entry is there before a row is gone.
    let noted = || lab.dcnet_json(&["audit-log", "show", "--action", "store-pruned", "--json"]);
    assert_eq!(noted(), serde_json::json!([]));
    let (refuse_deleting, allow) = match &lab.store {
        Store::Sqlite(_) => (
            "CREATE TRIGGER stays BEFORE DELETE ON rounds BEGIN SELECT RAISE(ABORT, 'stays'); END",
            "DROP TRIGGER stays",
        ),
        Store::Postgres(_) => (
            "CREATE TRIGGER stays BEFORE DELETE ON rounds FOR EACH ROW \
             EXECUTE FUNCTION audit_trail_is_only_appended_to()",
            "DROP TRIGGER stays ON rounds",
        ),
    };
    lab.store.execute(refuse_deleting).await;
    let stopped = lab.dcnet(&["store", "prune", "--keep-rounds", "10"]);
    assert!(!stopped.status.success(), "{stopped:?}");
    assert_eq!(noted()[0]["detail"], "1 rows; rounds 10 days");
    lab.store.execute(allow).await;
    let gone = prune(&[
        "--keep-rounds",
        "10",
        "--keep-rosters",
        "10",
        "--keep-epochs",
        "1",
    ]);
    assert_eq!(
        gone[0],
        serde_json::json!({"net": "elbe-5", "table": "rounds", "rows": 1})
    );
    assert_eq!(count().await, 2);
    server.end("-TERM");

    // A server does it by itself when it is told to.
    let config = lab.path("server.yaml");
    std::fs::write(&config, "retention:\n  keep_rounds_days: 1\n").unwrap();
    let server = serve_with_config(&lab, &config);
    let started = Instant::now();
    while count().await > 1 {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.end("-TERM");
    let entries = noted();
    let last = entries.as_array().unwrap().last().unwrap();
    assert_eq!(last["actor"]["kind"], "server", "{last}");
    assert_eq!(last["detail"], "1 rows; rounds 1 days");

    // However old it is, the last outcome stays: the net goes on from it.
    lab.store
        .execute("UPDATE rounds SET round = round - 518400")
        .await;
    let gone = prune(&["--keep-rounds", "1"]);
    assert_eq!(gone[0]["rows"], 0, "{gone}");
    assert_eq!(count().await, 1);
}

fn serve_with_config(lab: &Lab, config: &Path) -> Server {
    let ca = lab.authority.certificate_path();
    lab.serve_with(&ca, &["--config", config.to_str().unwrap()])
}
