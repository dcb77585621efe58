//! The texts of the command line. `TRYCMD=overwrite cargo test -p dcnet-provider --test cli`
//! writes them anew; look at the difference.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

#[path = "common/published.rs"]
mod published;

use std::process::Command;

#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cmd/*.md");
}

#[test]
fn every_help_text_is_pinned() {
    fn collect(command: &clap::Command, path: &str, all: &mut Vec<String>) {
        all.push(format!("$ {path} --help"));
        for command in command.get_subcommands() {
            collect(command, &format!("{path} {}", command.get_name()), all);
        }
    }
    let mut all = Vec::new();
    collect(&dcnet_provider::cli::command(), "dcnet", &mut all);
    assert!(all.len() > 50, "{all:?}");
    let pinned = include_str!("cmd/help.md");
    // That would stand for any text.
    assert!(!pinned.lines().any(|line| line == "..."));
    let pinned: Vec<&str> = pinned.lines().collect();
    all.retain(|line| !pinned.contains(&line.as_str()));
    assert_eq!(all, [""; 0]);
}

#[test]
fn every_definition_of_the_published_schema_is_explained() {
    let explained = include_str!("../../docs/json.md");
    let schema: serde_json::Value = serde_json::from_str(&published::text()).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    // Those of commands are in lower case, those of parts in CamelCase.
    let commands = definitions
        .keys()
        .filter(|name| name.starts_with(|c: char| c.is_lowercase()));
    let unknown: Vec<&String> = commands
        .filter(|name| !explained.contains(&format!("`{name}`")))
        .collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn the_published_schema_is_that_of_what_is_printed() {
    assert!(
        published::text() == dcnet_provider::cli::json_schema().unwrap(),
        "out of date: cargo run -p dcnet-provider --example output_schema > provider-cli/{}",
        published::FILE
    );
}

/// What needs no server; the rest is held against the schema where there are rounds.
#[test]
fn what_is_printed_fits_the_published_schema() {
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/cmd/plan.in/households.csv"
    );
    let folder = tempfile::tempdir().unwrap();
    let dcnet = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_dcnet"))
            .args(args)
            .current_dir(folder.path())
            .env_remove("DCNET_STORE")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        output.stdout
    };
    dcnet(&["pki", "init", "ca"]);
    dcnet(&["pki", "issue", "ca", "gw-1"]);
    dcnet(&["pki", "revoke", "ca", "gw-1"]);
    dcnet(&["pki", "provider", "provider", "--name", "localhost"]);
    let key = "provider/provider-signing.key.pem";
    let keys = ["--gateway-ca", "ca/ca.pem", "--signing-key", key];
    dcnet(&[&["net", "create", "elbe-4"], &keys[..]].concat());
    dcnet(&["net", "descriptor", "elbe-4", "--out", "elbe-4.bin"]);
    dcnet(&["witness", "init", "w-1", "--name", "w-1"]);
    dcnet(&["witness", "add", "w-1", "elbe-4.bin"]);
    let create = [&["net", "create", "elbe-5"], &keys[..]].concat();
    for (command, args) in [
        ("net-create", &create[..]),
        ("net-list", &["net", "list"]),
        ("witness-status", &["witness", "status", "w-1"]),
        ("pki-list", &["pki", "list", "ca"]),
        ("plan", &["plan", data, "--quick"]),
    ] {
        let output = dcnet(&[args, &["--json"]].concat());
        let value: serde_json::Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(published::fault(command, &value), None, "{command}");
        // A schema that takes anything would say nothing.
        let nothing = serde_json::json!(0);
        assert!(published::fault(command, &nothing).is_some(), "{command}");
    }
}
