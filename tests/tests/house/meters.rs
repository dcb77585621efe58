//! Meters that are exchanged and unplugged, and gateways whose certificates are of no use.

use std::fs;
use std::time::Duration;

use dcnet_provider::pki::Authority;
use dcnet_tests::harness::{Published, wait_for};

use crate::stage::Stage;

/// For what takes a moment.
const PATIENCE: Duration = Duration::from_secs(30);

fn is_silent(published: &Published, names: &[&str]) -> bool {
    published.sums.is_some()
        && names
            .iter()
            .all(|name| published.silent.iter().any(|silent| silent == name))
}

/// The rounds in which meters were exchanged have no reading of theirs: never a negative one,
/// never a giant one. The rounds after it have one again.
#[test]
fn exchanged_and_unplugged_meters_are_silent_and_come_back() {
    let mut stage = Stage::new(8, 4);
    stage.wait_for_everybody();

    stage.meters["gw-1"].with(|household| household.replace_meter(0, false));
    stage.meters["gw-2"].with(|household| household.replace_meter(40_000_000_000, false));
    stage.meters["gw-3"].with(|household| household.replace_meter(5_000, true));
    stage.meters["gw-4"].unplug();
    let exchanged = ["gw-1", "gw-2", "gw-3", "gw-4"];
    let hit = stage.wait("round with silent meters", |published| {
        is_silent(published, &exchanged)
    });
    assert_eq!(hit.contributors.len(), 4, "{hit:#?}");
    let back = stage.wait("round of the new meters", |published| {
        is_silent(published, &["gw-4"]) && published.contributors.len() == 7
    });
    assert!(back.round > hit.round);

    let port = stage.lab.port("gw-4");
    stage.meters["gw-4"].plug(&port).unwrap();
    stage.wait_for_everybody();

    let reasons = |name: &str| {
        let events = stage.events(name, "round.no_reading");
        let reasons = events.iter().map(|event| event["message"].to_string());
        reasons.collect::<Vec<_>>().join("\n")
    };
    assert!(reasons("gw-1").contains("went back: was the meter replaced?"));
    assert!(reasons("gw-2").contains("that max_power allows"));
    assert!(reasons("gw-3").contains("device id"));
    let faults = stage.events("gw-4", "meter.fault");
    assert_eq!(faults.len(), 1, "one line, no flood: {faults:#?}");
    assert!(faults[0]["message"].to_string().contains("reading head"));
}

/// A gateway certified by somebody else is told so, whoever notices first, and harms nobody.
#[test]
fn certificates_of_another_authority_are_refused_with_a_diagnosis() {
    let mut stage = Stage::new(5, 4);
    let foreign = stage.lab.folder().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let authority = Authority::create(&foreign).unwrap();
    stage.wait_for_everybody();

    // Its own files do not fit each other: it does not even begin.
    stage.kill("gw-5");
    stage.lab.issue(&authority, "gw-5").unwrap();
    let diagnosis = stage.end_of("gw-5");
    assert!(
        diagnosis.contains("communication.signature.certificate"),
        "{diagnosis}"
    );

    // They fit each other, but not the net that it knows.
    let ca = authority.certificate_path();
    stage.lab.write_profile("gw-5", &ca).unwrap();
    let diagnosis = stage.end_of("gw-5");
    assert!(
        diagnosis.contains("the net trusts another gateway certification authority"),
        "{diagnosis}"
    );

    // It knows no net yet, and the provider does not let it in.
    fs::remove_dir_all(stage.lab.gateway_folder("gw-5").join("state")).unwrap();
    stage.lab.start_gateway("gw-5").unwrap();
    let told = wait_for("a diagnosis", PATIENCE, || {
        let lost = stage.events("gw-5", "provider.lost").pop();
        Ok(lost.map(|event| event["message"].to_string()))
    });
    let told = told.unwrap();
    assert!(told.contains("communication.tls.certificate"), "{told}");
    let provider = fs::read_to_string(stage.lab.provider_log()).unwrap();
    assert!(provider.contains("TLS handshake refused"), "{provider}");

    // The others do without it.
    stage.wait("round of the others", |published| {
        published.is_complete() && published.contributors.len() == 4
    });
}
