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
