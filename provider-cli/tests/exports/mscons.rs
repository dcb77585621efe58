//! MSCONS, read by pydifact, and held against the published rules by edi-energy.

use std::fs::File;
use std::path::Path;

use dcnet_protocol::provider::RoundStatus;
use dcnet_provider::bench::Ending;
use edi_energy::{AnyMessage, EdiEnergyMessage as _, Platform};
use serde_json::Value;

use crate::store::{Lab, python};

const SCRIPT: &str = "
import json, sys
from pydifact.segmentcollection import Interchange
with open(sys.argv[1]) as file:
    interchange = Interchange.from_str(file.read())
print(json.dumps([[segment.tag, segment.elements] for segment in interchange.segments]))
";

/// How many values each message of the file has, all of which keep to the rules for this kind of message.
fn judged(file: &Path, kind: u32) -> Vec<usize> {
    let platform = Platform::with_all_profiles();
    let messages = platform.parse_interchange(File::open(file).unwrap());
    let count = |message: Result<AnyMessage, edi_energy::Error>| {
        let message = message.unwrap();
        assert_eq!(message.detect_pruefidentifikator().unwrap().as_u32(), kind);
        let report = message.validate().unwrap();
        assert!(report.is_valid(), "{}", report.render_deterministic());
        let AnyMessage::Mscons(message) = message else {
            panic!("{message:?}");
        };
        let points = message.delivery_points().iter();
        let series = points.flat_map(|point| &point.time_series);
        let items = series.flat_map(|series| &series.items);
        items.map(|item| item.quantities.len()).sum()
    };
    messages.map(count).collect()
}

fn config(kind: &str) -> String {
    format!(
        "sender: {{id: \"9900357000004\", agency: bdew}}\nreceiver: {{id: \"4012345000023\", agency: gs1}}\n\
         kind: {kind}\nseries:\n  - net: elbe-4\n    slot: 1-0:1.8.0*255\n    location: \"51238696799\"\n    \
         product: 1-1:1.29.0\n"
    )
}

pub fn round_at(time: &str) -> u64 {
    let time: jiff::Timestamp = time.parse().unwrap();
    u64::try_from(time.as_second()).unwrap() / 900
}

/// One of 0.1 Wh more than whole Wh in each round.
pub fn ended(round: u64) -> Ending {
    Ending {
        round,
        status: RoundStatus::Complete,
        sums: Some(vec![500_001, 1]),
        contributors: vec!["gw-1".parse().unwrap()],
        missing: Vec::new(),
    }
}

#[tokio::test]
async fn local_days_have_92_96_and_100_values() {
    let lab = Lab::new(&["elbe-4"]).await;
    // From the middle of a day to the middle of another one, around both days on which clocks move.
    for (from, to) in [
        ("2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z"),
        ("2026-10-23T12:00:00Z", "2026-10-26T12:00:00Z"),
    ] {
        let endings: Vec<_> = (round_at(from)..round_at(to)).map(ended).collect();
        lab.finish_as(0, &endings).await;
    }
    for (kind, number, code) in [("load-curve", 13025, "220"), ("sum-series", 13003, "79")] {
        let config = lab.write(&format!("{kind}.yaml"), &config(kind));
        if !days_are_whole(&lab, &config, number, code) {
            return;
        }
    }
}

/// `false` if there is nobody to read them.
fn days_are_whole(lab: &Lab, config: &Path, kind: u32, code: &str) -> bool {
    for (from, to, lengths, begin, end) in [
        (
            "2026-03-27T12:00:00Z",
            "2026-03-30T12:00:00Z",
            [96, 92],
            "202603272300+00",
            "202603292200+00",
        ),
        (
            "2026-10-23T12:00:00Z",
            "2026-10-26T12:00:00Z",
            [96, 100],
            "202610232200+00",
            "202610252300+00",
        ),
    ] {
        let range = ["mscons", "elbe-4", "--from", from, "--to", to];
        let args = [&range[..], &["--config", config.to_str().unwrap()]].concat();
        let file = lab.export_to(&format!("{kind}-{}.edi", &to[..10]), &args);
        let Some(read) = python(SCRIPT, &[&file]) else {
            return false;
        };
        let segments: Vec<(String, Vec<Value>)> = serde_json::from_slice(&read).unwrap();
        let messages: Vec<_> = segments.split(|(tag, _)| tag == "UNH").skip(1).collect();
        let mut found = Vec::new();
        for message in &messages {
            let quantities = message.iter().filter(|(tag, _)| tag == "QTY");
            let quantities: Vec<i64> = quantities
                .map(|(_, elements)| {
                    assert_eq!(elements[0][0], code);
                    elements[0][1]
                        .as_str()
                        .unwrap()
                        .replace('.', "")
                        .parse()
                        .unwrap()
                })
                .collect();
            // 50,000.1 Wh each: the day is exact down to a watt-hour.
            let count = i64::try_from(quantities.len()).unwrap();
            assert_eq!(quantities.iter().sum::<i64>(), count * 500_001 / 10);
            found.push(quantities.len());
            let count = message.iter().position(|(tag, _)| tag == "UNT").unwrap() + 2;
            let told = message.iter().find(|(tag, _)| tag == "UNT").unwrap();
            assert_eq!(told.1[0], count.to_string());
        }
        // Whole days only: those at the borders are left out.
        assert_eq!(found, lengths, "{to}");
        assert_eq!(judged(&file, kind), lengths, "{to}");
        let times = |code: &str| -> Vec<&str> {
            let times = segments
                .iter()
                .filter(|(tag, e)| tag == "DTM" && e[0][0] == code);
            times
                .map(|(_, elements)| elements[0][1].as_str().unwrap())
                .collect()
        };
        assert_eq!(times("163")[0], begin);
        assert_eq!(*times("164").last().unwrap(), end);
    }
    true
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_refused() {
    let lab = Lab::new(&["elbe-4"]).await;
    let first = round_at("2026-11-20T23:00:00Z");
    let absent = first + 40;
    let there = (first..first + 97).filter(|round| *round != absent);
    let endings: Vec<_> = there.map(ended).collect();
    lab.finish_as(0, &endings).await;
    let curve = lab.write("curve.yaml", &config("load-curve"));
    let sum = lab.write("sum.yaml", &config("sum-series"));
    for config in [&sum, &curve] {
        let refused = lab.export(&["mscons", "elbe-4", "--config", config.to_str().unwrap()]);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(
            told.contains(&format!("round {absent} of net elbe-4 has no sum")),
            "{told}"
        );
    }
    lab.finish_as(0, &[ended(absent)]).await;
    let file = lab.export_to(
        "curve.edi",
        &["mscons", "elbe-4", "--config", curve.to_str().unwrap()],
    );
    assert_eq!(judged(&file, 13025), [96]);
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.matches("'QTY+220:").count(), 96, "{text}");
    assert!(
        text.starts_with("UNA:+.? 'UNB+UNOC:3+9900357000004:500+4012345000023:14+"),
        "{text}"
    );
    assert!(text.contains("'RFF+Z13:13025'NAD+MS+9900357000004::293'NAD+MR+4012345000023::9'"));

    let file = lab.export_to(
        "sum.edi",
        &["mscons", "elbe-4", "--config", sum.to_str().unwrap()],
    );
    assert_eq!(judged(&file, 13003), [96]);
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.matches("'QTY+79:").count(), 96, "{text}");
    assert!(text.contains("'RFF+Z13:13003'"), "{text}");
    assert!(text.contains("'DTM+492:202611:610'"), "{text}");

    for (wrong, told) in [
        (
            config("sum-series").replace("9900357000004", "99"),
            "13 digits",
        ),
        (
            config("sum-series").replace("51238696799", "x"),
            "no id of a location",
        ),
        (
            config("sum-series").replace("1.8.0", "2.8.0"),
            "no slot 1-0:2.8.0*255",
        ),
        (
            config("sum-series").replace("1.8.0", "16.7.0"),
            "MSCONS takes energy",
        ),
        (
            config("sum-series").replace("elbe-4", "elbe-5"),
            "no series of net elbe-4",
        ),
        (config("sum-series").replace("kind:", "kin:"), "kin"),
    ] {
        let path = lab.write("wrong.yaml", &wrong);
        let refused = lab.export(&["mscons", "elbe-4", "--config", path.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && text.contains(told), "{text}");
    }
}
