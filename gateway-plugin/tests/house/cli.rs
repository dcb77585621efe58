//! The texts of the command line: help, mistakes, profiles, certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};

use crate::support::pki::{Authority, Household};

/// `tests/cmd/*.trycmd`: commands with their output, which needs no certificates.
#[test]
fn texts() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

struct Bench {
    gateways: Authority,
    providers: Authority,
    household: Household,
}

impl Bench {
    fn new() -> Self {
        let (gateways, providers) = (Authority::new(), Authority::new());
        let address = "127.0.0.1:8443".parse().unwrap();
        let device = Path::new("/dev/serial/by-id/usb-none");
        let household = Household::new(&gateways, &providers, "house-17", address, device);
        Self {
            gateways,
            providers,
            household,
        }
    }

    fn run(&self, command: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
            .arg(command)
            .arg(self.household.profile())
            .output()
            .unwrap()
    }

    /// Code, standard output and standard error, with the folder's name taken out.
    fn said(&self, command: &str) -> (Option<i32>, String, String) {
        let output = self.run(command);
        let folder = self.household.folder.path().display().to_string();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&folder, "[DIR]");
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn assert_refused(&self, expected: &str) {
        let (code, out, err) = self.said("check");
        assert_eq!(
            (code, out.as_str(), err.trim_end()),
            (Some(78), "", expected)
        );
        // The daemon does not start with what `check` refuses.
        assert_eq!(self.run("run").status.code(), Some(78));
    }
}

#[test]
fn check_sums_a_sound_profile_up_and_warns_loudly() {
    let (code, out, err) = Bench::new().said("check");
    assert_eq!(
        out,
        "\
[DIR]/gateway.yaml: can be run
  gateway     house-17
  net         bench at https://127.0.0.1:8443
  min. size   4
  corrections double-mask and resend
  meter       test, SML at /dev/serial/by-id/usb-none, mode of the line to be found out
  slot        1.8.0 in 10^-1 Wh, advance per round
  slot        16.7.0 in 10^0 W, value at the round's end
  state       [DIR]/state
"
    );
    assert_eq!(
        err,
        "\
warning: communication.accept.min_size is 4: in sums of fewer than 100 households single ones can \
be made out. This is for test benches
warning: communication.accept.allow_resend is on: a provider that does not follow the protocol can \
learn this household's readings. This is for test benches
warning: meter test: sml.device: /dev/serial/by-id/usb-none is not there now; it will be waited for
"
    );
    assert_eq!(code, Some(0));
}

#[test]
fn safe_settings_need_no_warning() {
    let bench = Bench::new();
    bench
        .household
        .edit("  accept: { min_size: 4, allow_resend: true }\n", "");
    bench
        .household
        .edit("/dev/serial/by-id/usb-none", "/dev/null");
    let (code, out, err) = bench.said("check");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(
        out.contains("min. size   100\n  corrections double-mask only\n"),
        "{out}"
    );
}

#[test]
fn keys_may_be_handed_over_by_systemd_and_only_that_variable_is_known() {
    let bench = Bench::new();
    let handed = bench.household.path("credentials");
    fs::create_dir(&handed).unwrap();
    for (name, written) in [
        ("tls.key", "$CREDENTIALS_DIRECTORY/tls.key"),
        ("sig.key", "${CREDENTIALS_DIRECTORY}/sig.key"),
    ] {
        fs::rename(bench.household.path(name), handed.join(name)).unwrap();
        bench
            .household
            .edit(&format!("key: {name}"), &format!("key: \"{written}\""));
    }
    let check = |folder: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
            .arg("check")
            .arg(bench.household.profile())
            .env("CREDENTIALS_DIRECTORY", folder)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), error)
    };
    let set_mode = |mode| {
        for name in ["tls.key", "sig.key"] {
            fs::set_permissions(handed.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    // 0440 is what systemd leaves on file systems with access control lists.
    for mode in [0o600, 0o400, 0o440] {
        set_mode(mode);
        let (code, error) = check(&handed);
        assert_eq!(code, Some(0), "{mode:o}: {error}");
    }
    set_mode(0o444);
    let (code, error) = check(&handed);
    assert_eq!(code, Some(78));
    assert!(
        error.contains("others may read this key (mode 444)"),
        "{error}"
    );

    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls.key: $CREDENTIALS_DIRECTORY/tls.key: \
         CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential=",
    );
    // What needs no key needs no credentials.
    assert_eq!(bench.run("status").status.code(), Some(1));
    // Another variable is a name like any other.
    bench
        .household
        .edit("$CREDENTIALS_DIRECTORY/tls.key", "$HOME/tls.key");
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls.key: [DIR]/$HOME/tls.key: No such file or \
         directory (os error 2)",
    );
}

#[test]
fn witnesses_are_explained_and_half_of_them_are_warned_of() {
    let line = "accept: { min_size: 4, allow_resend: true }";
    let key =
        |sign| format!("{sign}6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
    for (needed, warned) in [(2, false), (1, true), (0, true)] {
        let bench = Bench::new();
        let accept = format!(
            "accept: {{ min_size: 100, cosignatures: {needed}, witnesses: [{{ name: w-1, key: \"{}\" }}, \
             {{ name: w-2, key: \"{}\" }}] }}",
            key("02"),
            key("03")
        );
        bench.household.edit(line, &accept);
        let (code, out, err) = bench.said("check");
        assert_eq!(code, Some(0), "{err}");
        let row = format!(
            "  witnesses   {needed} of 2 have to have cosigned the membership log: w-1, w-2\n"
        );
        assert!(out.contains(&row), "{out}");
        let warning = format!("communication.accept.cosignatures is {needed} of 2 witnesses");
        assert_eq!(err.contains(&warning), warned, "{err}");
    }
}

#[test]
fn names_that_change_are_warned_of() {
    let bench = Bench::new();
    bench
        .household
        .edit("/dev/serial/by-id/usb-none", "/dev/ttyUSB77");
    let (_, _, err) = bench.said("check");
    assert!(
        err.contains(
            "/dev/ttyUSB77 may be another device after the next start; use its name below \
             /dev/serial/by-id/"
        ),
        "{err}"
    );
}

#[test]
fn placeholders_that_were_left_are_warned_of() {
    let bench = Bench::new();
    bench.household.edit("net: bench", "net: placeholder");
    bench
        .household
        .edit("https://127.0.0.1:8443", "https://provider.example");
    let (code, _, err) = bench.said("check");
    assert_eq!(code, Some(0), "{err}");
    for key in ["communication.provider", "communication.net"] {
        assert!(
            err.contains(&format!("{key} is still the placeholder")),
            "{err}"
        );
    }
}

#[test]
fn a_directory_is_no_key() {
    let bench = Bench::new();
    bench.household.edit("key: sig.key", "key: .");
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.signature.key: [DIR]/.: is a directory",
    );
}

#[test]
fn keys_that_others_may_read_are_refused() {
    let bench = Bench::new();
    let key = fs::read_to_string(bench.household.path("sig.key")).unwrap();
    bench.household.write("sig.key", &key, 0o640);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.signature.key: [DIR]/sig.key: others may read \
         this key (mode 640); run: chmod 600",
    );
}

#[test]
fn files_that_are_missing_or_something_else_are_named() {
    let bench = Bench::new();
    fs::remove_file(bench.household.path("tls.pem")).unwrap();
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls.certificate: [DIR]/tls.pem: No such file or \
         directory (os error 2)",
    );
    bench.household.write("tls.pem", "hello", 0o644);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls.certificate: [DIR]/tls.pem: holds no \
         certificate (-----BEGIN CERTIFICATE-----)",
    );
    let bench = Bench::new();
    bench
        .household
        .write("tls.key", "-----BEGIN NOTHING-----\n", 0o600);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls.key: [DIR]/tls.key: holds no private key \
         (-----BEGIN PRIVATE KEY-----)",
    );
}

#[test]
fn keys_must_belong_to_their_certificates() {
    let bench = Bench::new();
    let other = bench.gateways.statement("house-17");
    bench
        .household
        .write("sig.key", &other.key.serialize_pem(), 0o600);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.signature.key: [DIR]/sig.key: does not belong to \
         the certificate beside it",
    );
    let bench = Bench::new();
    let other = bench.gateways.tls("house-17");
    bench
        .household
        .write("tls.key", &other.key.serialize_pem(), 0o600);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls: certificate and key do not belong together; \
         give the key that the certificate was issued for",
    );
}

#[test]
fn certificates_must_be_of_one_gateway_its_authority_and_its_use() {
    let bench = Bench::new();
    let other = bench.gateways.tls("house-18");
    bench
        .household
        .write("tls.pem", &other.certificate.pem(), 0o644);
    bench
        .household
        .write("tls.key", &other.key.serialize_pem(), 0o600);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls.certificate names the gateway house-18, \
         communication.signature.certificate names house-17; both must be of one gateway",
    );

    let bench = Bench::new();
    let foreign = bench.providers.statement("house-17");
    bench
        .household
        .write("sig.pem", &foreign.certificate.pem(), 0o644);
    bench
        .household
        .write("sig.key", &foreign.key.serialize_pem(), 0o600);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.signature.certificate: [DIR]/sig.pem: the \
         certificate was not issued by this net's gateway certification authority",
    );

    let bench = Bench::new();
    let tls = bench.gateways.tls("house-17");
    bench
        .household
        .write("sig.pem", &tls.certificate.pem(), 0o644);
    bench
        .household
        .write("sig.key", &tls.key.serialize_pem(), 0o600);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.signature.certificate: [DIR]/sig.pem: the \
         certificate is not meant for this use (Statement)",
    );
}

#[test]
fn expired_certificates_are_refused() {
    let bench = Bench::new();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![rcgen::SanType::URI(
        "urn:dcnet:gateway:house-17".try_into().unwrap(),
    )];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let expired = bench.gateways.sign(&params);
    bench
        .household
        .write("tls.pem", &expired.certificate.pem(), 0o644);
    bench
        .household
        .write("tls.key", &expired.key.serialize_pem(), 0o600);
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: communication.tls.certificate: [DIR]/tls.pem: the certificate \
         has expired",
    );
}

#[test]
fn status_and_leave_say_what_they_find() {
    let bench = Bench::new();
    let (code, _, err) = bench.said("status");
    assert_eq!(
        (code, err.as_str()),
        (
            Some(1),
            "error: [DIR]/state: the daemon was not started yet\n"
        )
    );
    let (code, _, err) = bench.said("leave");
    assert_eq!(code, Some(1));
    assert_eq!(
        err,
        "error: [DIR]/state/leave-requested: No such file or directory (os error 2); has this \
         gateway ever run?\n"
    );
    fs::create_dir(bench.household.state()).unwrap();
    let (code, out, _) = bench.said("leave");
    assert_eq!(code, Some(0));
    assert_eq!(
        out,
        "The daemon does not run. Start it: it leaves the net bench and then ends.\n"
    );
}

#[test]
fn the_owners_rules_for_a_meter_are_checked_with_file_and_line() {
    let bench = Bench::new();
    bench.household.edit(
        "      silence: 2\n",
        "      silence: 2\n      quirks: mine.tsv\n",
    );
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: meter test: sml.quirks: [DIR]/mine.tsv: cannot be read: No such \
         file or directory (os error 2)",
    );
    let good = "XYZ\t12345678\t-\tno-value-time\t-\tmy meter\n";
    let write = |text: &str| bench.household.write("mine.tsv", text, 0o644);
    write(&format!("# mine\n{good}XYZ\t*\t-\tfly\t-\tmy meter\n"));
    bench.assert_refused(
        "error: [DIR]/gateway.yaml: meter test: sml.quirks: [DIR]/mine.tsv:3: `fly` is no rule; known \
         are unsigned-if-short, sign-in-status and no-value-time",
    );
    write(good);
    assert_eq!(bench.said("check").0, Some(0));
}
