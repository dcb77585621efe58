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
