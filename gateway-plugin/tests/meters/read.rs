//! `read`: what the owner sees of the meter.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use dcnet_obis::Telegram;
use dcnet_obis::sml::encode;

use crate::support::meter::{Line, Meter, locked_telegram, telegram};
use crate::support::pki::{Authority, Household};

fn household(device: &Path) -> Household {
    let authority = Authority::new();
    let address = "127.0.0.1:8443".parse().unwrap();
    Household::new(&authority, &authority, "house", address, device)
}

fn read(household: &Household, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .arg("read")
        .env("LC_ALL", "C")
        .args(options)
        .arg(household.profile())
        .output()
        .unwrap()
}

/// Sends `telegram` until the program has seen enough.
fn read_telegram(telegram: &Telegram, options: &[&str]) -> Output {
    let mut line = Line::new();
    let household = household(&line.device());
    let bytes = encode::file(telegram).unwrap();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(&household, options));
        while !reading.is_finished() {
            let _ = line.far.write_all(&bytes); // full while nobody reads yet
            std::thread::sleep(Duration::from_millis(100));
        }
        reading.join().unwrap()
    })
}

#[test]
fn a_telegram_for_people() {
    let output = read_telegram(&telegram(7, 172_436_756, -340), &["--once"]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "\
meter DZG 00 00000007 (device id 0a01445a470000000007)
  1-0:96.50.1*1  DZG                      maker
  1.8.0                  17243675.6 Wh    import
  16.7.0                       -340 W     power

"
    );
}

#[test]
fn values_have_names_in_the_language_of_the_owner() {
    let output = read_telegram(
        &telegram(7, 172_436_756, -340),
        &["--once", "--language=de"],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("  1.8.0                  17243675.6 Wh    Bezug\n"),
        "{text}"
    );
    assert!(text.contains("Hersteller\n"), "{text}");
}

#[test]
fn a_telegram_for_programs() {
    let output = read_telegram(&telegram(7, 172_436_756, -340), &["--once", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["device"], "0a01445a470000000007");
    assert_eq!(json["entries"][1]["obis"], "1-0:1.8.0*255");
    assert_eq!(json["entries"][1]["value"], "17243675.6"); // a text: never a float
    assert_eq!(json["entries"][1]["unit"], "Wh");
    assert!(json["advice"].is_null());
}

#[test]
fn a_locked_meter_is_explained() {
    let locked = locked_telegram(7);
    let output = read_telegram(&locked, &["--once"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("  1.8.0                     2324000 Wh    import\n"),
        "{text}"
    );
    assert!(
        text.contains("16.7.0         is not shown, but evaluation.slots needs it"),
        "{text}"
    );
    assert!(text.contains("INF on"), "{text}");
}

#[test]
fn it_goes_on_until_nobody_looks_any_more() {
    let meter = Meter::start(Line::new(), Duration::from_millis(50));
    let household = household(&meter.device);
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{} read --json {} | head -n 3",
            env!("CARGO_BIN_EXE_dcnet-gateway"),
            household.profile().display()
        ))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    assert!(!String::from_utf8(output.stderr).unwrap().contains("error"));
}
