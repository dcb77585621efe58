//! `dcnet plan` as a program: the same bytes on any number of threads, and a report that stands for itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    reason = "helpers of tests fail the test; statistics are numbers with a fraction"
)]

#[path = "plan/document.rs"]
mod document;

use std::path::Path;
use std::process::Command;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/cmd/plan.in/households.csv"
);

fn json(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .args(["plan", DATA, "--repetitions", "100", "--json"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    // No bar where there is no terminal.
    assert_eq!(errors, "");
    output.stdout
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let one = json(folder.path(), &["--threads", "1", "--report", "one.html"]);
    let three = json(folder.path(), &["--threads", "3", "--report", "three.html"]);
    assert_eq!(one, three);
    let report = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(report("one.html"), report("three.html"));
    assert_ne!(one, json(folder.path(), &["--seed", "2"]));

    let plan: serde_json::Value = serde_json::from_slice(&one).unwrap();
    assert_eq!(plan["data"]["missing"], 1);
    assert_eq!(plan["windows"][0]["left_out"], 1);
    let advantage = &plan["sizes"][0]["membership"][0]["adversaries"][3]["advantage"];
    let number = |name: &str| advantage[name].as_f64().unwrap();
    assert!(number("low") <= number("value") && number("value") <= number("high"));
}

#[test]
fn the_report_fetches_nothing_and_says_what_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let plan = json(folder.path(), &["--report", "report.html"]);
    let report = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for outside in ["<script", "<link", "<img", "src=", "href=", "url("] {
        assert!(!report.contains(outside), "{outside}");
    }
    assert_eq!(report.matches("<svg ").count(), 3);
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    let reason = plan["verdict"]["reason"].as_str().unwrap();
    assert!(report.contains(reason), "{reason}");
}

/// `plan` stands for itself: nothing of the provider but itself, no runtime, no database.
#[test]
fn the_room_names_no_other_room() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan");
    let mut folders = vec![folder];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let foreign = text.lines().filter(|line| {
                let other = line.replace("crate::plan", "").contains("crate::");
                let reaches = ["tokio", "sqlx", "axum", "reqwest", "std::net", "SystemTime"];
                other || reaches.iter().any(|name| line.contains(name))
            });
            let foreign: Vec<&str> = foreign.collect();
            assert_eq!(foreign, [""; 0], "{}", path.display());
        }
    }
    assert!(files > 10, "{files} files are not all of it");
}
