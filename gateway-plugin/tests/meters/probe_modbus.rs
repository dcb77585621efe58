//! `probe --modbus`: which units are on a line, and which templates fit them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use dcnet_profiles::Profile;
use dcnet_profiles::meter::{Parity, Source};
use dcnet_profiles::modbus::{Direction, ModbusLine, ModbusSerial, ModbusSource};

use crate::support::meter::Line;
use crate::support::modbus::Table;
use crate::support::pki::{Authority, Household};
use crate::support::probe::out;
use crate::support::rtu::{SlowLine, Unit, When};

fn probe(port: &Path, options: &[&str]) -> Output {
    crate::support::probe::probe(port, &[&["--modbus"], options].concat())
}

/// Input registers with floats.
fn floats(rows: &[(u16, f32)]) -> Table {
    let mut table = Table::default();
    for (address, value) in rows {
        let bytes = value.to_be_bytes();
        let words = [
            u16::from_be_bytes([bytes[0], bytes[1]]),
            u16::from_be_bytes([bytes[2], bytes[3]]),
        ];
        table.put(4, *address, &words);
    }
    table
}

fn sdm630() -> Table {
    floats(&[
        (0x00, 230.1),
        (0x0c, 100.5),
        (0x0e, 200.25),
        (0x10, -50.75),
        (0x34, 250.0),
        (0x46, 50.01),
        (0x48, 1234.567),
        (0x4a, 76.5),
    ])
}

fn unit(number: u8, table: Table) -> Unit {
    Unit::new(number, table, |_| When::Now)
}

/// With certificates in place, the daemon can run with what `probe` wrote.
#[test]
fn a_meter_at_another_speed_and_unit_is_found_and_its_profile_is_complete() {
    let line = SlowLine::at(19_200, vec![unit(3, sdm630())]);
    let authority = Authority::new();
    let address = "127.0.0.1:8443".parse().unwrap();
    let nothing = Path::new("/dev/null");
    let household = Household::new(&authority, &authority, "house", address, nothing);
    let file = household.path("begun.yaml");
    let options = [
        "--units=3".to_owned(),
        "--language=de".to_owned(),
        format!("--write={}", file.display()),
        "--provider=https://127.0.0.1:8443".to_owned(),
        "--net=quarter-7".to_owned(),
        format!("--keys={}", household.folder.path().display()),
        format!("--state={}", household.state().display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let output = probe(&line.device, &options);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        out(&output),
        format!(
            "\
{}: Modbus RTU, unit 3 (19200 8E1)
meter that tells no device id
  1.8.0                     1234567 Wh    Bezug
  2.8.0                       76500 Wh    Einspeisung
  16.7.0                        250 W     Leistung
  36.7.0                      100.5 W     Leistung L1
  56.7.0                     200.25 W     Leistung L2
  76.7.0                     -50.75 W     Leistung L3
  32.7.0                      230.1 V     Spannung L1
  14.7.0                      50.01 Hz    Frequenz
  template eastron-sdm630 fits
  so do eastron-sdm120, eastron-sdm230, eastron-sdm72-v2, with neither voltage nor frequency to tell \
by: compare with the type printed on the meter

",
            line.device.display()
        )
    );

    let profile = Profile::load(&file).unwrap();
    let Source::Modbus(source) = &profile.first_meter().sources[0] else {
        panic!("{profile:?}");
    };
    let expected = ModbusSource {
        line: ModbusLine::Serial(ModbusSerial {
            device: line.device.clone(),
            baud: 19_200,
            parity: Parity::Even,
            stop_bits: 1,
        }),
        unit: 3,
        template: "eastron-sdm630".parse().unwrap(),
        templates: None,
        every: 10,
        timeout: 1000,
        positive: Direction::Import,
    };
    assert_eq!(*source, expected);
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("# eastron-sdm120, eastron-sdm230, eastron-sdm72-v2\n"),
        "{written}"
    );
    let checked = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .arg("check")
        .arg(&file)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// What `probe` said of lines that are looked at together, as each takes seconds of waiting.
struct Runs {
    /// Two units: one with the registers of several meters, one that refuses all.
    two: (PathBuf, Output, String),
    /// A unit whose registers mean something else.
    strange: Output,
    nobody: Output,
    /// Without `--modbus`, and what the unit heard.
    plain: (Output, usize),
}

static RUNS: LazyLock<Runs> = LazyLock::new(|| {
    std::thread::scope(|scope| {
        let two = scope.spawn(|| {
            let energy = floats(&[(0x0c, 100.5), (0x48, 1234.567), (0x4a, 76.5)]);
            let line = SlowLine::at(9_600, vec![unit(1, energy), unit(2, Table::default())]);
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("gateway.yaml");
            let write = format!("--write={}", file.display());
            let output = probe(&line.device, &["--units=2", &write]);
            Profile::load(&file).unwrap();
            let written = fs::read_to_string(&file).unwrap();
            (line.device.clone(), output, written)
        });
        let strange = scope.spawn(|| {
            // Answered like an SDM120, but no float of a meter is that small.
            let mut table = Table::default();
            for (address, word) in [(0x0c, 7), (0x48, 5), (0x4a, 6)] {
                table.put(4, address, &[0, word]);
            }
            let line = SlowLine::at(9_600, vec![unit(1, table)]);
            probe(&line.device, &["--units=1", "--json"])
        });
        let nobody = scope.spawn(|| {
            let line = Line::new();
            probe(&line.device(), &["--units=1"])
        });
        let plain = scope.spawn(|| {
            let line = SlowLine::at(9_600, vec![unit(1, sdm630())]);
            let output = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
                .args(["probe", "--listen=1"])
                .arg(&line.device)
                .output()
                .unwrap();
            (output, line.frames().len())
        });
        Runs {
            two: two.join().unwrap(),
            strange: strange.join().unwrap(),
            nobody: nobody.join().unwrap(),
            plain: plain.join().unwrap(),
        }
    })
});

#[test]
fn units_of_one_line_are_told_apart_and_templates_that_fit_equally_are_all_named() {
    let (device, output, written) = &RUNS.two;
    assert!(output.status.success(), "{output:?}");
    let text = out(output);
    let device = device.display();
    for row in [
        format!("{device}: Modbus RTU, unit 1 (9600 8N1)\n"),
        "  templates eastron-sdm120, eastron-sdm230 fit equally; the values are read by the first: \
         choose by the type printed on the meter\n"
            .to_owned(),
        "  without a voltage or a frequency to tell by, this is not certain".to_owned(),
        format!(
            "{device}: Modbus unit 2 answers (9600 8N1), but no template of the catalogue fits: \
             docs/modbus.md"
        ),
    ] {
        assert!(text.contains(&row), "{row}\n{text}");
    }
    let comment = "    # These fit equally; choose by the type printed on the meter:\n      # eastron-sdm230\n";
    assert!(written.contains(comment), "{written}");
}

#[test]
fn a_unit_whose_registers_mean_something_else_is_no_meter() {
    let output = &RUNS.strange;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json: serde_json::Value = serde_json::from_str(&out(output)).unwrap();
    let port = &json["ports"][0];
    assert_eq!((&port["unit"], &port["baud"]), (&1.into(), &9_600.into()));
    assert_eq!(port["templates"], serde_json::json!([]));
    assert!(port["entries"].is_null(), "{port}");
    let problem = port["problem"].as_str().unwrap();
    assert!(
        problem.contains("no template of the catalogue fits"),
        "{port}"
    );
}

#[test]
fn where_nobody_answers_there_is_no_meter() {
    let output = &RUNS.nobody;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(output).contains("nothing comes and nobody answers"),
        "{output:?}"
    );
}

#[test]
fn units_are_asked_only_on_request() {
    let refused = probe(Path::new("/dev/dcnet-none"), &["--listen-only"]);
    assert_eq!(refused.status.code(), Some(2));
    let (output, frames) = &RUNS.plain;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(*frames, 0);
}
