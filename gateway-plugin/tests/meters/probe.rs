//! `probe`: which meter is at a port, and the profile that it begins.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use dcnet_obis::sml::encode;
use dcnet_profiles::Profile;
use dcnet_profiles::meter::{D0Mode, EnergyUnit, Source};

use crate::support::d0::{Asked, Script, block};
use crate::support::meter::{Line, Meter, locked_telegram, recorder, telegram};
use crate::support::pki::{Authority, Household};
use crate::support::probe::{out, probe};

/// Probes a line on which `sent` gives the bytes to be sent at a rate again and again.
fn probe_sending(sent: impl Fn(u32) -> Vec<u8>, options: &[&str]) -> (Line, Output) {
    let mut line = Line::new();
    let device = line.device();
    let output = std::thread::scope(|scope| {
        let probing = scope.spawn(|| probe(&device, options));
        while !probing.is_finished() {
            let _ = line.far.write_all(&sent(line.baud())); // full while nobody reads
            std::thread::sleep(Duration::from_millis(100));
        }
        probing.join().unwrap()
    });
    (line, output)
}

fn asked() -> Asked {
    let data = b"C.1(12345678)\r\n1.8.0(000285.4*kWh)\r\n!\r\n";
    Asked::start(
        Line::new(),
        Script {
            request: b"/?!\r\n".to_vec(),
            identification: b"/EMH5eHZ\r\n".to_vec(),
            acknowledgement: Some((b"\x06050\r\n".to_vec(), 9_600)),
            message: block(data),
            damaged: 0,
            echo: false,
        },
    )
}

#[test]
fn an_sml_meter_is_found_with_its_values_in_the_owners_language() {
    let bytes = encode::file(&telegram(7, 172_436_756, -340)).unwrap();
    let (line, output) = probe_sending(|_| bytes.clone(), &["--language=de"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        out(&output),
        format!(
            "\
{}: SML (9600 8N1)
meter DZG 00 00000007 (device id 0a01445a470000000007)
  1-0:96.50.1*1  DZG                      Hersteller
  1.8.0                  17243675.6 Wh    Bezug
  16.7.0                       -340 W     Leistung

",
            line.device().display()
        )
    );
}

#[test]
fn the_rate_is_found_out_and_told_to_programs() {
    let bytes = encode::file(&telegram(7, 172_436_756, -340)).unwrap();
    let sent = |baud| match baud {
        115_200 => bytes.clone(),
        _ => bytes.iter().map(|byte| byte ^ 0x55).collect(),
    };
    let (line, output) = probe_sending(sent, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let port = &json["ports"][0];
    assert_eq!(port["port"], line.device().display().to_string());
    assert_eq!(
        (&port["protocol"], &port["asked"]),
        (&"sml".into(), &false.into())
    );
    assert_eq!(port["line"], "115200 8N1");
    assert_eq!(port["maker"], "DZG");
    assert_eq!(port["entries"][1]["value"], "17243675.6");
    assert_eq!(port["entries"][1]["name"], "import");
    assert!(
        port["problem"].is_null() && port["advice"].is_null(),
        "{port}"
    );
}

#[test]
fn a_locked_meter_is_explained() {
    let locked = locked_telegram(7);
    let bytes = encode::file(&locked).unwrap();
    let (_, output) = probe_sending(|_| bytes.clone(), &[]);
    assert!(
        out(&output).contains("advice: the meter is locked"),
        "{output:?}"
    );
}

#[test]
fn a_d0_meter_that_sends_on_its_own_is_found_with_its_parity() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    let bytes: Vec<u8> = b"/EMH5----eHZ\r\n\r\n1-0:1.8.0*255(000285.4)\r\n!\r\n"
        .iter()
        .map(|byte| byte | u8::from(byte.count_ones() % 2 == 1) << 7)
        .collect();
    let write = format!("--write={}", file.display());
    let (line, output) = probe_sending(|_| bytes.clone(), &[&write]);
    let text = out(&output);
    assert!(text.contains("D0, sends on its own (9600 7E1)"), "{text}");
    assert!(
        text.contains("1.8.0                      285400 Wh    import"),
        "{text}"
    );
    let profile = Profile::load(&file).unwrap();
    let page = profile.home.page.as_ref().unwrap();
    assert!(page.listen.ip().is_loopback() && !page.is_https());
    let Source::D0(d0) = &profile.first_meter().sources[0] else {
        panic!("{profile:?}");
    };
    assert_eq!((d0.mode, d0.baud), (D0Mode::Push, Some(9_600)));
    assert_eq!(
        (&d0.device, d0.energy_unit),
        (&line.device(), Some(EnergyUnit::KilowattHour))
    );
}

#[test]
fn a_meter_that_has_to_be_asked_is_found_unless_nothing_may_be_sent() {
    let meter = asked();
    let output = probe(&meter.device, &["--listen-only"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("nothing comes and nobody answers"),
        "{output:?}"
    );
    assert_eq!(meter.requests(), 0);

    let output = probe(&meter.device, &[]);
    assert!(output.status.success(), "{output:?}");
    let text = out(&output);
    assert!(
        text.contains("D0, answers when it is asked (300 7E1)"),
        "{text}"
    );
    assert!(
        text.contains("1.8.0                      285400 Wh    import"),
        "{text}"
    );
}

#[test]
fn what_is_no_meter_is_told_apart() {
    let (_, output) = probe_sending(|_| b"$GPGGA,1,2,3\r\n".to_vec(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("bytes came, but no telegram of SML or D0"),
        "{output:?}"
    );

    let output = probe(Path::new("/dev/dcnet-none"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("/dev/dcnet-none is not there"),
        "{output:?}"
    );
}

#[test]
fn whoever_holds_a_port_is_named() {
    let meter = Meter::start(Line::new(), Duration::from_millis(100));
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("meter.jsonl");
    let mut holder = recorder(&meter.device, &taken);
    let busy = (0..50).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let output = probe(&meter.device, &["--listen-only"]);
        (output.status.code() == Some(1)).then_some(output)
    });
    // Not waited for with `unwrap`: the other program has to end whatever comes.
    let _ = holder.kill();
    let _ = holder.wait();
    // This process holds the port, too, as the meter itself; one of both is named.
    let text = out(&busy.unwrap());
    assert!(text.contains("is in use by "), "{text}");
    assert!(text.contains("(process "), "{text}");
}

/// With certificates in place, the daemon can run with what `probe` wrote.
#[test]
fn the_profile_that_it_begins_is_complete_once_the_certificates_are_there() {
    let bytes = encode::file(&telegram(7, 172_436_756, -340)).unwrap();
    let authority = Authority::new();
    let address = "127.0.0.1:8443".parse().unwrap();
    let household = Household::new(
        &authority,
        &authority,
        "house",
        address,
        Path::new("/dev/null"),
    );
    let file = household.path("begun.yaml");
    let options = [
        format!("--write={}", file.display()),
        "--provider=https://127.0.0.1:8443".to_owned(),
        "--net=quarter-7".to_owned(),
        format!("--keys={}", household.folder.path().display()),
        format!("--state={}", household.state().display()),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (line, output) = probe_sending(|_| bytes.clone(), &options);
    assert!(output.status.success(), "{output:?}");

    let check = |file: &Path| {
        Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
            .arg("check")
            .arg(file)
            .output()
            .unwrap()
    };
    let checked = check(&file);
    let text = out(&checked);
    assert!(checked.status.success(), "{checked:?}");
    let device = line.device().display().to_string();
    for row in [
        "net         quarter-7 at https://127.0.0.1:8443",
        &format!("meter       meter, SML at {device}, 9600 8N1"),
        "slot        1.8.0 in 10^-1 Wh, advance per round",
        "slot        16.7.0 in 10^0 W, value at the round's end",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("# device: \"0a01445a470000000007\""),
        "{written}"
    );

    // Without them it is said what is missing, and nothing is ever overwritten.
    fs::remove_file(household.path("tls.pem")).unwrap();
    assert_eq!(check(&file).status.code(), Some(78));
    let (_, again) = probe_sending(|_| bytes.clone(), &options);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn what_is_not_known_is_marked() {
    let bytes = encode::file(&telegram(7, 172_436_756, -340)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    let write = format!("--write={}", file.display());
    let (_, output) = probe_sending(|_| bytes.clone(), &[&write]);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("provider: \"https://provider.example\" # PLACEHOLDER\n"),
        "{text}"
    );
    assert!(
        text.contains("net: \"placeholder\" # PLACEHOLDER\n"),
        "{text}"
    );
    Profile::load(&file).unwrap();
}
