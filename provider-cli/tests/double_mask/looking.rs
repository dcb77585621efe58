//! What those who look after a net see of a round and its correction.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use dcnet_protocol::round::Round;
use serde_json::{Value, json};

use super::common::{Lab, published};

/// `dcnet round watch`, which somebody reads.
pub(super) struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watch {
    pub(super) fn start(lab: &Lab, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dcnet"))
            .args(["round", "watch", "elbe-5", "--store"])
            .arg(lab.store.location())
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next round; it is shown as `dcnet round show` shows it, in one line.
    pub(super) fn round(&mut self, lab: &Lab, round: Round) {
        let line = self.lines.next().unwrap().unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(published::fault("round-watch", &value), None, "{line}");
        let shown = lab.dcnet_published(&["round", "show", "elbe-5", &round.to_string()]);
        assert_eq!(value, shown);
    }

    /// Waits for its end; it has nothing more to say.
    pub(super) fn end(mut self) -> ExitStatus {
        assert!(self.lines.next().is_none());
        self.child.wait().unwrap()
    }

    /// As Ctrl-C does.
    pub(super) fn interrupt(self) -> ExitStatus {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(killed.success());
        self.end()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everybody is active, and nobody has sent a frame of a round yet.
pub(super) fn all_active(lab: &Lab) {
    let list = lab.dcnet_published(&["member", "list", "elbe-5"]);
    assert_eq!(list["counts"]["active"], 5, "{list}");
    let members = list["members"].as_array().unwrap();
    assert_eq!(members.len(), 5, "{list}");
    for member in members {
        assert_eq!(member["edges"], 4, "{list}");
        assert_eq!(member["status"], "active", "{list}");
        assert_eq!(member["last_frame"], Value::Null, "{list}");
    }
    let shown = lab.dcnet_published(&["member", "show", "elbe-5", "gw-5"]);
    let others = json!(["gw-1", "gw-2", "gw-3", "gw-4"]);
    assert_eq!(shown["neighbours"], others, "{shown}");
    assert_eq!(shown["not_in_force"], json!([]), "{shown}");
    assert_eq!(shown["holders"], others, "{shown}");
    assert_eq!(shown["status"], "active", "{shown}");
}

/// In `round` gw-5 is missing, and both rosters are out. Time is short: the round waits for answers.
pub(super) fn under_way(lab: &Lab, round: Round) {
    let list = lab.dcnet_published(&["correction", "list", "elbe-5"]);
    corrected_as(&list[0], round, "open");
    let list = lab.dcnet_published(&["member", "list", "elbe-5"]);
    let heard = |member: usize| list["members"][member]["last_frame"]["round"].as_u64();
    assert_eq!(heard(0), Some(round.number()), "{list}");
    assert_eq!(heard(4), Some(round.number() - 1), "{list}");
}

/// In `round`, which began at `start`, gw-5 was missing, which everybody else corrected; the round
/// before it was complete, and no server runs.
pub(super) fn over(lab: &Lab, round: Round, start: &str) {
    let list = lab.dcnet_published(&["correction", "list", "elbe-5", "--limit", "1"]);
    corrected_as(&list[0], round, "corrected");
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    let shown = lab.dcnet_published(&["correction", "show", "elbe-5", &round.to_string()]);
    assert_eq!(shown, list[0]);
    let table = lab.dcnet(&["correction", "list", "elbe-5"]).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("1: pads of 4 of 5"), "{table}");
    assert!(table.contains("2: share keys of 4 of 5"), "{table}");

    let before = lab.dcnet_published(&["correction", "list", "elbe-5", "--to", start]);
    assert_eq!(before, json!([]));
    let since = lab.dcnet_published(&["correction", "list", "elbe-5", "--from", start]);
    assert_eq!(since, list);
    let before = (round.number() - 1).to_string();
    let none = lab.dcnet(&["correction", "show", "elbe-5", &before]);
    assert_eq!(none.status.code(), Some(4), "{none:?}");

    let gone = lab.dcnet_published(&["member", "list", "elbe-5", "--status", "suspended"]);
    assert_eq!(gone["members"][0]["client"], "gw-5", "{gone}");
    assert_eq!(gone["members"].as_array().unwrap().len(), 1, "{gone}");
    assert_eq!(gone["counts"]["active"], 4, "{gone}");

    for args in [
        &["round", "list", "elbe-5"][..],
        &["net", "list"],
        &["net", "show", "elbe-5"],
        &["net", "audit", "elbe-5"],
        &["net", "log", "elbe-5"],
    ] {
        lab.dcnet_published(args);
    }
    let exported = lab.dcnet_json(&["export", "json", "elbe-5"]);
    assert_eq!(published::fault("export-json", &exported), None);
}

/// How a correction of which gw-5 is the cause is shown.
fn corrected_as(correction: &Value, round: Round, status: &str) {
    let steps = json!([
        { "step": 1, "asks_for": "pads", "members": 5, "present": 4, "contributors": 4 },
        { "step": 2, "asks_for": "share-keys", "members": 5, "present": 4, "contributors": 4 },
    ]);
    assert_eq!(correction["round"], round.number(), "{correction}");
    assert_eq!(correction["status"], status, "{correction}");
    assert_eq!(correction["missing"], json!(["gw-5"]), "{correction}");
    assert_eq!(correction["members"], 5, "{correction}");
    assert_eq!(correction["steps"], steps, "{correction}");
}
