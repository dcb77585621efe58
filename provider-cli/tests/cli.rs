//! The texts of the command line. `TRYCMD=overwrite cargo test -p dcnet-provider --test cli`
//! writes them anew; look at the difference.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::float_arithmetic,
    reason = "helpers of tests fail the test; sizes of files are shown with a fraction"
)]

#[path = "common/published.rs"]
mod published;
#[path = "cli/terminal.rs"]
mod terminal;

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

/// Commands without `--json`, and why.
const WITHOUT_JSON: [(&str, &str); 10] = [
    ("serve", "it runs on; its log has --log-format json"),
    ("witness serve", "it runs on; its log has --log-format json"),
    ("export run", "it runs on; its log has --log-format json"),
    ("export csv", "what it writes is for programs"),
    ("export json", "what it writes is JSON"),
    ("export jsonl", "what it writes is JSON"),
    ("export parquet", "what it writes is for programs"),
    ("export influx", "what it writes is for programs"),
    ("export openmetrics", "what it writes is for programs"),
    ("export mscons", "what it writes is for programs"),
];

#[test]
fn every_command_prints_json() {
    fn collect(command: &clap::Command, path: &str, all: &mut Vec<(String, bool)>) {
        for command in command.get_subcommands() {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                collect(command, &path, all);
            } else {
                let mut arguments = command.get_arguments();
                let json = arguments.any(|argument| argument.get_long() == Some("json"));
                all.push((path.trim_start().to_owned(), json));
            }
        }
    }
    let mut all = Vec::new();
    collect(&dcnet_provider::cli::command(), "", &mut all);
    let (with, without): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, json)| *json);
    let mut without: Vec<String> = without.into_iter().map(|(path, _)| path).collect();
    let mut exempt = WITHOUT_JSON.map(|(path, _)| path).to_vec();
    exempt.sort_unstable();
    without.sort();
    assert_eq!(without, exempt);

    let schema: serde_json::Value = serde_json::from_str(&published::text()).unwrap();
    let defined = |path: &str| schema["$defs"].get(path.replace(' ', "-")).is_some();
    let unknown = with.iter().map(|(path, _)| path);
    let unknown: Vec<&String> = unknown.filter(|path| !defined(path)).collect();
    assert_eq!(unknown, [""; 0]);
    assert!(with.len() > 35, "{with:?}");
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
    let key = "provider/provider-signing.key.pem";
    let create = |net| {
        let keys = ["--gateway-ca", "ca/ca.pem", "--signing-key", key];
        [&["net", "create", net], &keys[..]].concat()
    };
    let issue = ["pki", "issue", "op-ca", "anna", "--role", "auditor"];
    let descriptor = ["net", "descriptor", "elbe-4", "--out", "elbe-4.bin"];
    let restore = ["store", "restore", "b.dcnet", "--store", "restored"];
    for args in [
        &["pki", "init", "ca"][..],
        &["pki", "init", "op-ca", "--for", "operators"],
        &["pki", "issue", "ca", "gw-1"],
        &issue,
        &["pki", "renew", "ca", "gw-1"],
        &["pki", "renew", "op-ca", "anna", "--revoke"],
        &["pki", "revoke", "ca", "gw-1"],
        &["pki", "crl", "op-ca"],
        &["pki", "list", "ca"],
        &["pki", "rotate", "ca"],
        &["pki", "rotate", "ca", "--finish"],
        &["pki", "provider", "provider", "--name", "localhost"],
        &["pki", "provider", "provider", "--renew"],
        &["pki", "rotate", "provider"],
        &create("elbe-4"),
        &["net", "list"],
        &descriptor,
        &["witness", "init", "w-1", "--name", "w-1"],
        &["witness", "add", "w-1", "elbe-4.bin"],
        &["witness", "status", "w-1"],
        &["store", "backup", "b.dcnet"],
        &restore,
        &["plan", data, "--quick"],
    ] {
        let command = match args {
            ["plan", ..] => "plan".to_owned(),
            args => args[..2].join("-"),
        };
        let output = dcnet(&[args, &["--json"]].concat());
        let value: serde_json::Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(published::fault(&command, &value), None, "{args:?}");
        // Names of keys, and never keys.
        assert!(!value.to_string().contains("PRIVATE"), "{args:?}: {value}");
        // A schema that takes anything would say nothing.
        let nothing = serde_json::json!(0);
        assert!(published::fault(&command, &nothing).is_some(), "{command}");
    }
}
