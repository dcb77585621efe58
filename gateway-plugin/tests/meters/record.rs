//! `record` and `read --recording`: what a meter sent, taken down and read again.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use dcnet_gateway::recording::Recording;
use dcnet_obis::sml::{Decoder, encode};
use dcnet_obis::{ObisCode, Telegram, Value};

use crate::support::d0::{Asked, Script, block};
use crate::support::meter::{Line, Meter, recorder, telegram};
use crate::support::pki::{Authority, Household};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .env("LC_ALL", "C")
        .args(arguments)
        .output()
        .unwrap()
}

/// Records what is written to a line once it is open.
fn record(bytes: &[u8], out: &Path, options: &[&str]) -> Output {
    let mut line = Line::new();
    // The test's own mode, so that the opening of the port can be seen.
    assert_ne!(line.baud(), 57_600);
    let recorder = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .args(["record", "--baud=57600", "--seconds=3", "--device"])
        .arg(line.device())
        .arg("--out")
        .arg(out)
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while line.baud() != 57_600 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Opening empties the line; only then is it written to.
    std::thread::sleep(Duration::from_millis(200));
    for piece in bytes.chunks(300) {
        while line.far.write_all(piece).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    recorder.wait_with_output().unwrap()
}

/// What `read --json` says, without ids and names.
fn values(text: &[u8]) -> Vec<serde_json::Value> {
    let lines = std::str::from_utf8(text).unwrap().lines();
    let mut telegrams: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for telegram in &mut telegrams {
        telegram["device"] = serde_json::Value::Null;
        telegram["time"] = serde_json::Value::Null;
        let entries = telegram["entries"].as_array_mut().unwrap();
        for entry in entries {
            // Numbers have a unit or are short; everything else may be an id.
            let value = entry["value"].as_str().unwrap().to_owned();
            let obis: ObisCode = entry["obis"].as_str().unwrap().parse().unwrap();
            if is_id(obis) || value.len() >= 64 {
                entry["value"] = value.len().into();
            }
        }
    }
    telegrams
}

fn is_id(obis: ObisCode) -> bool {
    matches!((obis.c, obis.d), (0, 0) | (96, 1) | (199, 130)) && obis != ObisCode::MAKER_OLD
}

/// What must not be found: ids, and the serial number in them.
fn secrets(telegrams: &[Telegram]) -> BTreeSet<Vec<u8>> {
    let mut secrets = BTreeSet::new();
    for telegram in telegrams {
        let mut ids = vec![telegram.server_id.clone()];
        ids.extend(
            telegram
                .entries
                .iter()
                .filter_map(|entry| match &entry.value {
                    Value::Bytes(bytes) if is_id(entry.obis) || bytes.len() >= 32 => {
                        Some(bytes.clone())
                    }
                    _ => None,
                }),
        );
        for id in ids {
            if id.len() == 10 && telegram.device().is_some() {
                secrets.insert(id[id.len() - 4..].to_vec());
            }
            secrets.insert(id);
        }
    }
    secrets
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

fn hex(bytes: &[u8]) -> String {
    let pairs = bytes.iter().map(|byte| format!("{byte:02x}"));
    pairs.collect::<Vec<_>>().concat()
}

fn recordings() -> Option<Vec<PathBuf>> {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED does not name the folder with the recordings");
        return None;
    };
    let folder = PathBuf::from(shared).join("captures/sml");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "bin"))
        .collect();
    files.sort();
    Some(files)
}

/// From a real meter's bytes to a recording without its id, and back to the same values.
#[test]
fn recordings_of_real_meters_keep_their_values_and_lose_their_ids() {
    let Some(files) = recordings() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut complete = 0;
    std::thread::scope(|scope| {
        let tasks: Vec<_> = files
            .iter()
            .map(|file| {
                let out = folder.path().join(file.file_name().unwrap());
                scope.spawn(move || one_recording(file, &out))
            })
            .collect();
        for task in tasks {
            complete += usize::from(task.join().unwrap());
        }
    });
    assert!(complete >= 20, "{complete} of {}", files.len());
}

/// Whether the recording has a telegram.
fn one_recording(file: &Path, out: &Path) -> bool {
    let bytes = std::fs::read(file).unwrap();
    let name = file.display();
    let telegrams: Vec<_> = Decoder::new().push(&bytes).into_iter().flatten().collect();
    let recorded = record(&bytes, out, &["--blank-id"]);
    assert!(recorded.status.success(), "{name}: {recorded:?}");
    let text = std::fs::read_to_string(out).unwrap();
    let played = program(&["read", "--json", "--recording", &out.to_string_lossy()]);
    let raw = program(&["read", "--json", "--recording", &file.to_string_lossy()]);
    if telegrams.is_empty() {
        assert_eq!(played.status.code(), Some(1), "{name}");
        assert_eq!(raw.status.code(), Some(1), "{name}");
        return false;
    }
    assert!(played.status.success(), "{name}: {played:?}");
    let (played, raw) = (values(&played.stdout), values(&raw.stdout));
    assert_eq!(raw.len(), telegrams.len(), "{name}");
    assert_eq!(played, raw, "{name}");

    let recording = Recording::load(out).unwrap();
    assert_eq!(
        recording.header.unwrap().counts.telegrams,
        telegrams.len() as u64
    );
    let kept: Vec<u8> = recording
        .pieces
        .into_iter()
        .flat_map(|piece| piece.bytes)
        .collect();
    for secret in secrets(&telegrams) {
        // An id of few bytes or of zeros is nothing that could be found.
        if secret.len() < 4 || secret.iter().all(|byte| *byte == 0) {
            continue;
        }
        assert!(contains(&bytes, &secret), "{name}: {secret:02x?}");
        assert!(!contains(&kept, &secret), "{name}: {secret:02x?}");
        assert!(!text.contains(&hex(&secret)), "{name}: {secret:02x?}");
    }
    true
}

#[test]
fn the_serial_range_of_a_meter_with_deviations_is_kept() {
    // This meter sends 356.24 W as a negative number of two bytes, which only the range tells.
    let mut sent = telegram(7, 172_436_756, 0);
    sent.server_id = b"\x0a\x01DZG\x00\x02\x82\x22\x5e".to_vec();
    sent.entries[2].value = Value::Number(dcnet_obis::ScaledInteger::new(35_624, -2));
    let bytes = encode::Encoder::new()
        .shortest_integers()
        .encode(&sent)
        .unwrap();
    assert_eq!(Decoder::new().push(&bytes), [Ok(sent)]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meter.jsonl");
    let output = record(&bytes, &out, &["--blank-id"]);
    assert!(output.status.success(), "{output:?}");
    let shown = program(&["read", "--recording", &out.to_string_lossy()]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("356.24 W"), "{text}");
    assert!(text.contains("meter DZG 00 42000000"), "{text}");
}

#[test]
fn without_blanking_every_byte_is_there() {
    let mut bytes = b"the end of an earlier file".to_vec();
    bytes.extend(encode::file(&telegram(7, 172_436_756, -340)).unwrap());
    let mut damaged = encode::file(&telegram(7, 172_436_757, -340)).unwrap();
    damaged[60] ^= 1;
    bytes.extend(&damaged);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meter.jsonl");
    let output = record(&bytes, &out, &[]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("1 telegrams, 1 refused"), "{said}");
    assert!(said.contains("the recording names the meter"), "{said}");
    let recording = Recording::load(&out).unwrap();
    let header = recording.header.unwrap();
    assert_eq!((header.line.as_str(), header.blanked), ("57600 8N1", false));
    assert_eq!(
        (header.counts.telegrams, header.counts.checksum_errors),
        (1, 1)
    );
    assert_eq!(header.errors.len(), 1);
    let kept: Vec<u8> = recording
        .pieces
        .into_iter()
        .flat_map(|piece| piece.bytes)
        .collect();
    assert_eq!(kept, bytes);
}

#[test]
fn a_meter_that_is_asked_is_recorded_too() {
    let data = b"C.1(12345678)\r\n1.8.0(000285.4*kWh)\r\n!\r\n";
    let meter = Asked::start(
        Line::new(),
        Script {
            request: b"/?!\r\n".to_vec(),
            identification: b"/EMH5eHZ\r\n".to_vec(),
            acknowledgement: Some((b"\x06050\r\n".to_vec(), 9_600)),
            message: block(data),
            damaged: 0,
            echo: true,
        },
    );
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meter.jsonl");
    let (device, file) = (
        meter.device.display().to_string(),
        out.display().to_string(),
    );
    let output = program(&[
        "record",
        "--ask",
        "--seconds=4",
        "--blank-id",
        "--device",
        &device,
        "--out",
        &file,
    ]);
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(!text.contains(&hex(b"12345678")), "{text}");
    let shown = program(&["read", "--once", "--recording", &file]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        text.contains("meter 00000000 (device id 3030303030303030)\n"),
        "{text}"
    );
    assert!(
        text.contains("1.8.0                      285400 Wh    import\n"),
        "{text}"
    );
}

#[test]
fn the_meter_of_a_profile_is_recorded_with_its_rules() {
    let meter = Meter::start(Line::new(), Duration::from_millis(100));
    let authority = Authority::new();
    let address = "127.0.0.1:8443".parse().unwrap();
    let household = Household::new(&authority, &authority, "house", address, &meter.device);
    let rule = "DZG\t1\t-\tsign-in-status\tcode=16.7.0 register=1.8.0 bit=5\tmy meter\n";
    household.write("mine.tsv", rule, 0o644);
    household.edit("      silence: 2\n", "      quirks: mine.tsv\n");
    let (profile, out) = (household.profile(), household.path("meter.jsonl"));
    let (profile, file) = (profile.display().to_string(), out.display().to_string());
    let output = program(&["record", "--seconds=1", "--out", &file, &profile]);
    assert!(output.status.success(), "{output:?}");
    let recording = Recording::load(&out).unwrap();
    assert!(recording.header.unwrap().counts.telegrams >= 3);
    let shown = program(&["read", "--once", "--recording", &file, &profile]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        text.contains("  16.7.0                        230 W     power\n"),
        "{text}"
    );

    let nobody = program(&["record", "--meter=attic", "--out", &file, &profile]);
    assert_eq!(nobody.status.code(), Some(78), "{nobody:?}");
}

#[test]
fn whoever_has_seen_enough_stops_it_and_keeps_what_came() {
    let meter = Meter::start(Line::new(), Duration::from_millis(50));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meter.jsonl");
    let mut recorder = recorder(&meter.device, &out);
    std::thread::sleep(Duration::from_secs(2));
    let process = rustix::process::Pid::from_child(&recorder);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert!(recorder.wait().unwrap().success());
    let header = Recording::load(&out).unwrap().header.unwrap();
    assert!(
        header.counts.telegrams > 5 && header.millis < 60_000,
        "{header:?}"
    );
}

#[test]
fn a_file_is_never_overwritten_and_a_silent_meter_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("meter.jsonl");
    let line = Line::new();
    let (device, file) = (
        line.device().display().to_string(),
        out.display().to_string(),
    );
    let options = ["record", "--seconds=1", "--device", &device, "--out", &file];
    let output = program(&options);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nothing came in 1 s"), "{said}");
    assert!(!out.exists());

    std::fs::write(&out, "mine").unwrap();
    let output = program(&options);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
    // Nor is that a recording with a telegram.
    assert_eq!(
        program(&["read", "--recording", &file]).status.code(),
        Some(1)
    );
}
