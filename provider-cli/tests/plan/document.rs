//! `docs/net-size.md` says what `docs/net-size.json` says, and that is what the program finds in the shared data
//! set by the command that the document names.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/net-size.md");
const REPORT: &str = include_str!("../../../docs/net-size.json");

const DATA: &str = "swiss-households-15min.csv.gz";

/// Sizes that are measured anew, the smallest and the largest: what is found of one depends on no other, and all of
/// them take twice as long.
const ANEW: &str = "2,200";

/// In the order of the document.
const ADVERSARIES: [&str; 5] = [
    "correlation",
    "deviation",
    "variances",
    "learned",
    "covariances",
];

#[test]
fn the_tables_are_those_of_the_report() {
    let report = report();
    let tables = [
        membership(&report, 0),
        membership(&report, 1),
        recovery(&report),
        corrections(&report),
    ];
    for table in &tables {
        assert!(
            DOCUMENT.contains(&format!("\n{table}\n")),
            "not in the document:\n{table}"
        );
    }
    // And no other rows are in it.
    let rows = |text: &str| {
        let rows = text.lines().filter(|line| {
            let first = line
                .strip_prefix("| ")
                .and_then(|rest| rest.split(' ').next());
            first.is_some_and(|first| first.parse::<u32>().is_ok())
        });
        rows.count()
    };
    let known: usize = tables.iter().map(|table| rows(table)).sum();
    assert_eq!((rows(DOCUMENT), known), (4 * 7, 4 * 7));
}

#[test]
fn the_sentences_are_those_of_the_report() {
    let report = report();
    let document = DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" ");
    let data = &report["data"];
    let number = |value: &Value| grouped(value.as_u64().unwrap());
    let kwh = |value: &Value| format!("{:.2}", value.as_f64().unwrap()).replace('-', "−");
    let of_data = format!(
        "{} households, {} weeks, {} readings from {} to {} kWh in a quarter-hour, none missing",
        number(&data["households"]),
        number(&data["weeks"]),
        number(&data["readings"]),
        kwh(&data["lowest"]),
        kwh(&data["highest"]),
    );
    assert_eq!(data["missing"], 0);
    let hundred = size(&report, 100);
    let twenty = size(&report, 20);
    let recovered = hundred["recovery"]["explained"]["value"].as_f64().unwrap();
    let of_hundred = format!(
        "of its variance regression recovers {:.1} %",
        recovered * 100.0
    );
    let between = |size: &Value, span: usize| {
        let percent = |adversary| {
            let value = advantage(&size["membership"][span], adversary)["value"].as_f64();
            format!("{:.0}", value.unwrap() * 100.0)
        };
        format!("{} to {} %", percent("learned"), percent("covariances"))
    };
    let known = format!(
        "with the sums of a day such an adversary is better than guessing by {}, with those of a week by {}.",
        between(hundred, 0),
        between(hundred, 1)
    );
    let compared = format!("here it is {}.", between(twenty, 0));
    // To two digits: that is no measurement.
    let by_model = |window: usize| {
        let size = report["windows"][window]["size_by_model"].as_u64().unwrap();
        let step = 10_u64.pow(size.ilog10() - 1);
        grouped((size + step / 2) / step * step)
    };
    let normal = format!(
        "If sums were normal it would take about {} members to bring the advantage below 0.05 for a day, and about {} \
         for a week.",
        by_model(0),
        by_model(1)
    );
    for sentence in [of_data, of_hundred, known, compared, normal] {
        assert!(
            document.contains(&sentence),
            "not in the document: {sentence}"
        );
    }

    // No size brings the advantage below 5 %, and for a day the normal one is too small from 10 members on.
    for size in report["sizes"].as_array().unwrap() {
        for membership in size["membership"].as_array().unwrap() {
            let best = advantage(membership, membership["best"].as_str().unwrap());
            assert!(best["value"].as_f64() > Some(0.05), "{membership}");
            let above = best["value"].as_f64() > membership["by_model"].as_f64();
            let claimed = membership["span"] == "day" && size["size"].as_u64() >= Some(10);
            assert!(above || !claimed, "{membership}");
        }
    }
}

/// Real households: more is told over a week than over a day, less in larger nets, and regression recovers
/// about one part in N.
#[test]
fn the_report_is_one_of_real_households() {
    let report = report();
    let best = |members, span: usize| {
        let membership = &size(&report, members)["membership"][span];
        let best = advantage(membership, membership["best"].as_str().unwrap());
        best["value"].as_f64().unwrap()
    };
    for span in [0, 1] {
        assert!(best(2, span) > 0.7, "{}", best(2, span));
        assert!(best(100, span) < best(2, span));
    }
    assert!(best(100, 1) > best(100, 0));
    let explained = |members| &size(&report, members)["recovery"]["explained"];
    let of_two = explained(2)["value"].as_f64().unwrap();
    assert!((0.3..0.7).contains(&of_two), "{of_two}");
    assert!(explained(100)["high"].as_f64() < Some(0.1));
}

/// By the command of the document, for some of the sizes.
#[test]
fn the_report_is_what_the_program_finds() {
    let Some(found) = run(&["--sizes", ANEW]) else {
        return;
    };
    let (found, report) = (serde_json::from_slice::<Value>(&found).unwrap(), report());
    for part in ["data", "windows", "seed", "repetitions", "bounds"] {
        assert_eq!(found[part], report[part], "{part}");
    }
    let sizes = found["sizes"].as_array().unwrap();
    assert_eq!(sizes.len(), ANEW.split(',').count());
    for found in sizes {
        let kept = size(&report, found["size"].as_u64().unwrap());
        assert_eq!(found, kept, "{}", found["size"]);
    }
}

#[test]
#[ignore = "takes a minute; cargo test -p dcnet-provider --test plan -- --ignored"]
fn the_whole_report_is_what_the_program_prints() {
    if let Some(found) = run(&[]) {
        assert!(found == REPORT.as_bytes(), "docs/net-size.json is another");
    }
}

/// What the command of the document prints, with more arguments; none without the data.
fn run(more: &[&str]) -> Option<Vec<u8>> {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: set DCNET_SHARED to the folder with datasets/");
        return None;
    };
    let file = Path::new(&shared).join("datasets").join(DATA);
    let begin = format!("dcnet plan {DATA} ");
    let mut lines = DOCUMENT.lines();
    let arguments = lines.find_map(|line| line.strip_prefix(&begin)).unwrap();
    let arguments = arguments.strip_suffix(" >net-size.json").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .arg("plan")
        .arg(file)
        .args(arguments.split(' '))
        .args(more)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(output.stdout)
}

fn report() -> Value {
    serde_json::from_str(REPORT).unwrap()
}

fn size(report: &Value, members: u64) -> &Value {
    let mut sizes = report["sizes"].as_array().unwrap().iter();
    sizes.find(|size| size["size"] == members).unwrap()
}

fn advantage<'a>(membership: &'a Value, adversary: &str) -> &'a Value {
    let mut told = membership["adversaries"].as_array().unwrap().iter();
    &told.find(|told| told["adversary"] == adversary).unwrap()["advantage"]
}

fn membership(report: &Value, span: usize) -> String {
    let mut head: Vec<&str> = vec!["members"];
    head.extend(ADVERSARIES);
    head.extend(["exposed tenth", "if normal"]);
    table(report, &head, |size| {
        let membership = &size["membership"][span];
        let told = ADVERSARIES.map(|adversary| interval(advantage(membership, adversary)));
        let mut cells = told.to_vec();
        cells.push(interval(&membership["exposed"]));
        cells.push(digits(&membership["by_model"], 3));
        cells
    })
}

fn recovery(report: &Value) -> String {
    let head = [
        "members",
        "recovered",
        "correlation",
        "relative entropy, bits",
        "edges: precision",
        "edges: recall",
    ];
    table(report, &head, |size| {
        let found = &size["recovery"];
        let beside = |of: &Value, name: &str, chance: &str| {
            let chance = digits(&of[chance]["value"], 3);
            format!("{} ({chance})", interval(&of[name]))
        };
        vec![
            interval(&found["explained"]),
            beside(found, "correlation", "correlation_chance"),
            beside(found, "entropy", "entropy_mean"),
            beside(&found["edges"], "precision", "precision_chance"),
            beside(&found["edges"], "recall", "recall_chance"),
        ]
    })
}

fn corrections(report: &Value) -> String {
    let head = [
        "members",
        "may be missing",
        "rounds corrected a day",
        "rounds without sum a day",
        "shares",
    ];
    table(report, &head, |size| {
        let found = &size["corrections"];
        let sharing = found["threshold"].as_u64().zip(found["degree"].as_u64());
        let sharing = sharing.map(|(threshold, degree)| format!("{threshold} of {degree}"));
        vec![
            found["tolerated"].to_string(),
            digits(&found["corrected_a_day"], 2),
            digits(&found["failed_a_day"], 4),
            sharing.unwrap_or_else(|| "-".to_owned()),
        ]
    })
}

/// As it stands in the document, a row for each size.
fn table(report: &Value, head: &[&str], cells: impl Fn(&Value) -> Vec<String>) -> String {
    let mut text = format!("| {} |\n{}|", head.join(" | "), "|---".repeat(head.len()));
    for size in report["sizes"].as_array().unwrap() {
        let cells = cells(size).join(" | ");
        write!(text, "\n| {} | {cells} |", size["size"]).unwrap();
    }
    text
}

fn interval(estimate: &Value) -> String {
    let [value, low, high] = ["value", "low", "high"].map(|name| digits(&estimate[name], 3));
    format!("{value} [{low}, {high}]")
}

fn digits(value: &Value, decimals: usize) -> String {
    format!("{:.decimals$}", value.as_f64().unwrap())
}

/// With a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
