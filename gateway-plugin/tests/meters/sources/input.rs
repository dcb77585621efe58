//! Readings on the standard input of the real program.

use std::io::Write as _;
use std::process::{Command, Stdio};

#[test]
fn whatever_can_print_lines_is_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("gateway.yaml");
    let text = "meter: { name: cellar, source: { stdin: {} } }\n\
        evaluation: { taf: 7, slots: [{ obis: 1.8.0, unit: Wh, scale: -1 }] }\n\
        communication:\n  provider: https://provider.example\n  net: quarter-7\n  \
        provider_ca: ca.pem\n  tls: { certificate: a, key: b }\n  \
        signature: { certificate: a, key: b }\nstate: state\n";
    std::fs::write(&profile, text).unwrap();
    let mut reading = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .args(["read", "--once", "--json"])
        .arg(&profile)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reading.stdin.take().unwrap();
    input
        .write_all(b"1-0:96.1.0*255#1EMH0012345678\n1-0:1.8.0*255#17243675.6#Wh\n\n")
        .unwrap();
    let output = reading.wait_with_output().unwrap();
    drop(input);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let read: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(read["meter"], "cellar");
    assert_eq!(read["entries"][1]["value"], "17243675.6");
    assert_eq!(read["entries"][1]["unit"], "Wh");
}
