//! Rules of the house that are kept by a check, not by goodwill: who depends on whom, and what the
//! pure crates must not touch.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The crates without I/O, clock and randomness of their own.
const PURE: [&str; 2] = ["dcnet-obis", "dcnet-protocol"];

/// Crates that bring asynchronous runtimes, networks, files, clocks or the system's randomness, by
/// name or by the beginning of it (`*`). None may be below a pure crate.
const IMPURE: [&str; 66] = [
    "actix*",
    "arc-swap",
    "async-*",
    "attohttpc",
    "aws-lc-*",
    "axum*",
    "cap-std",
    "chrono*",
    "coarsetime",
    "config",
    "crossbeam-channel",
    "curl*",
    "diesel*",
    "dirs*",
    "fastrand",
    "filetime",
    "flume",
    "fs-err",
    "fs2",
    "fs4",
    "futures-executor",
    "futures-timer",
    "getrandom",
    "glob",
    "h2",
    "h3",
    "hickory-*",
    "http",
    "httparse",
    "hyper*",
    "iana-time-zone",
    "ignore",
    "instant",
    "isahc",
    "jiff*",
    "log4rs",
    "memmap2",
    "mio*",
    "native-tls",
    "nix",
    "notify*",
    "num_cpus",
    "openssl*",
    "os_pipe",
    "polling",
    "quanta",
    "quinn*",
    "rayon*",
    "redb",
    "reqwest",
    "ring",
    "rusqlite",
    "rustix",
    "rustls",
    "schannel",
    "serialport",
    "smol",
    "socket2",
    "sqlx*",
    "tempfile",
    "time",
    "tokio*",
    "tracing-subscriber",
    "ureq",
    "walkdir",
    "web-time",
];

/// What the sources of a pure crate must not name: paths of the standard library that reach the
/// system.
const IMPURE_PATHS: [&str; 13] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "RandomState",
    "std::io::stdin",
    "std::io::stdout",
    "println!",
    "include_bytes!",
];

/// Which crates of the house may stand below which: `docs` of the layout, made exact.
const LAYERS: [(&str, &[&str]); 6] = [
    ("dcnet-obis", &[]),
    ("dcnet-protocol", &[]),
    ("dcnet-profiles", &["dcnet-obis", "dcnet-protocol"]),
    (
        "dcnet-gateway",
        &["dcnet-obis", "dcnet-protocol", "dcnet-profiles"],
    ),
    (
        "dcnet-provider",
        &["dcnet-obis", "dcnet-protocol", "dcnet-profiles"],
    ),
    (
        "dcnet-tests",
        &[
            "dcnet-gateway",
            "dcnet-obis",
            "dcnet-profiles",
            "dcnet-protocol",
            "dcnet-provider",
        ],
    ),
];

#[test]
fn pure_crates_depend_on_nothing_that_reaches_the_system() {
    for pure in PURE {
        let found: Vec<String> = below(pure)
            .into_iter()
            .filter(|name| is_impure(name))
            .collect();
        assert_eq!(found, [""; 0], "below {pure}");
    }
}

/// The check itself: it must see what it forbids where it is allowed.
#[test]
fn the_check_sees_what_it_looks_for() {
    let gateway = below("dcnet-gateway");
    for name in ["tokio", "reqwest", "getrandom", "mio", "socket2", "rustls"] {
        assert!(gateway.contains(name), "{name}");
        assert!(is_impure(name), "{name}");
    }
    assert!(below("dcnet-protocol").contains("rand_core"));
    assert!(impure_lines("let now = std::time::Instant::now();").count() == 1);
    assert!(impure_lines("use std::{fs, fmt};").count() == 1);
    assert!(impure_lines("/// No std::fs in here.").count() == 0);
}

#[test]
fn pure_crates_name_nothing_that_reaches_the_system() {
    for pure in PURE {
        let mut files = Vec::new();
        let folder = manifest_folder(pure).join("src");
        sources(&folder, &mut files);
        assert!(files.len() > 5, "{} is not all of it", folder.display());
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // What follows is compiled for tests only.
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
            let found: Vec<&str> = impure_lines(text).collect();
            assert_eq!(found, [""; 0], "{}", file.display());
        }
    }
}

#[test]
fn the_house_depends_in_one_direction() {
    let house: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let members: BTreeSet<String> = metadata()["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| package(id.as_str().unwrap()).to_owned())
        .collect();
    assert_eq!(
        members.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        house,
        "a new crate needs a place in the house"
    );
    for (name, allowed) in LAYERS {
        let found = below(name);
        let found: BTreeSet<&str> = found
            .iter()
            .map(String::as_str)
            .filter(|found| house.contains(found) && *found != name)
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(
            found.is_subset(&allowed),
            "{name} needs {found:?}, allowed are {allowed:?}"
        );
    }
}

fn is_impure(name: &str) -> bool {
    IMPURE.iter().any(|rule| match rule.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *rule,
    })
}

/// Lines of code (not of comments) that name a forbidden path.
fn impure_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| {
        let code = line.split("//").next().unwrap_or_default();
        let grouped = code.trim_start().starts_with("use std::{").then(|| {
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            words
                .map(|word| format!("std::{word}"))
                .collect::<Vec<_>>()
                .join(" ")
        });
        IMPURE_PATHS
            .iter()
            .any(|path| code.contains(path) || grouped.as_ref().is_some_and(|g| g.contains(path)))
    })
}

/// All crates that `name` needs to be built for use, itself included: normal dependencies, theirs,
/// and so on, with the features that the house uses, on this kind of machine.
fn below(name: &str) -> BTreeSet<String> {
    // `cargo tree` resolves the features of this crate alone; `cargo metadata` those of the whole
    // workspace, where one crate's features would be blamed on another.
    let tree = cargo(&[
        "tree",
        "--offline",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--package",
        name,
    ]);
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let text = cargo(&[
            "metadata",
            "--offline",
            "--locked",
            "--no-deps",
            "--format-version",
            "1",
        ]);
        serde_json::from_str(&text).unwrap()
    })
}

fn packages() -> BTreeMap<&'static str, &'static Value> {
    let packages = metadata()["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package))
        .collect()
}

fn package(id: &str) -> &'static str {
    packages()[id]["name"].as_str().unwrap()
}

fn manifest_folder(name: &str) -> PathBuf {
    let packages = packages();
    let package = packages.values().find(|package| package["name"] == name);
    let manifest = Path::new(package.unwrap()["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}
