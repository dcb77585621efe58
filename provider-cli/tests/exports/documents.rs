//! The examples in `docs/exports.md` are what the program writes.

use crate::mscons::{ended, round_at};
use crate::store::Lab;

#[tokio::test]
async fn examples_are_what_is_written() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/exports.md");
    let document = std::fs::read_to_string(document).unwrap();
    let lab = Lab::new(&["elbe-4"]).await;
    // A complete round, one that is absent, one more.
    lab.finish(0, 1_982_999..1_983_002).await;
    for format in ["csv", "jsonl", "influx", "openmetrics"] {
        let mut args = vec![format, "elbe-4"];
        if format == "csv" {
            args.push("--values");
        }
        let output = lab.export(&args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty());
        for line in text.lines() {
            assert!(
                document.lines().any(|found| found == line),
                "{format}: {line}"
            );
        }
    }
    let samples = document.split("```yaml\n").skip(1);
    let samples: Vec<&str> = samples
        .map(|text| text.split("```").next().unwrap())
        .collect();
    let (exports, mscons): (Vec<&str>, Vec<&str>) = samples
        .iter()
        .partition(|sample| sample.starts_with("state:"));
    assert_eq!((exports.len(), mscons.len()), (1, 1));
    // Refused for the secret that is not there, and for nothing before that.
    let config = lab.write("exports.yaml", exports[0]);
    let output = lab.export(&["run", "--check", "--config", config.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("exporter bus: the secret "), "{told}");
    let config = lab.write("mscons.yaml", mscons[0]);
    let output = lab.export(&["mscons", "elbe-4", "--config", config.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("no whole day"), "{told}");
}

/// Segments that say when a file was written, or how it is told from others.
const OF_THE_MOMENT: [&str; 4] = ["UNB+", "BGM+", "DTM+137:", "UNZ+"];

#[tokio::test]
async fn the_message_is_one_that_is_written() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/exports.md");
    let document = std::fs::read_to_string(document).unwrap();
    let config = document.split("```yaml\n").nth(1).unwrap();
    let lab = Lab::new(&["elbe-4"]).await;
    let day = round_at("2026-11-26T23:00:00Z")..round_at("2026-11-27T23:00:00Z");
    lab.finish_as(0, &day.map(ended).collect::<Vec<_>>()).await;
    let config = lab.write("mscons.yaml", config.split("```").next().unwrap());
    let output = lab.export(&["mscons", "elbe-4", "--config", config.to_str().unwrap()]);
    let written = String::from_utf8(output.stdout).unwrap();
    let segments: Vec<&str> = written.split_inclusive('\'').map(str::trim).collect();
    let shown = document.split_once("```text\nUNA").unwrap().1;
    let shown: Vec<&str> = shown.split("```").next().unwrap().lines().skip(1).collect();
    assert!(shown.len() > 15, "{written}");
    for line in shown {
        let of_the_moment = OF_THE_MOMENT.iter().find(|start| line.starts_with(*start));
        let is_there = |segment: &&str| match of_the_moment {
            Some(start) => segment.starts_with(start),
            None => *segment == line,
        };
        assert!(
            line == "…" || segments.iter().any(is_there),
            "{line}: {written}"
        );
    }
}
