//! The demonstrator in a hurry.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::stage::program;

fn demo(arguments: &[&str]) -> (Output, Vec<Value>) {
    let output = Command::new(program()).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    (output, lines)
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn the_demonstrator_ends_well() {
    let (output, lines) = demo(&["--json", "--rounds", "1", "--interval", "4"]);
    assert!(output.status.success(), "{output:?}");
    let verdict = of(&lines, "verdict")[0];
    assert_eq!(verdict["ok"], true, "{verdict}");
    let rounds = of(&lines, "round");
    let corrected: Vec<_> = rounds
        .iter()
        .filter(|round| round["status"] == "corrected")
        .collect();
    assert!(
        corrected
            .iter()
            .any(|round| round["missing"][0] == verdict["killed"])
    );
    for round in &rounds {
        assert_eq!(round["sum"], round["truth"], "{round}");
    }
    let last = rounds.last().unwrap();
    assert_eq!(last["contributors"].as_array().unwrap().len(), 5, "{last}");
    // A point that shows nothing would be none.
    let point = of(&lines, "point")[0];
    let stored = point["households"].as_array().unwrap().iter();
    assert!(stored.filter(|house| !house["stored"].is_null()).count() > 0);
}

#[test]
fn the_demonstrator_ends_well_with_recordings() {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED does not name the folder with the recordings");
        return;
    };
    let folder = PathBuf::from(shared).join("captures/sml");
    let (output, lines) = demo(&[
        "--json",
        "--rounds",
        "1",
        "--interval",
        "4",
        "--gateways",
        "8",
        "--recordings",
        folder.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(of(&lines, "verdict")[0]["ok"], true);
    assert_eq!(of(&lines, "opening")[0]["truth"], "libsml");
}

#[test]
fn a_wrong_command_line_ends_with_2_and_help_explains() {
    for arguments in [
        &["--gateways", "4"][..],
        &["--interval", "2"],
        &["--no-such-thing"],
    ] {
        let output = Command::new(program()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let output = Command::new(program()).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("SIGKILL") && text.contains("--recordings"));
}
