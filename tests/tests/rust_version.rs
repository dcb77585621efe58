//! The oldest Rust that each crate says it can be built with is one that its dependencies agree to.
//!
//! That the crates' own code keeps to it is clippy's to say (`incompatible_msrv`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Crates of programs and libraries: the tests need what all of them need.
const CRATES: [&str; 5] = [
    "dcnet-obis",
    "dcnet-protocol",
    "dcnet-profiles",
    "dcnet-gateway",
    "dcnet-provider",
];

/// What gateways are built for.
const TARGETS: [&str; 3] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "armv7-unknown-linux-gnueabihf",
];

type Version = Vec<u32>;

fn version(text: &str) -> Version {
    let mut parts: Version = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// By name and version: the oldest Rust that a crate asks for.
fn asked() -> BTreeMap<(String, String), Version> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter_map(|package| {
            let text = |key: &str| package[key].as_str().map(str::to_owned);
            let asked = version(&text("rust_version")?);
            Some(((text("name")?, text("version")?), asked))
        })
        .collect()
}

/// Everything that building `name` needs, itself included, by name and version.
fn below(name: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for target in TARGETS {
        let tree = cargo(&[
            "tree",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            name,
            "--target",
            target,
        ]);
        all.extend(tree.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            Some((name, words.next()?.trim_start_matches('v').to_owned()))
        }));
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn no_dependency_asks_for_a_newer_rust_than_is_promised() {
    let asked = asked();
    for name in CRATES {
        let below = below(name);
        let own = below.iter().find(|(other, _)| other == name).unwrap();
        let promised = &asked[own];
        let newer: Vec<_> = below
            .iter()
            .filter_map(|one| Some((one, asked.get(one)?)))
            .filter(|(_, version)| *version > promised)
            .collect();
        assert!(newer.is_empty(), "{name} promises {promised:?}: {newer:?}");
    }
}

/// The check itself: it sees what asks for much.
#[test]
fn the_check_sees_what_asks_for_most() {
    let asked = asked();
    let most = |name: &str| {
        let below = below(name);
        below.iter().filter_map(|one| asked.get(one)).max().cloned()
    };
    assert!(
        below("dcnet-provider")
            .iter()
            .any(|(name, _)| name == "sqlx-core")
    );
    assert!(
        !below("dcnet-gateway")
            .iter()
            .any(|(name, _)| name == "sqlx-core")
    );
    assert!(most("dcnet-gateway") < most("dcnet-provider"));
    assert!(below("dcnet-protocol").len() > 50);
}
