//! Modbus meters in whole profiles.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;

use dcnet_profiles::Profile;
use dcnet_profiles::meter::Source;
use dcnet_profiles::modbus::{Layout, ModbusLine};

/// The sample of the household, its meter read by `source`.
fn household(source: &str) -> String {
    let sample = include_str!("../catalog/household.yaml");
    let rest = sample.find("evaluation:").unwrap();
    format!(
        "meter: {{ name: cellar, source: {source} }}\n{}",
        sample.get(rest..).unwrap()
    )
}

fn load(folder: &Path, source: &str) -> Result<Profile, String> {
    let file = folder.join("profile.yaml");
    std::fs::write(&file, household(source)).unwrap();
    let prefix = format!("{}/", folder.display());
    Profile::load(&file).map_err(|error| error.to_string().replace(&prefix, ""))
}

const OWN: &str = "name: own\nmaker: M\nmodel: X\nregisters:\n  \
                   - { obis: 1.8.0, address: 1, type: uint32, unit: Wh }\n";

#[test]
fn paths_are_taken_from_the_folder_of_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("meters")).unwrap();
    std::fs::write(folder.path().join("meters/own.yaml"), OWN).unwrap();
    let profile = load(
        folder.path(),
        "{ modbus: { serial: { device: port }, unit: 3, template: own, templates: meters } }",
    )
    .unwrap();
    let source = &profile.first_meter().sources[0];
    let port = folder.path().join("port");
    assert_eq!((source.key(), source.device()), ("modbus", Some(&port)));
    assert_eq!(source.silence(), 40, "the pause and half a minute");
    let Source::Modbus(source) = source else {
        panic!("{source:?}");
    };
    assert!(matches!(&source.line, ModbusLine::Serial(line) if line.device == port));
    assert_eq!(source.templates, Some(folder.path().join("meters")));
    assert!(matches!(source.layout(), Ok(Layout::Template(own)) if own.model == "X"));
}

#[test]
fn a_profile_with_a_template_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = "{ modbus: { tcp: \"10.0.0.1:502\", unit: 1, template: own, templates: . } }";
    let error = load(folder.path(), source).unwrap_err();
    assert!(
        error.starts_with("profile.yaml: modbus.template: there is no template `own` in "),
        "{error}"
    );
    std::fs::write(folder.path().join("own.yaml"), OWN.replace("uint32", "u32")).unwrap();
    let error = load(folder.path(), source).unwrap_err();
    assert!(
        error.starts_with("./own.yaml:5:38: registers[0].type: unknown variant `u32`"),
        "{error}"
    );
    std::fs::write(folder.path().join("own.yaml"), OWN).unwrap();
    assert!(load(folder.path(), source).is_ok());
}

#[test]
fn what_is_wrong_with_a_device_is_said_with_place_and_key() {
    let folder = tempfile::tempdir().unwrap();
    for (source, expected) in [
        (
            "{ modbus: { tcp: \"10.0.0.1\", unit: 1, template: sunspec } }",
            "profile.yaml:1:49: meter.source.modbus.tcp: is no address; give HOST:PORT",
        ),
        (
            "{ modbus: { unit: 1, template: sunspec } }",
            "profile.yaml:1:42: meter.source.modbus: has neither `tcp` nor `serial`",
        ),
        (
            "{ modbus: { tcp: \"a:1\", unit: 1, template: sunspec }, stdin: {} }",
            "profile.yaml:1:8: meter: a source has exactly one of the keys sml, d0, \
             vzlogger, modbus, command, stdin",
        ),
    ] {
        let error = load(folder.path(), source).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// The sample of the household with these meters instead of its own; its slots read the first.
fn meters(meters: &[(&str, &str)]) -> Result<Profile, String> {
    let sample = include_str!("../catalog/household.yaml");
    let rest = sample.find("evaluation:").unwrap();
    let lines = meters
        .iter()
        .map(|(name, sources)| format!("  - {{ name: {name}, {sources} }}\n"));
    let text = format!(
        "meters:\n{}{}",
        lines.collect::<String>(),
        sample.get(rest..).unwrap()
    );
    Profile::parse(&text, Path::new("p.yaml")).map_err(|error| error.to_string())
}

/// A meter on the line `port`.
fn on_a_line(keys: &str, unit: u8) -> String {
    format!(
        "source: {{ modbus: {{ serial: {{ device: port, {keys} }}, unit: {unit}, template: sunspec }} }}"
    )
}

#[test]
fn meters_with_different_units_share_a_line() {
    let (default, written) = (on_a_line("baud: 9600", 1), on_a_line("parity: none", 2));
    let elsewhere = on_a_line("baud: 2400", 1).replace("port", "other");
    let behind_one_address = "source: { modbus: { tcp: \"a:1\", unit: 1, template: sunspec } }";
    let profile = meters(&[
        ("cellar", &default),
        ("attic", &written),
        ("shed", &elsewhere),
        ("garage", behind_one_address),
        ("garden", behind_one_address),
    ])
    .unwrap();
    let lines = profile.meters.iter().map(|meter| match &meter.sources[0] {
        Source::Modbus(source) => source.line.clone(),
        other => panic!("{other:?}"),
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines[0], lines[1], "what is left out is what is written");
    assert_ne!(lines[0], lines[2]);
}

#[test]
fn what_cannot_share_a_port_is_refused_with_who_has_it_and_what_differs() {
    let first = on_a_line("baud: 9600", 1);
    let sml = "source: { sml: { device: port } }";
    let d0 = "source: { d0: { device: port } }";
    let ways = "sources: [{ sml: { device: port } }, { d0: { device: port } }]";
    let taken = |first, second| {
        format!(
            "the port port is that of {first} and of {second}; a port has one reader, only Modbus \
             meters can share one"
        )
    };
    let differs = |key, here, there| {
        format!(
            "cellar (modbus) and attic (modbus) are on one line (port), but {key} is {here} and \
             {there}; all meters on a line have the same"
        )
    };
    let line = |keys| on_a_line(keys, 2);
    for (cellar, attic, expected) in [
        (&first, line("baud: 19200"), differs("baud", "9600", "19200")),
        (&first, line("parity: even"), differs("parity", "none", "even")),
        (&first, line("stop_bits: 2"), differs("stop_bits", "1", "2")),
        (
            &first,
            first.clone(),
            "cellar (modbus) and attic (modbus) are both unit 1 on one line (port); each meter on a \
             line has a unit address of its own"
                .to_owned(),
        ),
        (&first, sml.into(), taken("cellar (modbus)", "attic (sml)")),
        (&d0.into(), first.clone(), taken("cellar (d0)", "attic (modbus)")),
        (&sml.into(), sml.into(), taken("cellar (sml)", "attic (sml)")),
        (&ways.into(), first.clone(), taken("cellar (sml)", "cellar (d0)")),
    ] {
        let error = meters(&[("cellar", cellar), ("attic", &attic)]).unwrap_err();
        assert!(error.starts_with("p.yaml: "), "{error}");
        assert!(error.ends_with(&format!("meters: {expected}")), "{error}");
    }
}
