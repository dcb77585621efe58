//! Files and addresses of the page: wrong ones, taken ones, none at all.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use dcnet_gateway::ledger::is_running;

use super::{alone, page, run};
use crate::support::bench::Daemon;
use crate::support::browser::{Browser, at_socket};
use crate::support::port::free_port;

pub(crate) fn an_address_in_use_is_waited_for_and_said_once() {
    let (household, _) = alone();
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let address = taken.local_addr().unwrap();
    page(&household, &format!("listen: \"{address}\""), false);
    let daemon = Daemon::start(&household);
    daemon.wait_for("(home.page.listen) cannot be used");
    // Tried again, and not said again.
    std::thread::sleep(Duration::from_millis(2_500));
    let log = daemon.log();
    assert_eq!(log.matches("(home.page.listen)").count(), 1, "{log}");
    drop(taken);
    let browser = Browser::new(&format!("http://{address}"), &[], None);
    browser.wait();
    // On the loopback without a password: as configured, and warned of.
    assert_eq!(browser.get("/").status, 200);
    assert!(daemon.log().contains("every user of this machine"), "{log}");
}

pub(crate) fn without_a_page_programs_still_get_answers() {
    let (household, _) = alone();
    let never = run(&household, &["logbook"]);
    assert_eq!(never.status.code(), Some(1));
    let said = String::from_utf8(never.stderr).unwrap();
    assert!(said.contains("the daemon was not started yet"), "{said}");
    assert!(!household.state().exists(), "looking makes nothing");
    // What a daemon that was killed left there is no obstacle.
    fs::create_dir(household.state()).unwrap();
    fs::set_permissions(household.state(), fs::Permissions::from_mode(0o700)).unwrap();
    drop(UnixListener::bind(household.state().join("home.sock")).unwrap());
    let daemon = Daemon::start(&household);
    daemon.wait_for("the net's parameters cannot be fetched");
    assert!(is_running(&household.state()).unwrap().is_some());
    let socket = household.state().join("home.sock");
    assert_eq!(
        socket.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let answer = at_socket(&household.state(), "/api/status");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let started = Instant::now();
    while !String::from_utf8(run(&household, &["logbook"]).stdout)
        .unwrap()
        .contains("provider.lost: ")
    {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
    let none = run(&household, &["logbook", "consumer"]);
    assert_eq!(
        (none.status.code(), none.stdout.len()),
        (Some(0), 0),
        "{none:?}"
    );
    // A second daemon does not take the first one's socket.
    let second = run(&household, &["run"]);
    assert_eq!(second.status.code(), Some(78));
    assert!(at_socket(&household.state(), "/metrics").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn what_is_wrong_with_a_pages_files_is_found_before_the_daemon_starts() {
    let (household, providers) = alone();
    let (one, two) = (providers.server(), providers.server());
    household.write("page.pem", &one.certificate.pem(), 0o644);
    household.write("one.key", &one.key.serialize_pem(), 0o600);
    household.write("two.key", &two.key.serialize_pem(), 0o600);
    household.write("open.key", &one.key.serialize_pem(), 0o640);
    household.write("long", "eight ch\n", 0o600);
    household.write("short", "seven c\n", 0o600);
    household.write("open", "eight characters\n", 0o644);
    let state = "state: state";
    let folder = household.folder.path().display().to_string();
    let check = |keys: &str| {
        let home = format!("home: {{ page: {{ {keys} }} }}\nstate: state");
        household.edit(state, &home);
        let output = run(&household, &["check"]);
        household.edit(&home, state);
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&folder, "[DIR]");
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    for (keys, expected) in [
        (
            "password_file: none",
            "home.page.password_file: [DIR]/none: No such file or directory (os error 2)",
        ),
        (
            "password_file: short",
            "home.page.password_file: [DIR]/short: the first line is the password, and has fewer than \
             8 characters; choose a longer one",
        ),
        (
            "password_file: open",
            "home.page.password_file: [DIR]/open: others may read this password (mode 644); run: \
             chmod 600",
        ),
        (
            "password_file: $CREDENTIALS_DIRECTORY/page",
            "home.page.password_file: $CREDENTIALS_DIRECTORY/page: CREDENTIALS_DIRECTORY is not set; \
             systemd sets it for a unit with LoadCredential=",
        ),
        (
            "tls: { certificate: page.pem, key: two.key }",
            "home.page.tls.key: [DIR]/two.key: does not belong to the certificate beside it",
        ),
        (
            "tls: { certificate: page.pem, key: open.key }",
            "home.page.tls.key: [DIR]/open.key: others may read this key (mode 640); run: chmod 600",
        ),
        (
            "tls: { certificate: one.key, key: one.key }",
            "home.page.tls.certificate: [DIR]/one.key: holds no certificate (-----BEGIN \
             CERTIFICATE-----)",
        ),
        (
            "clients: long",
            "home.page.clients: [DIR]/long: holds no certificate (-----BEGIN CERTIFICATE-----)",
        ),
    ] {
        let (code, _, error) = check(keys);
        assert_eq!(code, Some(78), "{keys}: {error}");
        let expected = format!("error: [DIR]/gateway.yaml: {expected}\n");
        assert_eq!(error, expected, "{keys}");
    }
    for (keys, row, warned) in [
        ("", "http://127.0.0.1:8480, asks for nothing", true),
        (
            "password_file: long",
            "http://127.0.0.1:8480, asks for the password",
            false,
        ),
        (
            "listen: \"[::]:443\", clients: gateway-ca.pem",
            "https://[::]:443, certificate of its own making, asks for a certificate of the browser's",
            false,
        ),
        (
            "clients: gateway-ca.pem, password_file: long, \
             tls: { certificate: page.pem, key: one.key }",
            "https://127.0.0.1:8480, asks for a certificate of the browser's and the password",
            false,
        ),
    ] {
        let (code, out, error) = check(keys);
        assert_eq!(code, Some(0), "{keys}: {error}");
        assert!(out.contains(&format!("  page        {row}\n")), "{out}");
        let warning = "warning: home.page has neither password_file nor clients: every user of this \
                       machine can see the readings at 127.0.0.1:8480\n";
        assert_eq!(error.contains(warning), warned, "{keys}: {error}");
    }
}
