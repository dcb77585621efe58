//! The published JSON Schema agrees with the reader of profiles.
#![allow(clippy::unwrap_used, reason = "a test")]

mod bad;

use std::path::Path;

use bad::{CASES, GOOD, TARIFF, TARIFF_CASES};
use boon::{Compiler, SchemaIndex, Schemas};
use dcnet_profiles::{Profile, schema};
use serde_json::Value;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

struct Published {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Published {
    fn load() -> Self {
        let text = std::fs::read_to_string(folder("schema/profile.schema.json")).unwrap();
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        let value = serde_json::from_str(&text).unwrap();
        compiler.add_resource("profile.json", value).unwrap();
        let index = compiler.compile("profile.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// `None` if `text` is no YAML that JSON can say.
    fn accepts(&self, text: &str) -> Option<bool> {
        let value: Value = serde_yaml::from_str(text).ok()?;
        Some(self.schemas.validate(&value, self.index).is_ok())
    }
}

#[test]
fn the_published_schema_is_that_of_the_reader() {
    let published = std::fs::read_to_string(folder("schema/profile.schema.json")).unwrap();
    assert!(
        published == schema::text().unwrap(),
        "out of date: cargo run -p dcnet-profiles --example schema > \
         profiles/schema/profile.schema.json"
    );
}

#[test]
fn every_sample_names_the_schema_and_fits_it() {
    let published = Published::load();
    let mut number = 0;
    for entry in std::fs::read_dir(folder("catalog")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue; // templates of meters are no profiles
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(
            first,
            "# yaml-language-server: $schema=../schema/profile.schema.json",
            "{}",
            path.display()
        );
        let value: Value = serde_yaml::from_str(&text).unwrap();
        if let Err(error) = published.schemas.validate(&value, published.index) {
            panic!("{}: {error}", path.display());
        }
        number += 1;
    }
    assert!(number >= 9, "{number} samples");
}

/// Parts of messages about what no schema sees: what lies between several keys, or takes arithmetic.
const READER_ONLY: &[&str] = &[
    "duplicate field", // JSON readers take the last one
    "can be reached from other machines",
    "stands twice",
    "does not belong to TAF-7",
    "does not belong to TAF-10",
    "reads the meter attic",
    "the profile has cellar",
    "names a meter twice",
    "keep one of the two",
    "has a `min` above its `max`",
    "has neither `min` nor `max`",
    "goes with `above` or `below`",
    "stands beside `above`",
    "feed-in is read from",
    "extremes are not those of their sum",
    "evaluation.slots[0].unit: ",
    "has 2 bytes, 32 are needed",
    "has 1 bytes, 33 are needed",
    "cosignatures are demanded",
    "is listed twice",
    "have the same key",
    "no public key on the curve",
    "no time zone of the IANA database",
    "has to divide the year",
    "belongs to TAF-2",
    "each with its own name",
    "begins at \"00:00\"",
    "there is no stage",
    "there is no day profile",
    "\"02-30\" is not a day",
];

#[test]
fn bad_samples_are_refused_but_for_what_only_the_reader_finds() {
    let published = Published::load();
    let tariff = GOOD.replacen("communication:", TARIFF, 1);
    assert_eq!(published.accepts(GOOD), Some(true));
    assert_eq!(published.accepts(&tariff), Some(true));
    let cases = CASES.iter().map(|case| (GOOD, case));
    let cases = cases.chain(TARIFF_CASES.iter().map(|case| (tariff.as_str(), case)));
    let (mut refused, mut wrong) = (0, Vec::new());
    for (good, (from, to, message)) in cases {
        let accepted = published.accepts(&good.replacen(from, to, 1)) == Some(true);
        let reader_only = READER_ONLY.iter().any(|part| message.contains(part));
        refused += usize::from(!accepted);
        if accepted != reader_only {
            wrong.push(format!("accepted: {accepted}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused >= 25, "{refused} refused");
}

/// Every way to read a meter, and most of the keys that a slot can have.
const FULL: &str = "\
meters:
  - name: house
    device: 0a 01 44 5a 47 00 02 82 22 5e
    obis: [1.8.0, \"1-0:16.7.0*255\"]
    sources:
      - sml: { device: /dev/ttyUSB0, baud: 9600, parity: even, data_bits: 7, silence: 5 }
      - d0: { device: /dev/ttyUSB1, mode: push, address: \"12 A\", fastest: 9600, every: 30 }
      - command: { run: [sml_server, /dev/ttyUSB2], every: 60, directory: /tmp }
      - stdin: { silence: 10 }
  - name: pump
    source:
      modbus: { tcp: \"192.168.1.5:502\", unit: 1, template: eastron-sdm630, every: 5 }
  - name: roof
    source:
      modbus: { serial: { device: /dev/ttyUSB3, stop_bits: 2 }, unit: 1, template: sunspec }
  - name: shed
    source:
      vzlogger: { mqtt: { host: broker, user: house, password_file: word }, channels: { chn0: 1.8.0 } }
  - name: barn
    source:
      vzlogger: { http: \"http://127.0.0.1:8080\", every: 10 }
  - name: mill
    source:
      vzlogger:
        listen: 127.0.0.1:8081
        channels: { 550e8400-e29b-41d4-a716-446655440000: 1.8.0 }
evaluation:
  taf: 14
  tolerance: 10
  max_power: 43000
  slots:
    - { obis: 1.8.0, unit: Wh, scale: -1, meters: [house, pump], status: fnn }
    - { obis: 2.8.0, unit: Wh, scale: -1, absent: zero, meter: roof, status: edl }
    - { obis: 16.7.0, unit: W, scale: 0, method: feed-in, clip: { min: 0, max: 10000 } }
    - { obis: 32.7.0, unit: V, scale: 0, method: count, above: 253 }
    - { obis: 32.7.0, unit: V, scale: 0, method: count, below: 207 }
home:
  language: de
  mqtt: { broker: { host: broker }, every: 20, discovery: false }
communication:
  provider: https://provider.example
  net: quarter-7
  provider_ca: ca.pem
  tls: { certificate: tls.pem, key: tls.key }
  signature: { certificate: sig.pem, key: sig.key }
state: state
";

#[test]
fn all_keys_are_known_to_both() {
    Profile::parse(FULL, Path::new("p.yaml")).unwrap();
    assert_eq!(Published::load().accepts(FULL), Some(true));
    for (from, to) in [
        ("meters:\n", "meter: 5\nmeters:\n"),
        ("stdin: {", "stdout: {"),
        ("stdin: {", "command: { run: [a] }, stdin: {"),
        ("serial: {", "tcp: \"a:1\", serial: {"),
        ("every: 10 }", "every: 0 }"),
        ("language: de", "language: fr"),
        ("method: count", "method: often"),
        ("taf: 14", "taf: 2"),
        ("clip: { min: 0", "clip: { least: 0"),
    ] {
        assert!(FULL.contains(from), "{from}");
        let text = FULL.replacen(from, to, 1);
        let read = Profile::parse(&text, Path::new("p.yaml"));
        assert!(read.is_err(), "{to}: the reader");
        assert_ne!(Published::load().accepts(&text), Some(true), "{to}");
    }
}

#[test]
fn what_the_reader_takes_the_schema_takes() {
    agree_when_mutated(&GOOD.replacen("communication:", TARIFF, 1));
    agree_when_mutated(FULL);
}

fn agree_when_mutated(good: &str) {
    let published = Published::load();
    let (mut taken, mut wrong) = (0, Vec::new());
    for position in 0..good.len() {
        for byte in [
            b' ', b':', b'-', b'1', b'9', b'x', b'Z', b'.', b'\n', b'"', b'~',
        ] {
            let mut bytes = good.as_bytes().to_vec();
            *bytes.get_mut(position).unwrap() = byte;
            let text = String::from_utf8(bytes).unwrap();
            if Profile::parse(&text, Path::new("p.yaml")).is_ok() {
                taken += 1;
                if published.accepts(&text) == Some(false) {
                    let line = text.get(..position).unwrap().lines().count();
                    wrong.push(text.lines().nth(line.saturating_sub(1)).unwrap().to_owned());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken > 500, "{taken} taken");
}
