//! An exporter that was away for longer than the store keeps rounds: on a file and in a database.

use std::process::Command;

use serde_json::{Value, json};

use crate::store::{Lab, lines, truth};

const FIRST: u64 = 1_983_001;
const LAST: u64 = FIRST + 30;

#[tokio::test]
async fn rounds_that_are_gone_from_a_file_are_gaps() {
    rounds_that_are_gone_are_gaps(Lab::new(&["elbe-4"]).await).await;
}

#[tokio::test]
async fn rounds_that_are_gone_from_a_database_are_gaps() {
    if let Some(lab) = Lab::in_database(&["elbe-4"]).await {
        rounds_that_are_gone_are_gaps(lab).await;
    }
}

async fn rounds_that_are_gone_are_gaps(lab: Lab) {
    let text =
        "state: cursors\nexporters:\n  - name: lake\n    file: {path: sums.jsonl, format: jsonl}\n";
    let config = lab.write("exports.yaml", text);
    let once = || {
        let output = lab.export(&["run", "--once", "--config", config.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
    };
    lab.finish(0, FIRST..FIRST + 5).await;
    once();
    lab.finish(0, FIRST + 5..=LAST).await;
    // Of what ended months ago the newest outcome stays.
    let pruned = Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .args(["store", "prune", "--keep-rounds", "1", "--store"])
        .arg(&lab.store)
        .output()
        .unwrap();
    assert!(pruned.status.success(), "{pruned:?}");
    once();

    let gone = |round: u64| (FIRST + 5..LAST).contains(&round);
    let expected: Vec<Value> = (FIRST..=LAST)
        .flat_map(|round| {
            let mut values = truth("elbe-4", round);
            for value in values.iter_mut().filter(|_| gone(round)) {
                value["value"] = Value::Null;
                value["quality"] = json!("failed");
                value["reason"] = json!("no outcome");
                value["contributors"] = json!(0);
                value["members"] = json!(0);
            }
            values
        })
        .collect();
    assert_eq!(lines(&lab.path("sums.jsonl")), expected);
}
