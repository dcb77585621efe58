//! `dcnet-gateway probe`, run.

use std::path::Path;
use std::process::{Command, Output};

/// Looks at one port, a second in each mode.
pub fn probe(port: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .env("LC_ALL", "C")
        .args(["probe", "--listen=1"])
        .args(options)
        .arg(port)
        .output()
        .unwrap()
}

/// What it prints.
pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
