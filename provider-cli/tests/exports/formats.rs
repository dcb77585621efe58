//! Files, read by others.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::store::{Lab, has, lines, python, truth};

/// More than two pages, with holes at the borders of pages.
const ROUNDS: std::ops::Range<u64> = 1_983_001..1_983_700;

const NETS: [&str; 2] = ["elbe-4", "elbe-5"];

async fn two_nets() -> Lab {
    filled(Lab::new(&NETS).await).await
}

async fn filled(lab: Lab) -> Lab {
    lab.finish(0, ROUNDS).await;
    lab.finish(1, ROUNDS.start..ROUNDS.start + 3).await;
    lab
}

fn expected() -> Vec<Value> {
    let first = ROUNDS.flat_map(|round| truth("elbe-4", round));
    let second = (ROUNDS.start..ROUNDS.start + 3).flat_map(|round| truth("elbe-5", round));
    first.chain(second).collect()
}

#[tokio::test]
async fn a_store_in_a_database_is_exported_like_one_in_a_file() {
    let Some(lab) = Lab::in_database(&NETS).await else {
        return;
    };
    let (database, file) = (filled(lab).await, two_nets().await);
    for format in ["csv", "jsonl", "influx", "openmetrics", "parquet"] {
        let more = if format == "csv" {
            &["--values"][..]
        } else {
            &[]
        };
        let args = [&[format][..], more, &NETS].concat();
        let read = |lab: &Lab| std::fs::read(lab.export_to(format, &args)).unwrap();
        assert!(read(&database) == read(&file), "{format}");
    }
    let jsonl = lines(&database.path("jsonl"));
    assert_eq!(jsonl, expected());
}

#[tokio::test]
async fn standard_output_goes_on_where_it_was() {
    let lab = Lab::new(&NETS).await;
    let text = "state: cursors\nexporters:\n  - name: pipe\n    nets: [elbe-4]\n    stdout: {format: jsonl}\n";
    let config = lab.write("exports.yaml", text);
    let once = || -> Vec<Value> {
        let output = lab.export(&["run", "--once", "--config", config.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    };
    let of = |rounds: std::ops::Range<u64>| -> Vec<Value> {
        rounds.flat_map(|round| truth("elbe-4", round)).collect()
    };
    let (first, middle) = (ROUNDS.start, ROUNDS.start + 5);
    lab.finish(0, first..middle).await;
    assert_eq!(once(), of(first..middle));
    assert_eq!(once(), [Value::Null; 0]);
    lab.finish(0, middle..middle + 5).await;
    assert_eq!(once(), of(middle..middle + 5));
}

#[tokio::test]
async fn duckdb_reads_what_is_in_the_store() {
    const SCRIPT: &str = "
import duckdb, json, sys
csv, jsonl, parquet = sys.argv[1:]
decimals = \"columns = {'net': 'VARCHAR', 'region': 'VARCHAR', 'obis': 'VARCHAR', 'unit': 'VARCHAR', \
'scale': 'INTEGER', 'round': 'BIGINT', 'start': 'TIMESTAMP', 'end': 'TIMESTAMP', 'value': 'DECIMAL(38,1)', \
'contributors': 'BIGINT', 'members': 'BIGINT', 'quality': 'VARCHAR', 'reason': 'VARCHAR'}\"
for source in [f\"read_csv('{csv}', header = true, {decimals})\", f\"read_json('{jsonl}', format = \
'newline_delimited', {decimals})\", f\"'{parquet}'\"]:
    rows = duckdb.sql(f'''SELECT net, region, obis, unit, scale, round, epoch_us(start) // 1000000, \
epoch_us(\"end\") // 1000000, value::VARCHAR, contributors, members, quality, reason FROM {source}''')
    print(json.dumps(rows.fetchall()))
types = duckdb.sql(f\"DESCRIBE SELECT value, start, round FROM '{parquet}'\").fetchall()
print(json.dumps([row[1] for row in types]))
";
    let lab = two_nets().await;
    let nets = NETS;
    let csv = lab.export_to("all.csv", &[&["csv", "--values"][..], &nets].concat());
    let jsonl = lab.export_to("all.jsonl", &[&["jsonl"][..], &nets].concat());
    let parquet = lab.export_to("all.parquet", &[&["parquet"][..], &nets].concat());
    assert_eq!(lines(&jsonl), expected());
    let array = lab.export_to("all.json", &[&["json", "--values"][..], &nets].concat());
    let array: Vec<Value> = serde_json::from_slice(&std::fs::read(array).unwrap()).unwrap();
    assert_eq!(array, expected());

    let Some(read) = python(SCRIPT, &[&csv, &jsonl, &parquet]) else {
        return;
    };
    let second = |value: &Value| {
        let time: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
        json!(time.as_second())
    };
    // A column of decimals has one scale.
    let decimal = |value: &Value| match value.as_str() {
        Some(text) if !text.contains('.') => json!(format!("{text}.0")),
        _ => value.clone(),
    };
    let rows: Vec<Value> = expected()
        .iter()
        .map(|value| {
            json!([
                value["net"],
                value["region"],
                value["obis"],
                value["unit"],
                value["scale"],
                value["round"],
                second(&value["start"]),
                second(&value["end"]),
                decimal(&value["value"]),
                value["contributors"],
                value["members"],
                value["quality"],
                value["reason"]
            ])
        })
        .collect();
    let text = String::from_utf8(read).unwrap();
    let read: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (format, found) in ["CSV", "JSON Lines", "Parquet"].iter().zip(&read) {
        assert!(found.as_array() == Some(&rows), "{format} differs");
    }
    assert_eq!(
        read[3],
        json!(["DECIMAL(38,1)", "TIMESTAMP WITH TIME ZONE", "BIGINT"])
    );
}

#[tokio::test]
async fn prometheus_takes_the_samples() {
    let lab = two_nets().await;
    let file = lab.export_to("all.om", &["openmetrics", "elbe-4", "elbe-5"]);
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .ends_with("\n# EOF\n")
    );
    if !has("promtool") {
        return;
    }
    let checked = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let blocks = lab.path("blocks");
    // Dumping wants a whole database, with a log of what is not in blocks yet.
    std::fs::create_dir_all(blocks.join("wal")).unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &blocks])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let dumped = Command::new("promtool")
        .args(["tsdb", "dump"])
        .arg(&blocks)
        .output()
        .unwrap();
    let dumped = String::from_utf8(dumped.stdout).unwrap();
    let mut samples = BTreeMap::new();
    for line in dumped.lines() {
        let (labels, sample) = line.rsplit_once("} ").unwrap();
        let (number, time) = sample.split_once(' ').unwrap();
        let label = |name: &str| {
            let from = labels
                .split_once(&format!("{name}=\""))
                .map(|(_, rest)| rest);
            from.map(|rest| rest.split('"').next().unwrap().to_owned())
                .unwrap_or_default()
        };
        let key = (
            label("__name__"),
            label("net"),
            label("obis"),
            time.to_owned(),
        );
        let number: f64 = number.parse().unwrap();
        assert!(samples.insert(key, number).is_none(), "twice: {line}");
    }
    let mut expected = BTreeMap::new();
    for value in self::expected() {
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        let start: jiff::Timestamp = text("start").parse().unwrap();
        let time = start.as_millisecond().to_string();
        let mut put = |name: &str, obis: String, number: f64| {
            expected.insert((name.to_owned(), text("net"), obis, time.clone()), number);
        };
        if let Some(sum) = value["value"].as_str() {
            put("dcnet_round_value", text("obis"), sum.parse().unwrap());
        }
        for quality in ["failed", "corrected"] {
            let is_so = value["quality"].as_str() == Some(quality);
            let number = if is_so { 1.0 } else { 0.0 };
            put(&format!("dcnet_round_{quality}"), String::new(), number);
        }
        let end: jiff::Timestamp = text("end").parse().unwrap();
        let end = end.as_second().to_string();
        put("dcnet_round_end", String::new(), end.parse().unwrap());
        for name in ["contributors", "members"] {
            let number = value[name].as_f64().unwrap();
            put(&format!("dcnet_round_{name}"), String::new(), number);
        }
    }
    assert!(
        samples == expected,
        "{} of {} samples",
        samples.len(),
        expected.len()
    );
}

#[tokio::test]
async fn ranges_begin_and_end_within_gaps() {
    let lab = two_nets().await;
    // Absent ones: 8 modulo 11.
    let gap = ROUNDS.clone().find(|round| round % 11 == 8).unwrap();
    let time = |round: u64| {
        truth("elbe-4", round)[0]["start"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let read = |from: u64, to: u64| {
        let file = format!("{from}-{to}.jsonl");
        let range = ["jsonl", "elbe-4", "--from", &time(from), "--to", &time(to)];
        lines(&lab.export_to(&file, &range))
    };
    for (from, to) in [
        (gap, gap + 1),
        (gap, gap + 3),
        (gap - 2, gap + 1),
        (gap, gap),
    ] {
        let expected: Vec<Value> = (from..to)
            .flat_map(|round| truth("elbe-4", round))
            .collect();
        assert_eq!(read(from, to), expected, "{from}..{to}");
    }
    // Before the first and behind the last round there are no gaps.
    let early = read(ROUNDS.start - 50, ROUNDS.start + 1);
    assert_eq!(early, truth("elbe-4", ROUNDS.start));
    let late = read(ROUNDS.end - 1, ROUNDS.end + 50);
    assert_eq!(late, truth("elbe-4", ROUNDS.end - 1));

    let again = lab.export(&[
        "jsonl",
        "elbe-4",
        "--out",
        lab.path("1-2.jsonl").to_str().unwrap(),
    ]);
    assert!(again.status.success());
    let again = lab.export(&[
        "jsonl",
        "elbe-4",
        "--out",
        lab.path("1-2.jsonl").to_str().unwrap(),
    ]);
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("never overwritten"), "{told}");
    let unknown = lab.export(&[
        "parquet",
        "elbe-9",
        "--out",
        lab.path("no").to_str().unwrap(),
    ]);
    assert_eq!(unknown.status.code(), Some(4), "{unknown:?}");
    let left: Vec<_> = std::fs::read_dir(lab.folder.path()).unwrap().collect();
    let left: Vec<_> = left
        .iter()
        .map(|entry| entry.as_ref().unwrap().file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().ends_with(".tmp")),
        "{left:?}"
    );
}
