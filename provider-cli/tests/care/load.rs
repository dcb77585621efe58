//! A backup of a large store, beside commands that write into it all the time.

use std::process::{Command, Stdio};

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::provider::RoundStatus;
use dcnet_provider::bench::{self, Ending};

use super::{ok, on, other};
use crate::common::{Lab, now, on_both};

/// So many that others can write while they are copied.
const ROUNDS: u64 = 8_000;

fn ending(round: u64) -> Ending {
    let names = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5"];
    Ending {
        round,
        status: RoundStatus::Complete,
        sums: Some(vec![1, 2]),
        contributors: names.map(|name| name.parse().unwrap()).to_vec(),
        missing: Vec::new(),
    }
}

on_both!(a_backup_is_of_one_moment, beside others);
async fn a_backup_is_of_one_moment(lab: Lab) {
    lab.create_net("weser-1");
    let path = lab.path("weser-1.bin");
    let out = path.to_str().unwrap();
    ok(&lab.dcnet(&["net", "descriptor", "weser-1", "--out", out]));
    let filled = NetDescriptor::decode(&std::fs::read(&path).unwrap()).unwrap();
    let last = filled.schedule().round_at(now()).number();
    let endings: Vec<Ending> = (last - ROUNDS..last).map(ending).collect();
    let Ok(location) = lab.store.location().parse();
    bench::finish(&location, &filled, &endings).await.unwrap();

    let file = lab.path("backup.dcnet");
    let file = file.to_str().unwrap();
    let mut backup = Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .args(["store", "backup", file, "--store", lab.store.location()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A net and its entry in the audit trail are written together.
    let mut created = 0;
    while backup.try_wait().unwrap().is_none() {
        lab.create_net(&format!("elbe-{created}"));
        created += 1;
    }
    ok(&backup.wait_with_output().unwrap());

    let target = other(&lab, "target.sqlite3", &lab.store);
    let target = target.location();
    ok(&on(target, &["store", "restore", file]));
    ok(&on(target, &["store", "check"]));
    let names = |args: &[&str], key: &str| -> Vec<String> {
        let shown = ok(&on(target, &[args, &["--json"]].concat()));
        let shown: Vec<serde_json::Value> = serde_json::from_str(&shown).unwrap();
        let names = shown
            .iter()
            .map(|row| row[key].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.filter(|name| name != "weser-1").collect();
        names.sort();
        names
    };
    let nets = names(&["net", "list"], "net");
    assert_eq!(
        nets,
        names(&["audit-log", "show", "--action", "net-created"], "net")
    );
    // Otherwise nothing was written while it was made. One more is the large one.
    assert!(nets.len() <= created, "{} of {created}", nets.len());
    let rounds = ["round", "list", "weser-1", "--limit", "50000"];
    assert_eq!(names(&rounds, "start").len() as u64, ROUNDS);
}
